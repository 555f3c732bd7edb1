import type { ExperimentTag } from './experiment/measured-run.js';
import type { ChosenLogprob } from './logprobs.js';
import type { ResolvedSampling } from './options.js';
import type { Guarantee } from './strategy.js';
import type { TraceEntry } from './trace.js';

/** A piece of output as it becomes final. */
export interface Chunk {
  /** Text that is final now; may be empty while a character or a possible stop string is incomplete. */
  readonly text: string;
  readonly tokens: readonly number[];
  /** Which of the `n` samples it belongs to, from 0. */
  readonly index: number;
  /** One per token, with `logprobs`. */
  readonly logprobs?: readonly ChosenLogprob[];
}

/** How the tokens of one sample came about. Durations in milliseconds. */
export interface RunStats {
  readonly strategy: string;
  readonly guarantee: Guarantee;
  /** Passes of the target that committed tokens. */
  readonly iterations: number;
  /** Nodes proposed, probes not counted; 0 when the strategy is `'off'`. */
  readonly drafted: number;
  /** Nodes accepted and kept. */
  readonly accepted: number;
  /** Tokens per iteration. */
  readonly acceptanceLength: number;
  /** How often the node at depth 1, 2, … was accepted. */
  readonly acceptedPerPosition: readonly number[];
  /** Most sequences in one of its passes. */
  readonly maxConcurrent: number;
  /** Time in the strategy, in the target's passes, and in committing, over all its iterations; shared with neighbours in the same pass. */
  readonly draftMs: number;
  readonly verifyMs: number;
  readonly commitMs: number;
  /** From the first pass to the last token. */
  readonly tokensPerSecond: number;
  /** From the call of `generate` to the first token. */
  readonly timeToFirstTokenMs: number;
  /** Iterations in which the strategy failed and the sequence was decoded plainly. */
  readonly faults: number;
  /** Iterations decoded plainly because the strategy had been given up: after repeated faults, or where its plan says so. */
  readonly bypassed: number;
  /** Seed of the noise: give it to `generate` to get the same tokens. */
  readonly seed: bigint;
}

/** One finished sample. */
export interface SampleResult {
  /** Output, after the prompt's text with `echo`. */
  readonly text: string;
  /** Generated tokens only, up to and including the one that ended the text. */
  readonly tokens: number[];
  /** `eos`: an end token; `stop`: a stop string or stop token, which `text` no longer holds; `length`: `maxTokens` or the context is full. */
  readonly finishReason: 'eos' | 'stop' | 'length';
  readonly stats: RunStats;
  /** One per token, with `logprobs`. */
  readonly logprobs?: readonly ChosenLogprob[];
  /** Every iteration, with `trace: true`. */
  readonly trace?: readonly TraceEntry[];
}

/** What a run resolves to: the first sample, and all of them in `samples`. */
export interface RunResult extends SampleResult {
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number; readonly totalTokens: number };
  /** How tokens were chosen, defaults included. */
  readonly sampling: ResolvedSampling;
  readonly samples: readonly SampleResult[];
  /** For requests of an experiment: which one, and under which arm. */
  readonly experiment?: ExperimentTag;
}

/**
 * A request that is being generated. It runs whether or not anybody reads it: iterate it for chunks as they come, await `result` for the
 * whole. Leaving the iteration early cancels the run.
 */
export class Run implements AsyncIterable<Chunk> {
  readonly result: Promise<RunResult>;
  private readonly chunks: Chunk[] = [];
  private ended = false;
  private failure: unknown;
  private wake: (() => void) | undefined;
  private resolve!: (result: RunResult) => void;
  private reject!: (error: unknown) => void;

  constructor(private readonly cancel: (reason: unknown) => void) {
    this.result = new Promise((resolve, reject) => { [this.resolve, this.reject] = [resolve, reject]; });
    this.result.catch(() => {});   // nobody has to await it: an unread failure must not end the process
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Chunk> {
    let finished = false;
    try {
      for (;;) {
        const chunk = this.chunks.shift();
        if (chunk !== undefined) { yield chunk; continue; }
        if (this.ended) break;
        await new Promise<void>((resolve) => { this.wake = resolve; });
      }
      finished = true;
    } finally {
      if (!finished) this.cancel(new DOMException('The reader left before the end.', 'AbortError'));
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** @internal */
  push(chunk: Chunk): void {
    this.chunks.push(chunk);
    this.wake?.();
  }

  /** @internal */
  finish(result: RunResult): void {
    this.ended = true;
    this.resolve(result);
    this.wake?.();
  }

  /** @internal */
  fail(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = error ?? new Error('aborted');
    this.reject(this.failure);
    this.wake?.();
  }
}
