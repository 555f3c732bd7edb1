import type { NativeTensor } from '../native/types.js';
import type { Target } from '../target.js';

/** How long the parts of one iteration took, in milliseconds. */
export interface Times {
  /** Strategies: their callbacks and what they enqueued. */
  readonly draftMs: number;
  /** The pass and the verdict. */
  readonly verifyMs: number;
}

/** The same with what the host took to commit. */
export interface IterationTimes extends Times {
  readonly commitMs: number;
}

/** Times an iteration where the work is done, on the device thread: marks are enqueued between the parts and ride on the read. */
export class IterationClock {
  readonly marks: NativeTensor[] = [];

  constructor(private readonly target: Target) {
    this.mark();
  }

  /** Ends a part: first drafting, then verifying. */
  mark(): void {
    this.marks.push(this.target.track(this.target.runtime.ops.clock()));
  }

  /** @param values what the marks said, `[2]` each: seconds and microseconds */
  static times(values: readonly ArrayLike<number>[]): Times {
    const [start = 0, drafted = 0, verified = 0] = values.map((value) => value[0]! * 1000 + value[1]! / 1000);
    return { draftMs: drafted - start, verifyMs: verified - drafted };
  }
}
