// The exact law of a verifier that is only asked questions. It is a step function of its uniforms: each row's uniform decides on that row, at
// a place that earlier decisions fix. Bisection finds every place, for all drafts and all histories of decisions at once.
import type { Verifier } from '../../core/index.js';
import type { Outcome, VerifierBench } from './bench.js';
import { add, type Drawn, type Law, type Tree } from './toy.js';

const STEPS = 27;
const HIGH = 1 - 2 ** -24;

/** In which order rows are decided on, and what shows that one was kept. */
export type Rule = 'recursive' | 'traversal';

export interface Question<O extends object> {
  readonly verifier: Verifier<O>;
  readonly options: O;
  readonly drawn: Drawn;
  readonly rule: Rule;
}

/** A draft with the decisions made so far. */
interface Branch {
  readonly tree: Tree;
  readonly weight: number;
  readonly accept: readonly number[];
  /** Traversal: kept, nothing more is asked. */
  readonly isOver: boolean;
}

/** Paths that end a branch, with the law of what follows each. */
export interface Ending {
  readonly tree: Tree;
  readonly weight: number;
  readonly path: readonly number[];
  readonly next: readonly number[];
}

/** The law of one round over all drafts. */
export async function exactLaw<O extends object>(bench: VerifierBench, question: Question<O>, drafts: readonly { readonly tree: Tree; readonly probability: number }[]): Promise<{ law: Law; accepted: number }> {
  const law: Law = new Map();
  let accepted = 0;
  for (const { tree, weight, path, next } of await endings(bench, question, drafts)) {
    next.forEach((chance, token) => { if (chance > 0) add(law, [...path.slice(1).map((row) => tree.tokens[row]!), token], weight * chance); });
    accepted += weight * (path.length - 1);
  }
  return { law, accepted };
}

export async function endings<O extends object>(bench: VerifierBench, question: Question<O>, drafts: readonly { readonly tree: Tree; readonly probability: number }[]): Promise<Ending[]> {
  let branches: Branch[] = drafts.map(({ tree, probability }) => ({ tree, weight: probability, accept: tree.tokens.map(() => HIGH), isOver: false }));
  const orders = new Map(drafts.map(({ tree }) => [tree, orderOf(tree, question.rule)]));
  const depth = Math.max(...[...orders.values()].map((order) => order.length));
  for (let i = 0; i < depth; i++) {
    const open = branches.filter(({ isOver, tree }) => !isOver && orders.get(tree)![i] !== undefined);
    const rowOf = (branch: Branch): number => orders.get(branch.tree)![i]!;
    const places = await bisect(open, rowOf, bench, question);
    branches = [...branches.filter((branch) => !open.includes(branch)), ...open.flatMap((branch, b) => split(branch, rowOf(branch), places[b]!, question.rule))];
  }
  const vocab = drafts[0]!.tree.target[0]!.length;
  const [paths] = await asked(branches.map(({ tree }) => tree), bench, question, async (ask) => [await ask(branches, branches.map(() => 0.5))]);
  // P(next <= token) for all tokens at once
  const copies = Array.from({ length: vocab - 1 }, () => branches).flat();
  const tokenOf = (copy: number): number => Math.floor(copy / branches.length);
  const places = await asked(copies.map(({ tree }) => tree), bench, question, (ask) =>
    search(copies.length, async (us) => (await ask(copies, us)).map(({ next }, copy) => next <= tokenOf(copy))));
  return branches.map(({ tree, weight }, b) => {
    const steps = [0, ...Array.from({ length: vocab - 1 }, (_, token) => places[token * branches.length + b]!), 1];
    return { tree, weight, path: paths![b]!.path, next: steps.slice(1).map((step, token) => settle(step - steps[token]!)) };
  });
}

/** Parents before children, and siblings in their order; or leaves first. */
function orderOf({ parents }: Tree, rule: Rule): number[] {
  const childrenOf = (row: number): number[] => parents.flatMap((parent, child) => (parent === row ? [child] : []));
  const visit = (row: number): number[] => {
    const below = childrenOf(row).flatMap(visit);
    return rule === 'traversal' ? [...below, row] : [row, ...below];
  };
  return visit(0).filter((row) => row > 0);
}

function isKept({ path }: Outcome, row: number, rule: Rule): boolean {
  return rule === 'traversal' ? path.at(-1) === row : path.includes(row);
}

function split(branch: Branch, row: number, place: number, rule: Rule): Branch[] {
  const kept: Branch = { ...branch, weight: branch.weight * place, accept: branch.accept.with(row, place / 2), isOver: rule === 'traversal' };
  const refused: Branch = { ...branch, weight: branch.weight * (1 - place), accept: branch.accept.with(row, Math.min(HIGH, (1 + place) / 2)) };
  return [...(place > 0 ? [kept] : []), ...(place < 1 ? [refused] : [])];
}

/** For every branch, where the row stops being kept as its uniform grows: 0 never kept, 1 always. */
function bisect<O extends object>(branches: readonly Branch[], rowOf: (branch: Branch) => number, bench: VerifierBench, question: Question<O>): Promise<number[]> {
  return asked(branches.map(({ tree }) => tree), bench, question, (ask) => search(branches.length, async (us) => {
    const outcomes = await ask(branches.map((branch, b) => ({ ...branch, accept: branch.accept.with(rowOf(branch), us[b]!) })), branches.map(() => 0.5));
    return outcomes.map((outcome, b) => isKept(outcome, rowOf(branches[b]!), question.rule));
  }));
}

async function search(count: number, answers: (us: readonly number[]) => Promise<boolean[]>): Promise<number[]> {
  if (count === 0) return [];
  const low = new Array<number>(count).fill(0);
  const high = new Array<number>(count).fill(1);
  for (let step = 0; step < STEPS; step++) {
    const middle = low.map((value, i) => (value + high[i]!) / 2);
    (await answers(middle)).forEach((yes, i) => { (yes ? low : high)[i] = middle[i]!; });
  }
  return low.map((value, i) => settle((value + high[i]!) / 2));
}

/** What lies within the resolution of 0 or 1 is 0 or 1. */
function settle(value: number): number {
  if (value < 4e-8) return 0;
  return value > 1 - 2e-7 ? 1 : value;
}

type Ask = (branches: readonly Branch[], next: readonly number[]) => Promise<Outcome[]>;

/** Packs the trees once for many questions about them. */
async function asked<O extends object, T>(trees: readonly Tree[], bench: VerifierBench, { verifier, options, drawn }: Question<O>, use: (ask: Ask) => Promise<T[]>): Promise<T[]> {
  if (trees.length === 0) return [];
  const packed = bench.pack(verifier, options, drawn, trees);
  try {
    return await use((branches, next) => packed.judge({
      accept: Float32Array.from(branches.flatMap(({ accept }) => accept)),
      next: Float32Array.from(branches.flatMap(({ accept }, b) => accept.map(() => next[b]!))),
    }));
  } finally {
    packed.dispose();
  }
}

/** The law of a verifier that follows the target's own choices: for every row on the way, every choice that can be made there. */
export async function chosenLaw<O extends object>(bench: VerifierBench, verifier: Verifier<O>, options: O, drafts: readonly { readonly tree: Tree; readonly probability: number }[]): Promise<{ law: Law; accepted: number }> {
  const law: Law = new Map();
  let accepted = 0;
  let open = drafts.map(({ tree, probability }) => ({ tree, weight: probability, row: 0, choice: tree.tokens.map(() => 0.5) }));
  while (open.length > 0) {
    const tried = open.flatMap(({ tree, weight, row, choice }) => tree.target[row]!.flatMap((chance, token) => {
      const before = tree.target[row]!.slice(0, token).reduce((a, b) => a + b, 0);
      return chance === 0 ? [] : [{ tree, weight: weight * chance, row, token, choice: choice.with(row, before + chance / 2) }];
    }));
    const packed = bench.pack(verifier, options, 'independent', tried.map(({ tree }) => tree));
    const outcomes = await packed.judge({ choice: Float32Array.from(tried.flatMap(({ choice }) => choice)) });
    packed.dispose();
    open = [];
    for (const [i, { path, next }] of outcomes.entries()) {
      const { tree, weight, row, token, choice } = tried[i]!;
      const child = path[path.indexOf(row) + 1];
      if (child !== undefined) {
        open.push({ tree, weight, row: child, choice });
        continue;
      }
      if (next !== token) throw new Error(`after row ${row} the target chose ${token}, and ${next} came out`);
      add(law, [...path.slice(1).map((one) => tree.tokens[one]!), next], weight);
      accepted += weight * (path.length - 1);
    }
  }
  return { law, accepted };
}
