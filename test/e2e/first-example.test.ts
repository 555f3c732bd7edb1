// The field's first example through the command line, as its authors give it: a target in sharded pickles with a
// SentencePiece model for a tokenizer, heads in a pickle of their own, the tree and the number of heads named on the command line.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../core/index.js';
import { writeMedusaHeads, writeVicunaLike } from '../fixtures/vicuna-like.js';
import { cli } from './run-cli.js';

const PROMPT = 'the cat that ate the heat at the';

interface Result { readonly text: string; readonly tokens: number[]; readonly stats: { readonly strategy: string; readonly guarantee: string; readonly acceptanceLength: number; readonly faults: number } }

let root: string;
let target: string;
let heads: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-first-'));
  [target, heads] = [join(root, 'vicuna-7b-v1.3'), join(root, 'medusa-vicuna-7b-v1.3')];
  await writeVicunaLike(target, join(root, 'scratch'));
  await writeMedusaHeads(heads, join(root, 'scratch'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function generate(model: string, strategy: 'off' | object): Promise<Result> {
  const choice = strategy === 'off' ? strategy : JSON.stringify(strategy);
  const { code, stdout, stderr } = await cli(['generate', PROMPT, '--model', model, '--strategy', choice, '--max-tokens', '48', '--ignore-eos', '--no-measure', '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Result;
}

describe('a target like Vicuna with Medusa-1 heads writes the tokens of plain decoding', () => {
  let plain: Result;
  beforeAll(async () => { plain = await generate(target, 'off'); });

  const published = { name: 'medusa', choices: 'mc_sim_7b_63', heads: 5 };
  let drafted: Result;

  it('with a published tree and all heads that the file holds, whatever its config.json says', async () => {
    drafted = await generate(target, { ...published, head: heads });
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.text).toBe(plain.text);
    expect(drafted.tokens).toHaveLength(48);
    expect(drafted.stats).toMatchObject({ strategy: 'medusa', guarantee: 'identical', faults: 0 });
    expect(drafted.stats.acceptanceLength).toBeGreaterThan(2);
  });

  it('with choices of one\'s own for fewer heads than are there', async () => {
    const { tokens, stats } = await generate(target, { name: 'medusa', head: heads, heads: 2, choices: [[0], [0, 0], [0, 1], [1], [1, 0], [2]] });
    expect(tokens).toEqual(plain.tokens);
    expect(stats.acceptanceLength).toBeGreaterThan(1.5);
    expect(stats.acceptanceLength).toBeLessThanOrEqual(3);
  });

  it('and the same drafts are accepted once both are converted to safetensors', async () => {
    const [safeTarget, safeHeads] = [join(root, 'safe-target'), join(root, 'safe-heads')];
    const { written } = await convertCheckpoint(target, safeTarget);
    expect(written.map((file) => basename(file))).toEqual(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']);
    await convertCheckpoint(heads, safeHeads);
    const converted = await generate(safeTarget, { ...published, head: safeHeads });
    expect(converted.tokens).toEqual(plain.tokens);
    expect(converted.stats.acceptanceLength).toBe(drafted.stats.acceptanceLength);
  });
});
