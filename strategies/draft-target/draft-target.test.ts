import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type CheckpointSummary, type Engine, type EngineOptions, type TargetDescription } from '../../core/index.js';
import { describeStrategy, writeTinyModel } from '../../core/testing/index.js';
import { refusalOf } from '../../test/fixtures/drafts.js';
import draftTarget from './index.js';

describeStrategy({ strategy: 'draft-target', options: ({ draft }) => ({ draft }) }, { afterAll, describe, it });
describeStrategy({ strategy: 'draft-target', options: ({ target }) => ({ draft: target, length: 5 }) }, { afterAll, describe, it });
describeStrategy({ strategy: 'draft-target', options: ({ draft }) => ({ draft, length: 3, draw: true }) }, { afterAll, describe, it });

const target = { vocabulary: 'A', kvDtype: 'bf16', model: { vocabSize: 96 } } as unknown as TargetDescription;   // all that the plan reads
const summary = (rows: number, vocabulary?: string): CheckpointSummary => ({
  path: 'draft', config: { num_hidden_layers: 2, hidden_size: 64, num_attention_heads: 4, num_key_value_heads: 2 },
  tensors: new Map([['model.embed_tokens.weight', { dtype: 'BF16', shape: [rows, 64] }], ['model.norm.weight', { dtype: 'F32', shape: [64] }]]),
  ...(vocabulary === undefined ? {} : { vocabulary }),
});
const planFor = (draft: CheckpointSummary, on = target, length?: number) =>
  draftTarget.plan(draftTarget.options.parse({ draft: 'draft', ...(length === undefined ? {} : { length }) }), on, new Map([['draft', draft]]));

describe('the plan', () => {
  it('takes models with the same tokenizer, whatever padding their vocabularies have', () => {
    expect(planFor(summary(96, 'A'))).toMatchObject({ maxDepth: 8, budget: 'measured', needs: { hidden: 'none' } });
    expect(planFor(summary(50_000, 'A'))).toMatchObject({ maxDepth: 8 });
  });

  it('refuses a model with another tokenizer, of whatever size', () => {
    expect(planFor(summary(96, 'B'))).toEqual({ refused: [expect.objectContaining({ path: 'draft', message: expect.stringContaining('another tokenizer') })] });
  });

  it('compares sizes where a tokenizer is missing', () => {
    expect(planFor(summary(100))).toMatchObject({ maxDepth: 8 });
    expect(planFor(summary(400))).toEqual({ refused: [expect.objectContaining({ path: 'draft', message: expect.stringContaining('400 tokens') })] });
  });

  it.each(['medusa', 'redrafter', 'eagle', 'eagle3'])('refuses the folder of heads models/demo/%s', async (name) => {
    const message = await refusalOf('models/demo/target', { name: 'draft-target', draft: `models/demo/${name}` });
    expect(message).toContain(`\`draft\`: ${resolve('models/demo', name)} holds no model of its own: expected tensors such as "model.embed_tokens.weight" and`);
    expect(message).toContain('Heads run with the strategy that they were made for, as its `head`');
  });

  it('refuses a head that holds an embedding, by what no model has', () => {
    const head = summary(96, 'A');
    const tensors = new Map([...head.tensors, ['midlayer.hidden_norm.weight', { dtype: 'F32', shape: [64] }]]);
    expect(planFor({ ...head, tensors })).toEqual({ refused: [expect.objectContaining({ path: 'draft', message: expect.stringContaining('found "midlayer.hidden_norm.weight", which belongs to a head') })] });
  });

  it('takes exactly the length that the user names', () => {
    expect(planFor(summary(96, 'A'), target, 3)).toMatchObject({ maxNodes: 3, maxDepth: 3, budget: 'fixed' });
  });

  it('adds up memory from the headers', () => {
    expect(planFor(summary(96, 'A'))).toMatchObject({ bytes: { weights: 96 * 64 * 2 + 64 * 4, perToken: 2 * 2 * 2 * 16 * 2 } });
  });
});

describe('the chain', () => {
  let folder: string;
  const model = (name: string): string => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foretoken-draft-target-'));
    await writeTinyModel(model('target'));
    await writeTinyModel(model('padded'), { vocabSize: 120 });
    await writeTinyModel(model('smaller'), { vocabSize: 90 });
    await writeTinyModel(model('short'), { maxPositions: 40 });
    await writeTinyModel(model('incompatible'), { vocabSize: 300 });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const prompt = Array.from({ length: 30 }, (_, i) => 7 * (i % 5) + (i % 7));

  async function withEngine(options: Partial<EngineOptions>, use: (engine: Engine) => Promise<void>): Promise<void> {
    const engine = await createEngine({ model: model('target'), measure: false, threads: 1, maxTokensPerSequence: 512, proposeBudgetMs: 60_000, ...options });
    try {
      await use(engine);
      expect(engine.pages().used).toBe(0);
    } finally {
      await engine.dispose();
    }
  }

  /** Runs a draft beside plain decoding and returns its statistics. */
  async function compare(engine: Engine, request: { promptTokens: number[]; maxTokens: number; temperature: number }, strategy: object) {
    const base = { ...request, seed: 5, ignoreEos: true };
    const plain = await engine.generate({ ...base, strategy: 'off' }).result;
    const { tokens, stats } = await engine.generate({ ...base, strategy: { name: 'draft-target', ...strategy } }).result;
    expect(tokens).toEqual(plain.tokens);
    expect(stats.faults).toBe(0);
    return stats;
  }

  it.each([0, 0.8, 1.3])('of the target itself is accepted whole at temperature %s: state and noise agree at every position', async (temperature) => {
    await withEngine({}, async (engine) => {
      const stats = await compare(engine, { promptTokens: prompt, maxTokens: 120, temperature }, { draft: model('target'), length: 4 });
      expect(stats.accepted).toBe(stats.drafted);
      expect(stats.acceptanceLength).toBe(5);
    });
  });

  it.each(['rejection', 'block'])('of the target itself, drawn, is kept whole under %s: what was drawn from is what the target says', async (verifier) => {
    await withEngine({}, async (engine) => {
      for (const filters of [{ temperature: 0.8 }, { temperature: 1.3, topK: 5 }, { temperature: 1, topP: 0.8, minP: 0.05 }, { temperature: 0 }]) {
        const { stats } = await engine.generate({
          promptTokens: prompt, maxTokens: 101, ...filters, seed: 5, ignoreEos: true, strategy: { name: 'draft-target', draft: model('target'), length: 4, draw: true, verifier },
        }).result;
        expect(stats).toMatchObject({ faults: 0, accepted: stats.drafted, guarantee: 'distribution' });
      }
    });
  });

  it('that is drawn plans so, and says from what', () => {
    expect(planFor(summary(96, 'A'))).toMatchObject({ drawn: 'deterministic' });
    expect(draftTarget.plan(draftTarget.options.parse({ draft: 'draft', draw: true }), target, new Map([['draft', summary(96, 'A')]]))).toMatchObject({ drawn: 'independent', maxWidth: 1 });
  });

  it('of a model with a larger vocabulary leaves out what the target does not have', async () => {
    await withEngine({}, async (engine) => {
      let refused = 0;
      engine.events.on('verified', (event) => { refused += event.refused; });
      const stats = await compare(engine, { promptTokens: [90, 91, 92, 93, 94], maxTokens: 60, temperature: 1.5 }, { draft: model('padded'), length: 4 });
      expect(stats.drafted).toBeGreaterThan(0);
      expect(refused).toBe(0);
    });
  });

  it('of a model with a smaller vocabulary lives with tokens that it does not know', async () => {
    await withEngine({}, async (engine) => {
      const stats = await compare(engine, { promptTokens: [91, 92, 93, 94, 95, 1, 2], maxTokens: 60, temperature: 1.2 }, { draft: model('smaller') });
      expect(stats.accepted).toBeGreaterThan(0);
    });
  });

  it('ends where the draft model has no more positions', async () => {
    await withEngine({}, async (engine) => {
      const short = await compare(engine, { promptTokens: prompt, maxTokens: 80, temperature: 0 }, { draft: model('short'), length: 4 });
      expect(short.drafted).toBeGreaterThan(0);
      expect(short.drafted).toBeLessThanOrEqual(14);
    });
  });

  it('waits until a long text is in the draft model, then drafts as well as ever', async () => {
    await withEngine({}, async (engine) => {
      const long = Array.from({ length: 400 }, (_, i) => (5 * i + (i >> 3)) % 90);
      const stats = await compare(engine, { promptTokens: long, maxTokens: 101, temperature: 0.8 }, { draft: model('target'), length: 4 });
      expect(stats.iterations).toBe(21);   // one plain one while the rest of the prompt was fed, then 20 blocks of five
      expect(stats.accepted).toBe(stats.drafted);
    });
  });

  it('grows while it is accepted, unless a length was named', async () => {
    await withEngine({}, async (engine) => {
      const grown = await compare(engine, { promptTokens: prompt, maxTokens: 120, temperature: 0 }, { draft: model('target') });
      expect(grown.acceptanceLength).toBeGreaterThan(7);
    });
  });

  it('is refused with a reason for a model with another vocabulary', async () => {
    await withEngine({}, async (engine) => {
      await expect(engine.generate({ promptTokens: [1], strategy: { name: 'draft-target', draft: model('incompatible') } }).result)
        .rejects.toMatchObject({ code: 'STRATEGY_REFUSED', message: expect.stringContaining('300 tokens') });
      await expect(engine.generate({ promptTokens: [1], strategy: { name: 'draft-target', draft: model('nowhere') } }).result)
        .rejects.toMatchObject({ code: 'CHECKPOINT', message: expect.stringContaining('nowhere') });
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

  async function totalsOn(set: string, strategy: object) {
    const runs = prompts.filter((prompt) => prompt.set === set).map(({ tokens }) =>
      engine.generate({ promptTokens: tokens, maxTokens: 96, strategy: { name: 'draft-target', draft: 'models/demo/draft', ...strategy } }));
    const totals = { drafted: 0, accepted: 0, iterations: 0 };
    for (const { stats } of await Promise.all(runs.map(({ result }) => result))) {
      totals.drafted += stats.drafted;
      totals.accepted += stats.accepted;
      totals.iterations += stats.iterations;
    }
    return totals;
  }

  it('is accepted as often as by the original rules on the same prompts', async () => {
    const recorded = JSON.parse(await readFile('models/demo/acceptance.json', 'utf8')) as Record<string, Record<string, { acceptanceLength: number }>>;
    const set = 'sql (validation)';
    const { accepted, iterations } = await totalsOn(set, { length: 4 });
    const expected = recorded[set]?.['draft model chain 4']?.acceptanceLength ?? Number.NaN;
    expect(Math.abs(1 + accepted / iterations - expected)).toBeLessThan(0.03);
  });

  it('drafts little where little is accepted', async () => {
    const { drafted, iterations } = await totalsOn('mt-bench (out of distribution)', {});
    expect(drafted / iterations).toBeLessThan(2);
  });
});
