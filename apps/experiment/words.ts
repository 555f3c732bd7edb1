import { type Comparison, type ExperimentReport, type Interval, METRICS, type MetricName } from '../../core/index.js';
import { labelOf } from '../bench/bench.js';

// How a report speaks: the same words in the terminal and on the page.

export const DESIGN_WORDS: Readonly<Record<ExperimentReport['design'], string>> = {
  paired: 'paired: the same prompts on every arm, in alternating order',
  switchback: 'switchback: arms alternate in time slices under load',
  shadow: 'shadow: the control serves, the others are scored on its text',
  request: 'request: every unit is dealt one arm',
};

/** What clusters are in this design. */
export const CLUSTER_WORDS: Readonly<Record<ExperimentReport['design'], string>> = { paired: 'prompts', switchback: 'rounds of slices', shadow: 'requests', request: 'units per arm' };

export function percent(value: number, digits = 1): string {
  return `${value > 0 ? '+' : value < 0 ? '−' : ''}${(100 * Math.abs(value)).toFixed(digits)} %`;
}

export function intervalWords(interval: Interval | undefined): string {
  if (interval === undefined) return '–';
  if (!Number.isFinite(interval.high) || interval.high === null) return 'no bound yet';
  return `${percent(interval.low)} … ${percent(interval.high)}`;
}

export function valueWords(metric: MetricName, value: number | undefined): string {
  if (value === undefined) return '–';
  if (metric === 'acceptanceRate') return `${(100 * value).toFixed(1)} %`;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(metric === 'acceptanceLength' ? 3 : 2)}`;
}

/** One sentence that answers the question of the experiment for one arm. */
export function answer(report: ExperimentReport, { arm, metric, effect, verdict, why }: Comparison): string {
  const { label, isHigherBetter } = METRICS[metric];
  if (verdict === 'not enough data') return `${arm} against ${report.control}: not enough data about ${label} (${why}).`;
  if (verdict === 'equal') return `${arm} and ${report.control} have equal ${label} for all that matters (${why}).`;
  const more = verdict === 'better' === isHigherBetter ? 'higher' : 'lower';
  return `${arm} is ${verdict} than ${report.control}: its ${label} is ${(100 * Math.abs(effect ?? 0)).toFixed(1)} % ${more} (${why}).`;
}

export function strategyWords(strategy: Parameters<typeof labelOf>[0]): string {
  return labelOf(strategy);
}
