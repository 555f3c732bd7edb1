import type { Tensor } from '../../core/index.js';
import { type Growth, type Grown, range, repeated, type Roots } from './growth.js';

/** Levels of nodes, and nodes of a level that are continued, each by as many tokens. */
export interface DynamicShape {
  readonly levels: number;
  readonly width: number;
}

/** Nodes that grow before the best are kept. */
export function poolSize({ levels, width }: DynamicShape): number {
  return width + (levels - 1) * width * width;
}

/**
 * Grows a tree where the draft is most certain: of each level the `width` paths with the highest probability are continued by `width` tokens
 * each. All nodes that grew are handed over, with the log-probabilities of their paths. Nothing is read.
 *
 * @see Li et al. 2024 (EAGLE-2), arXiv:2406.16858
 */
export function growDynamic(growth: Growth, roots: Roots, { levels, width: k }: DynamicShape): Grown {
  const { host: { ops }, draft, session, ranking } = growth;
  const { sequences, slots } = roots;
  const n = sequences.length;
  const hidden = draft.model.description.hiddenSize;
  const everywhere = (values: Int32Array): Tensor => ops.fromArray(tiled(values, n), [n, values.length]);
  let { logits, state } = draft.outputs(roots.out);
  const first = ranking.best(logits, k, { sequences, perSequence: 1, ahead: 0 });
  let { tokens, logProbs: scores } = first;
  const pool = { tokens: [tokens], scores: [scores], parents: [everywhere(new Int32Array(k))] };
  if (levels === 1) return { tokens, scores, parents: pool.parents[0]! };
  const beamSlots = repeated(slots, k);
  const group = repeated(range(k), k);
  // Of each node of the beam: the row of the level above that it goes on from, its row number in the session's tree, its number in the pool.
  let states = ops.gather(state, repeated(range(n), k), 0);
  let parents: Tensor | Int32Array = new Int32Array(n * k).fill(-1);
  let nodes: Tensor | undefined;
  for (let level = 1; level < levels; level++) {
    ({ logits, state } = draft.outputs(session.forward({ sequences: beamSlots, tokens, states, parents }).hidden));
    const grown = ranking.best(logits, k, { sequences, perSequence: k, ahead: level });
    const all = ops.reshape(grown.tokens, [n, k * k]);
    const paths = ops.reshape(ops.add(ops.reshape(grown.logProbs, [n, k, k]), ops.reshape(scores, [n, k, 1])), [n, k * k]);
    pool.tokens.push(all);
    pool.scores.push(paths);
    pool.parents.push(nodes === undefined ? everywhere(group.map((place) => place + 1)) : ops.gather(nodes, group, 1));
    if (level + 1 === levels) break;
    const best = ops.topK(paths, k);
    const [from] = ops.divMod(best.indices, k);
    tokens = ops.gather(all, best.indices, 1);
    scores = best.values;
    states = ops.gather(ops.reshape(state, [n, k, hidden]), from, 1);
    parents = ops.add(from, (level - 1) * k);
    nodes = ops.add(best.indices, poolSize({ levels: level, width: k }) + 1);
  }
  return { tokens: ops.concat(pool.tokens, 1), scores: ops.concat(pool.scores, 1), parents: ops.concat(pool.parents, 1) };
}

function tiled(values: Int32Array, count: number): Int32Array {
  return Int32Array.from({ length: values.length * count }, (_, i) => values[i % values.length]!);
}
