import { TextAdjustments } from './adjustments.js';
import type { NativeAdjustments } from './native/types.js';
import type { Sampling, Sequence } from './strategy.js';

/** The text of one running sample: prompt and output so far. Strategies see it as {@link Sequence}. */
export class RunningSequence implements Sequence {
  budget = 0;
  maxDepth = 0;
  readonly promptLength: number;
  private buffer: Int32Array;
  private length: number;
  private readonly adjusting: TextAdjustments | undefined;

  /** @param endTokens tokens that end the text */
  constructor(readonly id: number, prompt: Int32Array, readonly sampling: Sampling, readonly sample = 0, endTokens: Int32Array = new Int32Array(0)) {
    this.buffer = new Int32Array(prompt.length + 64);
    this.buffer.set(prompt);
    this.length = this.promptLength = prompt.length;
    this.adjusting = TextAdjustments.of(sampling, prompt, endTokens);
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
    this.adjusting?.append(token);
  }

  /** What the text so far does to the logits of its next tokens. */
  adjustments(): NativeAdjustments | undefined {
    return this.adjusting?.native();
  }

  output(): Int32Array {
    return this.buffer.slice(this.promptLength, this.length);
  }
}
