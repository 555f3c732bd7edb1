import { analyse } from './analyse.js';
import { compare, jointConfidence } from './compare.js';
import type { ExperimentDefinition, ResolvedExperiment } from './definition.js';
import { brokenGuardrail, type Stop } from './guardrails.js';
import type { ExperimentRecord, ExperimentReport } from './report.js';
import type { Trial } from './trial.js';
import type { Guarantee } from '../strategy.js';

/** Checks of guardrails per experiment look at all trials; past this many they are made once in so many new ones. */
const CHECK_EVERY = 100;

/** What an experiment has measured so far, and which arms it has stopped for it. */
export class Ledger {
  readonly trials: Trial[] = [];
  readonly stopped = new Map<string, Stop>();
  readonly guarantees = new Map<string, Guarantee>();
  /** Timed tokens, and those of them that shared the engine with another arm. */
  timedTokens = 0;
  overlappedTokens = 0;

  constructor(private readonly definition: ExperimentDefinition, readonly experiment: ResolvedExperiment) {}

  /** Arms that still get requests, the control among them. */
  get running(): string[] {
    return [...this.experiment.arms.keys()].filter((arm) => !this.stopped.has(arm));
  }

  /** Takes trials in and stops the arms that break a guardrail with them. */
  add(...trials: readonly Trial[]): void {
    this.trials.push(...trials);
    const isDue = this.trials.length < CHECK_EVERY || this.trials.length % Math.floor(this.trials.length / CHECK_EVERY) === 0;
    for (const arm of new Set(trials.map((trial) => trial.arm))) {
      if (arm === this.experiment.control || this.stopped.has(arm) || !(isDue || trials.some(({ isIdentical }) => isIdentical === false))) continue;
      const stop = brokenGuardrail(this.experiment, this.trials, arm);
      if (stop !== undefined) this.stopped.set(arm, stop);
    }
  }

  record(): ExperimentRecord {
    return {
      definition: this.definition, guarantees: Object.fromEntries(this.guarantees), trials: [...this.trials], stopped: Object.fromEntries(this.stopped),
      ...(this.timedTokens === 0 ? {} : { overlap: this.overlappedTokens / this.timedTokens }),
    };
  }

  report(): ExperimentReport {
    return analyse(this.record());
  }

  /** Whether every arm that still runs has a verdict, where the definition says to stop then. */
  get isDecided(): boolean {
    const treatments = this.running.filter((arm) => arm !== this.experiment.control);
    if (treatments.length === 0) return true;
    if (this.experiment.stop === 'never') return false;
    const { metric } = this.experiment;
    return treatments.every((arm) => compare(this.experiment, this.trials, metric, arm, jointConfidence(this.experiment)).verdict !== 'not enough data');
  }
}
