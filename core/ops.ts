import type { Noise, Tensor } from './strategy.js';

/** Device ops. They keep the order of every sum per row. Indices on the device are checked there. */
export interface Ops {
  /** `x [.., k]` times `weight [n, k]` transposed, plus `bias [n]`. */
  linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor;
  silu(x: Tensor): Tensor;
  exp(x: Tensor): Tensor;
  /** -Infinity at 0, NaN below. */
  log(x: Tensor): Tensor;
  /** Elementwise; shapes align on the right, a missing or 1-long axis is repeated. */
  add(a: Tensor | number, b: Tensor | number): Tensor;
  mul(a: Tensor | number, b: Tensor | number): Tensor;
  div(a: Tensor | number, b: Tensor | number): Tensor;
  /** 1 where a < b, i32. */
  less(a: Tensor | number, b: Tensor | number): Tensor;
  where(mask: Tensor, a: Tensor | number, b: Tensor | number): Tensor;
  /** Over the last axis, which stays with length 1. */
  sum(x: Tensor): Tensor;
  rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor;
  logSoftmax(x: Tensor): Tensor;
  concat(parts: readonly Tensor[], axis: number): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  /**
   * Picks along `axis`. On axis 0 the index may have any shape (a table); on axis 1 a 2-D one picks per row:
   * `gather(x[n, m, …], index[n, k], 1)` → `[n, k, …]`. A bad index gives -1 (i32) or 0.
   */
  gather(x: Tensor, index: Int32Array | Tensor, axis: number): Tensor;
  /**
   * Spreads `x [.., k]` over `width` places of the last axis: column c goes to place `index[c]`, `index [k]` i32; elsewhere stands 0 (i32: -1).
   * Bad places are left out; of equal ones the last stands.
   */
  scatter(x: Tensor, index: Int32Array | Tensor, width: number): Tensor;
  /**
   * The k largest of the last axis, ties to the lowest index; with `noise`, of `x / temperature + Gumbel`. `values` are those of `x`, `scores`
   * what they were ranked by.
   */
  topK(x: Tensor, k: number, noise?: Noise): { readonly values: Tensor; readonly indices: Tensor; readonly scores: Tensor };
  /** What each request's sampling makes of logits `[rows, vocab]`: the distribution that `choose` draws from; one-hot at temperature 0. f32. */
  probs(logits: Tensor, noise: Noise): Tensor;
  /** The token that each request's sampling chooses by logits `[rows, vocab]`, as `Model.choose` does, `[rows]` i32. */
  choose(logits: Tensor, noise: Noise): Tensor;
  /** `[quotient, remainder]` of non-negative i32. */
  divMod(x: Tensor, by: number): [Tensor, Tensor];
  /**
   * Beams `[n, beams, length]` (drafted tokens, no root) merged into one tree per row: tokens and parents `[n, beams * length]`, duplicates
   * absent; `nodeOf` is the node that stands for each.
   */
  mergePrefixes(beams: Tensor): { readonly tokens: Tensor; readonly parents: Tensor; readonly nodeOf: Tensor };
  /**
   * The `counts[i]` best present nodes of a grown tree `[n, nodes]`, renumbered in their old order, `[n, max(counts)]`, -1 padded; `index` is
   * the old column. A node counts for no more than its parent, ties to the earlier: so ancestors are always kept.
   */
  selectTree(tree: { readonly tokens: Tensor; readonly parents: Tensor; readonly scores: Tensor }, counts: Int32Array): { readonly tokens: Tensor; readonly parents: Tensor; readonly scores: Tensor; readonly index: Tensor };
  fromArray(data: Int32Array | Float32Array, shape: readonly number[]): Tensor;
}
