import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Plan, StrategyHost, TargetDescription } from '../../core/strategy.js';
import { batchOf, RecordedDraft, sequenceOf } from '../../core/testing/recorded-draft.js';
import promptLookup, { type PromptLookupOptions } from './index.js';
import { NgramIndex } from './ngram-index.js';
import { PromptLookup } from './proposer.js';

const golden = new URL('../../../shared/golden/strategies/prompt-lookup/match.json', import.meta.url);

/** Plans and creates read neither target nor host: lookup needs tokens only. */
const noTarget = {} as TargetDescription;
const noHost = {} as StrategyHost;
const planOf = (options: PromptLookupOptions) => promptLookup.plan(promptLookup.options.parse(options), noTarget, new Map());

function draftOf(tokens: readonly number[], settings: Partial<ConstructorParameters<typeof PromptLookup>[0]>, limits: { budget?: number; maxDepth?: number } = {}) {
  const draft = new RecordedDraft();
  const sequence = sequenceOf(tokens, limits);
  new PromptLookup({ minNgram: 1, maxNgram: 3, length: 3, branches: 1, trust: Infinity, ...settings }).propose(batchOf([sequence]), draft);
  return draft.pathsOf(sequence);
}

describe('the match rule', () => {
  it.each([
    { tokens: [1, 2, 3, 4, 2, 3], draft: [4, 2, 3] },
    { tokens: [5, 1, 2, 7, 8, 1, 2, 9, 4, 1, 2], draft: [9, 4, 1] },
  ])('copies after the most recent of the longest matches: $tokens', ({ tokens, draft }) => {
    expect(draftOf(tokens, {})).toEqual([draft]);
  });

  it('prefers a longer match to a more recent one', () => {
    //            1 2 3 → 7, later 2 3 → 8
    expect(draftOf([1, 2, 3, 7, 2, 3, 8, 1, 2, 3], { length: 1 })).toEqual([[7]]);
  });

  it('goes on periodically where the match reaches the end of the text', () => {
    expect(draftOf([1, 2, 1, 2, 1, 2], { length: 5 })).toEqual([[1, 2, 1, 2, 1]]);
  });

  it('drafts nothing without a match of the shortest length', () => {
    expect(draftOf([1, 2, 3, 4, 5, 3], { minNgram: 2 })).toEqual([]);
    expect(draftOf([7], {})).toEqual([]);
  });

  it('drafts several continuations as a tree that shares what they agree on', () => {
    const tokens = [1, 2, 5, 6, 1, 2, 5, 7, 1, 2, 8, 9, 1, 2];
    expect(draftOf(tokens, { branches: 3, length: 2 })).toEqual([[8, 9], [5, 7], [5, 6]]);
  });

  it('trusts a match with so many tokens per token that agreed', () => {
    expect(draftOf([1, 2, 3, 4, 5, 6, 7, 8, 1, 2], { length: 9, trust: 2 })).toEqual([[3, 4, 5, 6]]);
    expect(draftOf([9, 2, 3, 4, 5, 6, 7, 8, 1, 2], { length: 9, trust: 2 })).toEqual([[3, 4]]);
  });

  it('keeps to the budget and to the depth that can still be emitted', () => {
    expect(draftOf([1, 2, 3, 4, 1, 2], { length: 4 }, { budget: 3 })).toEqual([[3, 4, 1]]);
    expect(draftOf([1, 2, 3, 4, 1, 2], { length: 4 }, { maxDepth: 2 })).toEqual([[3, 4]]);
  });

  it.skipIf(!existsSync(golden))('agrees with the recorded drafts of the "most recent" rule', () => {
    const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { cases: { tokens: number[]; k: number; max_ngram: number; most_recent: number[] }[] };
    expect(cases.length).toBeGreaterThan(50);
    for (const { tokens, k, max_ngram, most_recent } of cases) {
      const [path = []] = draftOf(tokens, { minNgram: 1, maxNgram: max_ngram, length: k });
      expect(path.slice(0, most_recent.length)).toEqual(most_recent);
      if (path.length > most_recent.length) expect(most_recent.length).toBe(Math.min(k, periodOf(tokens, max_ngram)));
    }
  });
});

describe('the index', () => {
  it('finds after each token what a scan of the whole text finds', () => {
    let state = 1;
    const text = Array.from({ length: 600 }, () => (state = (state * 1103515245 + 12345) % 2147483648) >> 16 & 3);
    const index = new NgramIndex(2, 4);
    for (let length = 1; length <= text.length; length++) {
      const tokens = Int32Array.from(text.slice(0, length));
      expect(index.matches(tokens, 3)).toEqual(scan(tokens, 2, 4, 3));
    }
  });

  it('takes in many tokens at once as it takes in one', () => {
    const tokens = Int32Array.from({ length: 500 }, (_, i) => (i * i) % 7);
    expect(new NgramIndex(1, 3).matches(tokens, 5)).toEqual(scan(tokens, 1, 3, 5));
  });
});

describe('the proposer', () => {
  it('keeps the texts of a batch apart and forgets those that left', () => {
    const proposer = new PromptLookup({ minNgram: 1, maxNgram: 2, length: 1, branches: 1, trust: Infinity });
    const [a, b] = [sequenceOf([1, 2, 1], { id: 1 }), sequenceOf([1, 3, 1], { id: 2 })];
    const draft = new RecordedDraft();
    proposer.propose(batchOf([a, b]), draft);
    expect([draft.pathsOf(a), draft.pathsOf(b)]).toEqual([[[2]], [[3]]]);
    proposer.left(a);
    const again = new RecordedDraft();
    const reused = sequenceOf([9, 4, 9], { id: 1 });
    proposer.propose(batchOf([reused]), again);
    expect(again.pathsOf(reused)).toEqual([[4]]);
  });

  it('goes on from the text of a fork without having been told of it', () => {
    const proposer = new PromptLookup({ minNgram: 1, maxNgram: 2, length: 2, branches: 1, trust: Infinity });
    const parent = sequenceOf([4, 5, 6, 4], { id: 1 });
    proposer.propose(batchOf([parent]), new RecordedDraft());
    const fork = sequenceOf([4, 5, 6, 4, 7, 6, 4], { id: 2 });
    const draft = new RecordedDraft();
    proposer.propose(batchOf([fork]), draft);
    expect(draft.pathsOf(fork)).toEqual([[7, 6]]);
  });
});

describe('the plan', () => {
  it('leaves the size to core unless the user names one', () => {
    expect(planOf({})).toMatchObject({ budget: 'measured', maxDepth: 16, maxWidth: 2, needs: { hidden: 'none' } });
    expect(planOf({ length: 4 })).toMatchObject({ budget: 'fixed', maxNodes: 4, maxDepth: 4 });
    expect(planOf({ length: 4, branches: 3 })).toMatchObject({ budget: 'fixed', maxNodes: 12, maxDepth: 4, maxWidth: 3 });
  });

  it('refuses an empty range of n-grams', () => {
    expect(planOf({ minNgram: 5, maxNgram: 4 })).toEqual({ refused: [expect.objectContaining({ path: 'minNgram' })] });
  });

  it('is what create follows', async () => {
    const options = promptLookup.options.parse({ length: 2, branches: 2 });
    const proposer = await promptLookup.create(noHost, options, planOf(options) as Plan);
    const draft = new RecordedDraft();
    const sequence = sequenceOf([1, 2, 3, 4, 1, 2, 5, 6, 1, 2]);
    proposer.propose(batchOf([sequence]), draft);
    expect(draft.pathsOf(sequence)).toEqual([[5, 6], [3, 4]]);
  });
});

/** The rule in its plainest form: longest first, then latest first, every start once. */
function scan(tokens: Int32Array, minNgram: number, maxNgram: number, count: number): { start: number; length: number }[] {
  const found: { start: number; length: number }[] = [];
  for (let n = maxNgram; n >= minNgram; n--) {
    for (let end = tokens.length - 1; end >= n; end--) {
      if (tokens.subarray(end - n, end).join() !== tokens.subarray(tokens.length - n).join()) continue;
      if (!found.some(({ start }) => start === end)) found.push({ start: end, length: n });
    }
  }
  return found.slice(0, count);
}

/** Tokens between the end of the text and the most recent longest match. */
function periodOf(tokens: readonly number[], maxNgram: number): number {
  const [match] = scan(Int32Array.from(tokens), 1, maxNgram, 1);
  return match === undefined ? 0 : tokens.length - match.start;
}
