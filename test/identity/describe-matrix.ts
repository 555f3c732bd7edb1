// The matrix of cells, described to the test runner: which strategies run alone in a cell is the caller's to say; all of them run in every mixed batch.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../core/index.js';
import { type Choice, compare, demoPrompts, type EngineCell, openEngine, PlainTexts, type RequestCell } from './matrix.js';
import { ALL } from './strategies.js';

const MAX_TOKENS = 48;

const temperatures: RequestCell[] = [{ temperature: 0 }, { temperature: 0.7 }, { temperature: 1.3 }];
const filtered: RequestCell[] = [
  { temperature: 0.7, topP: 0.9 }, { temperature: 1.3, topK: 40 }, { temperature: 1.3, minP: 0.05 }, { temperature: 1, topK: 40, topP: 0.9, minP: 0.05 },
];
const stopped: RequestCell[] = [{ temperature: 0, stop: ['. ', ' the'] }, { temperature: 0.7, stop: ['.'] }];


/** The engine that is asked in every way; the others at three temperatures. */
export function isCorner({ threads, prefillChunk }: EngineCell): boolean {
  return threads === 2 && prefillChunk === 7;
}

/** @param dtype in a file each, so that the two halves run side by side */
export function describeMatrix(dtype: EngineCell['dtype'], aloneIn: (cell: EngineCell) => readonly Choice[]): void {
  const engines: EngineCell[] = [1, 2].flatMap((threads) => [1, 7, 4096].map((prefillChunk) => ({ dtype, threads, prefillChunk })));
  const whole = demoPrompts(8);
  const begun = whole.map((prompt) => prompt.slice(0, 12));   // for chunks of one token: a pass each
  const plain = { whole: new PlainTexts(whole, MAX_TOKENS), begun: new PlainTexts(begun, MAX_TOKENS) };
  const total = { tokens: 0, cells: 0 };

  afterAll(async () => {
    await plain.whole.dispose();
    await plain.begun.dispose();
    console.log(`identity matrix, ${dtype}: ${total.tokens} tokens in ${total.cells} cells compared with plain decoding`);
  });

  describe.each(engines)('with $dtype, $threads threads and prompt chunks of $prefillChunk', (cell) => {
    const [prompts, texts] = cell.prefillChunk === 1 ? [begun, plain.begun] : [whole, plain.whole];
    let engine: Engine;
    beforeAll(async () => { engine = await openEngine(cell); });
    afterAll(async () => {
      expect(engine.pages().used).toBe(0);
      await engine.dispose();
    });

    describe.each([...temperatures, ...(isCorner(cell) ? [...filtered, ...stopped] : [])].map((request) => ({ request, label: JSON.stringify(request) })))('asked with $label', ({ request }) => {
      for (const strategy of aloneIn(cell)) {
        for (const batch of [1, 3]) {
          it(`${labelOf(strategy)} gives plain decoding's tokens, ${batch} at a time`, async () => {
            await check([strategy], batch, request, prompts.slice(0, batch === 1 ? 5 : 6));
          });
        }
      }
      it('every strategy gives them in a mixed batch of 8', async () => {
        const { maxConcurrent } = await check([...ALL, 'off'], 8, request, prompts);
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
}

function labelOf(strategy: Choice): string {
  return typeof strategy === 'string' ? strategy : `${strategy.name}${strategy['head'] === undefined ? '' : ` of ${String(strategy['head'])}`}`;
}
