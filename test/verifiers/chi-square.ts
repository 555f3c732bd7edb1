// What a verifier emits, drawn with a seed, against the target's law.
import type { Verifier } from '../../core/index.js';
import type { VerifierBench } from './bench.js';
import { add, distributionAt, type Drawn, type Law, type Table, targetLaw, type Tree } from './toy.js';

/** Trees judged in one call. */
const BATCH = 4000;

export interface Draws {
  readonly verifier: Verifier<object>;
  readonly drawn: Drawn;
  /** One draft, drawn. */
  readonly draft: (random: () => number) => Tree;
  readonly target: Table;
  /** Tokens of the blocks that are counted. */
  readonly depth: number;
  /** One uniform for every decision of a tree: a mistake. */
  readonly sharesCoins?: boolean;
}

/** Counts of whole blocks in `count` rounds. */
export async function drawBlocks(bench: VerifierBench, { verifier, drawn, draft, target, depth, sharesCoins }: Draws, count: number, seed: number): Promise<Law> {
  const random = generator(seed);
  const counts: Law = new Map();
  for (let done = 0; done < count; done += BATCH) {
    const trees = Array.from({ length: Math.min(BATCH, count - done) }, () => draft(random));
    const coins = (): Float32Array => Float32Array.from(trees.flatMap(({ tokens }) => tokens.map(() => random())));
    const shared = (): Float32Array => Float32Array.from(trees.flatMap(({ tokens }) => {
      const coin = random();
      return tokens.map(() => coin);
    }));
    const packed = bench.pack(verifier, {}, drawn, trees);
    const outcomes = await packed.judge({ accept: sharesCoins ? shared() : coins(), next: coins(), choice: coins() });
    packed.dispose();
    outcomes.forEach(({ path, next }, i) => {
      const block = [...path.slice(1).map((row) => trees[i]!.tokens[row]!), next];
      while (block.length < depth) block.push(draw(distributionAt(target, block), random));
      add(counts, block.slice(0, depth), 1);
    });
  }
  return counts;
}

/**
 * Chi-square of counts against a law, as standard deviations of a normal variable (Wilson and Hilferty): above 5.2 once in ten million times
 * when the law holds. Blocks that are expected fewer than five times are counted together.
 */
export function deviation(counts: Law, law: Law): { readonly z: number; readonly cells: number } {
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  const rare = { expected: 0, observed: 0 };
  let sum = 0;
  let cells = 0;
  const cell = (observed: number, expected: number): void => {
    sum += (observed - expected) ** 2 / expected;
    cells++;
  };
  for (const key of new Set([...law.keys(), ...counts.keys()])) {
    const expected = total * (law.get(key) ?? 0);
    const observed = counts.get(key) ?? 0;
    if (expected >= 5) cell(observed, expected);
    else if (expected === 0 && observed > 0) return { z: Number.POSITIVE_INFINITY, cells };   // what cannot be has come
    else [rare.expected, rare.observed] = [rare.expected + expected, rare.observed + observed];
  }
  if (rare.expected > 0) cell(rare.observed, rare.expected);
  const freedom = cells - 1;
  const spread = 2 / (9 * freedom);
  return { z: (Math.cbrt(sum / freedom) - (1 - spread)) / Math.sqrt(spread), cells };
}

export async function deviationOf(bench: VerifierBench, draws: Draws, count: number, seed: number): Promise<number> {
  return deviation(await drawBlocks(bench, draws, count, seed), targetLaw(draws.depth, draws.target)).z;
}

export function draw(weights: readonly number[], random: () => number): number {
  let left = random() * weights.reduce((a, b) => a + b, 0);
  let last = -1;
  for (const [token, weight] of weights.entries()) {
    if (weight === 0) continue;
    last = token;
    left -= weight;
    if (left < 0) break;
  }
  return last;
}

/** Uniforms in (0, 1), mulberry32. */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}
