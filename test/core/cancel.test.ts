import { afterEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine, ForetokenError } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';

const prompts = demoPrompts(4);
const STRATEGIES = ['off', { name: 'prompt-lookup' }, { name: 'draft-target', draft: 'models/demo/draft' }] as const;
let engine: Engine;
afterEach(() => engine.dispose());

describe('cancellation', () => {
  it('at every iteration ends at the next commit and frees every page', async () => {
    engine = await createEngine({ model: 'models/demo/target', prefillChunk: 16, measure: false });
    for (let iteration = 0; iteration < 24; iteration++) {
      const controllers = STRATEGIES.map(() => new AbortController());
      let passes = 0;
      const count = (): void => { if (passes++ === iteration) for (const controller of controllers) controller.abort(new Error(`stop ${iteration}`)); };
      engine.events.on('verified', count);
      const runs = STRATEGIES.map((strategy, i) => engine.generate({ promptTokens: prompts[i]!, maxTokens: 200, ignoreEos: true, strategy, signal: controllers[i]!.signal }));
      const outcomes = await Promise.allSettled(runs.map(({ result }) => result));
      engine.events.off('verified', count);
      expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as Error).message : 'finished'))).toEqual(STRATEGIES.map(() => `stop ${iteration}`));
      expect(engine.pages().used, `pages after iteration ${iteration}`).toBe(0);
    }
  });

  it('of one leaves its neighbours their text', async () => {
    engine = await createEngine({ model: 'models/demo/target', measure: false });
    const ask = { promptTokens: prompts[1]!, maxTokens: 40, temperature: 0.7, seed: 7, ignoreEos: true };
    const want = await engine.generate(ask).result;
    const controller = new AbortController();
    const doomed = engine.generate({ ...ask, seed: 8, maxTokens: 400, signal: controller.signal });
    const neighbour = engine.generate(ask);
    for await (const { tokens } of doomed) if (tokens.length > 0) { controller.abort(); break; }
    await expect(doomed.result).rejects.toThrow();
    expect((await neighbour.result).tokens).toEqual(want.tokens);
    expect(engine.pages().used).toBe(0);
  });

  it('before the start never starts', async () => {
    engine = await createEngine({ model: 'models/demo/target', measure: false });
    await expect(engine.generate({ promptTokens: prompts[0]!, signal: AbortSignal.abort('too late') }).result).rejects.toBe('too late');
    expect(engine.pages().used).toBe(0);
  });

  it('by leaving the iteration frees the pages', async () => {
    engine = await createEngine({ model: 'models/demo/target', measure: false });
    const run = engine.generate({ promptTokens: prompts[0]!, maxTokens: 300, ignoreEos: true });
    for await (const { index } of run) { expect(index).toBe(0); break; }
    await expect(run.result).rejects.toMatchObject({ name: 'AbortError' });
    expect(engine.pages().used).toBe(0);
  });
});

describe('dispose', () => {
  it('in mid-flight ends every run, waiting ones too, with a DisposedError', async () => {
    engine = await createEngine({ model: 'models/demo/target', maxSequences: 2, measure: false });
    const runs = Array.from({ length: 6 }, (_, i) => engine.generate({ promptTokens: prompts[i % 4]!, maxTokens: 300, ignoreEos: true, strategy: STRATEGIES[i % 3]! }));
    await new Promise((resolve) => engine.events.once('committed', resolve));
    await engine.dispose();
    for (const { result } of runs) {
      const reason: unknown = await result.catch((error: unknown) => error);
      expect(ForetokenError.isInstance(reason) && reason.code).toBe('DISPOSED');
    }
    await expect(engine.generate({ promptTokens: prompts[0]! }).result).rejects.toMatchObject({ code: 'DISPOSED' });
    await expect(engine.score({ tokens: [1] })).rejects.toMatchObject({ code: 'DISPOSED' });
    await engine.dispose();   // a second call is a no-op
  });
});
