// Toy target and draft: tables of weights by context, trees whose nodes are drawn from them, and what the target says of whole blocks.

/** Weights of the next token by the comma-joined tokens before it; they need not sum to 1. */
export type Table = Readonly<Record<string, readonly number[]>>;
/** A node's children, each with its own. */
export type Shape = readonly Shape[];
export type Drawn = 'deterministic' | 'independent' | 'without-replacement';

/** A draft with what target and draft say at each row; row 0 is the root. */
export interface Tree {
  readonly tokens: number[];
  readonly parents: number[];
  /** The target's distribution after each row. */
  readonly target: number[][];
  /** What each row was drawn from. */
  readonly draft: number[][];
}

/** Probabilities of emitted blocks, by comma-joined tokens. */
export type Law = Map<string, number>;

export function norm(weights: readonly number[]): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => (total === 0 ? 0 : weight / total));
}

export const distributionAt = (table: Table, context: readonly number[]): number[] => norm(table[context.join()] ?? []);

export const chainOf = (length: number): Shape => (length === 0 ? [] : [chainOf(length - 1)]);

/** Every draft of a shape that can be drawn, with its probability. */
export function draftsOf(shape: Shape, drawn: Drawn, target: Table, draft: Table): { readonly tree: Tree; readonly probability: number }[] {
  const empty: Tree = { tokens: [0], parents: [-1], target: [distributionAt(target, [])], draft: [[]] };
  return grown({ tree: empty, probability: 1 }, [{ row: 0, context: [], shape }], drawn, target, draft);
}

interface Pending { readonly row: number; readonly context: readonly number[]; readonly shape: Shape }

function grown(from: { tree: Tree; probability: number }, pending: readonly Pending[], drawn: Drawn, target: Table, draft: Table): { tree: Tree; probability: number }[] {
  const [next, ...rest] = pending;
  if (next === undefined) return [from];
  const q = distributionAt(draft, next.context);
  return siblingsOf(next.shape.length, q, drawn).flatMap(({ tokens, probability }) => {
    const { tree } = from;
    const first = tree.tokens.length;
    const contexts = tokens.map((token) => [...next.context, token]);
    const more: Tree = {
      tokens: [...tree.tokens, ...tokens],
      parents: [...tree.parents, ...tokens.map(() => next.row)],
      target: [...tree.target, ...contexts.map((context) => distributionAt(target, context))],
      draft: [...tree.draft, ...tokens.map(() => q)],
    };
    const below = tokens.map((_, i): Pending => ({ row: first + i, context: contexts[i]!, shape: next.shape[i]! }));
    return grown({ tree: more, probability: from.probability * probability }, [...rest, ...below], drawn, target, draft);
  });
}

/** Every way to draw so many siblings, with its probability. */
function siblingsOf(count: number, q: readonly number[], drawn: Drawn): { tokens: number[]; probability: number }[] {
  if (drawn === 'deterministic') {
    const ranked = q.map((_, token) => token).sort((a, b) => q[b]! - q[a]! || a - b);
    return [{ tokens: ranked.slice(0, count), probability: 1 }];
  }
  let ways = [{ tokens: [] as number[], probability: 1, left: [...q] }];
  for (let i = 0; i < count; i++) {
    ways = ways.flatMap(({ tokens, probability, left }) => norm(left).flatMap((chance, token) => (chance === 0 ? [] : [{
      tokens: [...tokens, token], probability: probability * chance,
      left: drawn === 'independent' ? left : left.map((weight, one) => (one === token ? 0 : weight)),
    }])));
  }
  return ways;
}

/** Equal siblings become one node with the subtrees of both. */
export function merged(tree: Tree): Tree {
  const place = new Map<string, number>();
  const at: number[] = [];
  const out: Tree = { tokens: [], parents: [], target: [], draft: [] };
  tree.tokens.forEach((token, row) => {
    const parent = row === 0 ? -1 : at[tree.parents[row]!]!;
    const key = `${parent} ${token}`;
    const known = place.get(key);
    if (known === undefined) {
      place.set(key, out.tokens.length);
      out.tokens.push(token);
      out.parents.push(parent);
      out.target.push(tree.target[row]!);
      out.draft.push(tree.draft[row]!);
    }
    at[row] = known ?? out.tokens.length - 1;
  });
  return out;
}

/** The law of whole blocks of `length` tokens when what a round leaves open comes from the target. */
export function completed(law: Law, length: number, target: Table): Law {
  const whole: Law = new Map();
  for (const [block, probability] of law) complete(block === '' ? [] : block.split(',').map(Number), probability, length, target, whole);
  return whole;
}

function complete(tokens: readonly number[], probability: number, length: number, target: Table, whole: Law): void {
  if (tokens.length >= length) {
    add(whole, tokens.slice(0, length), probability);
    return;
  }
  distributionAt(target, tokens).forEach((chance, token) => { if (chance > 0) complete([...tokens, token], probability * chance, length, target, whole); });
}

/** The target's own law of blocks. */
export const targetLaw = (length: number, target: Table): Law => completed(new Map([['', 1]]), length, target);

export function add(law: Law, tokens: readonly number[], probability: number): void {
  const key = tokens.join();
  law.set(key, (law.get(key) ?? 0) + probability);
}

/** Largest difference of two laws. */
export function distance(a: Law, b: Law): number {
  return [...new Set([...a.keys(), ...b.keys()])].reduce((most, key) => Math.max(most, Math.abs((a.get(key) ?? 0) - (b.get(key) ?? 0))), 0);
}

export const totalVariation = (a: Law, b: Law): number =>
  [...new Set([...a.keys(), ...b.keys()])].reduce((sum, key) => sum + Math.abs((a.get(key) ?? 0) - (b.get(key) ?? 0)), 0) / 2;

export const lawOf = (recorded: readonly (readonly [readonly number[], number])[]): Law => new Map(recorded.map(([tokens, probability]) => [tokens.join(), probability]));
