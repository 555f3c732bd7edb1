import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine, type Plan, type TargetDescription } from '../../core/index.js';
import { batchOf, RecordedDraft, sequenceOf } from '../../core/testing/index.js';
import lookahead, { type LookaheadOptions } from './index.js';
import { NgramPool } from './ngram-pool.js';
import { Lookahead, type LookaheadSettings } from './proposer.js';
import { Window } from './window.js';

const settings = (values: Partial<LookaheadSettings> = {}): LookaheadSettings => ({
  window: 3, ngram: 4, guesses: 2, stored: values.guesses ?? 2, poolFromPrompt: false, refreshes: true, guessInWarmUp: false,
  acceptWindow: false, shift: 'iteration', avoid: new Set(), ...values,
});
const planOf = (options: LookaheadOptions): ReturnType<typeof lookahead.plan> =>
  lookahead.plan(lookahead.options.parse(options), {} as TargetDescription, new Map());   // neither target nor checkpoints are read

/** The toy language of the worked example: every token has one successor. */
const successor = (token: number): number => (2 * token + 3) % 11;

interface Pass { readonly guesses: number[][]; readonly emitted: number[]; readonly window: number[][] }

/** Runs a text of the toy language: the target accepts the nodes that are right, and answers every row. */
function run(its: LookaheadSettings, prompt: readonly number[], passes: number, limits: { budget?: number; maxDepth?: number } = {}): { passes: Pass[]; proposer: Lookahead } {
  const proposer = new Lookahead(its);
  const tokens = [...prompt];
  const made: Pass[] = [];
  for (let i = 0; i < passes; i++) {
    const draft = new RecordedDraft();
    const sequence = sequenceOf(tokens, { promptLength: prompt.length, ...limits });
    proposer.propose(batchOf([sequence]), draft);
    const nodes = draft.nodesOf(sequence);
    const text = [tokens.at(-1)!, ...nodes.map(({ token }) => token)];
    const path = [0];
    for (let row = 0; row >= 0;) {
      const next = nodes.findIndex(({ parent, token, isProbe }) => !isProbe && parent === row && token === successor(text[row]!)) + 1;
      row = next > 0 ? path[path.push(next) - 1]! : -1;
    }
    const emitted = [...path.slice(1), -1].map((row, j) => (row > 0 ? text[row]! : successor(text[path[j]!]!)));
    tokens.push(...emitted);
    const proposed = nodes.filter(({ isProbe }) => !isProbe).length;
    proposer.observe({
      sequences: [sequenceOf(tokens, { promptLength: prompt.length })], firstPosition: Int32Array.of(0), rowStart: Int32Array.of(0, path.length),
      commits: [{ tokens: Int32Array.from(emitted), path: Int32Array.from(path), proposed, choices: Int32Array.from(text, successor) }],
    });
    made.push({ guesses: guessesOf(nodes), emitted, window: proposer.textOf(sequence).window.tokens() });
  }
  return { passes: made, proposer };
}

function guessesOf(nodes: ReturnType<RecordedDraft['nodesOf']>): number[][] {
  const inner = new Set(nodes.map(({ parent }) => parent));
  const path = (row: number): number[] => (row === 0 ? [] : [...path(nodes[row - 1]!.parent), nodes[row - 1]!.token]);
  return nodes.flatMap(({ isProbe }, i) => (isProbe || inner.has(i + 1) ? [] : [path(i + 1)]));
}

describe('the worked example', () => {
  const first = { firstWindow: () => [1, 2, 3, 1] };

  it('emits 18 tokens in 9 passes, with these windows', () => {
    const { passes } = run(settings(first), [1, 2, 3], 9);
    expect(passes.map(({ emitted }) => emitted)).toEqual([[9], [10], [1], [5, 2, 7, 6], [4], [0], [3], [9, 10, 1, 5], [2, 7, 6, 4]]);
    expect(passes.map(({ guesses }) => guesses)).toEqual([[], [], [], [[5, 2, 7]], [], [], [], [[9, 10, 1]], [[2, 7, 6]]]);
    expect(passes.map(({ window }) => window)).toEqual([
      [[2, 3, 1], [5, 7, 9, 5]], [[3, 1], [7, 9, 5], [6, 10, 2]], [[9, 5], [6, 10, 2], [4, 1, 7]], [[10, 2], [4, 1, 7], [0, 5, 6]],
      [[1, 7], [0, 5, 6], [3, 2, 4]], [[5, 6], [3, 2, 4], [9, 7, 0]], [[2, 4], [9, 7, 0], [10, 6, 3]], [[7, 0], [10, 6, 3], [1, 4, 9]],
      [[6, 3], [1, 4, 9], [5, 0, 10]],
    ]);
  });

  it('keeps the newest n-grams of every key', () => {
    const poolAfter = (passes: number): Record<number, unknown> => {
      const { proposer } = run(settings(first), [1, 2, 3], passes);
      const { pool } = proposer.textOf(sequenceOf([0]));
      return Object.fromEntries(Array.from({ length: 11 }, (_, key) => [key, pool.after(key)] as const).filter(([, ngrams]) => ngrams.length > 0));
    };
    expect(poolAfter(3)).toEqual({ 10: [[7, 6, 4]], 3: [[9, 10, 1]], 1: [[5, 2, 7]] });
    expect(poolAfter(4)).toEqual({ 10: [[7, 6, 4]], 3: [[9, 10, 1]], 1: [[5, 2, 7], [6, 4, 0]], 9: [[10, 1, 5]], 5: [[2, 7, 6]] });
    expect(poolAfter(6)[1]).toEqual([[6, 4, 0], [5, 2, 7]]);
  });
});

describe('the window', () => {
  it('stands in rows that see the text, level 0 up to their column, and their own column', () => {
    const window = new Window(5, 3, [1, 2, 3, 4, 5, 6]);
    window.advance([0, 11, 12, 13, 14, 15, 16], 0, new NgramPool(2, true));
    window.advance([20, 21, 22, 23, 24, 25], 0, new NgramPool(2, true));
    const parents: number[] = [];
    const last = window.addTo((_, parent) => parents.push(parent));
    expect(parents).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(last).toEqual([10, 11, 12, 13, 14]);
    expect([window.rowCount, window.pathLength, window.isFull]).toEqual([14, 6, true]);
  });

  it.each([[1, 1], [1, 3], [2, 1], [2, 6], [5, 3], [15, 4]])('of %i columns and %i levels never needs more rows than it says', (columns, depth) => {
    const length = Window.firstLength(columns, depth);
    const window = new Window(columns, depth, Array.from({ length }, (_, i) => i));
    const extent = Window.extent(columns, depth);
    let most = 0;
    for (let pass = 0; pass < depth + 3; pass++) {
      let rows = 0;
      const last = window.addTo(() => ++rows);
      expect(rows).toBe(window.rowCount);
      expect(window.pathLength).toBe(extent.depth);
      most = Math.max(most, rows);
      window.advance(last.map((row) => row), 0, new NgramPool(1, true));
    }
    expect(window.isFull).toBe(true);
    expect(window.rowCount).toBe(columns * depth - 1);
    expect(most).toBe(extent.rows);
  });

  it('with n-grams of two tokens is one level, whose first choice follows the pending token', () => {
    const { passes, proposer } = run(settings({ window: 2, ngram: 2, guesses: 1, firstWindow: () => [4] }), [1, 2, 3], 3);
    expect(passes.map(({ window }) => window)).toEqual([[[0]], [[3]], [[9]]]);
    expect(proposer.textOf(sequenceOf([0])).pool.after(3)).toEqual([[9]]);
    expect(proposer.textOf(sequenceOf([0])).pool.after(4)).toEqual([[0]]);
  });

  it('moves on once per pass, or once per token with its first level again at the end', () => {
    const its = settings({ ngram: 3, poolFromPrompt: true, guessInWarmUp: true, firstWindow: () => [1, 2, 1] });
    const passWith = (shift: LookaheadSettings['shift']): Pass => run({ ...its, shift }, [3, 9, 0, 3], 1).passes[0]!;
    expect(passWith('iteration')).toMatchObject({ emitted: [9, 10], window: [[2, 1], [5, 7, 5]] });
    expect(passWith('token')).toMatchObject({ emitted: [9, 10], window: [[7, 5], [1, 2, 1]] });
  });

  it('stays out where it does not fit, while guesses go on', () => {
    const its = settings({ poolFromPrompt: true, guessInWarmUp: true, firstWindow: () => [1, 2, 3, 1] });
    const narrow = run(its, [3, 9, 10, 1, 3], 1, { budget: 3 }).passes[0]!;
    expect(narrow.window).toEqual([[1, 2, 3, 1]]);   // as it was
    expect(narrow.emitted).toEqual([9, 10, 1, 5]);
    expect(run(its, [3, 9, 10, 1, 3], 1, { maxDepth: 2 }).passes[0]!.emitted).toEqual([9, 10, 1]);
  });

  it('gives up tokens that are to be avoided', () => {
    const window = run(settings({ firstWindow: () => [1, 2, 3, 1], avoid: new Set([5, 7]) }), [1, 2, 3], 1).passes[0]!.window;
    expect(window[1]!.filter((_, i) => i !== 2).every((token) => [1, 2, 3].includes(token))).toBe(true);
    expect(window[1]![2]).toBe(9);
  });
});

describe('the pool', () => {
  it('takes n-grams of prompt and output, and tries the newest first', () => {
    const its = settings({ poolFromPrompt: true, guessInWarmUp: true, firstWindow: () => [0, 0, 0, 0] });
    const { passes, proposer } = run(its, [3, 9, 10, 1, 3, 8, 8, 8, 3], 2);
    expect(passes[0]!.guesses).toEqual([[8, 8, 8], [9, 10, 1]]);
    expect(passes[0]!.emitted).toEqual([9, 10, 1, 5]);
    expect(proposer.textOf(sequenceOf([0])).pool.after(3)).toEqual([[8, 8, 8], [9, 10, 1]]);
  });

  it('leaves a known n-gram where it is unless it is refreshed', () => {
    const order = (refreshes: boolean): unknown => {
      const pool = new NgramPool(2, refreshes);
      for (const ngram of [[1, 2], [3, 4], [1, 2]]) pool.insert(7, ngram);
      return pool.after(7);
    };
    expect(order(true)).toEqual([[3, 4], [1, 2]]);
    expect(order(false)).toEqual([[1, 2], [3, 4]]);
  });

  it('of a fork goes its own way', () => {
    const pool = new NgramPool(2, true);
    pool.insert(7, [1]);
    const copy = pool.clone();
    copy.insert(7, [2]);
    expect([pool.after(7), copy.after(7)]).toEqual([[[1]], [[1], [2]]]);
  });
});

describe('the plan', () => {
  it('asks for the rows of the window and of the guesses', () => {
    expect(planOf({ window: 5, ngram: 4, guesses: 2 })).toMatchObject({ maxNodes: 14 + 6, maxDepth: 6, drawn: 'deterministic', budget: 'fixed', needs: { hidden: 'none', choices: true } });
    expect(planOf({ window: 2, ngram: 2, guesses: 1 })).toMatchObject({ maxNodes: 1 + 1, maxDepth: 1 });
    expect(planOf({ window: 2, ngram: 7, guesses: 0 })).toMatchObject({ maxNodes: 15 });   // the window is largest while it fills
  });

  it('takes n-grams of one token for plain decoding, and for nothing else', () => {
    expect(planOf({ window: 1, ngram: 1, guesses: 0 })).toMatchObject({ maxNodes: 0 });
    expect(planOf({ window: 2, ngram: 1, guesses: 0 })).toEqual({ refused: [expect.objectContaining({ path: 'ngram' })] });
  });

  it('is what create follows', async () => {
    const options = lookahead.options.parse({ window: 2, ngram: 3, guesses: 1 });
    const proposer = await lookahead.create({} as never, options, planOf(options) as Plan);   // nothing is made on the device
    const draft = new RecordedDraft();
    const sequence = sequenceOf([1, 2, 3, 1]);
    proposer.propose(batchOf([sequence]), draft);
    expect(draft.pathsOf(sequence)).toContainEqual([2, 3]);
    expect(draft.nodesOf(sequence).filter(({ isProbe }) => isProbe)).toHaveLength(2);
  });
});

describe('on the demo model', () => {
  let engine: Engine;
  let prompts: number[][];
  beforeAll(async () => {
    engine = await createEngine({ model: 'models/demo/target', dtype: 'f32', maxSequences: 6, measure: false, proposeBudgetMs: 60_000 });
    prompts = readFileSync('models/demo/acceptance-prompts.jsonl', 'utf8').trim().split('\n').map((line) => (JSON.parse(line) as { tokens: number[] }).tokens);
  });
  afterAll(() => engine.dispose());

  const configurations: LookaheadOptions[] = [{}, { window: 5, ngram: 4, guesses: 5 }, { acceptWindow: true }, { window: 3, ngram: 2, guesses: 3, poolFromPrompt: false }, { shift: 'token' }, { window: 1, ngram: 1, guesses: 0 }];

  it.each([0, 0.8])('gives the tokens of plain decoding at temperature %s, whatever its options', async (temperature) => {
    const picked = configurations.map((_, i) => prompts[(i * 7) % prompts.length]!);
    const base = picked.map((promptTokens, i) => ({ promptTokens, maxTokens: 48, temperature, seed: i, ignoreEos: true }));
    const plain = await Promise.all(base.map((request) => engine.generate({ ...request, strategy: 'off' }).result));
    const drafted = await Promise.all(base.map((request, i) => engine.generate({ ...request, strategy: { name: 'lookahead', ...configurations[i]! } }).result));
    drafted.forEach(({ tokens, stats }, i) => {
      expect(tokens).toEqual(plain[i]!.tokens);
      expect(stats.faults).toBe(0);
    });
    expect(drafted.reduce((sum, { stats }) => sum + stats.accepted, 0)).toBeGreaterThan(20);
  });
});
