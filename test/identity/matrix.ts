// The promise, cell by cell: whatever the strategy, batch, chunking, threads and dtype, the tokens are plain decoding's.
import { readFileSync } from 'node:fs';
import { createEngine, type Engine, type GenerateRequest, type RunResult, type SampleResult, type StrategyConfig } from '../../core/index.js';

export type Choice = 'off' | StrategyConfig;

/** One way of running an engine. */
export interface EngineCell {
  readonly dtype: 'f32' | 'bf16';
  readonly threads: number;
  readonly prefillChunk: number;
}

/** One way of asking. */
export interface RequestCell {
  readonly temperature: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly stop?: readonly string[];
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly logitBias?: Readonly<Record<number, number>>;
  readonly minTokens?: number;
  readonly stopTokens?: readonly number[];
  readonly n?: number;
  readonly logprobs?: number;
  readonly logprobStage?: 'raw' | 'processed';
}

/** What a cell compared. */
export interface Comparison {
  tokens: number;
  drafted: number;
  accepted: number;
  maxConcurrent: number;
  logprobs: number;
  readonly differences: string[];
}

const MODEL = 'models/demo/target';

/** Prompts of the model's own kind of text, shipped with it. */
export function demoPrompts(count: number): number[][] {
  const lines = readFileSync('models/demo/acceptance-prompts.jsonl', 'utf8').split('\n').filter(Boolean);
  const step = Math.floor(lines.length / count);
  return lines.filter((_, i) => i % step === 0).slice(0, count).map((line) => (JSON.parse(line) as { tokens: number[] }).tokens);
}

/** What plain decoding gives, computed once per dtype and way of asking: one thread, one sequence at a time. */
export class PlainTexts {
  private readonly engines = new Map<string, Promise<Engine>>();
  private readonly texts = new Map<string, Promise<RunResult>>();

  constructor(private readonly prompts: readonly number[][], private readonly maxTokens: number) {}

  async of(dtype: EngineCell['dtype'], cell: RequestCell, prompt: number): Promise<RunResult> {
    const key = JSON.stringify([dtype, cell, prompt]);
    let text = this.texts.get(key);
    if (text === undefined) {
      text = this.run(dtype, cell, prompt);
      this.texts.set(key, text);
    }
    return text;
  }

  private async run(dtype: EngineCell['dtype'], cell: RequestCell, prompt: number): Promise<RunResult> {
    let engine = this.engines.get(dtype);
    if (engine === undefined) {
      engine = createEngine({ model: MODEL, dtype, threads: 1, measure: false });
      this.engines.set(dtype, engine);
    }
    return (await engine).generate({ ...requestOf(this.prompts[prompt]!, prompt, cell, this.maxTokens), strategy: 'off' }).result;
  }

  async dispose(): Promise<void> {
    for (const engine of this.engines.values()) await (await engine).dispose();
  }
}

/** What must be the same; numbers to the last bit. */
function comparable({ tokens, text, finishReason, logprobs }: SampleResult): unknown {
  return [tokens, text, finishReason, logprobs];
}

function requestOf(promptTokens: number[], prompt: number, cell: RequestCell, maxTokens: number): GenerateRequest {
  return { promptTokens, maxTokens, seed: 1000 + prompt, ...cell };
}

export function openEngine({ dtype, threads, prefillChunk }: EngineCell): Promise<Engine> {
  return createEngine({ model: MODEL, dtype, threads, prefillChunk, maxSequences: 8, proposeBudgetMs: 60_000 });
}

/**
 * Runs every prompt with the strategies in turn, `batch` at a time, and compares with plain decoding.
 *
 * @param strategies with one, every request uses it; with several they are dealt out, so that neighbours differ
 */
export async function compare(engine: Engine, strategies: readonly Choice[], cell: RequestCell, batch: number, prompts: readonly number[][], maxTokens: number, plain: PlainTexts): Promise<Comparison> {
  const comparison: Comparison = { tokens: 0, drafted: 0, accepted: 0, maxConcurrent: 0, logprobs: 0, differences: [] };
  for (let from = 0; from < prompts.length; from += batch) {
    const group = prompts.slice(from, from + batch);
    const results = await Promise.all(group.map((prompt, i) => engine.generate({
      ...requestOf(prompt, from + i, cell, maxTokens), strategy: strategies[(from + i) % strategies.length]!,
    }).result));
    for (const [i, result] of results.entries()) await compareOne(result, from + i, engine, cell, plain, comparison);
  }
  return comparison;
}

async function compareOne(result: RunResult, prompt: number, engine: Engine, cell: RequestCell, plain: PlainTexts, comparison: Comparison): Promise<void> {
  const want = await plain.of(engine.info.dtype, cell, prompt);
  const same = JSON.stringify(result.samples.map(comparable)) === JSON.stringify(want.samples.map(comparable));
  comparison.tokens += result.usage.completionTokens;
  comparison.drafted += result.stats.drafted;
  comparison.accepted += result.stats.accepted;
  comparison.maxConcurrent = Math.max(comparison.maxConcurrent, result.stats.maxConcurrent);
  for (const { logprobs = [] } of result.samples) comparison.logprobs += logprobs.length;
  if (same) return;
  const at = result.tokens.findIndex((token, i) => token !== want.tokens[i]);
  comparison.differences.push(`prompt ${prompt}, ${result.stats.strategy}: token ${at} of ${result.tokens.length} (${result.finishReason}) differs from plain decoding's ${want.tokens.length} (${want.finishReason})`);
}
