import { once } from 'node:events';
import type { Engine, GenerateRequest, StrategyConfig } from '../../core/index.js';
import { createEngine } from '../../core/index.js';

/** Every kind of need: tokens only, a model of its own, the last hidden state, all of them. */
export const SWITCHED: readonly (string | StrategyConfig)[] = [
  { name: 'prompt-lookup' }, { name: 'draft-target', draft: 'models/demo/draft', length: 3 }, 'off', { name: 'lookahead' },
  { name: 'medusa', heads: 2, head: 'models/demo/medusa' }, { name: 'eagle', head: 'models/demo/eagle', depth: 2, topK: 2, maxNodes: 4 },
];

const PROMPTS: readonly string[] = [
  'Once upon a time', 'The cat sat on the mat. The cat sat on', 'One day, a boy named Tim went to the park. He saw',
  'Red apples are sweet. Green apples are sour. Red apples are', 'SELECT name FROM', 'Lily and Ben were friends. They liked to',
];

export interface SwitchingReport {
  readonly switches: number;
  readonly generations: number;

  readonly tokens: number;
  /** Generations whose tokens are not those of plain decoding. */
  readonly different: number;
  readonly pagesLeft: number;
  readonly drafted: number;
}

/**
 * Keeps four requests running, greedy and at a temperature, one of them with two samples, and gives the engine another default strategy
 * before every pass.
 *
 * @param running what becomes of sequences in flight; `'both'` alternates
 */
export async function switchUnderLoad(count: number, running: 'finish' | 'move' | 'both', maxTokens: number): Promise<SwitchingReport> {
  await using engine = await createEngine({ model: 'models/demo/target', measure: false, maxSequences: 5, maxTokensPerSequence: 512, threads: 2, proposeBudgetMs: 60_000 });
  const expected = await Promise.all(PROMPTS.map((_, i) => engine.generate(requestOf(i, maxTokens)).result));
  const want = expected.map(({ samples }) => samples.map(({ tokens }) => tokens));
  let [stopped, generations, tokens, different, drafted] = [false, 0, 0, 0, 0];
  const load = Array.from({ length: 4 }, async (_, lane) => {
    for (let i = lane; !stopped; i++) {
      const at = i % PROMPTS.length;
      const { samples } = await engine.generate(requestOf(at, maxTokens)).result;
      generations++;
      tokens += samples.reduce((sum, sample) => sum + sample.tokens.length, 0);
      drafted += samples.reduce((sum, { stats }) => sum + stats.drafted, 0);
      if (JSON.stringify(samples.map((sample) => sample.tokens)) !== JSON.stringify(want[at])) different++;
    }
  });
  for (let i = 0; i < count; i++) {
    await engine.strategies.set('default', SWITCHED[i % SWITCHED.length]!, { running: running === 'both' ? (i % 3 === 0 ? 'finish' : 'move') : running });
    await aPass(engine);
  }
  stopped = true;
  await Promise.all(load);
  return { switches: count, generations, tokens, different, drafted, pagesLeft: engine.pages().used };
}

function requestOf(i: number, maxTokens: number): GenerateRequest {
  return { prompt: PROMPTS[i]!, maxTokens, temperature: i % 2, seed: i, ignoreEos: true, n: i === 3 ? 2 : 1 };
}

async function aPass(engine: Engine): Promise<void> {
  await once(engine.events as unknown as NodeJS.EventEmitter, 'verified');   // eventemitter3 has what `once` asks for
}
