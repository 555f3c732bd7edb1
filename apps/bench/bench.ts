// Compares strategies on the same prompts in the same run. Deliberately absent: confidence intervals, assignment, stop rules (experiments have them).
import type { Engine, GenerateRequest, RunStats, StrategyConfig } from '../../core/index.js';
import { median } from './median.js';
import { type IterationParts, mediansOf, PartsRecorder } from './parts.js';
import type { BenchPrompt } from './prompts.js';

export interface BenchOptions {
  readonly prompts: readonly BenchPrompt[];
  /** Compared with plain decoding, which is always measured too. */
  readonly strategies: readonly (string | StrategyConfig)[];
  /** Passes over all prompts; in every other one the strategies take turns in reverse (ABBA). Default 2. */
  readonly passes?: number;
  readonly request?: Omit<GenerateRequest, 'prompt' | 'promptTokens' | 'strategy' | 'signal' | 'n'>;
  readonly signal?: AbortSignal;
  /** Called before each generation. */
  readonly onProgress?: (done: number, total: number, label: string) => void;
}

/** One generation. */
export interface Trial {
  readonly prompt: string;
  /** Tokens per second after the first chunk; undefined for outputs too short to tell. */
  readonly tokensPerSecond: number | undefined;
  readonly timeToFirstTokenMs: number;
  readonly tokens: number;
  readonly iterations: number;
  readonly drafted: number;
  readonly accepted: number;
  /** Medians over its iterations; undefined where there was one only. */
  readonly parts: IterationParts | undefined;
}

/** What one strategy did on all prompts. */
export interface BenchArm {
  readonly strategy: string | StrategyConfig;
  readonly guarantee: RunStats['guarantee'];
  /** Median over all trials. */
  readonly tokensPerSecond: number;
  /** Median over prompts of this strategy's median speed ÷ plain decoding's. */
  readonly speedup: number;
  /** Tokens per iteration over all trials. */
  readonly acceptanceLength: number;
  readonly drafted: number;
  readonly accepted: number;
  readonly timeToFirstTokenMs: number;
  /** Medians over all trials. */
  readonly parts: IterationParts;
  /** Generations whose tokens were plain decoding's, of all compared. */
  readonly equal: number;
  readonly compared: number;
  readonly trials: readonly Trial[];
}

const PLAIN = 'off';
const WARM_UP_TOKENS = 16;

/**
 * Runs every strategy on every prompt, alternating, after a warm-up of each.
 *
 * @returns plain decoding first, then the strategies in their order
 */
export async function bench(engine: Pick<Engine, 'generate' | 'events'>, options: BenchOptions): Promise<BenchArm[]> {
  const { prompts, passes = 2, request = {}, onProgress = () => {}, signal } = options;
  const arms = [PLAIN, ...options.strategies.filter((strategy) => strategy !== PLAIN)].map((strategy) => ({ strategy, trials: [] as Measured[] }));
  const total = arms.length * (1 + passes * prompts.length);
  let done = 0;
  const run = async (strategy: string | StrategyConfig, index: number, maxTokens?: number) => {
    const prompt = prompts[index];
    if (prompt === undefined) throw new RangeError('bench needs at least one prompt');
    onProgress(done++, total, labelOf(strategy));
    return measure(engine, prompt, {
      ...request, seed: BigInt(request.seed ?? 0) + BigInt(index), strategy,
      ...(maxTokens === undefined ? {} : { maxTokens, minTokens: 0 }), ...(signal === undefined ? {} : { signal }),
    });
  };
  for (const { strategy } of arms) await run(strategy, 0, Math.min(WARM_UP_TOKENS, request.maxTokens ?? WARM_UP_TOKENS));
  for (let pass = 0; pass < passes; pass++) {
    for (const index of prompts.keys()) {
      for (const { strategy, trials } of (pass + index) % 2 === 0 ? arms : arms.toReversed()) trials.push(await run(strategy, index));
    }
  }
  onProgress(total, total, '');
  const [plain] = arms;
  return arms.map((arm) => summary(arm.strategy, arm.trials, plain?.trials ?? []));
}

interface Measured {
  readonly trial: Trial;
  readonly guarantee: RunStats['guarantee'];
  readonly output: readonly number[];
}

/** One generation; its speed is taken between its first and its last chunk, so that the prompt's share is left out. */
async function measure(engine: Pick<Engine, 'generate' | 'events'>, prompt: BenchPrompt, request: GenerateRequest): Promise<Measured> {
  const start = performance.now();
  let firstAt = start, lastAt = start, firstCount = 0;
  using parts = new PartsRecorder(engine.events);
  const run = engine.generate({ ...request, prompt: prompt.text });
  for await (const { tokens } of run) {
    if (tokens.length === 0) continue;
    lastAt = performance.now();
    parts.chunk(lastAt);
    if (firstCount === 0) [firstAt, firstCount] = [lastAt, tokens.length];
  }
  const { tokens, stats } = await run.result;
  const later = tokens.length - firstCount;
  const trial: Trial = {
    prompt: prompt.id, tokens: tokens.length, iterations: stats.iterations, drafted: stats.drafted, accepted: stats.accepted, timeToFirstTokenMs: firstAt - start,
    parts: parts.medians(stats.commitMs / stats.iterations),
    tokensPerSecond: later > 0 && lastAt > firstAt ? (later / (lastAt - firstAt)) * 1000 : undefined,
  };
  return { trial, guarantee: stats.guarantee, output: tokens };
}

function summary(strategy: string | StrategyConfig, measured: readonly Measured[], plain: readonly Measured[]): BenchArm {
  const trials = measured.map(({ trial }) => trial);
  const sum = (field: 'tokens' | 'iterations' | 'drafted' | 'accepted') => trials.reduce((total, trial) => total + trial[field], 0);
  const speeds = speedsByPrompt(trials), plainSpeeds = speedsByPrompt(plain.map(({ trial }) => trial));
  const ratios = [...speeds].flatMap(([prompt, speed]) => { const base = plainSpeeds.get(prompt); return base === undefined ? [] : [speed / base]; });
  const expected = new Map(plain.map(({ trial, output }) => [trial.prompt, output.join()]));
  return {
    strategy, guarantee: measured[0]?.guarantee ?? 'identical', trials,
    tokensPerSecond: median(trials.flatMap(({ tokensPerSecond }) => tokensPerSecond ?? [])),
    speedup: median(ratios), acceptanceLength: sum('tokens') / sum('iterations'), drafted: sum('drafted'), accepted: sum('accepted'),
    timeToFirstTokenMs: median(trials.map(({ timeToFirstTokenMs }) => timeToFirstTokenMs)), parts: mediansOf(trials.flatMap(({ parts }) => parts ?? [])),
    equal: measured.filter(({ trial, output }) => expected.get(trial.prompt) === output.join()).length, compared: measured.length,
  };
}

function speedsByPrompt(trials: readonly Trial[]): Map<string, number> {
  const speeds = new Map<string, number[]>();
  for (const { prompt, tokensPerSecond } of trials) if (tokensPerSecond !== undefined) speeds.set(prompt, [...(speeds.get(prompt) ?? []), tokensPerSecond]);
  return new Map([...speeds].map(([prompt, each]) => [prompt, median(each)]));
}

/** A strategy as a person would name it. */
export function labelOf(strategy: string | StrategyConfig): string {
  if (typeof strategy === 'string') return strategy;
  const { name, ...options } = strategy;
  return Object.keys(options).length === 0 ? name : `${name} ${JSON.stringify(options)}`;
}
