import type { Guarantee, StrategyConfig } from '../strategy.js';
import type { Design, ExperimentDefinition } from './definition.js';
import type { Stop } from './guardrails.js';
import type { Interval } from './intervals.js';
import type { MetricName } from './metrics.js';
import type { Trial } from './trial.js';

/** All that an experiment has measured, as plain data: `analyse` makes a report of it, at once or years later. */
export interface ExperimentRecord {
  /** The experiment as it was defined. */
  readonly definition: ExperimentDefinition;
  /** What the verifier of each arm promises. */
  readonly guarantees: Readonly<Record<string, Guarantee>>;
  /** One per request and arm, in the order in which they ended. */
  readonly trials: readonly Trial[];
  /** Arms that broke a guardrail. */
  readonly stopped: Readonly<Record<string, Stop>>;
  /** `switchback`: share of the timed tokens that shared the engine with a request of another arm. */
  readonly overlap?: number;
}

/** What can be said of an arm against the control. `equal`: closer than the smallest effect of interest. */
export type Conclusion = 'better' | 'worse' | 'equal' | 'not enough data';

/** One metric of one arm against the control. Effects are relative: 0.05 is 5 % more. */
export interface Comparison {
  /** The arm that is compared with the control. */
  readonly arm: string;
  /** What they are compared by. */
  readonly metric: MetricName;
  /** Clusters on which it rests: prompts, pairs of slices, requests, or units of both arms. */
  readonly clusters: number;
  /** Undefined where there is nothing to divide by. */
  readonly effect: number | undefined;
  /** For who looks once, at a moment fixed beforehand. */
  readonly interval: Interval | undefined;
  /** For who looks whenever they like; the verdict follows from it. */
  readonly sequential: Interval | undefined;
  /** What follows from the sequential interval. */
  readonly verdict: Conclusion;
  /** The verdict in words; with `not enough data`, what is lacking. */
  readonly why: string;
  /** Standard deviation of the log ratio over clusters, for `planSize`; undefined for independent groups. */
  readonly deviation: number | undefined;
}

/** What one arm did, over all its trials. */
export interface ArmReport {
  /** As in the definition. */
  readonly name: string;
  /** As in the definition. */
  readonly strategy: string | StrategyConfig;
  /** What its verifier promises of its tokens. */
  readonly guarantee: Guarantee;
  /** Whether the others are compared with it. */
  readonly isControl: boolean;
  /** Requests that it was dealt. */
  readonly trials: number;
  /** Requests that it was given otherwise; nothing else here counts them, but `identity`. */
  readonly forced: number;
  /** Tokens generated. */
  readonly tokens: number;
  /** Its metrics over all its requests, where the design can tell them. */
  readonly values: Readonly<Partial<Record<MetricName, number>>>;
  /** Share of iterations in which the strategy failed. */
  readonly faults: number;
  /** The same for what was decoded plainly because the strategy had been given up. */
  readonly bypasses: number;
  /** Requests whose tokens were compared with plain decoding, and those of them that had the same. */
  readonly identity: {
    /** Requests compared. */
    readonly compared: number;
    /** Those with the same tokens. */
    readonly equal: number;
  };
  /** The guardrail that it broke. */
  readonly stopped: Stop | undefined;
}

/** A part of the trials: one category, one range of prompt lengths or of batch sizes. */
export interface Breakdown {
  /** What the trials are parted by. */
  readonly by: 'category' | 'context' | 'batch';
  /** The part, in words. */
  readonly group: string;
  /** Of the main metric; each by itself, so that one in twenty is wrong by chance at 95 %. */
  readonly comparisons: readonly Comparison[];
}

/** The sequential interval as it was after so many clusters. Infinite bounds are null, so that it survives JSON. */
export interface PathPoint {
  /** Clusters so far; in `request`: trials. */
  readonly clusters: number;
  /** Relative effect as it was then. */
  readonly effect: number;
  /** Lower bound; null: none yet. */
  readonly low: number | null;
  /** Upper bound; null: none yet. */
  readonly high: number | null;
}

/** Whether the arms got the shares of units that they should have: if not, something loses requests, and nothing else can be believed. */
export interface SampleRatio {
  /** Units that each arm had. */
  readonly units: Readonly<Record<string, number>>;
  /** Units that it should have had. */
  readonly expected: Readonly<Record<string, number>>;
  /** Sum of squared deviations over what was expected. */
  readonly chiSquare: number;
  /** Probability of so large a deviation by chance. */
  readonly pValue: number;
  /** p of 0.001 or more. */
  readonly isPlausible: boolean;
}

/** What an experiment says. Plain data; infinite bounds of intervals become null in JSON. */
export interface ExperimentReport {
  /** Of the experiment. */
  readonly name: string;
  /** The only version whose trials count. */
  readonly version: string;
  /** How arms met their requests. */
  readonly design: Design;
  /** The main metric. */
  readonly metric: MetricName;
  /** The arm that the others are compared with. */
  readonly control: string;
  /** Of the intervals. */
  readonly confidence: number;
  /** Relative effect below which arms count as equal. */
  readonly smallestEffect: number;
  /** What each arm did. */
  readonly arms: readonly ArmReport[];
  /** Of the main metric; its intervals hold for all arms together (Bonferroni). */
  readonly comparisons: readonly Comparison[];
  /** Of the other metrics that this design can tell. */
  readonly secondary: readonly Comparison[];
  /** The main metric by category, prompt length and batch size. */
  readonly breakdown: readonly Breakdown[];
  /** By arm: how the answer came about. */
  readonly path: Readonly<Record<string, readonly PathPoint[]>>;
  /** In `request` only. */
  readonly sampleRatio: SampleRatio | undefined;
  /** What a reader must know before believing the rest. */
  readonly warnings: readonly string[];
}
