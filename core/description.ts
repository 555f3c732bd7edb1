/** Numeric type of a tensor. */
export type DType = 'f32' | 'bf16' | 'f16' | 'i32';

/** One rotary table: the first `2 * inverseFrequencies.length` values of a head turn by `position * inverseFrequencies[i]`. */
export interface Rope {
  readonly inverseFrequencies: readonly number[];
  /** Multiplies cosines and sines (YaRN's attention factor). */
  readonly scale: number;
  /** The same of texts longer than {@link ModelDescription.longFrom}; as many. Default: the table does not change. */
  readonly longInverseFrequencies?: readonly number[];
}

/** What differs between the layers of one model. */
export interface LayerDescription {
  /** Index into {@link ModelDescription.ropes}; -1: this layer has no positions. */
  readonly rope: number;
  /** Positions that a row sees, its own included; 0: all. */
  readonly slidingWindow: number;
  /**
   * Its attention reads `[norm(embedding), norm(stream)]`, `2 * hiddenSize` wide, in place of the normed residual stream alone. Only where
   * `inputs` is `'state'`; its two norms stand in place of `attentionNorm`. Default: false.
   */
  readonly joined?: boolean;
  /** Its feed-forward part is one of {@link ModelDescription.experts}. Default: false. */
  readonly experts?: boolean;
}

/** Feed-forward parts of which each row runs a few, chosen by a router. */
export interface ExpertsDescription {
  readonly count: number;
  /** Experts that a row runs. */
  readonly perToken: number;
  /** Inner width of one. */
  readonly size: number;
  /** Whether the shares of the chosen ones add up to 1; else they are those among all experts. */
  readonly shareWhole: boolean;
}

/**
 * What a decoder is made of, in neutral terms: nothing in it names a model family. Architectures derive it from `config.json`.
 */
export interface ModelDescription {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly headDim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly intermediateSize: number;
  /** Rows of the embedding; a tokenizer may know fewer. */
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly normEps: number;
  /** 1 where a norm multiplies by `1 + weight`, else 0. */
  readonly normWeightOffset: number;
  readonly activation: 'silu' | 'gelu' | 'geluTanh';
  /** Multiplies query · key. */
  readonly attentionScale: number;
  /** `cap * tanh(x / cap)` on attention scores and logits; 0: none. */
  readonly attentionSoftCap: number;
  readonly logitSoftCap: number;
  readonly embeddingScale: number;
  readonly residualScale: number;
  readonly logitScale: number;
  /** RMSNorm on the input of attention and MLP. */
  readonly preNorm: boolean;
  /** RMSNorm on the output of attention and MLP, before it joins the residual stream. */
  readonly postNorm: boolean;
  /** RMSNorm of queries and keys: per head, or over the whole projection. */
  readonly qkNorm: 'none' | 'head' | 'all';
  readonly finalNorm: boolean;
  readonly ropes: readonly Rope[];
  /**
   * A text of more tokens turns by the tables for long texts, all its tokens from the first on: a sequence that grows beyond it is run again
   * from 0. Default: no table changes.
   */
  readonly longFrom?: number;
  /** Of the layers that have experts. */
  readonly experts?: ExpertsDescription;
  readonly layer: readonly LayerDescription[];
  /** Whether the head shares the embedding's weights. */
  readonly tied: boolean;
  /**
   * Where the residual stream begins: with the token's embedding (default); with a state that comes beside the token (`Rows.states`); or with
   * a projection of `[embedding, state]`.
   */
  readonly inputs?: 'token' | 'state' | 'pair';
  /** RMSNorm of the two halves of a pair before they are projected. Default: false. */
  readonly embeddingNorm?: boolean;
  readonly stateNorm?: boolean;
  /** Whether the attention of the first layer has the pre-norm that the others have. Default: true. */
  readonly inputNorm?: boolean;
  /** In joined layers the residual stream goes on from its norm. Default: false. */
  readonly normedResidual?: boolean;
  /** Logits of the head; 0: there is no head. Default: `vocabSize`. */
  readonly headSize?: number;
}
