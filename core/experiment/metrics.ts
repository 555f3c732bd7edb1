import type { Trial } from './trial.js';

/** What arms are compared by. */
export type MetricName = 'tokensPerSecond' | 'timeToFirstTokenMs' | 'interTokenP99Ms' | 'acceptanceLength' | 'acceptanceRate';

export const METRIC_NAMES = ['tokensPerSecond', 'timeToFirstTokenMs', 'interTokenP99Ms', 'acceptanceLength', 'acceptanceRate'] as const satisfies readonly MetricName[];

/** A ratio: what a trial adds above the line, and below it. What is counted is summed over trials; what is timed is averaged over them on the logarithmic scale. */
export interface Metric {
  /** Its name in reports. */
  readonly label: string;
  /** Of its value; empty for a share. */
  readonly unit: string;
  /** Whether it is about time: then arms may not share passes. */
  readonly isLatency: boolean;
  /** Whether more of it is good. */
  readonly isHigherBetter: boolean;
  /** Numerator and denominator of one trial; undefined where the trial says nothing about it. */
  terms(trial: Trial): readonly [number, number] | undefined;
}

/** Every metric by its name. */
export const METRICS: Readonly<Record<MetricName, Metric>> = {
  tokensPerSecond: {
    label: 'decoding speed', unit: 'tokens/s', isLatency: true, isHigherBetter: true,
    terms: ({ timing }) => (timing === undefined || timing.tokens === 0 || timing.ms <= 0 ? undefined : [timing.tokens, timing.ms / 1000]),
  },
  timeToFirstTokenMs: {
    label: 'time to first token', unit: 'ms', isLatency: true, isHigherBetter: false,
    terms: ({ timing }) => (timing?.timeToFirstTokenMs === undefined ? undefined : [timing.timeToFirstTokenMs, 1]),
  },
  interTokenP99Ms: {
    label: 'p99 gap between tokens', unit: 'ms', isLatency: true, isHigherBetter: false,
    terms: ({ timing }) => (timing?.interTokenP99Ms === undefined ? undefined : [timing.interTokenP99Ms, 1]),
  },
  acceptanceLength: {
    label: 'tokens per pass', unit: 'tokens', isLatency: false, isHigherBetter: true,
    terms: ({ tokens, iterations }) => (iterations === 0 ? undefined : [tokens, iterations]),
  },
  acceptanceRate: {
    label: 'accepted share of drafted nodes', unit: '', isLatency: false, isHigherBetter: true,
    terms: ({ accepted, drafted }) => (drafted === 0 ? undefined : [accepted, drafted]),
  },
};
