import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckpointSummary, createEngine, type Engine, type GenerateRequest, type TargetDescription } from '../../core/index.js';
import { describeStrategy, writeTinyModel } from '../../core/testing/index.js';
import { noise, readTinyTarget, successorMatrix, type Values, writeHeadFolder } from '../../test/fixtures/tiny-heads.js';
import medusa, { type MedusaOptions } from './index.js';

const DEMO = { head: 'models/demo/medusa' };

let root: string;
let head: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-medusa-'));
  head = join(root, 'head');
  await writeTinyModel(join(root, 'target'));
  const tiny = readTinyTarget(join(root, 'target'));
  const tensors = new Map<string, Values>([0, 1, 2].flatMap((h): [string, Values][] => [
    [`${h}.0.linear.weight`, noise([64, 64], 0.05, h)], [`${h}.0.linear.bias`, noise([64], 0.1, 9 + h)], [`${h}.1.weight`, successorMatrix(tiny, h + 2)],
  ]));
  await writeHeadFolder(head, { medusa_num_heads: 3 }, tensors, { file: 'medusa_lm_head.safetensors' });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describeStrategy({ strategy: 'medusa', options: () => ({ head }) }, { afterAll, describe, it });
describeStrategy({ strategy: 'medusa', options: () => ({ head, choices: [[0, 0, 0], [0, 1], [1, 1, 0], [2]], noise: false }) }, { afterAll, describe, it });

describe('the plan', () => {
  const target = { path: 'target', vocabulary: 'A', model: { hiddenSize: 8, vocabSize: 40 } } as unknown as TargetDescription;   // all that the plan reads
  const tensors = new Map([0, 1].flatMap((h): [string, { dtype: string; shape: number[] }][] => [
    [`${h}.0.linear.weight`, { dtype: 'F16', shape: [8, 8] }], [`${h}.0.linear.bias`, { dtype: 'F16', shape: [8] }], [`${h}.1.weight`, { dtype: 'F32', shape: [40, 8] }],
  ]));
  const planFor = (options: MedusaOptions, summary: Partial<CheckpointSummary> = {}) =>
    medusa.plan(medusa.options.parse({ head: 'head', ...options }), target, new Map([['head', { path: 'head', config: {}, tensors, ...summary }]]));
  const refusal = (path: string, message: string): object => ({ refused: [expect.objectContaining({ path, message: expect.stringContaining(message) })] });

  it('takes the published tree as far as the heads reach, and lets core choose of it', () => {
    expect(planFor({})).toMatchObject({ maxNodes: 38, maxDepth: 2, maxWidth: 10, budget: 'measured', drawn: 'deterministic', needs: { hidden: 'last', choices: false } });
  });

  it('takes exactly the tree that is named, listed or searched', () => {
    expect(planFor({ choices: 'vicuna_7b_stage1' })).toMatchObject({ maxNodes: 42, maxDepth: 2, budget: 'fixed' });
    expect(planFor({ choices: [[0, 1], [2]] })).toMatchObject({ maxNodes: 3, maxDepth: 2, maxWidth: 2, budget: 'fixed' });
    expect(planFor({ choices: { accuracies: [[0.5, 0.16], [0.4, 0.3]], nodes: 4 } })).toMatchObject({ maxNodes: 4, maxDepth: 2, budget: 'fixed' });
  });

  it('counts the weights that the tree needs', () => {
    expect(planFor({})).toMatchObject({ bytes: { weights: 2 * (8 * 8 * 2 + 8 * 2 + 40 * 8 * 4), perToken: 0, perSequence: 0 } });
    expect(planFor({ heads: 1 })).toMatchObject({ maxDepth: 1, bytes: { weights: 8 * 8 * 2 + 8 * 2 + 40 * 8 * 4 } });
  });

  it('refuses a tree that the heads cannot fill', () => {
    expect(planFor({ choices: [[0], [0, 0, 1]] })).toEqual(refusal('choices', 'The choice [0, 0, 1] needs 3 heads; 2 of those in head are used.'));
    expect(planFor({ choices: [[0, 0]], heads: 1 })).toEqual(refusal('choices', 'needs 2 heads; 1'));
    expect(planFor({ choices: { accuracies: [[1], [1], [1]], nodes: 3 } })).toEqual(refusal('choices', '[0, 0, 0] needs 3 heads'));
    expect(planFor({ choices: [[10]] })).toEqual(refusal('topK', 'The tree uses rank 10, and heads are asked for 10 ranks'));
    expect(planFor({ choices: [[10]], topK: 11 })).toMatchObject({ maxNodes: 1 });
    expect(planFor({ choices: [[40]], topK: 60 })).toEqual(refusal('choices', 'has 40 tokens'));
  });

  it('refuses heads that lie beside another tokenizer', () => {
    expect(planFor({}, { vocabulary: 'A' })).toMatchObject({ maxDepth: 2 });
    expect(planFor({}, { vocabulary: 'B' })).toEqual(refusal('head', 'another tokenizer'));
  });

  it('looks for heads in the model folder where none is named', () => {
    const merged = new Map([...tensors].map(([name, tensor]) => [`medusa_head.${name}`, tensor]));
    const own = new Map([['target', { path: 'target', config: {}, tensors: merged }]]);
    expect(medusa.plan(medusa.options.parse({}), target, own)).toMatchObject({ maxDepth: 2, checkpoint: 'target' });
    expect(medusa.plan(medusa.options.parse({}), target, new Map([['target', { path: 'target', config: {}, tensors: new Map() }]]))).toEqual(refusal('head', 'holds no heads'));
  });
});

describe('the options', () => {
  it('refuse what means no tree', () => {
    for (const choices of ['vicuna', [], [[]], [[-1]], [[0.5]], { nodes: 4 }, { accuracies: [[2]], nodes: 4 }, { accuracies: [[0.5]], nodes: 0 }]) {
      expect(medusa.options.safeParse({ choices }).success, JSON.stringify(choices)).toBe(false);
    }
  });
});

describe('the draft', () => {
  const prompt = [14, 15, 16, 17, 18, 19, 20, 14, 15];

  async function withEngine(use: (engine: Engine) => Promise<void>): Promise<void> {
    const engine = await createEngine({ model: join(root, 'target'), measure: false, proposeBudgetMs: 60_000, threads: 1, maxTokensPerSequence: 256 });
    try {
      await use(engine);
    } finally {
      await engine.dispose();
    }
  }

  it('fits trees of one batch into what each text has left', async () => {
    await withEngine(async (engine) => {
      const strategy = { name: 'medusa', head, choices: 'mc_sim_7b_63' };
      const runs = await Promise.all([3, 4, 9, 30].map((maxTokens) => engine.generate({ promptTokens: prompt, maxTokens, strategy, trace: true }).result));
      for (const [i, { tokens, trace, stats }] of runs.entries()) {
        expect(tokens).toEqual(runs[3]!.tokens.slice(0, [3, 4, 9, 30][i]));
        expect(stats.faults).toBe(0);
        for (const { tokens: nodes } of trace!) expect(nodes.length).toBeLessThanOrEqual(64);
      }
    });
  });

  it('is accepted more often at a temperature when it ranks with the noise of the request', async () => {
    await withEngine(async (engine) => {
      const acceptedWith = async (noiseOption: boolean): Promise<number> => {
        const seeds = Array.from({ length: 12 }, (_, i) => i);
        const runs = await Promise.all(seeds.map((seed) => engine.generate({ promptTokens: prompt, maxTokens: 60, temperature: 1.3, seed, strategy: { name: 'medusa', head, choices: [[0], [1]], noise: noiseOption } }).result));
        return runs.reduce((sum, { stats }) => sum + stats.accepted / stats.iterations, 0) / runs.length;
      };
      expect(await acceptedWith(true)).toBeGreaterThan(1.15 * await acceptedWith(false));
    });
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

  it('a chain is accepted as often as by the original rules on the same prompts', async () => {
    const recorded = JSON.parse(await readFile('models/demo/acceptance.json', 'utf8')) as Record<string, Record<string, { acceptanceLength: number }>>;
    const runs = await generate({ trace: true, strategy: { name: 'medusa', ...DEMO, choices: [[0, 0, 0]] } });
    const iterations = runs.flatMap(({ trace }) => trace!);
    const length = iterations.reduce((sum, { accepted }) => sum + accepted.length, 0) / iterations.length;
    expect(Math.abs(length - recorded['sql (validation)']!['medusa chain']!.acceptanceLength)).toBeLessThan(0.1);
  });

  it.each([0, 0.8])('texts are those of plain decoding at temperature %s', async (temperature) => {
    const request = { temperature, seed: 3, maxTokens: 40, ignoreEos: true };
    const plain = await generate({ ...request, strategy: 'off' }, 4);
    for (const options of [{}, { choices: [[0, 0, 0], [0, 1], [1], [2]] }, { choices: [[0, 0, 0]], heads: 3, noise: false }]) {
      const runs = await generate({ ...request, strategy: { name: 'medusa', ...DEMO, ...options } }, 4);
      expect(runs.map(({ tokens }) => tokens)).toEqual(plain.map(({ tokens }) => tokens));
    }
  });
});
