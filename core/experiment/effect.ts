import { mean, sampleStandardDeviation } from 'simple-statistics';
import type { ResolvedExperiment } from './definition.js';
import type { Metric } from './metrics.js';
import type { Trial } from './trial.js';

/** Numerator and denominator of a metric, summed over the trials of one cluster under one arm. */
export type Terms = readonly [numerator: number, denominator: number];

/**
 * An estimate on the logarithmic scale, `log(treatment ÷ control)`, with what its uncertainty is judged by. Clusters (a prompt, a pair of
 * slices, a user) are independent; what lies inside one is not.
 */
export interface Estimate {
  readonly logRatio: number;
  /** By the delta method, over clusters. */
  readonly standardError: number;
  /** Degrees of freedom of the standard error. */
  readonly freedom: number;
  /** Clusters that count; for two independent groups the harmonic size `ab / (a + b)`. */
  readonly size: number;
}

/** Terms of each cluster under both arms. */
export interface PairedTerms {
  readonly control: Terms;
  readonly treatment: Terms;
}

/** Pairs in the order in which they became complete; clusters that lack an arm are left out. */
export function pairedTerms({ design, control }: Pick<ResolvedExperiment, 'design' | 'control'>, trials: readonly Trial[], metric: Metric, treatment: string): PairedTerms[] {
  const gather = design === 'paired' && metric.isLatency ? typicalBy : sumsBy;
  const [a, b] = [control, treatment].map((arm) => gather(trials, metric, arm, ({ block }) => block)) as [Map<number, Terms>, Map<number, Terms>];
  return [...a].flatMap(([block, own]) => {
    const other = b.get(block);
    return other === undefined ? [] : [{ control: own, treatment: other }];
  });
}

/**
 * The effect by pairs. What is counted is compared as ratio of sums. What is timed is compared pair by pair, as the mean of the logarithms: a machine
 * that stalls for a second would decide a ratio of sums all by itself.
 *
 * @returns undefined with fewer than two pairs, or where there is nothing to divide by
 */
export function estimatePairs(pairs: readonly PairedTerms[], metric: Metric): Estimate | undefined {
  return metric.isLatency ? typicalEstimate(pairs) : pairedEstimate(pairs);
}

/** Terms of each unit under one arm. */
export function unitTerms(trials: readonly Trial[], metric: Metric, arm: string): Terms[] {
  return [...sumsBy(trials, metric, arm, ({ unit }) => unit).values()];
}

/**
 * The ratio of two ratios of sums, measured on the same clusters. Delta method: the logarithm is linear in the four sums near their means, so
 * its variance is that of one number per cluster.
 *
 * @returns undefined with fewer than two pairs, or where a sum is zero
 * @see Deng, Knoblich, Lu 2018, Applying the Delta Method in Metric Analytics, arXiv:1803.06336
 */
export function pairedEstimate(pairs: readonly PairedTerms[]): Estimate | undefined {
  const n = pairs.length;
  if (n < 2) return undefined;
  const [controlTop, controlBottom] = totals(pairs.map(({ control }) => control));
  const [treatmentTop, treatmentBottom] = totals(pairs.map(({ treatment }) => treatment));
  if (!(controlTop > 0 && controlBottom > 0 && treatmentTop > 0 && treatmentBottom > 0)) return undefined;
  let squares = 0;
  for (const { control, treatment } of pairs) {
    const influence = n * (treatment[0] / treatmentTop - treatment[1] / treatmentBottom - control[0] / controlTop + control[1] / controlBottom);
    squares += influence * influence;   // influences sum to zero
  }
  return {
    logRatio: Math.log(treatmentTop / treatmentBottom) - Math.log(controlTop / controlBottom),
    standardError: Math.sqrt(squares / (n - 1) / n), freedom: n - 1, size: n,
  };
}

/** The mean over pairs of the logarithm of their ratio: the change of a typical pair (a geometric mean), whatever its size. */
export function typicalEstimate(pairs: readonly PairedTerms[]): Estimate | undefined {
  const ratios = pairs.map(({ control, treatment }) => Math.log((treatment[0] * control[1]) / (treatment[1] * control[0]))).filter(Number.isFinite);
  const n = ratios.length;
  return n < 2 ? undefined : { logRatio: mean(ratios), standardError: sampleStandardDeviation(ratios) / Math.sqrt(n), freedom: n - 1, size: n };
}

/** The ratio of two ratios of sums for two independent groups of units; degrees of freedom after Welch and Satterthwaite. */
export function independentEstimate(control: readonly Terms[], treatment: readonly Terms[]): Estimate | undefined {
  const a = groupEstimate(control);
  const b = groupEstimate(treatment);
  if (a === undefined || b === undefined) return undefined;
  const variance = a.variance + b.variance;
  const freedom = variance === 0 ? control.length + treatment.length - 2
    : variance ** 2 / (a.variance ** 2 / (control.length - 1) + b.variance ** 2 / (treatment.length - 1));
  return { logRatio: b.log - a.log, standardError: Math.sqrt(variance), freedom, size: (control.length * treatment.length) / (control.length + treatment.length) };
}

function groupEstimate(units: readonly Terms[]): { readonly log: number; readonly variance: number } | undefined {
  const n = units.length;
  const [top, bottom] = totals(units);
  if (n < 2 || !(top > 0 && bottom > 0)) return undefined;
  const squares = units.reduce((sum, [numerator, denominator]) => sum + (n * (numerator / top - denominator / bottom)) ** 2, 0);
  return { log: Math.log(top / bottom), variance: squares / (n - 1) / n };
}

function totals(terms: readonly Terms[]): [number, number] {
  let top = 0;
  let bottom = 0;
  for (const [numerator, denominator] of terms) {
    top += numerator;
    bottom += denominator;
  }
  return [top, bottom];
}

function sumsBy<K>(trials: readonly Trial[], metric: Metric, arm: string, keyOf: (trial: Trial) => K): Map<K, Terms> {
  const sums = new Map<K, Terms>();
  for (const trial of trials) {
    const terms = trial.arm === arm && !trial.isForced ? metric.terms(trial) : undefined;
    if (terms === undefined) continue;
    const [top, bottom] = sums.get(keyOf(trial)) ?? [0, 0];
    sums.set(keyOf(trial), [top + terms[0], bottom + terms[1]]);
  }
  return sums;
}

/** The geometric mean over the trials of a cluster, as a ratio to one. */
function typicalBy<K>(trials: readonly Trial[], metric: Metric, arm: string, keyOf: (trial: Trial) => K): Map<K, Terms> {
  const logs = new Map<K, number[]>();
  for (const trial of trials) {
    const terms = trial.arm === arm && !trial.isForced ? metric.terms(trial) : undefined;
    if (terms === undefined || !(terms[0] > 0)) continue;
    logs.set(keyOf(trial), [...(logs.get(keyOf(trial)) ?? []), Math.log(terms[0] / terms[1])]);
  }
  return new Map([...logs].map(([key, own]) => [key, [Math.exp(mean(own)), 1]]));
}
