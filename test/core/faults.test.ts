import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type DraftProposer, type Engine, type RunResult } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';
import { copycat, plan, strategy } from './plugins.js';

const prompts = demoPrompts(4);
const MAX_TOKENS = 32;

/** Every way of going wrong, as a variant of a proposer that is sometimes right. */
const faulty: Record<string, (inner: DraftProposer) => DraftProposer> = {
  'throws in every propose': () => ({ propose() { throw new Error('no idea'); } }),
  'throws in every third propose': (inner) => { let calls = 0; return { propose: (batch, draft) => { inner.propose(batch, draft); if (calls++ % 3 === 0) throw new Error('sometimes'); } }; },
  'throws in observe': (inner) => ({ ...inner, observe() { throw new Error('not listening'); } }),
  'throws in left': (inner) => ({ ...inner, left() { throw new Error('will not go'); } }),
  'fails its sequences by name': () => ({ propose({ sequences }, draft) { for (const sequence of sequences) draft.fail(sequence, 'unwilling'); } }),
  'is slow': (inner) => ({ propose(batch, draft) { const end = performance.now() + 600; while (performance.now() < end); inner.propose(batch, draft); } }),
  'drafts tokens out of range': () => ({ propose({ sequences }, draft) { for (const s of sequences) for (const token of [-1, 4096, 1e9, 1.5, NaN]) draft.node(s, token, 0); } }),
  'drafts parents out of range': () => ({ propose({ sequences }, draft) { for (const s of sequences) { draft.node(s, 5, 0); for (const parent of [-1, 7, 1e9, 0.5, NaN]) draft.node(s, 6, parent); } } }),
  'drafts more than its budget': () => ({ propose({ sequences }, draft) { for (const s of sequences) for (let token = 0; token < 500; token++) draft.node(s, token, 0); } }),
  'hangs everything from a probe': () => ({ propose({ sequences }, draft) { for (const s of sequences) { const probe = draft.probe(s, 9, 0); draft.node(s, 9, probe); } } }),
};

const onDevice = strategy('device nonsense', (host) => ({
  propose({ sequences }, draft) {
    const tokens = sequences.flatMap(() => [3, -7, 5000, 12, 13, 14]);
    const parents = sequences.flatMap(() => [0, 0, 0, 9, 5, -3]);
    draft.tensors(sequences, { tokens: host.ops.fromArray(Int32Array.from(tokens), [sequences.length, 6]), parents: host.ops.fromArray(Int32Array.from(parents), [sequences.length, 6]) });
  },
}));
const badTensors = strategy('tensors of a wrong shape', (host) => ({
  propose({ sequences }, draft) {
    draft.tensors(sequences, { tokens: host.ops.fromArray(new Int32Array(5), [5]), parents: host.ops.fromArray(new Int32Array(5), [1, 5]) });
  },
}));

describe('a fault stays with its sequence', () => {
  let engine: Engine;
  let want: RunResult[];
  beforeAll(async () => {
    const plugins = [...Object.entries(faulty).map(([name, wrap]) => strategy(name, () => wrap(copycat()), plan(6))), onDevice, badTensors, strategy('copycat', copycat)];
    engine = await createEngine({ model: 'models/demo/target', plugins, proposeBudgetMs: 500, measure: false });
    want = await ask('off');
  });
  afterAll(() => engine.dispose());

  async function ask(...strategies: string[]): Promise<RunResult[]> {
    return Promise.all(prompts.map((promptTokens, i) => engine.generate({
      promptTokens, maxTokens: MAX_TOKENS, temperature: i % 2, seed: i, ignoreEos: true, strategy: strategies[i % strategies.length]!,
    }).result));
  }
  const tokensOf = (results: readonly RunResult[]): number[][] => results.map(({ tokens }) => tokens);

  it.each([...Object.keys(faulty), onDevice.name, badTensors.name])('a strategy that %s changes no token, alone or beside healthy neighbours', async (name) => {
    expect(tokensOf(await ask(name))).toEqual(tokensOf(want));
    const mixed = await ask(name, 'copycat');
    expect(tokensOf(mixed)).toEqual(tokensOf(want));
    expect(mixed[1]!.stats.drafted, 'the neighbour still drafts').toBeGreaterThan(0);
    expect(mixed[1]!.stats.faults, 'the neighbour has no fault').toBe(0);
    expect(engine.pages().used).toBe(0);
  });

  it('counts faults and tells them with their reason, and benches who goes on failing', async () => {
    const told: { reason: unknown; benched: boolean }[] = [];
    const listen = (event: { reason: unknown; benched: boolean }): void => void told.push(event);
    engine.events.on('faulted', listen);
    const { stats } = await engine.generate({ promptTokens: prompts[0]!, maxTokens: MAX_TOKENS, ignoreEos: true, strategy: 'throws in every propose' }).result;
    engine.events.off('faulted', listen);
    expect(stats.faults).toBe(3);
    expect(told.map(({ benched }) => benched)).toEqual([false, false, true]);
    expect((told[0]!.reason as Error).message).toBe('no idea');
  });

  it('counts bad nodes made on the device without reading them back early', async () => {
    let refused = 0;
    const listen = (event: { refused: number }): void => { refused += event.refused; };
    engine.events.on('verified', listen);
    await engine.generate({ promptTokens: prompts[0]!, maxTokens: 4, ignoreEos: true, strategy: onDevice.name }).result;
    engine.events.off('verified', listen);
    expect(refused).toBeGreaterThan(0);
  });
});
