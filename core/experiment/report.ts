import type { Guarantee, StrategyConfig } from '../strategy.js';
import type { Design, ExperimentDefinition } from './definition.js';
import type { Stop } from './guardrails.js';
import type { Interval } from './intervals.js';
import type { MetricName } from './metrics.js';
import type { Trial } from './trial.js';

/** All that an experiment has measured, as plain data: `analyse` makes a report of it, at once or years later. */
export interface ExperimentRecord {
  readonly definition: ExperimentDefinition;
  readonly guarantees: Readonly<Record<string, Guarantee>>;
  readonly trials: readonly Trial[];
  readonly stopped: Readonly<Record<string, Stop>>;
  /** `switchback`: share of the timed tokens that shared the engine with a request of another arm. */
  readonly overlap?: number;
}

/** What can be said of an arm against the control. `equal`: closer than the smallest effect of interest. */
export type Conclusion = 'better' | 'worse' | 'equal' | 'not enough data';

/** One metric of one arm against the control. Effects are relative: 0.05 is 5 % more. */
export interface Comparison {
  readonly arm: string;
  readonly metric: MetricName;
  /** Clusters on which it rests: prompts, pairs of slices, requests, or units of both arms. */
  readonly clusters: number;
  readonly effect: number | undefined;
  /** For who looks once, at a moment fixed beforehand. */
  readonly interval: Interval | undefined;
  /** For who looks whenever they like; the verdict follows from it. */
  readonly sequential: Interval | undefined;
  readonly verdict: Conclusion;
  /** The verdict in words; with `not enough data`, what is lacking. */
  readonly why: string;
  /** Standard deviation of the log ratio over clusters, for `planSize`; undefined for independent groups. */
  readonly deviation: number | undefined;
}

/** What one arm did, over all its trials. */
export interface ArmReport {
  readonly name: string;
  readonly strategy: string | StrategyConfig;
  readonly guarantee: Guarantee;
  readonly isControl: boolean;
  readonly trials: number;
  readonly forced: number;
  readonly tokens: number;
  readonly values: Readonly<Partial<Record<MetricName, number>>>;
  /** Shares of iterations. */
  readonly faults: number;
  readonly bypasses: number;
  readonly identity: { readonly compared: number; readonly equal: number };
  readonly stopped: Stop | undefined;
}

/** A part of the trials: one category, one range of prompt lengths or of batch sizes. */
export interface Breakdown {
  readonly by: 'category' | 'context' | 'batch';
  readonly group: string;
  /** Of the main metric; each by itself, so that one in twenty is wrong by chance at 95 %. */
  readonly comparisons: readonly Comparison[];
}

/** The sequential interval as it was after so many clusters. Infinite bounds are null, so that it survives JSON. */
export interface PathPoint {
  readonly clusters: number;
  readonly effect: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** Whether the arms got the shares of units that they should have: if not, something loses requests, and nothing else can be believed. */
export interface SampleRatio {
  readonly units: Readonly<Record<string, number>>;
  readonly expected: Readonly<Record<string, number>>;
  readonly chiSquare: number;
  readonly pValue: number;
  /** p of 0.001 or more. */
  readonly isPlausible: boolean;
}

export interface ExperimentReport {
  readonly name: string;
  readonly version: string;
  readonly design: Design;
  readonly metric: MetricName;
  readonly control: string;
  readonly confidence: number;
  readonly smallestEffect: number;
  readonly arms: readonly ArmReport[];
  /** Of the main metric; its intervals hold for all arms together (Bonferroni). */
  readonly comparisons: readonly Comparison[];
  /** Of the other metrics that this design can tell. */
  readonly secondary: readonly Comparison[];
  readonly breakdown: readonly Breakdown[];
  readonly path: Readonly<Record<string, readonly PathPoint[]>>;
  readonly sampleRatio: SampleRatio | undefined;
  /** What a reader must know before believing the rest. */
  readonly warnings: readonly string[];
}
