import { describe, expect, it } from 'vitest';
import { createEngine } from '../../core/index.js';
import { shadowEqualsDirect, STRATEGIES } from '../experiment/shadow-cases.js';
import { demoPrompts } from '../identity/matrix.js';

describe.each([{ measure: true, prefillChunk: 256 }, { measure: false, prefillChunk: 7 }])('a shadow with %j', (options) => {
  it.each(STRATEGIES)('equals a direct run on three prompts, greedy, drawn and cut by a stop string: %j', async (strategy) => {
    await using engine = await createEngine({ model: 'models/demo/target', maxSequences: 2, proposeBudgetMs: 60_000, ...options });
    let accepted = 0;
    for (const promptTokens of demoPrompts(3)) {
      for (const request of [{ temperature: 0 }, { temperature: 0.8, seed: 3 }, { temperature: 1, topK: 40, seed: 4 }, { temperature: 0, stop: '. ' }]) {
        accepted += await shadowEqualsDirect(engine, strategy, { promptTokens, maxTokens: 64, ...request });
      }
    }
    expect(accepted).toBeGreaterThan(0);
  }, 600_000);
});
