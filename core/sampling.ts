import type { NativeAdjustments, NativeChoice, NativeSampler } from './native/types.js';
import type { Noise, Sampling } from './strategy.js';
import { nativeInput } from './tensor-scope.js';

/** A {@link Sampling} of one sample of a request; `sample` counts the samples of `n`. */
export interface SampledSequence {
  readonly sampling: Sampling;
  readonly sample?: number;
  readonly tokens?: { readonly length: number };
  /** What its text does to the logits; undefined: nothing. */
  adjustments?(): NativeAdjustments | undefined;
}

/** The sampler of one sequence in native terms: filters that are off take their neutral values. */
function samplerOf(sequence: SampledSequence, stream: number): NativeSampler {
  const { sampling: { temperature, topK = 0, topP = 1, minP = 0, seed }, sample = 0 } = sequence;
  const adjustments = sequence.adjustments?.();
  return { temperature, topK, topP, minP, seed, sample, stream, ...(adjustments === undefined ? {} : { adjustments }) };
}

/**
 * Noise is keyed by the request's seed and counted by position, token, sample and stream, never by row, batch or sequence. A named stream is
 * another one for every length of the text: rejecting a draft tells something of the noise it was drawn with, which must not be used again.
 *
 * @param rows the sequence of each row
 * @param positionOffset added to `positions` to reach the position of the chosen token
 */
export function choiceOf(rows: readonly SampledSequence[], positions: Noise['positions'], positionOffset: number, stream?: string): NativeChoice {
  const samplers: NativeSampler[] = [];
  const indexOf = new Map<SampledSequence, number>();
  const rowSampler = Int32Array.from(rows, (row) => {
    let index = indexOf.get(row);
    if (index === undefined) {
      index = samplers.push(samplerOf(row, stream === undefined ? 0 : streamNumber(`${stream} ${row.tokens?.length ?? 0}`))) - 1;
      indexOf.set(row, index);
    }
    return index;
  });
  return { samplers, rowSampler, positions: nativeInput(positions), positionOffset };
}

/** Stream 0 is the noise of the target's own choices; a name hashes (FNV-1a) to some other number. */
function streamNumber(stream: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(stream)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash === 0 ? 1 : hash;
}

/** A seed nobody asked for: 64 random bits, reported in the result so that the run can be repeated. */
export function randomSeed(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}
