// What follows the target's choices, and what is accepted beside them: recorded decisions of other implementations.
import { afterAll, describe, expect, it } from 'vitest';
import type { Verifier } from '../../core/index.js';
import { exact } from '../../core/verifiers/exact.js';
import { threshold } from '../../core/verifiers/threshold.js';
import { typical } from '../../core/verifiers/typical.js';
import { type Outcome, VerifierBench } from './bench.js';
import { type GumbelCases, isThere, type PosteriorCase, recorded, SETS, tell } from './golden.js';
import { norm, type Tree } from './toy.js';

/** Standard deviations that chance reaches once in ten million tests. */
const CHANCE = 5.2;
const POSITIONS = 20_000;

const bench = new VerifierBench();
afterAll(() => bench.dispose());

async function judgeOne<O extends object>(verifier: Verifier<O>, options: O, tree: Tree): Promise<Outcome> {
  const packed = bench.pack(verifier, options, 'deterministic', [tree]);
  const half = new Float32Array(tree.tokens.length).fill(0.5);
  const [outcome] = await packed.judge({ choice: half, accept: half, next: half });
  packed.dispose();
  return outcome!;
}

describe.each(SETS)('the $set set', ({ folder }) => {
  it.skipIf(!isThere(folder))('of replayed noise: exact follows the noisy choices', async () => {
    const { replay } = recorded<GumbelCases>(folder, 'verification/gumbel.json');
    for (const { V, logits, noise, parents, tokens, accepted_nodes, emitted } of replay) {
      const context = (row: number): number[] => (row === 0 ? [] : [...context(parents[row]!), tokens[row]!]);
      const target = tokens.map((_, row) => {
        const path = context(row);
        const scores = (logits[path.join()] ?? new Array<number>(V).fill(0)).map((logit, token) => logit + noise[path.length]![token]!);
        return scores.map((score) => (score === Math.max(...scores) ? 1 : 0));
      });
      const { path, next } = await judgeOne(exact, {}, { tokens: [0, ...tokens.slice(1)], parents, target, draft: [] });
      expect(path.slice(1)).toEqual(accepted_nodes);
      expect([...path.slice(1).map((row) => tokens[row]!), next]).toEqual(emitted);
    }
    tell('replays of shared noise', replay.length, replay.length);
  });

  it.skipIf(!isThere(folder))('of shared noise: draft and target agree as often as they should', async () => {
    const { acceptance } = recorded<GumbelCases>(folder, 'verification/gumbel.json');
    for (const { p, q, shared_noise_accept, independent_accept, maximal_accept } of acceptance) {
      const [target, draft] = await Promise.all([p, q].map((weights) => bench.choices(norm(weights).map(Math.log), POSITIONS)));
      const share = target!.reduce((sum, token, i) => sum + Number(token === draft![i]), 0) / POSITIONS;
      const spread = Math.sqrt((shared_noise_accept * (1 - shared_noise_accept)) / POSITIONS);
      expect(Math.abs(share - shared_noise_accept)).toBeLessThan(CHANCE * spread + 1e-4);
      expect(shared_noise_accept).toBeGreaterThanOrEqual(independent_accept - 1e-9);
      expect(shared_noise_accept).toBeLessThanOrEqual(maximal_accept + 1e-9);
    }
    tell('shares of shared noise', acceptance.length, acceptance.length);
  });

  it.skipIf(!isThere(folder))('of acceptances on given logits: greedy and typical paths, what nucleus and typical keep', async () => {
    const { cases } = recorded<{ cases: PosteriorCase[] }>(folder, 'medusa/posterior.json');
    const counts = { greedy: 0, typical: 0, nucleus: 0, typical_onetoken: 0 };
    for (const [i, one] of cases.entries()) {
      if (one.kind === 'greedy' || one.kind === 'typical') await expectPath(one, `${one.kind} ${i}`);
      else if (one.kind === 'nucleus') await expectNucleus(one, `nucleus ${i}`);
      else await expectTypicalTokens(one, `typical tokens ${i}`);
      counts[one.kind]++;
    }
    tell('acceptances on given logits', Object.values(counts).reduce((a, b) => a + b, 0), cases.length);
    console.log(counts);
    expect(cases.length).toBeGreaterThan(10);
  });
});

const optionsOf = ({ posterior_threshold = 0.09, posterior_alpha = 0.3 }: PosteriorCase) => ({ posteriorThreshold: posterior_threshold, posteriorAlpha: posterior_alpha, next: 'likeliest' } as const);

async function expectPath(one: PosteriorCase, what: string): Promise<void> {
  const { parents, rows } = treeOf(one.choices);
  const target = await bench.probs(one.node_logits, one.temperature);
  const tree: Tree = { tokens: one.node_tokens, parents, target, draft: [] };
  const { path, next } = one.kind === 'greedy' ? await judgeOne(exact, {}, tree) : await judgeOne(typical, optionsOf(one), tree);
  expect(path.slice(1), what).toEqual(rows[one.expected!.best_row]!.slice(0, one.expected!.accept_length));
  const last = target[path.at(-1)!]!;
  expect(next, what).toBe(last.indexOf(Math.max(...last)));
}

/** The filter that requests have as `topP`. */
async function expectNucleus({ node_logits, temperature, top_p, kept, kept_probs }: PosteriorCase, what: string): Promise<void> {
  for (const [node, probs] of (await bench.probs(node_logits, temperature, top_p)).entries()) {
    const own = probs.flatMap((probability, token) => (probability > 0 ? [token] : []));
    expect(own, what).toEqual(kept![node]);
    own.forEach((token, i) => expect(Math.abs(probs[token]! - kept_probs![node]![i]!), what).toBeLessThan(1e-4));
  }
}

/** Every token as the only draft after a node: the verifier keeps those that the original would draw from. */
async function expectTypicalTokens(one: PosteriorCase, what: string): Promise<void> {
  const probs = await bench.probs(one.node_logits, one.temperature);
  const trees = probs.flatMap((p) => p.map((_, token): Tree => ({ tokens: [0, token], parents: [-1, 0], target: [p, p], draft: [] })));
  const packed = bench.pack(typical, optionsOf(one), 'deterministic', trees);
  const lengths = (await packed.judge({})).map(({ path }) => path.length);
  packed.dispose();
  probs.forEach((p, node) => {
    const own = p.flatMap((_, token) => (lengths[node * p.length + token] === 2 ? [token] : []));
    expect(own, what).toEqual(one.kept![node]);
  });
}

/** Nodes in the order of the sorted choices, and the paths to leaves in the order in which the original lists them: the last choice first. */
function treeOf(choices: readonly (readonly number[])[]): { parents: number[]; rows: number[][] } {
  const lexical = (a: readonly number[], b: readonly number[]): number => a.map((rank, i) => rank - b[i]!).find((difference) => difference !== 0) ?? 0;
  const sorted = [...choices].sort((a, b) => a.length - b.length || lexical(a, b));
  const number = new Map(sorted.map((choice, i) => [choice.join(), i + 1]));
  const numberOf = (choice: readonly number[]): number => number.get(choice.join()) ?? 0;
  const seen = new Set<string>();
  const rows: number[][] = [];
  for (const choice of [...sorted].reverse()) {
    if (seen.has(choice.join())) continue;
    const prefixes = choice.map((_, i) => choice.slice(0, i + 1));
    for (const prefix of prefixes) seen.add(prefix.join());
    rows.push(prefixes.map(numberOf));
  }
  return { parents: [-1, ...sorted.map((choice) => numberOf(choice.slice(0, -1)))], rows };
}

describe('typical acceptance', () => {
  const tree = (target: number[][]): Tree => ({ tokens: [0, 0, 1, 2], parents: [-1, 0, 0, 1], target, draft: [] });
  const options = { posteriorThreshold: 0.09, posteriorAlpha: 0.3, next: 'likeliest' } as const;

  it.each([
    { p: [0.7, 0.2, 0.1], limit: 0.09 },
    { p: [0.97, 0.01, 0.01, 0.01], limit: 0.09 },
    { p: new Array<number>(20).fill(0.05), limit: 0.015003 },
  ])('keeps what is likelier than min(threshold, alpha exp(-H)): $limit of $p', async ({ p, limit }) => {
    for (const [token, probability] of p.entries()) {
      const { path } = await judgeOne(typical, options, { tokens: [0, token], parents: [-1, 0], target: [p, p], draft: [] });
      expect(path.length === 2).toBe(probability > limit);
    }
  });

  it('takes the longest path, of equally long ones the likeliest', async () => {
    const p = [0.3, 0.5, 0.2];
    expect((await judgeOne(typical, options, tree([p, p, p, p]))).path).toEqual([0, 1, 3]);
    expect((await judgeOne(typical, options, { ...tree([p, p, p]), tokens: [0, 0, 1], parents: [-1, 0, 0] })).path).toEqual([0, 2]);
  });

  it('draws the token after the path only if asked to', async () => {
    const p = [0.4, 0.35, 0.25];
    const one: Tree = { tokens: [0], parents: [-1], target: [p], draft: [] };
    expect((await judgeOne(typical, options, one)).next).toBe(0);
    expect((await judgeOne(typical, { ...options, next: 'sampled' }, one)).next).toBe(1);   // the uniform is one half
  });
});

describe('the threshold', () => {
  it('keeps drafts above a probability and draws what follows', async () => {
    const p = [0.45, 0.35, 0.2];
    const tree: Tree = { tokens: [0, 2, 1, 0], parents: [-1, 0, 0, 2], target: [p, p, p, p], draft: [] };
    expect(await judgeOne(threshold, { probability: 0.3 }, tree)).toEqual({ path: [0, 2, 3], next: 1 });
    expect(await judgeOne(threshold, { probability: 0.4 }, tree)).toEqual({ path: [0], next: 1 });
    expect((await judgeOne(threshold, { probability: 0.1 }, tree)).path).toEqual([0, 2, 3]);
  });
});
