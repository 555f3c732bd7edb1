import { mean } from 'simple-statistics';
import { ConfigError } from '../errors.js';
import { compare, jointConfidence, pathOf } from './compare.js';
import { type ResolvedExperiment, resolveExperiment } from './definition.js';
import { chiSquareTail } from './distributions.js';
import { METRIC_NAMES, METRICS, type MetricName } from './metrics.js';
import type { ArmReport, Breakdown, ExperimentRecord, ExperimentReport, SampleRatio } from './report.js';
import type { Trial } from './trial.js';

/** p below which shares of units are no accident; strict, since it is looked at often. */
const LEAST_P = 0.001;

/** Share of timed tokens beside requests of another arm from which a switchback is not to be trusted. */
const MOST_OVERLAP = 0.05;

/**
 * Makes the report of a record. Pure: the same record always gives the same report.
 *
 * @throws ConfigError where the definition is wrong or a trial names an arm that it has not
 */
export function analyse(record: ExperimentRecord): ExperimentReport {
  const experiment = resolveExperiment(record.definition);
  const { name, version, design, metric, control, confidence, smallestEffect, treatments } = experiment;
  const stranger = record.trials.find(({ arm }) => !experiment.arms.has(arm));
  if (stranger !== undefined) throw new ConfigError(`A trial names the arm "${stranger.arm}"; experiment "${name}" has ${[...experiment.arms.keys()].join(', ')}.`);
  const trials = record.trials.filter((trial) => trial.version === version);
  const together = jointConfidence(experiment);
  const comparisons = treatments.map((arm) => compare(experiment, trials, metric, arm, together));
  const others = METRIC_NAMES.filter((other) => other !== metric && (METRICS[other].isLatency ? design === 'paired' || design === 'switchback' : true));
  const sampleRatio = design === 'request' ? ratioOf(experiment, trials) : undefined;
  const arms = [...experiment.arms.keys()].map((arm) => armReport(experiment, record, trials, arm));
  return {
    name, version, design, metric, control, confidence, smallestEffect, arms, comparisons,
    secondary: others.flatMap((other) => treatments.map((arm) => compare(experiment, trials, other, arm, confidence))).filter(({ effect }) => effect !== undefined),
    breakdown: breakdownOf(experiment, trials),
    path: Object.fromEntries(treatments.map((arm) => [arm, pathOf(experiment, trials, arm, together)])),
    sampleRatio,
    warnings: warningsOf(record, record.trials.length - trials.length, arms, sampleRatio),
  };
}

function armReport(experiment: ResolvedExperiment, { guarantees, stopped }: ExperimentRecord, trials: readonly Trial[], name: string): ArmReport {
  const all = trials.filter(({ arm }) => arm === name);
  const own = all.filter(({ isForced }) => !isForced);
  const sum = (of: (trial: Trial) => number): number => own.reduce((total, trial) => total + of(trial), 0);
  const iterations = sum((trial) => trial.iterations);
  const compared = all.filter(({ isIdentical }) => isIdentical !== undefined);
  return {
    name, strategy: experiment.arms.get(name)!, guarantee: guarantees[name] ?? 'identical', isControl: name === experiment.control,
    trials: own.length, forced: all.length - own.length, tokens: sum(({ tokens }) => tokens),
    values: Object.fromEntries(METRIC_NAMES.flatMap((metric) => { const value = valueOfAll(own, metric); return value === undefined ? [] : [[metric, value]]; })),
    faults: iterations === 0 ? 0 : sum(({ faults }) => faults) / iterations,
    bypasses: iterations === 0 ? 0 : sum(({ bypassed }) => bypassed) / iterations,
    identity: { compared: compared.length, equal: compared.filter(({ isIdentical }) => isIdentical).length },
    stopped: stopped[name],
  };
}

/** The ratio of sums; of what is timed the geometric mean over requests, as in the comparison. */
function valueOfAll(trials: readonly Trial[], metric: MetricName): number | undefined {
  const terms = trials.flatMap((trial) => { const own = METRICS[metric].terms(trial); return own === undefined ? [] : [own]; });
  if (METRICS[metric].isLatency) {
    const logs = terms.filter(([top]) => top > 0).map(([top, bottom]) => Math.log(top / bottom));
    return logs.length === 0 ? undefined : Math.exp(mean(logs));
  }
  const bottom = terms.reduce((sum, [, own]) => sum + own, 0);
  return bottom === 0 ? undefined : terms.reduce((sum, [top]) => sum + top, 0) / bottom;
}

const GROUPS: Readonly<Record<Breakdown['by'], (trial: Trial) => string | undefined>> = {
  category: ({ category }) => category,
  context: ({ promptTokens }) => range(promptTokens, [0, 64, 256, 1024, 4096], 'prompt tokens'),
  batch: ({ batch }) => range(batch, [1, 2, 5, 9, 17], batch === 1 ? 'sequence' : 'sequences'),
};

/** Parts of more than one group only: a single one would repeat the whole. */
function breakdownOf(experiment: ResolvedExperiment, trials: readonly Trial[]): Breakdown[] {
  return (Object.keys(GROUPS) as Breakdown['by'][]).flatMap((by) => {
    const groups = new Map<string, Trial[]>();
    for (const trial of trials) {
      const group = GROUPS[by](trial);
      if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), trial]);
    }
    if (groups.size < 2) return [];
    return [...groups].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).map(([group, own]) => ({
      by, group, comparisons: experiment.treatments.map((arm) => compare(experiment, own, experiment.metric, arm, experiment.confidence)),
    }));
  });
}

/** The range between two edges that a value lies in, in words. */
function range(value: number, edges: readonly number[], unit: string): string {
  const at = edges.findLastIndex((edge) => value >= edge);
  const [from, to] = [edges[at] ?? 0, edges[at + 1]];
  if (to === undefined) return `${from} or more ${unit}`;
  return to - from === 1 ? `${from} ${unit}` : `${from} to ${to - 1} ${unit}`;
}

function ratioOf({ weights }: ResolvedExperiment, trials: readonly Trial[]): SampleRatio | undefined {
  const units = new Map([...weights.keys()].map((arm) => [arm, new Set<string>()]));
  for (const { arm, unit, isForced } of trials) if (!isForced) units.get(arm)?.add(unit);
  const total = [...units.values()].reduce((sum, { size }) => sum + size, 0);
  if (total === 0) return undefined;
  const weight = [...weights.values()].reduce((sum, one) => sum + one, 0);
  const expected = Object.fromEntries([...weights].map(([arm, one]) => [arm, (total * one) / weight]));
  const chiSquare = [...units].reduce((sum, [arm, { size }]) => sum + (size - expected[arm]!) ** 2 / expected[arm]!, 0);
  const pValue = chiSquareTail(chiSquare, units.size - 1);
  return { units: Object.fromEntries([...units].map(([arm, { size }]) => [arm, size])), expected, chiSquare, pValue, isPlausible: pValue >= LEAST_P };
}

function warningsOf({ overlap = 0, guarantees }: ExperimentRecord, otherVersions: number, arms: readonly ArmReport[], ratio: SampleRatio | undefined): string[] {
  const warnings: string[] = [];
  if (ratio?.isPlausible === false) warnings.push(`The arms did not get their shares of units (p = ${ratio.pValue.toExponential(1)}): requests are lost or counted twice somewhere; do not believe the effects before that is found.`);
  if (overlap > MOST_OVERLAP) warnings.push(`${(100 * overlap).toFixed(0)} % of the timed tokens shared the engine with requests of another arm: lengthen washOutMs and sliceMs.`);
  if (new Set(Object.values(guarantees)).size > 1) warnings.push('The arms promise different things of their tokens, so their texts differ and so do the lengths of what was timed.');
  if (otherVersions > 0) warnings.push(`Trials of another version of the experiment, left out: ${otherVersions}.`);
  for (const { name, stopped } of arms) if (stopped !== undefined) warnings.push(`Arm "${name}" was stopped by the guardrail ${stopped.guardrail} after ${stopped.afterTrials} requests: ${stopped.reason}.`);
  return warnings;
}
