import { type Breakdown, type Comparison, type ExperimentReport, METRICS } from '../../core/index.js';
import { answer, CLUSTER_WORDS, DESIGN_WORDS, intervalWords, percent, strategyWords, valueWords } from './words.js';

/** A report for the terminal: the answer first, then what it rests on. */
export function textReport(report: ExperimentReport): string {
  const { name, version, design, confidence, comparisons, secondary, breakdown, sampleRatio, warnings } = report;
  return [
    `Experiment ${name}, version ${version} (${DESIGN_WORDS[design]})`,
    '',
    ...comparisons.map((comparison) => answer(report, comparison)),
    ...warnings.map((warning) => `! ${warning}`),
    '',
    ...table([['arm', 'strategy', 'guarantee', 'requests', 'tokens', 'tok/s', 'tok/pass', 'first token', 'p99 gap', 'faults', 'same tokens'], ...armRows(report)]),
    '',
    `Against ${report.control}; ${(100 * confidence).toFixed(0)} % intervals, the sequential one holds at every look:`,
    ...table([['metric', 'arm', CLUSTER_WORDS[design], 'effect', 'sequential interval', 'interval of one look', 'verdict'], ...[...comparisons, ...secondary].map(comparisonRow)]),
    ...(breakdown.length === 0 ? [] : ['', `${METRICS[report.metric].label} by part (each part by itself):`, ...table([['part', 'arm', CLUSTER_WORDS[design], 'effect', 'sequential interval', 'verdict'], ...breakdown.flatMap(partRows)])]),
    ...(sampleRatio === undefined ? [] : ['', `Units per arm: ${Object.entries(sampleRatio.units).map(([arm, units]) => `${arm} ${units} of ${sampleRatio.expected[arm]?.toFixed(0)} expected`).join(', ')} (p = ${sampleRatio.pValue.toPrecision(2)})`]),
  ].join('\n');
}

function armRows({ arms }: ExperimentReport): string[][] {
  return arms.map(({ name, strategy, guarantee, trials, forced, tokens, values, faults, identity, isControl, stopped }) => [
    `${name}${isControl ? ' (control)' : stopped === undefined ? '' : ' (stopped)'}`, strategyWords(strategy), guarantee, `${trials}${forced > 0 ? ` + ${forced} forced` : ''}`, String(tokens),
    valueWords('tokensPerSecond', values.tokensPerSecond), valueWords('acceptanceLength', values.acceptanceLength),
    values.timeToFirstTokenMs === undefined ? '–' : `${values.timeToFirstTokenMs.toFixed(1)} ms`, values.interTokenP99Ms === undefined ? '–' : `${values.interTokenP99Ms.toFixed(2)} ms`,
    faults === 0 ? '0' : percent(faults, 2).replace('+', ''), identity.compared === 0 ? '–' : `${identity.equal} of ${identity.compared}`,
  ]);
}

function comparisonRow({ metric, arm, clusters, effect, sequential, interval, verdict }: Comparison): string[] {
  return [METRICS[metric].label, arm, String(clusters), effect === undefined ? '–' : percent(effect), intervalWords(sequential), intervalWords(interval), verdict];
}

function partRows({ group, comparisons }: Breakdown): string[][] {
  return comparisons.map(({ arm, clusters, effect, sequential, verdict }) => [group, arm, String(clusters), effect === undefined ? '–' : percent(effect), intervalWords(sequential), verdict]);
}

function table(rows: readonly (readonly string[])[]): string[] {
  const [headings = []] = rows;
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines;
}
