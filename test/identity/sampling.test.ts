// Penalties, bias, minimum lengths, samples and log-probabilities: the same whatever drafts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../core/index.js';
import { type Comparison, compare, demoPrompts, openEngine, PlainTexts } from './matrix.js';
import { CELLS, labelOf, STRATEGIES } from './sampling-cells.js';

const MAX_TOKENS = 20;
const prompts = demoPrompts(8);
const plain = new PlainTexts(prompts, MAX_TOKENS);
const total = { tokens: 0, logprobs: 0, drafted: 0, accepted: 0, cells: 0 };

afterAll(async () => {
  await plain.dispose();
  console.log(`identity of sampling: ${total.tokens} tokens with their log-probabilities in ${total.cells} cells compared with plain decoding; ${total.accepted} of ${total.drafted} drafts kept`);
});

describe.each(['f32', 'bf16'] as const)('in %s', (dtype) => {
  let engine: Engine;
  beforeAll(async () => { engine = await openEngine({ dtype, threads: 2, prefillChunk: 7 }); });
  afterAll(async () => {
    expect(engine.pages().used).toBe(0);
    await engine.dispose();
  });

  it.each(CELLS.map((cell, i) => ({ cell, i, label: labelOf(cell) })))('every strategy gives what plain decoding gives, asked with $label', async ({ cell, i }) => {
    const turn = 2 * i + (dtype === 'f32' ? 0 : 1);   // every strategy meets other prompts in every cell
    const strategies = [...STRATEGIES.slice(turn % STRATEGIES.length), ...STRATEGIES.slice(0, turn % STRATEGIES.length), 'off' as const];
    const comparison = await compare(engine, strategies, cell, 8, prompts, MAX_TOKENS, plain);
    count(comparison);
    expect(comparison.differences).toEqual([]);
    expect(comparison.drafted, 'tokens drafted in this cell').toBeGreaterThan(50);
    expect(comparison.accepted, 'drafts kept in this cell').toBeGreaterThan(0);
    expect(comparison.logprobs).toBe(comparison.tokens);
  });
});

function count({ tokens, logprobs, drafted, accepted }: Comparison): void {
  total.tokens += tokens;
  total.logprobs += logprobs;
  total.drafted += drafted;
  total.accepted += accepted;
  total.cells++;
}
