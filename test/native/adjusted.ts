// What adjustments mean, in plain TypeScript over one row of logits.
import type { NativeAdjustments } from '../../core/native/types.js';

export const NO_ADJUSTMENTS: NativeAdjustments = {
  repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seen: new Int32Array(0), counts: new Int32Array(0),
  biasIds: new Int32Array(0), biases: new Float32Array(0), banned: new Int32Array(0), bannedBefore: 0,
};

/** A text and what a request asks for: the adjustments of plain decoding follow from the text alone. */
export interface Asked {
  readonly prompt: readonly number[];
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly bias?: ReadonlyMap<number, number>;
  readonly ends?: readonly number[];
  readonly minTokens?: number;
}

/** In native terms, for a text that ends with `output`. */
export function adjustmentsOf({ prompt, repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0, bias = new Map(), ends = [], minTokens = 0 }: Asked, output: readonly number[]): NativeAdjustments {
  const seen = [...new Set([...prompt, ...output])];
  return {
    repetitionPenalty, presencePenalty, frequencyPenalty, seen: Int32Array.from(seen),
    counts: Int32Array.from(seen, (token) => output.filter((each) => each === token).length),
    biasIds: Int32Array.from(bias.keys()), biases: Float32Array.from(bias.values()), banned: Int32Array.from(ends), bannedBefore: prompt.length + minTokens,
  };
}

/** The logits of the token after prompt and output, each step rounded to f32. */
export function adjusted(logits: ArrayLike<number>, { prompt, repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0, bias, ends, minTokens = 0 }: Asked, output: readonly number[]): number[] {
  const { fround } = Math;
  const text = new Set([...prompt, ...output]);
  return Array.from(logits, (given, token) => {
    const count = output.filter((each) => each === token).length;
    let x = fround(given);
    if (text.has(token)) x = fround(x < 0 ? x * fround(repetitionPenalty) : x / fround(repetitionPenalty));
    x = fround(x - fround(fround(frequencyPenalty) * count));
    if (count > 0) x = fround(x - fround(presencePenalty));
    x = fround(x + fround(bias?.get(token) ?? 0));
    return ends?.includes(token) === true && output.length < minTokens ? -Infinity : x;
  });
}
