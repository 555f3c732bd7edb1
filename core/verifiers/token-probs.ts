import type { Ops, ScoredForest, Tensor } from '../strategy.js';

/** What the target gives the token of each row after its parent, `[rows]` f32; 0 for roots and absent rows. */
export function tokenProbs(scored: ScoredForest, ops: Ops): Tensor {
  const probs = scored.probs();
  const rows = probs.shape[0]!;   // [rows, vocab]
  const afterParent = ops.gather(probs, scored.parents, 0);
  return ops.reshape(ops.gather(afterParent, ops.reshape(scored.tokens, [rows, 1]), 1), [rows]);
}
