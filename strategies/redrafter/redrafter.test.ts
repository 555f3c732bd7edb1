import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckpointSummary, createEngine, type Engine, type GenerateRequest, type TargetDescription } from '../../core/index.js';
import { describeStrategy, writeTinyModel } from '../../core/testing/index.js';
import { readTinyTarget, tinyDrafter, writeHeadFolder } from '../../test/fixtures/tiny-heads.js';
import redrafter, { type ReDrafterOptions } from './index.js';

const DEMO = { head: 'models/demo/redrafter' };

let root: string;
let head: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-redrafter-'));
  head = join(root, 'head');
  await writeTinyModel(join(root, 'target'));
  await writeHeadFolder(head, {}, tinyDrafter(readTinyTarget(join(root, 'target'))));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describeStrategy({ strategy: 'redrafter', options: () => ({ head }) }, { afterAll, describe, it });
describeStrategy({ strategy: 'redrafter', options: () => ({ head, beams: 3, beamLength: 5, noise: false }) }, { afterAll, describe, it });

describe('the plan', () => {
  const target = { path: 'target', vocabulary: 'A', model: { hiddenSize: 8, vocabSize: 40 } } as unknown as TargetDescription;   // all that the plan reads
  const tensors: [string, number[]][] = [['lm_head.0.linear.weight', [16, 16]], ['lm_head.0.linear.bias', [16]], ['lm_head.1.weight', [40, 16]]];
  const planFor = (options: ReDrafterOptions, summary: Partial<CheckpointSummary> = {}) => redrafter.plan(redrafter.options.parse({ head: 'head', ...options }), target, new Map([['head', {
    path: 'head', config: {}, tensors: new Map(tensors.map(([name, shape]) => [name, { dtype: 'BF16', shape }])), ...summary,
  }]]));

  it('leaves the size to core unless the user names one', () => {
    expect(planFor({})).toMatchObject({ maxNodes: 16, maxDepth: 4, maxWidth: 4, budget: 'measured', drawn: 'deterministic', needs: { hidden: 'last', choices: false } });
    expect(planFor({ beams: 1, beamLength: 6 })).toMatchObject({ maxNodes: 5, maxDepth: 5, maxWidth: 1, budget: 'fixed' });
    expect(planFor({ beams: 10 })).toMatchObject({ maxNodes: 40, maxDepth: 4, maxWidth: 10, budget: 'fixed' });
  });

  it('counts the weights', () => {
    expect(planFor({})).toMatchObject({ bytes: { weights: 2 * (16 * 16 + 16 + 40 * 16), perToken: 0, perSequence: 0 } });
  });

  it('refuses more beams than there are tokens or nodes', () => {
    expect(planFor({ beams: 41 })).toEqual({ refused: [expect.objectContaining({ path: 'beams', message: expect.stringContaining('40 tokens') })] });
    expect(planFor({ beams: 40, beamLength: 64 })).toEqual({ refused: [expect.objectContaining({ path: 'beams', message: expect.stringContaining('2520 nodes') })] });
    expect(redrafter.options.safeParse({ beams: 51 }).success).toBe(false);
    expect(redrafter.options.safeParse({ beamLength: 1 }).success).toBe(false);
  });

  it('refuses a drafter that lies beside another tokenizer', () => {
    expect(planFor({}, { vocabulary: 'B' })).toEqual({ refused: [expect.objectContaining({ path: 'head', message: expect.stringContaining('another tokenizer') })] });
  });
});

describe('the draft', () => {
  const prompt = [14, 15, 16, 17, 18, 19, 20, 14, 15];

  it('is accepted more often at a temperature when it ranks with the noise of the request', async () => {
    const engine = await createEngine({ model: join(root, 'target'), measure: false, proposeBudgetMs: 60_000, threads: 1, maxTokensPerSequence: 256 });
    try {
      const acceptedWith = async (noise: boolean): Promise<number> => {
        const seeds = Array.from({ length: 12 }, (_, i) => i);
        const runs = await Promise.all(seeds.map((seed) => engine.generate({ promptTokens: prompt, maxTokens: 60, temperature: 1.3, seed, strategy: { name: 'redrafter', head, beams: 2, beamLength: 3, noise } }).result));
        return runs.reduce((sum, { stats }) => sum + stats.accepted / stats.iterations, 0) / runs.length;
      };
      expect(await acceptedWith(true)).toBeGreaterThan(1.1 * await acceptedWith(false));
    } finally {
      await engine.dispose();
    }
  });
});

describe('on the demo model', () => {
  let engine: Engine;
  let prompts: { set: string; tokens: number[] }[];
  beforeAll(async () => {
    engine = await createEngine({ model: 'models/demo/target', dtype: 'f32', maxSequences: 16, measure: false, proposeBudgetMs: 60_000 });
    prompts = (await readFile('models/demo/acceptance-prompts.jsonl', 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as (typeof prompts)[number]);
  });
  afterAll(() => engine.dispose());

  const generate = (request: Partial<GenerateRequest>, count = Infinity) => Promise.all(prompts.filter((prompt) => prompt.set === 'sql (validation)').slice(0, count)
    .map(({ tokens }) => engine.generate({ promptTokens: tokens, maxTokens: 96, ...request }).result));

  it('a greedy chain is accepted as often as by the original rules on the same prompts', async () => {
    const recorded = JSON.parse(await readFile('models/demo/acceptance.json', 'utf8')) as Record<string, Record<string, { acceptanceLength: number }>>;
    const runs = await generate({ trace: true, strategy: { name: 'redrafter', ...DEMO, beams: 1, beamLength: 6 } });
    const iterations = runs.flatMap(({ trace }) => trace!);
    const length = iterations.reduce((sum, { accepted }) => sum + accepted.length, 0) / iterations.length;
    expect(Math.abs(length - recorded['sql (validation)']!['redrafter chain 5']!.acceptanceLength)).toBeLessThan(0.1);
  });

  it.each([0, 0.8])('texts are those of plain decoding at temperature %s', async (temperature) => {
    const request = { temperature, seed: 3, maxTokens: 40, ignoreEos: true };
    const plain = await generate({ ...request, strategy: 'off' }, 4);
    for (const options of [{}, { beams: 3, beamLength: 4 }, { beams: 1, beamLength: 3, cell: 'linear', noise: false }]) {
      const runs = await generate({ ...request, strategy: { name: 'redrafter', ...DEMO, ...options } }, 4);
      expect(runs.map(({ tokens }) => tokens)).toEqual(plain.map(({ tokens }) => tokens));
    }
  });
});
