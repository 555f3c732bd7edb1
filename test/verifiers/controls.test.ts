// A harness that finds nothing wrong proves nothing: rules that are known to be wrong must fail what the right ones pass.
import { afterAll, describe, expect, it } from 'vitest';
import type { Verifier } from '../../core/index.js';
import { block } from '../../core/verifiers/block.js';
import { exact } from '../../core/verifiers/exact.js';
import { rejection } from '../../core/verifiers/rejection.js';
import { VerifierBench } from './bench.js';
import { redrawing, rejectionByHand } from './by-hand.js';
import { type Draws, deviationOf, draw, generator } from './chi-square.js';
import { type ControlCase, recorded, SETS, tell, type TreeCase } from './golden.js';
import { exactLaw } from './law.js';
import { chainOf, completed, distance, distributionAt, draftsOf, type Drawn, lawOf, norm, type Shape, type Table, targetLaw, totalVariation, type Tree } from './toy.js';

const CLOSE = 2e-6;
/** Standard deviations that chance reaches once in ten million tests. */
const CHANCE = 5.2;

const bench = new VerifierBench();
afterAll(() => bench.dispose());

const { folder } = SETS[0]!;
const controls = recorded<{ cases: ControlCase[] }>(folder, 'verification/negative_controls.json').cases;
const trees = recorded<{ cases: TreeCase[] }>(folder, 'verification/tree_sampled.json').cases;

/** How a wrong rule drafts and judges. */
interface Wrong {
  readonly verifier: Verifier<object>;
  readonly drawn: Drawn;
  readonly shape: Shape;
  /** What becomes of a draft that was rightly drawn. */
  readonly spoil?: (tree: Tree) => Tree;
  readonly sharesCoins?: boolean;
  /** How drafts really are drawn. */
  readonly really?: Drawn;
}

const siblings = (count: number): Shape => Array.from({ length: count }, () => []);
const wrongRules: Readonly<Record<string, (one: ControlCase) => Wrong>> = {
  no_residual: ({ K }) => ({ verifier: rejectionByHand('no-residual'), drawn: 'independent', shape: chainOf(K!) }),
  argmax_softmax_q: ({ K }) => ({ verifier: rejection, drawn: 'independent', really: 'deterministic', shape: chainOf(K!) }),
  q_raw: ({ K }) => ({ verifier: rejection, drawn: 'independent', shape: chainOf(K!), spoil: (tree) => ({ ...tree, draft: tree.draft.map((q) => norm(q.map((x) => x * x))) }) }),
  shared_uniform: ({ K }) => ({ verifier: rejection, drawn: 'independent', shape: chainOf(K!), sharesCoins: true }),
  q_not_zeroed: ({ children }) => ({ verifier: rejectionByHand('not-zeroed'), drawn: 'without-replacement', shape: siblings(children!) }),
  sorted_by_q: ({ children }) => ({ verifier: rejection, drawn: 'without-replacement', shape: siblings(children!), spoil: sorted }),
  best_of_m: ({ children }) => ({ verifier: rejectionByHand('best-of'), drawn: 'independent', really: 'without-replacement', shape: siblings(children!) }),
};
const depthOf = ({ p }: { readonly p: Table }): number => Math.max(...Object.keys(p).map((context) => (context === '' ? 0 : context.split(',').length))) + 1;

/** Siblings of the root, the likeliest first, of equal ones the lower token. */
function sorted(tree: Tree): Tree {
  const chance = (row: number): number => tree.draft[row]![tree.tokens[row]!]!;
  const order = tree.tokens.map((_, row) => row).slice(1).sort((a, b) => chance(b) - chance(a) || tree.tokens[a]! - tree.tokens[b]!);
  const rows = [0, ...order];
  return { tokens: rows.map((row) => tree.tokens[row]!), parents: tree.parents, target: rows.map((row) => tree.target[row]!), draft: rows.map((row) => tree.draft[row]!) };
}

/** One draft of a shape, drawn from the tables. */
function drawnDraft(shape: Shape, drawn: Drawn, p: Table, q: Table): (random: () => number) => Tree {
  return (random) => {
    const tree: Tree = { tokens: [0], parents: [-1], target: [distributionAt(p, [])], draft: [[]] };
    const grow = (row: number, context: readonly number[], below: Shape): void => {
      const own = distributionAt(q, context);
      const left = [...own];
      const children = below.map((under) => {
        const token = drawn === 'deterministic' ? left.indexOf(Math.max(...left)) : draw(left, random);
        if (drawn !== 'independent') left[token] = 0;
        tree.parents.push(row);
        tree.target.push(distributionAt(p, [...context, token]));
        tree.draft.push(own);
        return { token, under, row: tree.tokens.push(token) - 1 };
      });
      for (const child of children) grow(child.row, [...context, child.token], child.under);
    };
    grow(0, [], shape);
    return tree;
  };
}

describe('wrong rules', () => {
  it('have the laws that were recorded, and not the target\'s', async () => {
    let agreed = 0;
    for (const one of controls.filter(({ id }) => id in wrongRules && id !== 'shared_uniform')) {
      const { verifier, drawn, shape, spoil, really } = wrongRules[one.id]!(one);
      const drafts = draftsOf(shape, really ?? drawn, one.p, one.q!).map(({ tree, probability }) => ({ tree: spoil?.(tree) ?? tree, probability }));
      const { law } = await exactLaw(bench, { verifier, options: {}, drawn, rule: 'recursive' }, drafts);
      expect(distance(law, lawOf(one.wrong.law)), one.id).toBeLessThan(CLOSE);
      const depth = depthOf(one);
      const off = totalVariation(completed(law, depth, one.p), targetLaw(depth, one.p));
      expect(off, one.id).toBeGreaterThan(0.03);
      expect(Math.abs(off - one.wrong.tv_from_target), one.id).toBeLessThan(1e-5);
      agreed++;
    }
    tell('laws of wrong rules', agreed, controls.length - 2);   // two need a coin or a draw in common: below
    expect(agreed).toBe(6);
  });

  it('are all found by the chi-square test, within the number of draws that should do', async () => {
    const found: string[] = [];
    for (const one of controls) {
      const rule = wrongRules[one.id];
      const wrong: Draws = rule === undefined ? redrawn(one) : drawsOf(rule(one), one);
      const z = await deviationOf(bench, { ...wrong, depth: depthOf(one), target: one.p }, 2 * one.draws_for_detection, 11);
      if (z > CHANCE) found.push(one.id);
      console.log(`${one.id}: ${z.toFixed(1)} standard deviations after ${2 * one.draws_for_detection} draws`);
    }
    tell('wrong rules found', found.length, controls.length);
    expect(found).toEqual(controls.map(({ id }) => id));
  });
});

function drawsOf({ verifier, drawn, shape, spoil, sharesCoins, really }: Wrong, { p, q }: ControlCase): Pick<Draws, 'verifier' | 'drawn' | 'draft' | 'sharesCoins'> & Draws {
  const make = drawnDraft(shape, really ?? drawn, p, q!);
  return { verifier, drawn, draft: (random) => spoil?.(make(random)) ?? make(random), target: p, depth: 1, ...(sharesCoins ? { sharesCoins } : {}) };
}

/** Both candidate rows begin with the same node; each has one of its own. */
function redrawn({ p, rows }: ControlCase): Draws {
  const first = rows!.map(([token]) => token);
  const tree: Tree = {
    tokens: [0, ...first], parents: [-1, ...first.map(() => 0)], draft: [],
    target: [distributionAt(p, []), ...first.map((token) => distributionAt(p, [token]))],
  };
  return { verifier: redrawing, drawn: 'deterministic', draft: () => tree, target: p, depth: 2 };
}

describe('right rules', () => {
  const right: readonly { readonly verifier: Verifier<object>; readonly modes: readonly Drawn[] }[] = [
    { verifier: rejection, modes: ['deterministic', 'independent', 'without-replacement'] },
    { verifier: block, modes: ['deterministic', 'independent', 'without-replacement'] },
    { verifier: rejectionByHand(), modes: ['without-replacement'] },
    { verifier: exact, modes: ['independent'] },
  ];
  const smallest = controls.reduce((a, b) => (a.draws_for_detection > b.draws_for_detection ? a : b));

  it('pass the same test with as many draws as find the smallest mistake, on its own tables', async () => {
    const { p, q, children, draws_for_detection } = smallest;
    const shape = siblings(children!);
    let tests = 0;
    for (const { verifier, modes } of right) {
      for (const drawn of modes) {
        const z = await deviationOf(bench, { verifier, drawn, draft: drawnDraft(shape, drawn, p, q!), target: p, depth: depthOf({ p }) }, 2 * draws_for_detection, 100 + tests);
        expect(z, `${verifier.name}, ${drawn}`).toBeLessThan(CHANCE);
        tests++;
      }
    }
    tell(`right rules after ${2 * draws_for_detection} draws each`, tests, 8);
  }, 240_000);

  it('written by hand with the ops of every plugin has the same law as the built-in one', async () => {
    for (const { p, q, shape } of trees.slice(0, 1)) {
      for (const drawn of ['independent', 'without-replacement', 'deterministic'] as const) {
        const drafts = draftsOf(shape, drawn, p, q);
        const [mine, theirs] = await Promise.all([rejectionByHand(), rejection as Verifier<object>].map((verifier) => exactLaw(bench, { verifier, options: {}, drawn, rule: 'recursive' }, drafts)));
        expect(distance(mine!.law, theirs!.law)).toBeLessThan(CLOSE);
      }
    }
  });

  it('draw what they should: the generator of the test is even', () => {
    const random = generator(5);
    const counts = new Array<number>(64).fill(0);
    for (let i = 0; i < 64_000; i++) counts[Math.floor(random() * 64)]!++;
    const sum = counts.reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0);
    expect(sum).toBeLessThan(130);   // 63 degrees of freedom
  });
});
