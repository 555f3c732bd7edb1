// Verifiers against laws that were enumerated in rational numbers.
import { afterAll, describe, expect, it } from 'vitest';
import { block } from '../../core/verifiers/block.js';
import { exact } from '../../core/verifiers/exact.js';
import { rejection } from '../../core/verifiers/rejection.js';
import { VerifierBench } from './bench.js';
import { type ChainCase, isThere, type NodeCase, type Recorded, recorded, SETS, tell, type TreeCase } from './golden.js';
import { chosenLaw, endings, exactLaw, type Question } from './law.js';
import { chainOf, completed, distance, draftsOf, type Drawn, lawOf, merged, norm, targetLaw, type Table, type Tree } from './toy.js';

/** Uniforms are f32: a place is known to 2^-24, a law of some of them to this. */
const CLOSE = 2e-6;

const bench = new VerifierBench();
afterAll(() => bench.dispose());

const recursive = (drawn: Drawn): Question<object> => ({ verifier: rejection, options: {}, drawn, rule: 'recursive' });
const traversal = (drawn: Drawn): Question<object> => ({ verifier: block, options: {}, drawn, rule: 'traversal' });

async function expectLaw(question: Question<object>, shape: Parameters<typeof draftsOf>[0], p: Table, q: Table, want: Recorded, what: string, depth: number): Promise<void> {
  const { law, accepted } = await exactLaw(bench, question, draftsOf(shape, question.drawn, p, q));
  expect(distance(law, lawOf(want.law)), what).toBeLessThan(CLOSE);
  expect(Math.abs(accepted - want.expected_accepted), `${what}: accepted`).toBeLessThan(10 * CLOSE);
  expect(distance(completed(law, depth, p), targetLaw(depth, p)), `${what}: the target's law`).toBeLessThan(CLOSE);
}

async function expectChosenLaw(shape: Parameters<typeof draftsOf>[0], drawn: Drawn, p: Table, q: Table, want: Recorded, what: string): Promise<void> {
  const drafts = draftsOf(shape, drawn, p, q).map(({ tree, probability }) => ({ tree: merged(tree), probability }));
  const { law, accepted } = await chosenLaw(bench, exact, {}, drafts);
  expect(distance(law, lawOf(want.law)), what).toBeLessThan(CLOSE);
  expect(Math.abs(accepted - want.expected_accepted), `${what}: accepted`).toBeLessThan(10 * CLOSE);
}

describe.each(SETS)('the $set set of recorded laws', ({ folder }) => {
  it.skipIf(!isThere(folder))('of chains: rejection is the token-wise rule, block the block rule', async () => {
    const { cases } = recorded<{ cases: ChainCase[] }>(folder, 'verification/chain.json');
    let laws = 0;
    for (const { id, K, p, q, tokenwise, block: blockwise, naive } of cases) {
      await expectLaw(recursive('independent'), chainOf(K), p, q, tokenwise, `${id} token-wise`, K + 1);
      await expectLaw(traversal('independent'), chainOf(K), p, q, blockwise, `${id} block`, K + 1);
      laws += 2;
      if (naive === undefined) continue;
      await expectChosenLaw(chainOf(K), 'independent', p, q, naive, `${id} naive`);
      laws++;
    }
    tell('laws of chains', laws, 2 * cases.length + cases.filter(({ naive }) => naive !== undefined).length);
  });

  it.skipIf(!isThere(folder))('of chains given the draft: every probability of being kept, and what follows', async () => {
    const cases = recorded<{ cases: ChainCase[] }>(folder, 'verification/chain.json').cases.flatMap((one) => (one.conditional ?? []).map((given) => ({ ...one, given })));
    for (const { id, p, q, given } of cases) {
      const tree = chainTree(given.draft, p, q);
      const what = `${id} draft ${given.draft.join()}`;
      const byLength = async (question: Question<object>): Promise<Map<number, { weight: number; next: readonly number[] }>> =>
        new Map((await endings(bench, question, [{ tree, probability: 1 }])).map(({ path, weight, next }) => [path.length - 1, { weight, next }]));

      const kept = await byLength(recursive('independent'));
      let reached = 1;
      given.tokenwise.forEach(({ accept, on_reject }, i) => {
        expect(Math.abs((kept.get(i)?.weight ?? 0) - reached * (1 - accept)), `${what}: refused at ${i}`).toBeLessThan(CLOSE);
        if (on_reject !== null && reached * (1 - accept) > 1e-3) expectNear(kept.get(i)!.next, on_reject, what);
        reached *= accept;
      });
      if (reached > 1e-3) expectNear(kept.get(given.draft.length)!.next, given.bonus, what);

      const inBlock = await byLength(traversal('independent'));
      let left = 1;
      for (let i = given.draft.length; i >= 0; i--) {   // the longest that is kept wins
        const weight = left * given.block.h[i]!;
        expect(Math.abs((inBlock.get(i)?.weight ?? 0) - weight), `${what}: kept ${i}`).toBeLessThan(CLOSE);
        const after = given.block.after_accepting[i];
        if (after && weight > 1e-3) expectNear(inBlock.get(i)!.next, after, `${what} after ${i}`);
        left -= weight;
      }
    }
    tell('chains given the draft', cases.length, cases.length);
    expect(cases.length).toBeGreaterThan(5);
  });

  it.skipIf(!isThere(folder))('of trees: rejection is recursive, block is traversal, exact follows the choices', async () => {
    const { cases } = recorded<{ cases: TreeCase[] }>(folder, 'verification/tree_sampled.json');
    let laws = 0;
    for (const one of cases) {
      const { id, shape, p, q } = one;
      const depth = Math.max(...Object.keys(p).map((context) => (context === '' ? 0 : context.split(',').length))) + 1;
      for (const [mode, drawn] of [['iid', 'independent'], ['wor', 'without-replacement']] as const) {
        await expectLaw(recursive(drawn), shape, p, q, one[`rrs_${mode}`]!, `${id} recursive ${mode}`, depth);
        await expectLaw(traversal(drawn), shape, p, q, one[`traversal_${mode}`]!, `${id} traversal ${mode}`, depth);
        laws += 2;
        const naive = one[`naive_${mode}`];
        if (naive === undefined) continue;
        await expectChosenLaw(shape, drawn, p, q, naive, `${id} naive ${mode}`);
        laws++;
      }
    }
    const of = cases.reduce((sum, one) => sum + Object.keys(one).filter((key) => /_(iid|wor)$/.test(key)).length, 0);
    tell('laws of trees', laws, of);
    expect(laws).toBe(of);
  }, 240_000);

  it.skipIf(!isThere(folder))('of single nodes, whatever way their children came about', async () => {
    const { cases } = recorded<{ cases: NodeCase[] }>(folder, 'verification/node.json');
    for (const [i, node] of cases.entries()) {
      const drawn = ({ wor: 'without-replacement', iid: 'independent', deterministic: 'deterministic' } as const)[node.mode];
      for (const question of [recursive(drawn), traversal(drawn)]) {   // children that are leaves: both are the same rule
        const all = await endings(bench, question, [{ tree: nodeTree(node), probability: 1 }]);
        const weights = [node.accept_none, ...node.accept_child];
        weights.forEach((weight, row) => {
          const ending = all.find(({ path }) => path.at(-1) === row);
          expect(Math.abs((ending?.weight ?? 0) - weight), `node ${i} ${question.rule}: child ${row}`).toBeLessThan(CLOSE);
        });
        if (node.emitted_if_none !== null && node.accept_none > 1e-3) expectNear(all.find(({ path }) => path.length === 1)!.next, node.emitted_if_none, `node ${i}`);
      }
    }
    tell('nodes', cases.length, cases.length);
    expect(cases.length).toBeGreaterThan(10);
  });
});

describe('deterministic drafts', () => {
  it('keep the target\'s law under both rules, on chains and on trees whose cousins differ', async () => {
    const { cases } = recorded<{ cases: TreeCase[] }>(SETS[0]!.folder, 'verification/tree_sampled.json');
    for (const { shape, p, q } of cases) {
      const depth = Math.max(...Object.keys(p).map((context) => (context === '' ? 0 : context.split(',').length))) + 1;
      for (const question of [recursive('deterministic'), traversal('deterministic')]) {
        const { law } = await exactLaw(bench, question, draftsOf(shape, 'deterministic', p, q));
        expect(distance(completed(law, depth, p), targetLaw(depth, p))).toBeLessThan(CLOSE);
      }
    }
  });
});

function chainTree(draft: readonly number[], p: Table, q: Table): Tree {
  const contexts = [[], ...draft.map((_, i) => draft.slice(0, i + 1))];
  return {
    tokens: [0, ...draft], parents: contexts.map((_, i) => i - 1),
    target: contexts.map((context) => norm(p[context.join()]!)), draft: contexts.map((_, i) => (i === 0 ? [] : norm(q[draft.slice(0, i - 1).join()]!))),
  };
}

function nodeTree({ p, q, children }: NodeCase): Tree {
  const target = norm(p);
  return { tokens: [0, ...children], parents: [-1, ...children.map(() => 0)], target: [target, ...children.map(() => target)], draft: [[], ...children.map(() => norm(q ?? []))] };
}

function expectNear(actual: readonly number[], wanted: readonly number[], what: string): void {
  actual.forEach((value, i) => expect(Math.abs(value - wanted[i]!), `${what}: token ${i}`).toBeLessThan(1e-5));
}
