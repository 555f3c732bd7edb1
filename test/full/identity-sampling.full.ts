import { afterAll, describe, expect, it } from 'vitest';
import { compare, demoPrompts, openEngine, PlainTexts } from '../identity/matrix.js';
import { CELLS, labelOf, STRATEGIES } from '../identity/sampling-cells.js';

const MAX_TOKENS = 48;
const prompts = demoPrompts(16);

describe.each(['f32', 'bf16'] as const)('identity of sampling, strategy by strategy, in %s', (dtype) => {
  const plain = new PlainTexts(prompts, MAX_TOKENS);
  afterAll(() => plain.dispose());

  it.each(STRATEGIES.flatMap((strategy) => [1, 3].map((batch) => ({ strategy, batch, label: labelOf(strategy) }))))('$label, $batch at a time', async ({ strategy, batch }) => {
    const engine = await openEngine({ dtype, threads: 2, prefillChunk: 33 });
    for (const cell of CELLS) {
      const comparison = await compare(engine, [strategy], cell, batch, prompts, MAX_TOKENS, plain);
      expect(comparison.differences, labelOf(cell)).toEqual([]);
      expect(comparison.drafted).toBeGreaterThan(0);
    }
    expect(engine.pages().used).toBe(0);
    await engine.dispose();
  }, 1_200_000);
});
