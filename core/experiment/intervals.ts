import { studentQuantile } from './distributions.js';
import type { Estimate } from './effect.js';

/** A relative change: 0.05 is 5 % more than the control. Bounds may be -1 (nothing is left) and Infinity (no bound yet). */
export interface Interval {
  /** -1 or more. */
  readonly low: number;
  /** Infinity: no bound yet. */
  readonly high: number;
}

/** The interval for somebody who looks once, at a moment fixed beforehand. */
export function fixedInterval({ logRatio, standardError, freedom }: Estimate, confidence: number): Interval {
  return around(logRatio, standardError * studentQuantile((1 - confidence) / 2, freedom));
}

/**
 * The interval that holds at all moments at once: however often one looks, and whenever one stops, it leaves out the true effect in at most
 * `1 - confidence` of experiments.
 *
 * It is the mixture sequential probability ratio test turned round, in the form that knows no variance: the likelihood ratio of the t statistic
 * with the effect size mixed over N(0, g), which is an e-process for normal data from the second cluster on, and in the limit for all data
 * with a variance. g makes it tightest at `horizon` clusters.
 *
 * @param horizon fixed before the first look; a wrong guess costs width, never validity
 * @see Robbins 1970; Lai 1976; Johari et al. 2017 (mSPRT); Gönen et al. 2005 and Hendriksen et al. 2021 (the unknown variance);
 *   Waudby-Smith et al. 2021, arXiv:2103.06476 (data that is not normal, and the choice of g)
 */
export function sequentialInterval(estimate: Estimate, confidence: number, horizon: number): Interval {
  return around(estimate.logRatio, estimate.standardError * sequentialBound(estimate.size, estimate.freedom, confidence, horizon));
}

/** How many standard errors the sequential interval reaches to either side; Infinity while there is too little data for any bound. */
export function sequentialBound(size: number, freedom: number, confidence: number, horizon: number): number {
  const alpha = 1 - confidence;
  const spread = 1 + size * mixtureVariance(alpha, horizon);
  const root = (spread / alpha ** 2) ** (1 / (freedom + 1));
  return root >= spread ? Infinity : Math.sqrt((freedom * (root - 1)) / (1 - root / spread));
}

/** Variance of the mixture, in squared standard deviations of a cluster, that makes the interval tightest at `horizon` clusters. */
function mixtureVariance(alpha: number, horizon: number): number {
  const evidence = -2 * Math.log(alpha);
  return (evidence + Math.log(evidence + 1)) / horizon;
}

function around(logRatio: number, reach: number): Interval {
  return { low: Math.expm1(logRatio - reach), high: Math.expm1(logRatio + reach) };
}
