/**
 * The tree of `nodes` nodes that should be accepted furthest, from how often each rank of each head was right. Starts from the first head's
 * best guess and always adds the neighbour (next rank, or first child) whose whole path is most likely, as the published lists were found.
 *
 * @param accuracies `[heads][ranks]` shares in [0, 1]: how often rank r of head h is the token that comes
 * @param nodes without the root, ≥ 1; fewer where the table has no more
 * @returns choices in the order they were found: every leading part is the tree for a smaller budget
 * @see Cai et al. 2024, arXiv:2401.10774, section 2.3.3
 */
export function searchTree(accuracies: readonly (readonly number[])[], nodes: number): number[][] {
  const found: number[][] = [];
  const frontier: Candidate[] = [];
  const consider = (ranks: number[]): void => {
    const value = valueOfPath(ranks, accuracies);
    if (value !== undefined) frontier.push({ ranks, value });
  };
  consider([0]);
  while (found.length < nodes && frontier.length > 0) {
    const { ranks } = frontier.splice(bestOf(frontier), 1)[0]!;
    found.push(ranks);
    consider([...ranks.slice(0, -1), ranks.at(-1)! + 1]);
    consider([...ranks, 0]);
  }
  return found;
}

/**
 * Tokens an iteration should commit with this tree, if heads were right or wrong independently of each other.
 *
 * @param choices a whole tree, no node left out
 * @returns acceptance length, the next token counted: ≥ 1
 */
export function expectedLength(choices: readonly (readonly number[])[], accuracies: readonly (readonly number[])[]): number {
  return choices.reduce((sum, ranks) => sum + (valueOfPath(ranks, accuracies) ?? 0), 1);
}

interface Candidate {
  readonly ranks: number[];
  readonly value: number;
}

/** Probability of a path; undefined past the ends of the table. */
function valueOfPath(ranks: readonly number[], accuracies: readonly (readonly number[])[]): number | undefined {
  let value = 1;
  for (const [head, rank] of ranks.entries()) {
    const share = accuracies[head]?.[rank];
    if (share === undefined) return undefined;
    value *= share;
  }
  return value;
}

/** The most likely; of equals the one considered first, so that the result depends on nothing else. */
function bestOf(frontier: readonly Candidate[]): number {
  return frontier.reduce((best, { value }, i) => (value > frontier[best]!.value ? i : best), 0);
}
