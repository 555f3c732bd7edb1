/** A tree of head ranks, by column: column j is node j + 1. Shallow nodes come first, and siblings lie in the order of their ranks. */
export interface RankTree {
  /** Node numbers; 0 is the root. */
  readonly parents: readonly number[];
  /** Rank among the tokens of the head that guesses this depth. */
  readonly ranks: readonly number[];
  /** Depth of each node, 1 under the root: its token comes from head `depths[j] - 1`. */
  readonly depths: readonly number[];
}

/**
 * The tree that a list of choices means. A choice names a node by the ranks on its path; nodes on the way are added where the list leaves them
 * out, so that a list of leaves alone means the same tree.
 *
 * @param choices ranks per head, first head first; none empty
 * @example rankTree([[0], [1], [0, 0]]) // parents [0, 0, 1], ranks [0, 1, 0], depths [1, 1, 2]
 */
export function rankTree(choices: readonly (readonly number[])[]): RankTree {
  const paths = new Map<string, readonly number[]>();
  for (const choice of choices) {
    for (let depth = 1; depth <= choice.length; depth++) paths.set(choice.slice(0, depth).join(), choice.slice(0, depth));
  }
  const sorted = [...paths.values()].sort(shallowFirst);
  const numberOf = new Map(sorted.map((path, column) => [path.join(), column + 1]));
  return {
    parents: sorted.map((path) => numberOf.get(path.slice(0, -1).join()) ?? 0),
    ranks: sorted.map((path) => path.at(-1)!),   // no path is empty
    depths: sorted.map((path) => path.length),
  };
}

/** The part of a tree that the first `depth` heads can fill: its first columns. */
export function cutTree({ parents, ranks, depths }: RankTree, depth: number): RankTree {
  const past = depths.findIndex((own) => own > depth);
  const columns = past < 0 ? depths.length : past;
  return { parents: parents.slice(0, columns), ranks: ranks.slice(0, columns), depths: depths.slice(0, columns) };
}

/** Most children of one node. */
export function widthOf({ parents }: RankTree): number {
  const children = new Map<number, number>();
  for (const parent of parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  return Math.max(...children.values());
}

function shallowFirst(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return a.length - b.length;
  const at = a.findIndex((rank, i) => rank !== b[i]);
  return at < 0 ? 0 : a[at]! - b[at]!;   // equal lengths
}
