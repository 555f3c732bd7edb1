/** A level of a static tree: nodes that hang from nodes of the level above. Nodes with children are its inner nodes. */
export interface StaticLevel {
  /** Per node the inner node of the level above (in that level's order) that it hangs from; 0 for all in the first level, whose parent is the root. */
  readonly group: Int32Array;
  /** Per node its rank among the children of its parent. */
  readonly rank: Int32Array;
  /** Per node the number of its parent in the whole tree; 0 is the root. */
  readonly parent: Int32Array;
  /** Places within the level of the nodes that have children. */
  readonly inner: Int32Array;
}

/** A fixed tree, level by level. Nodes are numbered from 1 in this order; the ranks of a level's nodes ascend within their parent's order. */
export interface StaticTree {
  readonly levels: readonly StaticLevel[];
  readonly size: number;
  /** Ranks used, one more than the highest. */
  readonly ranks: number;
  /** Most children of one node. */
  readonly width: number;
}

/**
 * Lays out a list of nodes by their ranks, each rank counted among the children of its own parent. Missing inner nodes are added, duplicates
 * merged.
 */
export function staticTree(choices: readonly (readonly number[])[]): StaticTree {
  const paths = new Map<string, readonly number[]>();
  for (const choice of choices) for (let length = 1; length <= choice.length; length++) paths.set(choice.slice(0, length).join(), choice.slice(0, length));
  const sorted = [...paths.values()].sort(byLevel);
  const numberOf = new Map(sorted.map((path, i) => [path.join(), i + 1]));
  const parentOf = (path: readonly number[]): number => (path.length === 1 ? 0 : numberOf.get(path.slice(0, -1).join())!);   // every prefix is in the map
  const children = new Map<number, number>();
  for (const path of sorted) children.set(parentOf(path), (children.get(parentOf(path)) ?? 0) + 1);
  const levels: StaticLevel[] = [];
  let groupOf = new Map([[0, 0]]);   // number of an inner node → its place among the inner nodes of its level
  for (let depth = 1, next = 1; next <= sorted.length; depth++) {
    const nodes = sorted.filter((path) => path.length === depth);
    const parent = Int32Array.from(nodes, parentOf);
    const inner = nodes.flatMap((_, i) => (children.has(next + i) ? [i] : []));
    levels.push({
      parent, rank: Int32Array.from(nodes, (path) => path.at(-1)!), inner: Int32Array.from(inner),
      group: Int32Array.from(parent, (number) => groupOf.get(number)!),   // a parent has children: it is an inner node
    });
    groupOf = new Map(inner.map((place, i) => [next + place, i]));
    next += nodes.length;
  }
  return { levels, size: sorted.length, ranks: 1 + Math.max(...sorted.flat()), width: Math.max(...children.values()) };
}

/** Shorter paths first, then by ranks. */
function byLevel(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return a.length - b.length;
  const place = a.findIndex((rank, i) => rank !== b[i]);
  return place < 0 ? 0 : a[place]! - b[place]!;
}
