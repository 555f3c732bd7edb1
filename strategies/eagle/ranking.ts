import type { Sequence, StrategyHost, Tensor } from '../../core/index.js';
import type { DraftLayer } from './draft-layer.js';

/** The best tokens after some rows, best first: target ids and log-probabilities, `[rows, k]`. */
export interface Ranked {
  readonly tokens: Tensor;
  readonly logProbs: Tensor;
}

/** Where the rows of a level stand: `perSequence` rows for each sequence, whose tokens are followed by the one at `tokens.length + ahead`. */
export interface LevelPlace {
  readonly sequences: readonly Sequence[];
  readonly perSequence: number;
  readonly ahead: number;
}

/** Ranks the tokens that a draft expects. */
export class Ranking {
  constructor(private readonly host: StrategyHost, private readonly draft: DraftLayer) {}

  best(logits: Tensor, k: number, _place: LevelPlace): Ranked {
    const { ops } = this.host;
    const { values, indices } = ops.topK(ops.logSoftmax(logits), k);
    return { tokens: this.draft.tokens(indices), logProbs: values };
  }
}
