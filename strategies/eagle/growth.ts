import type { Sequence, Session, StrategyHost, Tensor } from '../../core/index.js';
import type { DraftLayer } from './draft-layer.js';
import type { Ranking } from './ranking.js';

/** The texts of one call, and what the draft's layer said of the last row of each. */
export interface Roots {
  readonly sequences: readonly Sequence[];
  /** In the draft's session. */
  readonly slots: Int32Array;
  /** `[sequences, hidden]`. */
  readonly out: Tensor;
}

/** A tree as `DraftBuilder.tensors` takes it: `[sequences, nodes]`, parents perhaps `[1, nodes]`. */
export interface Grown {
  readonly tokens: Tensor;
  readonly parents: Tensor;
  readonly scores: Tensor;
}

/** What trees grow with. */
export interface Growth {
  readonly host: StrategyHost;
  readonly draft: DraftLayer;
  readonly session: Session;
  readonly ranking: Ranking;
}

/** `count` times each of the values. */
export function repeated(values: Int32Array, count: number): Int32Array {
  return Int32Array.from({ length: values.length * count }, (_, i) => values[Math.floor(i / count)]!);
}

/** 0, 1, …, count - 1. */
export function range(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}
