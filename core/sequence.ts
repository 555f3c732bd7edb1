import type { Sampling, Sequence } from './strategy.js';

/** The text of one running sample: prompt and output so far. Strategies see it as {@link Sequence}. */
export class RunningSequence implements Sequence {
  budget = 0;
  maxDepth = 0;
  private buffer: Int32Array;
  private length: number;

  constructor(readonly id: number, prompt: Int32Array, readonly promptLength: number, readonly sampling: Sampling, readonly sample = 0) {
    this.buffer = new Int32Array(prompt.length + 64);
    this.buffer.set(prompt);
    this.length = prompt.length;
  }

  /** A view: valid until the next `append`. */
  get tokens(): Int32Array {
    return this.buffer.subarray(0, this.length);
  }

  get outputLength(): number {
    return this.length - this.promptLength;
  }

  /** The last token: final, but not forwarded yet. */
  get pending(): number {
    return this.buffer[this.length - 1]!;
  }

  append(token: number): void {
    if (this.length === this.buffer.length) {
      const grown = new Int32Array(this.buffer.length * 2);
      grown.set(this.buffer);
      this.buffer = grown;
    }
    this.buffer[this.length++] = token;
  }

  output(): Int32Array {
    return this.buffer.slice(this.promptLength, this.length);
  }
}
