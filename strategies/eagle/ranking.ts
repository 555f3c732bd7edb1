import type { Noise, Sequence, StrategyHost, Tensor } from '../../core/index.js';
import type { DraftLayer } from './draft-layer.js';

/** The best tokens after some rows, best first: target ids, and logarithms of how likely the target is to choose each, `[rows, k]`. */
export interface Ranked {
  readonly tokens: Tensor;
  readonly logProbs: Tensor;
}

/** Where the rows of a level stand: `perSequence` rows for each sequence, and the token after each of them at `tokens.length + ahead`. */
export interface LevelPlace {
  readonly sequences: readonly Sequence[];
  readonly perSequence: number;
  readonly ahead: number;
}

/**
 * Ranks the tokens that a draft expects: by their log-probabilities, or, at a temperature, by what the noise of the request makes of them. The
 * target's choice is a maximum over the same noise, so the chance of a token is no longer its probability but what its noisy score says beside
 * those of the others.
 */
export class Ranking {
  /** @param usesNoise whether sequences at a temperature rank with their noise */
  constructor(private readonly host: StrategyHost, private readonly draft: DraftLayer, private readonly usesNoise: boolean) {}

  best(logits: Tensor, k: number, place: LevelPlace): Ranked {
    const { ops } = this.host;
    const isNoisy = place.sequences.map(({ sampling }) => this.usesNoise && sampling.temperature > 0);
    if (!isNoisy.includes(true)) {
      const { values, indices } = ops.topK(ops.logSoftmax(logits), k);
      return { tokens: this.draft.tokens(indices), logProbs: values };
    }
    const isMixed = isNoisy.includes(false);
    const { values, indices, scores } = ops.topK(isMixed ? ops.logSoftmax(logits) : logits, k, this.noiseAt(place));
    const noisy = ops.logSoftmax(scores);   // over the best alone: the others are far behind
    const logProbs = isMixed ? ops.where(maskOf(this.host, isNoisy, place.perSequence), noisy, values) : noisy;
    return { tokens: this.draft.tokens(indices), logProbs };
  }

  private noiseAt({ sequences, perSequence, ahead }: LevelPlace): Noise {
    const rows = sequences.length * perSequence;
    const owners = Array.from({ length: rows }, (_, row) => sequences[Math.floor(row / perSequence)]!);
    const ids = this.draft.vocabulary;
    return { sequences: owners, positions: Int32Array.from(owners, ({ tokens }) => tokens.length + ahead), ...(ids === undefined ? {} : { vocabMap: ids }) };
  }
}

/** `[rows, 1]`: 1 where the row's sequence ranks with noise. */
function maskOf({ ops }: StrategyHost, isNoisy: readonly boolean[], perSequence: number): Tensor {
  const rows = isNoisy.length * perSequence;
  return ops.fromArray(Int32Array.from({ length: rows }, (_, row) => Number(isNoisy[Math.floor(row / perSequence)]!)), [rows, 1]);
}
