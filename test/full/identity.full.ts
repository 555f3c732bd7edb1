import { existsSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../core/index.js';
import { type Choice, compare, type EngineCell, openEngine, PlainTexts, type RequestCell } from '../identity/matrix.js';
import { ALL } from '../identity/strategies.js';

const DATA = '../shared/data/prompts';
const FILES = ['mt_bench', 'tinystories_prefix', 'wikisql_test', 'gsm8k_test', 'humaneval', 'eagle_qa', 'eagle_sum', 'sgd_dialog'];
const MAX_TOKENS = 48;

const STRATEGIES: readonly Choice[] = [{ name: 'prompt-lookup' }, ...ALL];
const requests: RequestCell[] = [{ temperature: 0 }, { temperature: 0.7 }, { temperature: 1.3 }, { temperature: 0.7, topP: 0.9 }, { temperature: 1.3, topK: 40 }, { temperature: 1.3, minP: 0.05 }];
const engines: EngineCell[] = (['f32', 'bf16'] as const).flatMap((dtype) => [{ dtype, threads: 2, prefillChunk: 256 }, { dtype, threads: 1, prefillChunk: 33 }]);

/** The first turns of 200 prompts, 25 of each file, at most 800 characters of each. */
async function realPrompts(): Promise<number[][]> {
  const engine = await createEngine({ model: 'models/demo/target', measure: false });
  const texts = FILES.flatMap((file) => readFileSync(`${DATA}/${file}.jsonl`, 'utf8').split('\n').filter(Boolean).slice(0, 25)
    .map((line) => (JSON.parse(line) as { turns: string[] }).turns[0]!.slice(0, 800)));
  const prompts = texts.map((text) => Array.from(engine.encode(text)));
  await engine.dispose();
  return prompts;
}

describe.skipIf(!existsSync(DATA))('identity over 200 real prompts (skipped without ../shared/data/prompts)', async () => {
  const prompts = existsSync(DATA) ? await realPrompts() : [];
  const plain = new PlainTexts(prompts, MAX_TOKENS);
  let tokens = 0;
  afterAll(async () => {
    await plain.dispose();
    console.log(`identity over ${prompts.length} real prompts: ${tokens} tokens compared with plain decoding`);
  });

  for (const cell of engines) {
    for (const request of requests) {
      it(`${JSON.stringify(cell)} ${JSON.stringify(request)}`, async () => {
        const engine = await openEngine(cell);
        const comparison = await compare(engine, [...STRATEGIES, 'off'], request, 8, prompts, MAX_TOKENS, plain);
        tokens += comparison.tokens;
        expect(comparison.differences).toEqual([]);
        expect(comparison.accepted).toBeGreaterThan(0);
        expect(comparison.maxConcurrent).toBeGreaterThan(1);
        expect(engine.pages().used).toBe(0);
        await engine.dispose();
      }, 1_200_000);
    }
  }
});
