import { BoundedMeanTest } from './bounded-test.js';
import type { ResolvedExperiment } from './definition.js';
import { estimatePairs, pairedTerms } from './effect.js';
import { sequentialInterval } from './intervals.js';
import { METRICS, type MetricName } from './metrics.js';
import type { Trial } from './trial.js';

/** Why an arm gets no more requests. */
export interface Stop {
  /** Which one. */
  readonly guardrail: 'timeToFirstToken' | 'interTokenP99' | 'faults' | 'bypasses' | 'identity';
  /** What the arm did, in words. */
  readonly reason: string;
  /** Requests that the arm had had. */
  readonly afterTrials: number;
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

/**
 * Whether an arm has broken a guardrail. All tests are always valid: they may be made after every request, and stop a harmless arm with a
 * probability of at most `1 - confidence` per guardrail. One token that differs where identity is promised stops at once.
 */
export function brokenGuardrail(experiment: ResolvedExperiment, trials: readonly Trial[], arm: string): Stop | undefined {
  const { guardrails, confidence, design } = experiment;
  const own = trials.filter((trial) => trial.arm === arm);
  const stop = (guardrail: Stop['guardrail'], reason: string): Stop => ({ guardrail, reason, afterTrials: own.length });
  const differing = own.find(({ isIdentical }) => isIdentical === false);
  if (differing !== undefined) return stop('identity', `its tokens differ from plain decoding's for "${differing.unit}", and it promises the same`);
  for (const [guardrail, field] of [['faults', 'faults'], ['bypasses', 'bypassed']] as const) {
    const limit = guardrails[guardrail];
    if (limit === false) continue;
    const test = new BoundedMeanTest(limit);
    for (const trial of own) if (trial.iterations > 0) test.add(Math.min(1, trial[field] / trial.iterations));
    if (test.evidence >= 1 / (1 - confidence)) {
      const mean = own.reduce((sum, trial) => sum + trial[field], 0) / own.reduce((sum, { iterations }) => sum + iterations, 0);
      return stop(guardrail, `${percent(mean)} of its iterations ${guardrail === 'faults' ? 'failed' : 'were decoded plainly because the strategy had been given up'}; the limit is ${percent(limit)}`);
    }
  }
  if (design === 'request' || design === 'shadow') return undefined;   // they cannot tell time
  for (const [guardrail, name] of [['timeToFirstToken', 'timeToFirstTokenMs'], ['interTokenP99', 'interTokenP99Ms']] as const) {
    const limit = guardrails[guardrail];
    const low = limit === false ? undefined : lowestIncrease(experiment, trials, name, arm);
    if (limit !== false && low !== undefined && low > limit) return stop(guardrail, `its ${METRICS[name].label} is at least ${percent(low)} longer than the control's; the limit is ${percent(limit)}`);
  }
  return undefined;
}

function lowestIncrease(experiment: ResolvedExperiment, trials: readonly Trial[], metric: MetricName, arm: string): number | undefined {
  const { confidence, horizon, minimum } = experiment;
  const estimate = estimatePairs(pairedTerms(experiment, trials, METRICS[metric], arm), METRICS[metric]);
  return estimate === undefined || estimate.size < minimum ? undefined : sequentialInterval(estimate, confidence, horizon).low;
}
