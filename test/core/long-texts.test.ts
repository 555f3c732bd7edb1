// Models whose rotary table changes with the length of the text, and models of experts, through the whole engine.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type DraftProposer, type Engine, type GenerateRequest, type StrategyConfig } from '../../core/index.js';
import { copycat, plan, strategy } from './plugins.js';

const GOLDEN = join(import.meta.dirname, '../fixtures/golden');
/** `original_max_position_embeddings` of the golden checkpoint. */
const SWITCH = 90;
const text = (length: number, by = 7): number[] => Array.from({ length }, (_, i) => 3 + ((i * by + (i >> 3)) % 300));
const { budget: _, ...measured } = plan(6);
const listening = plan(6, { hidden: 'all', gap: 'rerun' });

/** Drafts what it can copy; refuses to hear a position twice, or out of order. */
function listener(): DraftProposer {
  const heard = new Map<number, number>();
  return {
    ...copycat(),
    observe({ sequences, firstPosition, rowStart }) {
      sequences.forEach(({ id }, i) => {
        const next = heard.get(id) ?? 0;
        if (firstPosition[i] !== next) throw new Error(`position ${firstPosition[i]} came where ${next} was due`);
        heard.set(id, next + rowStart[i + 1]! - rowStart[i]!);
      });
    },
  };
}

describe('a text that outgrows its rotary table', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ model: join(GOLDEN, 'phi3-longrope'), dtype: 'f32', prefillChunk: 32, measure: false, proposeBudgetMs: 60_000, plugins: [strategy('copycat', copycat), strategy('measured', copycat, measured), strategy('listener', listener, listening)] });
  });
  afterAll(() => engine.dispose());

  /** Every token by itself, from a text that is computed anew each time: nothing ever grows beyond anything. */
  async function anew(prompt: readonly number[], count: number): Promise<number[]> {
    const tokens = [...prompt];
    for (let i = 0; i < count; i++) {
      const { logits } = await engine.score({ tokens, rows: [tokens.length - 1] });
      tokens.push(logits.indexOf(Math.max(...logits)));
    }
    return tokens.slice(prompt.length);
  }

  it('goes on as if it had been computed with the other table from its first token, whatever drafts for it', async () => {
    const strategies: (string | StrategyConfig)[] = ['off', 'copycat', 'measured', 'listener', { name: 'prompt-lookup' }, { name: 'lookahead' }];
    let drafted = 0;
    for (const length of [SWITCH - 12, SWITCH - 1, SWITCH, SWITCH + 1]) {
      const prompt = text(length);
      const want = await anew(prompt, 24);
      for (const choice of strategies) {
        const { tokens, stats } = await engine.generate({ promptTokens: prompt, maxTokens: 24, ignoreEos: true, strategy: choice }).result;
        expect(tokens, `${length} tokens, ${JSON.stringify(choice)}`).toEqual(want);
        expect(stats.faults).toBe(0);
        drafted += stats.drafted;
      }
    }
    expect(drafted).toBeGreaterThan(0);
    expect(engine.pages().used).toBe(0);
  });

  it('does so in samples and in company', async () => {
    const ask = (length: number, strategy: string): GenerateRequest => ({ promptTokens: text(length, 11), maxTokens: 40, temperature: 0.8, seed: length, ignoreEos: true, strategy });
    const lengths = [60, SWITCH - 3, SWITCH + 20];
    const alone: (readonly number[])[][] = [];
    for (const length of lengths) alone.push((await engine.generate({ ...ask(length, 'off'), n: 2 }).result).samples.map(({ tokens }) => tokens));
    const mixed = await Promise.all(lengths.map((length, i) => engine.generate({ ...ask(length, ['copycat', 'off', 'listener'][i]!), n: 2 }).result));
    expect(mixed.map(({ samples }) => samples.map(({ tokens }) => tokens))).toEqual(alone);
    expect(engine.pages().used).toBe(0);
  });

  it('is refused as a tree that crosses the length', async () => {
    const tree = { tokens: [5, 6, 7], parents: [-1, 0, 1] };
    await expect(engine.score({ tokens: text(SWITCH - 2), tree })).rejects.toThrow(/reaches from 88 to 91 tokens; the model's rotary table changes at 90/);
    expect((await engine.score({ tokens: text(SWITCH - 3), tree })).rows).toBe(3);
    expect((await engine.score({ tokens: text(SWITCH + 1), tree })).rows).toBe(3);
  });
});

describe('a model of experts', () => {
  it('gives every strategy the tokens of plain decoding, alone and in company, and tree rows the bits of text', async () => {
    const engine = await createEngine({ model: join(GOLDEN, 'qwen3-moe'), prefillChunk: 19, measure: false, proposeBudgetMs: 60_000, plugins: [strategy('copycat', copycat), strategy('listener', listener, listening)] });
    const strategies = ['copycat', 'listener', 'prompt-lookup', 'lookahead'];
    const ask = (i: number, strategy: string): GenerateRequest => ({ promptTokens: text(40 + i, 5 + i), maxTokens: 40, temperature: i % 2, seed: i, ignoreEos: true, strategy });
    const want: (readonly number[])[] = [];
    for (const i of strategies.keys()) want.push((await engine.generate(ask(i, 'off')).result).tokens);
    for (const [i, strategy] of strategies.entries()) expect((await engine.generate(ask(i, strategy)).result).tokens, strategy).toEqual(want[i]);
    const mixed = await Promise.all(strategies.map((strategy, i) => engine.generate(ask(i, strategy)).result));
    expect(mixed.map(({ tokens }) => tokens)).toEqual(want);
    const prompt = text(33);
    const tree = await engine.score({ tokens: prompt, tree: { tokens: [9, 8, 7, 6], parents: [-1, -1, 0, 2] } });
    const path = await engine.score({ tokens: [...prompt, 9, 7, 6], rows: [33, 34, 35] });
    const row = (logits: Float32Array, i: number): Float32Array => logits.subarray(i * tree.vocabSize, (i + 1) * tree.vocabSize);
    for (const [depth, node] of [0, 2, 3].entries()) expect(row(tree.logits, node)).toEqual(row(path.logits, depth));
    await engine.dispose();
  });
});
