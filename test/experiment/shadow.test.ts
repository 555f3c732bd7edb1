import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../core/index.js';
import { demoPrompts } from '../identity/matrix.js';
import { shadowEqualsDirect, STRATEGIES } from './shadow-cases.js';

const [greedy, drawn] = demoPrompts(2);

describe('a shadow on another arm\'s text', () => {
  let engine: Engine;
  beforeAll(async () => { engine = await createEngine({ model: 'models/demo/target', maxSequences: 2, prefillChunk: 7, measure: false, proposeBudgetMs: 60_000 }); });
  afterAll(async () => {
    expect(engine.pages().used).toBe(0);
    await engine.dispose();
  });

  for (const strategy of STRATEGIES) {
    it(`has the trees and the acceptance of a direct run, token for token: ${JSON.stringify(strategy)}`, async () => {
      const accepted = await shadowEqualsDirect(engine, strategy, { promptTokens: greedy!, maxTokens: 24 })
        + await shadowEqualsDirect(engine, strategy, { promptTokens: drawn!, maxTokens: 24, temperature: 0.8, seed: 11 });
      expect(accepted).toBeGreaterThan(0);
    });
  }

  it('verifies no draft: the target computes nothing, the text once, or what the strategy asks for', async () => {
    const output = (await engine.generate({ promptTokens: greedy!, maxTokens: 24 }).result).tokens;
    const rowsOf = async (name: string) => {
      const strategy = STRATEGIES.find((one) => one.name === name)!;
      return (await engine.shadow({ promptTokens: greedy!, maxTokens: 24, strategy, output })).targetRows;
    };
    expect(await rowsOf('prompt-lookup')).toBe(0);
    expect(await rowsOf('medusa')).toBe(greedy!.length + output.length - 1);
    expect(await rowsOf('lookahead')).toBeGreaterThan(greedy!.length + output.length);
  });

  it('is refused where acceptance does not follow from the text, and says why', async () => {
    const draft = { name: 'draft-target', draft: 'models/demo/draft' };
    await expect(engine.shadow({ promptTokens: greedy!, strategy: { ...draft, verifier: 'typical' }, output: [1] })).rejects.toThrow(/does not follow from a text: its verifier promises only "lossy"/);
    await expect(engine.shadow({ promptTokens: greedy!, strategy: draft, output: [] })).rejects.toThrow(/`output` is empty/);
    await expect(engine.shadow({ promptTokens: greedy!, maxTokens: 2, strategy: { name: 'lookahead' }, output: [1, 2] })).rejects.toThrow(/is not what this model writes/);
  });
});
