// Where the time of an iteration goes.
import type { Engine, EngineEvents } from '../../core/index.js';
import { median } from './median.js';

/** Parts of an iteration, in milliseconds. */
export interface IterationParts {
  /** From the end of one iteration to the end of the next. */
  readonly iterationMs: number;
  /** On the device before the pass: what the strategy does and enqueues. */
  readonly draftMs: number;
  /** The pass and its verdict. */
  readonly verifyMs: number;
  /** The rest: while the host packs, reads, commits and tells, the device waits. */
  readonly hostMs: number;
  /** Share of the rest in which the host cuts, commits and hands out what was accepted. */
  readonly commitMs: number;
}

/** Notes the parts of the iterations of the one request that runs while it listens. Prompt chunks are no iterations. */
export class PartsRecorder implements Disposable {
  private readonly passes: { draftMs: number; verifyMs: number }[] = [];
  private readonly chunksAt: number[] = [];
  private readonly listener: EngineEvents['verified'] = ({ draftMs, durationMs }) => { this.passes.push({ draftMs, verifyMs: durationMs }); };

  constructor(private readonly events: Pick<Engine['events'], 'on' | 'off'>) {
    events.on('verified', this.listener);
  }

  /** Tokens have come, at a time of `performance.now()`: the end of an iteration. */
  chunk(at: number): void {
    this.chunksAt.push(at);
  }

  /** @param commitMs mean time of committing @returns undefined before two iterations have ended */
  medians(commitMs: number): IterationParts | undefined {
    const iterations = this.chunksAt.slice(1).map((at, i) => at - this.chunksAt[i]!);
    if (iterations.length === 0) return undefined;
    const passes = this.passes.slice(-iterations.length);
    const parts = passes.map(({ draftMs, verifyMs }, i) => ({ iterationMs: iterations[i]!, draftMs, verifyMs, hostMs: iterations[i]! - draftMs - verifyMs, commitMs }));
    return mediansOf(parts);
  }

  [Symbol.dispose](): void {
    this.events.off('verified', this.listener);
  }
}

/** Each part's median. */
export function mediansOf(parts: readonly IterationParts[]): IterationParts {
  const of = (part: keyof IterationParts): number => median(parts.map((each) => each[part]));
  return { iterationMs: of('iterationMs'), draftMs: of('draftMs'), verifyMs: of('verifyMs'), hostMs: of('hostMs'), commitMs: of('commitMs') };
}
