import type { ResolvedExperiment } from './definition.js';
import { type Estimate, estimatePairs, independentEstimate, pairedTerms, unitTerms } from './effect.js';
import { fixedInterval, type Interval, sequentialInterval } from './intervals.js';
import { METRICS, type MetricName } from './metrics.js';
import { planSize } from './plan-size.js';
import type { Comparison, PathPoint, Conclusion } from './report.js';
import type { Trial } from './trial.js';

const MOST_POINTS = 200;

/** Confidence of each of several comparisons that are to hold together (Bonferroni). */
export function jointConfidence({ confidence, treatments }: ResolvedExperiment): number {
  return 1 - (1 - confidence) / treatments.length;
}

/** One metric of one arm against the control. */
export function compare(experiment: ResolvedExperiment, trials: readonly Trial[], metric: MetricName, arm: string, confidence: number): Comparison {
  const { estimate, clusters } = estimateOf(experiment, trials, metric, arm);
  const isPaired = experiment.design !== 'request';
  const deviation = isPaired && estimate !== undefined ? estimate.standardError * Math.sqrt(estimate.size) : undefined;
  const sequential = estimate && sequentialInterval(estimate, confidence, horizonOf(experiment));
  return {
    arm, metric, clusters, deviation, sequential,
    effect: estimate && Math.expm1(estimate.logRatio),
    interval: estimate && fixedInterval(estimate, confidence),
    ...judge(experiment, metric, { clusters, deviation, sequential }, confidence),
  };
}

/** How the sequential interval of the main metric narrowed, at up to 200 moments. */
export function pathOf(experiment: ResolvedExperiment, trials: readonly Trial[], arm: string, confidence: number): PathPoint[] {
  const { metric, design, minimum } = experiment;
  const pairs = design === 'request' ? [] : pairedTerms(experiment, trials, METRICS[metric], arm);
  const length = design === 'request' ? trials.length : pairs.length;
  const step = Math.max(1, Math.ceil(length / MOST_POINTS));
  const points: PathPoint[] = [];
  for (let end = Math.min(length, minimum); end <= length && end > 0; end = end < length ? Math.min(length, end + step) : length + 1) {
    const estimate = design === 'request' ? estimateOf(experiment, trials.slice(0, end), metric, arm).estimate : estimatePairs(pairs.slice(0, end), METRICS[metric]);
    if (estimate === undefined) continue;
    const { low, high } = sequentialInterval(estimate, confidence, horizonOf(experiment));
    points.push({ clusters: end, effect: Math.expm1(estimate.logRatio), low: low > -1 ? low : null, high: Number.isFinite(high) ? high : null });
  }
  return points;
}

function estimateOf(experiment: ResolvedExperiment, trials: readonly Trial[], metric: MetricName, arm: string): { readonly estimate: Estimate | undefined; readonly clusters: number } {
  if (experiment.design !== 'request') {
    const pairs = pairedTerms(experiment, trials, METRICS[metric], arm);
    return { estimate: estimatePairs(pairs, METRICS[metric]), clusters: pairs.length };
  }
  const [own, other] = [unitTerms(trials, METRICS[metric], experiment.control), unitTerms(trials, METRICS[metric], arm)];
  return { estimate: independentEstimate(own, other), clusters: Math.min(own.length, other.length) };
}

/** The horizon counts clusters of an arm; two groups of n have the harmonic size n / 2. */
function horizonOf({ design, horizon }: ResolvedExperiment): number {
  return design === 'request' ? horizon / 2 : horizon;
}

const percent = (value: number): string => `${value >= 0 ? '+' : '−'}${(100 * Math.abs(value)).toFixed(1)} %`;

function judge({ minimum, smallestEffect }: ResolvedExperiment, metric: MetricName, { clusters, deviation, sequential }: Pick<Comparison, 'clusters' | 'deviation' | 'sequential'>, confidence: number): { readonly verdict: Conclusion; readonly why: string } {
  const lacking = (why: string) => ({ verdict: 'not enough data' as const, why });
  if (sequential === undefined || clusters < minimum) return lacking(`${clusters} of at least ${minimum}`);
  const { low, high }: Interval = sequential;
  if (!Number.isFinite(high)) return lacking('too few for any bound');
  const range = `${percent(low)} and ${percent(high)}`;
  if (low > 0 || high < 0) return { verdict: low > 0 === METRICS[metric].isHigherBetter ? 'better' : 'worse', why: `the effect lies between ${range}` };
  if (low > -smallestEffect && high < smallestEffect) return { verdict: 'equal', why: `the effect lies between ${range}: less than the smallest effect of interest (${(100 * smallestEffect).toFixed(1)} %) either way` };
  return lacking(`the effect lies between ${range}, which includes no effect at all${wanted(clusters, deviation, smallestEffect, confidence)}`);
}

function wanted(clusters: number, deviation: number | undefined, effect: number, confidence: number): string {
  if (deviation === undefined || !(deviation > 0)) return '';
  const size = planSize({ deviation, pilotSize: clusters, effect, confidence });
  return size > clusters ? `; an effect of ${(100 * effect).toFixed(1)} % would take about ${size}` : '';
}
