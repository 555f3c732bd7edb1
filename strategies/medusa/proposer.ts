import type { DraftBatch, DraftBuilder, DraftProposer, Noise, Sequence, StrategyHost, Tensor } from '../../core/index.js';
import type { Heads } from './heads.js';
import { cutTree, type RankTree } from './tree.js';

/** The part of the tree down to one depth, on the device. */
interface Level {
  readonly columns: number;
  readonly parents: Tensor;
  /** Per column the place of its token among the ranked tokens of all heads. */
  readonly places: Tensor;
  /** `[columns, heads * ranks]`: 1 where a column's path takes that token. */
  readonly paths: Tensor;
}

/** Ranks the tokens of every head and lays them into one fixed tree; nothing is carried from one iteration to the next. */
export class MedusaProposer implements DraftProposer {
  private readonly levels: readonly Level[];
  private readonly ranks: number;

  /** @param usesNoise whether heads rank with the noise of the request */
  constructor(private readonly host: StrategyHost, private readonly heads: Heads, tree: RankTree, private readonly usesNoise: boolean) {
    const ranks = Math.max(...tree.ranks) + 1;
    this.ranks = ranks;
    this.levels = Array.from({ length: Math.max(...tree.depths) }, (_, i) => levelOf(host, cutTree(tree, i + 1), i + 1, ranks));
  }

  propose({ sequences, hidden }: DraftBatch, draft: DraftBuilder): void {
    const { ops } = this.host;
    const n = sequences.length;
    // Deeper than it is allowed nodes, or than can still be emitted, no path leads.
    const depth = Math.min(this.levels.length, Math.max(...sequences.map(({ maxDepth, budget }) => Math.min(maxDepth, budget))));
    const { columns, parents, places, paths } = this.levels[depth - 1]!;
    const isCut = sequences.some(({ budget }) => budget < columns);
    const logits = this.heads.logits(hidden!, depth);   // the plan asks for it
    const { indices, scores: ranked } = this.rank(isCut ? ops.logSoftmax(logits) : logits, sequences, depth);
    const tokens = ops.gather(this.heads.tokens(ops.reshape(indices, [n, depth * this.ranks])), places, 1);
    const scores = isCut ? { scores: ops.linear(ops.reshape(ranked, [n, depth * this.ranks]), paths) } : {};
    draft.tensors(sequences, { tokens, parents, ...scores });
  }

  /** The best ranks of every head, and logarithms of their chances: with noise, of how far each is behind the best. */
  private rank(logits: Tensor, sequences: readonly Sequence[], depth: number): { indices: Tensor; scores: Tensor } {
    const { ops } = this.host;
    if (!this.usesNoise || sequences.every(({ sampling }) => sampling.temperature === 0)) return ops.topK(logits, this.ranks);
    const { indices, scores } = ops.topK(logits, this.ranks, noiseOf(sequences, depth, this.heads.tokenMap));
    return { indices, scores: ops.logSoftmax(scores) };
  }
}

/** The noise of the tokens that the heads guess: the first drafted token stands where the text so far ends. */
function noiseOf(sequences: readonly Sequence[], depth: number, vocabMap: Tensor | undefined): Noise {
  return {
    ...(vocabMap === undefined ? {} : { vocabMap }),
    sequences: sequences.flatMap((sequence) => Array.from({ length: depth }, () => sequence)),
    positions: Int32Array.from({ length: sequences.length * depth }, (_, row) => sequences[Math.floor(row / depth)]!.tokens.length + (row % depth)),
  };
}

function levelOf({ ops }: StrategyHost, { parents, ranks: ranksOf, depths }: RankTree, depth: number, ranks: number): Level {
  const columns = parents.length;
  const places = depths.map((own, column) => (own - 1) * ranks + ranksOf[column]!);
  const paths = new Float32Array(columns * depth * ranks);
  for (let column = 0; column < columns; column++) {
    for (let node = column + 1; node > 0; node = parents[node - 1]!) paths[column * depth * ranks + places[node - 1]!] = 1;
  }
  return {
    columns,
    parents: ops.fromArray(Int32Array.from(parents), [1, columns]),
    places: ops.fromArray(Int32Array.from(places), [columns]),
    paths: ops.fromArray(paths, [columns, depth * ranks]),
  };
}
