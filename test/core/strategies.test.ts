import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine, type RunResult } from '../../core/index.js';
import { switchUnderLoad } from './switching.js';

const prompt = 'Red apples are sweet. Green apples are sour. Red apples are';

describe('strategies with names of one\'s own', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({
      model: 'models/demo/target', measure: false, strategy: 'careful', request: { maxTokens: 12, temperature: 0.7, seed: 3 },
      strategies: { fast: { name: 'prompt-lookup', length: 4 }, careful: 'off' },
    });
  });
  afterAll(() => engine.dispose());

  const run = (request: object = {}): Promise<RunResult> => engine.generate({ prompt, ...request }).result;

  it('are chosen by name, in a request and as the default', async () => {
    expect((await run()).stats.strategy).toBe('off');
    expect((await run({ strategy: 'fast' })).stats.strategy).toBe('prompt-lookup');
  });

  it('leave the tokens as they are', async () => {
    expect((await run({ strategy: 'fast' })).tokens).toEqual((await run()).tokens);
  });

  it('come with defaults of requests, which a request overrides', async () => {
    const { tokens, stats } = await run({ maxTokens: undefined });
    expect([tokens.length, stats.seed]).toEqual([12, 3n]);
    expect((await run({ maxTokens: 5 })).tokens).toHaveLength(5);
  });

  it('can be set anew, and the next request has the new one', async () => {
    await engine.strategies.set('careful', { name: 'lookahead' });
    expect((await run()).stats.strategy).toBe('lookahead');
    await engine.strategies.set('careful', 'fast');
    expect((await run()).stats.strategy).toBe('prompt-lookup');
    await engine.strategies.set('careful', 'off');
  });

  it('stay as they are when the new one cannot run', async () => {
    await expect(engine.strategies.set('fast', { name: 'prompt-lookup', lenght: 3 })).rejects.toThrow('did you mean "length"?');
    await expect(engine.strategies.set('fast', 'prompt-lokup')).rejects.toThrow('did you mean "prompt-lookup"?');
    await expect(engine.strategies.set('off', 'fast')).rejects.toThrow('meaning of its own');
    await expect(engine.strategies.set('fast', 'careful').then(() => engine.strategies.set('careful', 'fast'))).rejects.toThrow('go in a circle: fast → careful → fast');
    await engine.strategies.set('fast', { name: 'prompt-lookup', length: 4 });
    expect(engine.strategies.get('fast')).toEqual({ name: 'prompt-lookup', length: 4 });
  });

  it('let sequences in flight finish on theirs, or move before the next pass', async () => {
    for (const [running, strategy] of [['finish', 'off'], ['move', 'prompt-lookup']] as const) {
      const run = engine.generate({ prompt, maxTokens: 40, ignoreEos: true });
      const iterator = run[Symbol.asyncIterator]();
      await iterator.next();
      await engine.strategies.set('default', 'fast', { running });
      const { stats, tokens } = await run.result;
      expect([stats.strategy, stats.drafted > 0]).toEqual([strategy, running === 'move']);
      expect(tokens).toHaveLength(40);
      await engine.strategies.set('default', 'careful');
    }
  });

  it('name what is wrong with a configuration when the engine is made', async () => {
    const make = (options: object): Promise<Engine> => createEngine({ model: 'models/demo/target', measure: false, ...options });
    await expect(make({ strategies: { fast: { name: 'prompt-lookup', length: 0 } } })).rejects.toThrow('`length`');
    await expect(make({ request: { temprature: 1 } })).rejects.toThrow('Unknown option "temprature" in `request` for createEngine; did you mean "temperature"?');
  });
});

describe('switching under load', () => {
  it.each(['move', 'both'] as const)('changes no token and leaves no page behind (%s)', async (running) => {
    const report = await switchUnderLoad(60, running, 32);
    expect(report).toMatchObject({ switches: 60, different: 0, pagesLeft: 0 });
    expect(report.generations).toBeGreaterThan(4);
    expect(report.drafted).toBeGreaterThan(0);
  });
});
