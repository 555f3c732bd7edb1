import { readFileSync } from 'node:fs';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { type Estimate, type PairedTerms, estimatePairs } from '../../core/experiment/effect.js';
import { sequentialInterval } from '../../core/experiment/intervals.js';
import { METRICS } from '../../core/index.js';

/** Recorded runs of plain decoding: per prompt the tokens, and the milliseconds of each of its runs. */
interface Recorded {
  readonly prompts: readonly { readonly id: string; readonly tokens: number; readonly ms: readonly number[] }[];
}

const recorded = JSON.parse(readFileSync('test/fixtures/experiment/plain-runs.json', 'utf8')) as Recorded;

/** Draws experiments from recorded runs: real prompts, real noise, and an effect that is known because it was put in. */
export class Simulation {
  private readonly random: ReturnType<typeof xoroshiro128plus>;

  constructor(seed: number) {
    this.random = xoroshiro128plus(seed);
  }

  /** Pairs of an experiment of `size` prompts, two turns of each arm; the treatment is faster by `effect`. Both arms are dealt from the same runs of the same prompt. */
  pairs(size: number, effect = 0): PairedTerms[] {
    return Array.from({ length: size }, () => {
      const { tokens, ms } = recorded.prompts[uniformInt(this.random, 0, recorded.prompts.length - 1)]!;   // an index of the list
      const dealt = [...ms];
      for (let i = 0; i < 4; i++) {
        const other = i + Math.floor(uniformFloat64(this.random) * (dealt.length - i));
        [dealt[i], dealt[other]] = [dealt[other]!, dealt[i]!];   // both are indices of the list
      }
      const [a, b, c, d] = dealt as [number, number, number, number];   // every prompt was run more often than that
      return { control: [tokens / Math.sqrt(a * b), 1], treatment: [(tokens / Math.sqrt(c * d)) * (1 + effect), 1] };
    });
  }
}

/** As experiments estimate the speed of an arm. */
export function estimateSpeed(pairs: readonly PairedTerms[]): Estimate | undefined {
  return estimatePairs(pairs, METRICS.tokensPerSecond);
}

/** Whether anybody who looks after every prompt, from the fifth on, would ever have called an effect. */
export function everRejects(pairs: readonly PairedTerms[], horizon: number): boolean {
  for (let n = 5; n <= pairs.length; n++) if (excludesZero(pairs.slice(0, n), horizon)) return true;
  return false;
}

/** Whether the sequential 95 % interval leaves out zero. */
export function excludesZero(pairs: readonly PairedTerms[], horizon: number): boolean {
  const estimate = estimateSpeed(pairs);
  if (estimate === undefined) return false;
  const { low, high } = sequentialInterval(estimate, 0.95, horizon);
  return low > 0 || high < 0;
}
