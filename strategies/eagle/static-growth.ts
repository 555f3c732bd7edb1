import type { Tensor } from '../../core/index.js';
import { type Growth, type Grown, repeated, range, type Roots } from './growth.js';
import type { StaticTree } from './static-tree.js';

/**
 * Fills a fixed tree: every node is the draft's token of its rank after its parent. Only nodes with children pass through the layer. Nothing
 * is read.
 *
 * @param levels how much of the tree is wanted
 * @see Li et al. 2024 (EAGLE), arXiv:2401.15077
 */
export function growStatic(growth: Growth, roots: Roots, tree: StaticTree, levels: number): Grown {
  const { host: { ops }, draft, session, ranking } = growth;
  const { sequences, slots } = roots;
  const n = sequences.length;
  const hidden = draft.model.description.hiddenSize;
  const { ranks } = tree;
  let { logits, state } = draft.outputs(roots.out);
  let rows = 1;   // per sequence, in the level above
  let aboveScores: Tensor | undefined;
  let firstRow = 0;   // of the level above, in the session's tree
  const columns: { tokens: Tensor[]; scores: Tensor[] } = { tokens: [], scores: [] };
  for (let depth = 0; depth < levels; depth++) {
    const { group, rank, inner } = tree.levels[depth]!;
    const ranked = ranking.best(logits, ranks, { sequences, perSequence: rows, ahead: depth });
    const places = group.map((of, i) => of * ranks + rank[i]!);
    const tokens = ops.gather(ops.reshape(ranked.tokens, [n, rows * ranks]), places, 1);
    const own = ops.gather(ops.reshape(ranked.logProbs, [n, rows * ranks]), places, 1);
    const scores = aboveScores === undefined ? own : ops.add(own, ops.gather(aboveScores, group, 1));
    columns.tokens.push(tokens);
    columns.scores.push(scores);
    if (depth + 1 === levels) break;
    const innerGroup = inner.map((place) => group[place]!);
    const states = depth === 0 ? ops.gather(state, repeated(range(n), inner.length), 0) : ops.gather(ops.reshape(state, [n, rows, hidden]), innerGroup, 1);
    const parents = depth === 0 ? new Int32Array(inner.length).fill(-1) : innerGroup.map((row) => firstRow + row);
    const parentRows = Int32Array.from({ length: n * inner.length }, (_, i) => parents[i % inner.length]!);
    const out = session.forward({ sequences: repeated(slots, inner.length), tokens: ops.gather(tokens, inner, 1), states, parents: parentRows }).hidden;
    ({ logits, state } = draft.outputs(out));
    aboveScores = ops.gather(scores, inner, 1);
    if (depth > 0) firstRow += rows;
    rows = inner.length;
  }
  const parents = tree.levels.slice(0, levels).flatMap(({ parent }) => [...parent]);
  return { tokens: ops.concat(columns.tokens, 1), scores: ops.concat(columns.scores, 1), parents: ops.fromArray(Int32Array.from(parents), [1, parents.length]) };
}
