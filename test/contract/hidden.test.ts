// Two strategies that draft from hidden states, as heads do, and check every state they are given against a fresh forward, bit for bit.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type EngineOptions, type GenerateRequest, type RunResult, type Strategy } from '../../core/index.js';
import { describeStrategy, writeTinyModel } from '../../core/testing/index.js';
import { FreshStates } from './fresh-states.js';
import { type AllRecorder, hiddenAll } from './hidden-all.js';
import { hiddenLast, type LastRecorder } from './hidden-last.js';
import type { StateRecord } from './state-record.js';

const PROMPT = Array.from({ length: 75 }, (_, i) => 7 * (i % 5) + (i % 7));
const CHUNKS = [1, 7, 256];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foretoken-hidden-'));
  await writeTinyModel(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const lastRecorder = (): LastRecorder => ({ states: [], commits: [] });
const allRecorder = (): AllRecorder => ({ states: [], positions: new Map() });

/** Runs requests at once with a strategy; fails unless each gives the tokens of plain decoding. */
async function run(strategy: Strategy<object>, requests: readonly GenerateRequest[], options: Partial<EngineOptions> = {}): Promise<RunResult[]> {
  const engine = await createEngine({ model: folder, measure: false, threads: 1, maxTokensPerSequence: 256, proposeBudgetMs: 60_000, plugins: [strategy], ...options });
  try {
    const base = requests.map((request) => ({ maxTokens: 40, seed: 3, ignoreEos: true, ...request }));
    const plain = await Promise.all(base.map((request) => engine.generate({ ...request, strategy: 'off' }).result));
    const results = await Promise.all(base.map((request) => engine.generate({ strategy: strategy.name, ...request }).result));
    results.forEach((result, i) => {
      expect(result.samples.map(({ tokens }) => tokens)).toEqual(plain[i]?.samples.map(({ tokens }) => tokens));
      expect(result.stats.faults).toBe(0);
    });
    return results;
  } finally {
    await engine.dispose();
  }
}

/** Every state equals that of a fresh forward over the same text. */
async function expectFresh(states: readonly StateRecord[], taps?: readonly number[], dtype: 'f32' | 'bf16' = 'f32'): Promise<void> {
  using fresh = await FreshStates.of(folder, dtype, taps);
  for (const { tokens, state } of states) expect(state).toEqual(await fresh.after(tokens));
}

describe.each([{ taps: undefined }, { taps: [0, 1, 2] }, { taps: [2, 0] }])('a strategy that reads the last state (taps: $taps)', ({ taps }) => {
  const needs = taps === undefined ? {} : { taps };

  it.each(CHUNKS)('gets that of a fresh forward, the prompt in chunks of %i', async (prefillChunk) => {
    const recorder = lastRecorder();
    const [result] = await run(hiddenLast(recorder, needs), [{ promptTokens: PROMPT, temperature: 0.8 }], { prefillChunk });
    expect(recorder.states.length).toBeGreaterThan(5);
    expect(result?.stats.accepted).toBeGreaterThan(0);
    await expectFresh(recorder.states, taps);
  });

  it('gets its own in a batch with others and in every sample', async () => {
    const recorder = lastRecorder();
    const texts = [PROMPT, PROMPT.slice(0, 9), PROMPT.slice(20)];
    await run(hiddenLast(recorder, needs), texts.map((promptTokens, i) => ({ promptTokens, temperature: 0.8, n: i === 1 ? 3 : 1, ...(i === 2 ? { strategy: 'off' } : {}) })), { prefillChunk: 5 });
    expect(recorder.states.length).toBeGreaterThan(20);
    await expectFresh(recorder.states, taps);
  });

  it('gets it in bf16 too', async () => {
    const recorder = lastRecorder();
    await run(hiddenLast(recorder, needs), [{ promptTokens: PROMPT }], { dtype: 'bf16', prefillChunk: 16 });
    await expectFresh(recorder.states, taps, 'bf16');
  });
});

describe('a strategy that wants choices', () => {
  it('gets the choice after every row proposed: those on the path are the tokens that were committed', async () => {
    const recorder = lastRecorder();
    await run(hiddenLast(recorder), [{ promptTokens: PROMPT, temperature: 0.8 }]);
    for (const { commit } of recorder.commits) {
      const { path, choices, tokens } = commit;
      expect(Array.from(path, (row) => choices?.[row])).toEqual([...tokens]);
    }
  });

  it('gets the choice after a probe: that of plain decoding after the same text', async () => {
    const recorder = lastRecorder();
    await run(hiddenLast(recorder), [{ promptTokens: PROMPT }]);
    const engine = await createEngine({ model: folder, measure: false, threads: 1 });
    try {
      const probed = recorder.commits.filter(({ probe }) => probe > 0).slice(0, 8);
      expect(probed.length).toBeGreaterThan(3);
      for (const { tokens, probe, commit } of probed) {
        const { result } = engine.generate({ promptTokens: [...tokens, 3], maxTokens: 1, ignoreEos: true });
        expect([commit.choices?.[probe]]).toEqual((await result).tokens);
      }
    } finally {
      await engine.dispose();
    }
  });
});

describe.each([{ taps: undefined }, { taps: [0, 1, 2] }])('a strategy that reads every state (taps: $taps)', ({ taps }) => {
  const needs = taps === undefined ? {} : { taps };

  it.each(CHUNKS)('gets each position once, in order, as a fresh forward has it, the prompt in chunks of %i', async (prefillChunk) => {
    const recorder = allRecorder();
    const [result] = await run(hiddenAll(recorder, needs), [{ promptTokens: PROMPT, temperature: 0.8 }], { prefillChunk });
    expect(result?.stats.accepted).toBeGreaterThan(0);
    expectInOrder(recorder);
    expect(recorder.states.length).toBeGreaterThan(PROMPT.length);
    await expectFresh(recorder.states, taps);
  });

  it('goes on in its samples where it left off, as it copies what it holds', async () => {
    const recorder = allRecorder();
    await run(hiddenAll(recorder, needs), [{ promptTokens: PROMPT, temperature: 0.8, n: 3 }, { promptTokens: PROMPT.slice(30) }], { prefillChunk: 11 });
    expect(recorder.positions.size).toBe(4);
    expectInOrder(recorder);
    await expectFresh(recorder.states, taps);
  });
});

describe('a strategy that cannot copy what it holds', () => {
  const samples = { promptTokens: PROMPT, temperature: 0.8, n: 3 };

  it('sees the text again from its start with gap "rerun"', async () => {
    const recorder = allRecorder();
    await run(hiddenAll(recorder, { gap: 'rerun' }, false), [samples], { prefillChunk: 11 });
    expect(recorder.positions.size).toBe(3);
    expectInOrder(recorder);
    await expectFresh(recorder.states);
  });

  it('begins at a later position with gap "start-late"', async () => {
    const recorder = allRecorder();
    await run(hiddenAll(recorder, { gap: 'start-late' }, false), [samples], { prefillChunk: 11 });
    const starts = [...recorder.positions.values()].map(([first]) => first);
    expect(starts).toEqual([0, PROMPT.length - 1, PROMPT.length - 1]);
    for (const positions of recorder.positions.values()) expectConsecutive(positions);
    await expectFresh(recorder.states);
  });

  it('is left out of the samples with gap "bypass"', async () => {
    const recorder = allRecorder();
    const [result] = await run(hiddenAll(recorder, { gap: 'bypass' }, false), [samples], { prefillChunk: 11 });
    expect(recorder.positions.size).toBe(1);
    expect(result?.samples.slice(1).map(({ stats }) => stats.drafted)).toEqual([0, 0]);
    await expectFresh(recorder.states);
  });
});

describeStrategy({ strategy: hiddenLast(lastRecorder()) }, { afterAll, describe, it });
describeStrategy({ strategy: hiddenAll(allRecorder()) }, { afterAll, describe, it });
describeStrategy({ strategy: hiddenAll(allRecorder(), { gap: 'rerun' }, false) }, { afterAll, describe, it });

function expectInOrder({ positions }: AllRecorder): void {
  for (const told of positions.values()) {
    expect(told[0]).toBe(0);
    expectConsecutive(told);
  }
}

function expectConsecutive(positions: readonly number[]): void {
  positions.forEach((position, i) => { if (i > 0) expect(position).toBe(positions[i - 1]! + 1); });
}
