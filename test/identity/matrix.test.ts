import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../core/index.js';
import { type Choice, compare, demoPrompts, type EngineCell, openEngine, PlainTexts, type RequestCell } from './matrix.js';

const MAX_TOKENS = 48;
const whole = demoPrompts(8);
const begun = whole.map((prompt) => prompt.slice(0, 12));   // for chunks of one token: a pass each
const plain = { whole: new PlainTexts(whole, MAX_TOKENS), begun: new PlainTexts(begun, MAX_TOKENS) };
const total = { tokens: 0, cells: 0 };

const lookup: Choice = { name: 'prompt-lookup', length: 6, branches: 2 };
const draft: Choice = { name: 'draft-target', draft: 'models/demo/draft', length: 4 };
const STRATEGIES: readonly Choice[] = [lookup, draft];
/** In the cells of one engine per dtype: what they need of the target, its hidden states and choices, is the same in all. */
const HEADS_AND_PROBES: readonly Choice[] = [
  { name: 'medusa', head: 'models/demo/medusa', choices: 'mc_sim_7b_63' },
  { name: 'redrafter', head: 'models/demo/redrafter', beams: 3, beamLength: 4 },
  { name: 'eagle', head: 'models/demo/eagle', depth: 3, topK: 4, maxNodes: 12 },
  { name: 'eagle', head: 'models/demo/eagle3', tree: 'chain', depth: 4 },
  { name: 'lookahead' },
];

const temperatures: RequestCell[] = [{ temperature: 0 }, { temperature: 0.7 }, { temperature: 1.3 }];
const filtered: RequestCell[] = [
  { temperature: 0.7, topP: 0.9 }, { temperature: 1.3, topK: 40 }, { temperature: 1.3, minP: 0.05 }, { temperature: 1, topK: 40, topP: 0.9, minP: 0.05 },
];
const stopped: RequestCell[] = [{ temperature: 0, stop: ['. ', ' the'] }, { temperature: 0.7, stop: ['.'] }];

const engines: EngineCell[] = (['f32', 'bf16'] as const).flatMap((dtype) => [1, 2].flatMap((threads) => [1, 7, 4096].map((prefillChunk) => ({ dtype, threads, prefillChunk }))));

afterAll(async () => {
  await plain.whole.dispose();
  await plain.begun.dispose();
  console.log(`identity matrix: ${total.tokens} tokens in ${total.cells} cells compared with plain decoding`);
});

describe.each(engines)('with $dtype, $threads threads and prompt chunks of $prefillChunk', (cell) => {
  const [prompts, texts] = cell.prefillChunk === 1 ? [begun, plain.begun] : [whole, plain.whole];
  let engine: Engine;
  beforeAll(async () => { engine = await openEngine(cell); });
  afterAll(async () => {
    expect(engine.pages().used).toBe(0);
    await engine.dispose();
  });

  const isPlainCorner = cell.threads === 2 && cell.prefillChunk === 7;
  describe.each([...temperatures, ...(isPlainCorner ? [...filtered, ...stopped] : [])].map((request) => ({ request, label: JSON.stringify(request) })))('asked with $label', ({ request }) => {
    const strategies = isPlainCorner ? [...STRATEGIES, ...HEADS_AND_PROBES] : STRATEGIES;
    for (const strategy of strategies) {
      for (const batch of [1, 3]) {
        it(`${labelOf(strategy)} gives plain decoding's tokens, ${batch} at a time`, async () => {
          await check([strategy], batch, request, prompts.slice(0, batch === 1 ? 5 : 6));
        });
      }
    }
    it('every strategy gives them in a mixed batch of 8', async () => {
      const { maxConcurrent } = await check([...strategies, 'off'], 8, request, prompts);
      expect(maxConcurrent, 'sequences in one pass').toBeGreaterThan(1);
    });
  });

  async function check(strategies: readonly Choice[], batch: number, request: RequestCell, some: readonly number[][]): ReturnType<typeof compare> {
    const comparison = await compare(engine, strategies, request, batch, some, MAX_TOKENS, texts);
    total.tokens += comparison.tokens;
    total.cells++;
    expect(comparison.differences).toEqual([]);
    expect(comparison.drafted, 'tokens drafted in this cell').toBeGreaterThan(0);
    return comparison;
  }
});

function labelOf(strategy: Choice): string {
  return typeof strategy === 'string' ? strategy : `${strategy.name}${strategy['head'] === undefined ? '' : ` of ${String(strategy['head'])}`}`;
}
