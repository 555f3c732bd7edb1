// Rejection written with the ops that every plugin has, row by row for the whole forest at once, and the mistakes that are made in it.
import { z } from 'zod';
import { defineVerifier, type Ops, type ScoredForest, type Tensor, type Verdict, type Verifier, type VerifyOps } from '../../core/index.js';

/** `no-residual`: after a refusal the target draws as if nothing had happened. `not-zeroed`: a refused sibling could be drawn again. `best-of`: each sibling has a fair chance of its own. */
export type Mistake = 'no-residual' | 'not-zeroed' | 'best-of';

export function rejectionByHand(mistake?: Mistake): Verifier<object> {
  return defineVerifier({
    name: `by-hand-${mistake ?? 'right'}`, options: z.strictObject({}), guarantee: 'distribution',
    accepts: ['deterministic', 'independent', 'without-replacement'], needsDistributions: true,
    verify: (scored, ops) => reject(scored, ops, mistake),
  }) as Verifier<object>;
}

function reject(scored: ScoredForest, ops: Ops & VerifyOps, mistake: Mistake | undefined): Verdict {
  const [rows, vocab] = scored.probs().shape as [number, number];
  const column = (x: Tensor): Tensor => ops.reshape(x, [rows, 1]);
  const ids = ops.fromArray(Int32Array.from({ length: vocab }, (_, token) => token), [1, vocab]);
  const normal = (x: Tensor, orElse: Tensor): Tensor => {
    const total = ops.sum(x);
    return ops.where(ops.less(total, 1e-9), orElse, ops.div(x, total));
  };
  const coins = scored.uniform('accept');
  let p = scored.probs();
  let q: Tensor | undefined;
  let child = ops.fromArray(new Int32Array(rows).fill(-1), [rows]);
  for (let j = 0; j < scored.maxWidth; j++) {
    const sibling = ops.reshape(ops.gather(scored.children(), Int32Array.of(j), 1), [rows]);
    const exists = column(ops.less(-1, sibling));
    const token = column(ops.gather(scored.tokens, sibling, 0));
    const isToken = ops.mul(ops.less(ops.add(token, -1), ids), ops.less(ids, ops.add(token, 1)));
    if (scored.distributions === undefined) q = ops.where(isToken, 1, ops.mul(p, 0));
    else if (scored.drawn === 'independent' || q === undefined) q = ops.gather(scored.distributions, sibling, 0);
    const chance = mistake === 'best-of' ? scored.probs() : p;
    const accept = ops.reshape(ops.less(ops.mul(column(ops.gather(coins, sibling, 0)), ops.gather(q, token, 1)), ops.gather(chance, token, 1)), [rows]);
    const isOpen = ops.less(child, 0);
    child = ops.where(ops.mul(ops.mul(accept, ops.less(-1, sibling)), isOpen), sibling, child);
    const rest = ops.add(mistake === 'best-of' ? scored.probs() : p, ops.mul(q, -1));
    if (mistake !== 'no-residual') p = ops.where(exists, normal(ops.where(ops.less(rest, 0), 0, rest), p), p);
    if (scored.drawn === 'without-replacement' && mistake !== 'not-zeroed') q = normal(ops.where(isToken, 0, q), q);
  }
  return ops.walk(scored, child, ops.sample(p, scored.uniform('next')));
}

/** Asks the target anew for every sibling, as layouts do that repeat a shared node in several rows. */
export const redrawing = defineVerifier({
  name: 'redrawing', options: z.strictObject({}), guarantee: 'distribution', accepts: ['deterministic'],
  verify(scored, ops) {
    const rows = scored.probs().shape[0]!;
    const drawn = ops.sample(ops.gather(scored.probs(), scored.parents, 0), scored.uniform('accept'));   // one token per row, after its parent
    const isRight = ops.mul(ops.less(drawn, ops.add(scored.tokens, 1)), ops.less(ops.add(scored.tokens, -1), drawn));
    let child = ops.fromArray(new Int32Array(rows).fill(-1), [rows]);
    let next = ops.sample(scored.probs(), scored.uniform('next'));
    for (let j = scored.maxWidth - 1; j >= 0; j--) {
      const sibling = ops.reshape(ops.gather(scored.children(), Int32Array.of(j), 1), [rows]);
      child = ops.where(ops.less(0, ops.gather(isRight, sibling, 0)), sibling, child);
      next = ops.where(ops.less(-1, sibling), ops.gather(drawn, sibling, 0), next);
    }
    return ops.walk(scored, child, next);
  },
}) as Verifier<object>;
