import { type ArmReport, type Comparison, type ExperimentReport, METRICS } from '../../core/index.js';
import { escapeHtml, forestChart, kindOf, pathChart } from './charts.js';
import { answer, CLUSTER_WORDS, DESIGN_WORDS, intervalWords, percent, strategyWords, valueWords } from './words.js';

/** A report as one page that needs nothing else: no network, no script. */
export function reportPage(report: ExperimentReport, where: string): string {
  const { name, version, design, metric, control, confidence, comparisons, secondary, breakdown, smallestEffect, path, warnings } = report;
  const sure = `${(100 * confidence).toFixed(0)} %`;
  const several = comparisons.length > 1;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Experiment ${escapeHtml(name)}</title>
<style>${STYLE}</style>
<main>
<header><h1>${escapeHtml(name)} <small>version ${escapeHtml(version)}</small></h1><p>${escapeHtml(DESIGN_WORDS[design])}${where === '' ? '' : ` · ${escapeHtml(where)}`}</p></header>
${comparisons.map((comparison) => verdictCard(report, comparison)).join('\n')}
${warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join('\n')}
<section><h2>Effect on ${escapeHtml(METRICS[metric].label)}, against ${escapeHtml(control)}</h2>
${forestChart([...comparisons.map((comparison) => ({ label: comparison.arm, comparison, isMain: true })), ...breakdown.flatMap(({ group, comparisons: parts }) => parts.map((comparison) => ({ label: several ? `${group} · ${comparison.arm}` : group, comparison })))], smallestEffect)}
<p class="legend"><i class="key thin"></i> sequential ${sure} interval: true however often one looks <i class="key thick"></i> interval for a single look <i class="key shade"></i> smaller than the smallest effect of interest, ${(100 * smallestEffect).toFixed(0)} %. Parts stand by themselves: one in ${Math.round(1 / (1 - confidence))} is wrong by chance.</p></section>
${comparisons.map(({ arm }) => `<section><h2>${several ? `${escapeHtml(arm)}: how` : 'How'} the answer came about</h2>${pathChart(path[arm] ?? [], CLUSTER_WORDS[design])}<p class="legend">The effect and its sequential interval after so many ${escapeHtml(CLUSTER_WORDS[design])}. Once it leaves zero out, the answer stands.</p></section>`).join('\n')}
<section><h2>Arms</h2><div class="scroll">${table(['Arm', 'Strategy', 'Guarantee', 'Requests', 'Tokens', 'Tokens/s', 'Tokens/pass', 'First token', 'p99 gap', 'Faults', 'Same tokens'], report.arms.map(armCells))}</div></section>
${secondary.length === 0 ? '' : `<section><h2>Other metrics</h2><div class="scroll">${table(['Metric', 'Arm', 'Clusters', 'Effect', `Sequential ${sure} interval`, 'Verdict'], secondary.map(comparisonCells))}</div></section>`}
${breakdown.length === 0 ? '' : `<section><h2>Parts</h2><div class="scroll">${table(['Part', 'Arm', 'Clusters', 'Effect', `Sequential ${sure} interval`, 'Verdict'], breakdown.flatMap(({ group, comparisons: parts }) => parts.map((part) => [group, ...comparisonCells(part).slice(1)])))}</div></section>`}
${ratioSection(report)}
</main>
</html>
`;
}

function verdictCard(report: ExperimentReport, comparison: Comparison): string {
  const { arm, effect, sequential, clusters, verdict } = comparison;
  return `<article class="${kindOf(comparison)}"><div><strong>${effect === undefined ? '–' : percent(effect)}</strong><span>${escapeHtml(METRICS[report.metric].label)}</span></div>
<div><h2>${escapeHtml(arm)}: ${escapeHtml(verdict === 'equal' ? 'no difference that matters' : verdict)}</h2><p>${escapeHtml(answer(report, comparison))}</p><p class="quiet">${escapeHtml(intervalWords(sequential))} over ${clusters} ${escapeHtml(CLUSTER_WORDS[report.design])}</p></div></article>`;
}

function armCells({ name, strategy, guarantee, trials, forced, tokens, values, faults, identity, isControl, stopped }: ArmReport): string[] {
  return [
    `${name}${isControl ? ' (control)' : stopped === undefined ? '' : ' (stopped)'}`, strategyWords(strategy), guarantee, `${trials}${forced > 0 ? ` + ${forced} forced` : ''}`, String(tokens),
    valueWords('tokensPerSecond', values.tokensPerSecond), valueWords('acceptanceLength', values.acceptanceLength),
    values.timeToFirstTokenMs === undefined ? '–' : `${values.timeToFirstTokenMs.toFixed(1)} ms`, values.interTokenP99Ms === undefined ? '–' : `${values.interTokenP99Ms.toFixed(2)} ms`,
    `${(100 * faults).toFixed(faults === 0 ? 0 : 2)} %`, identity.compared === 0 ? '–' : `${identity.equal} of ${identity.compared}`,
  ];
}

function comparisonCells({ metric, arm, clusters, effect, sequential, verdict }: Comparison): string[] {
  return [METRICS[metric].label, arm, String(clusters), effect === undefined ? '–' : percent(effect), intervalWords(sequential), verdict];
}

function ratioSection({ sampleRatio }: ExperimentReport): string {
  if (sampleRatio === undefined) return '';
  const rows = Object.entries(sampleRatio.units).map(([arm, units]) => [arm, String(units), (sampleRatio.expected[arm] ?? 0).toFixed(1)]);
  return `<section><h2>Units dealt</h2>${table(['Arm', 'Units', 'Expected'], rows)}<p class="legend">χ² ${sampleRatio.chiSquare.toFixed(2)}, p = ${sampleRatio.pValue.toPrecision(2)}: ${sampleRatio.isPlausible ? 'as chance would have it' : 'no accident'}.</p></section>`;
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const isNumber = headings.map((_, column) => rows.every((row) => /^[+−–\d]/.test(row[column] ?? '')));
  const cell = (tag: string, text: string, column: number): string => `<${tag}${isNumber[column] ? ' class="number"' : ''}>${escapeHtml(text)}</${tag}>`;
  return `<table><thead><tr>${headings.map((text, column) => cell('th', text, column)).join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${row.map((text, column) => cell('td', text, column)).join('')}</tr>`).join('')}</tbody></table>`;
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#dfe3e8, #343a43); --text: light-dark(#1c2128, #e6e8eb); --soft: light-dark(#5d6773, #9aa4b0); --back: light-dark(#f6f7f9, #14171c); --panel: light-dark(#fff, #1c2027);
  --better: light-dark(#14804a, #3fb950); --worse: light-dark(#c2410c, #f0883e); --equal: light-dark(#1d4ed8, #6ea8fe); --open: light-dark(#6b7280, #9aa4b0) }
* { box-sizing: border-box } body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back) }
main { max-width: 1040px; margin: 0 auto; padding: 28px 20px 60px }
h1 { font-size: 24px; margin: 0 } h1 small { font-weight: 400; font-size: 15px; color: var(--soft) } h2 { font-size: 16px; margin: 0 0 8px } header p { margin: 2px 0 20px; color: var(--soft) }
section, article { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px; margin: 0 0 16px }
article { display: grid; grid-template-columns: 170px 1fr; gap: 22px; align-items: center; border-left: 6px solid var(--kind) } article p { margin: 0 } article h2 { margin: 0 0 2px }
article strong { display: block; font-size: 32px; line-height: 1.15; color: var(--kind); white-space: nowrap } article span, .quiet, .legend { color: var(--soft); font-size: 13px }
.better { --kind: var(--better) } .worse { --kind: var(--worse) } .equal { --kind: var(--equal) } .open { --kind: var(--open) }
.warning { background: light-dark(#fff4e5, #3a2a12); border: 1px solid light-dark(#f5c27a, #7a5a1e); border-radius: 10px; padding: 10px 16px; margin: 0 0 16px }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif } svg text { fill: var(--text) } svg .tick { fill: var(--soft); font-size: 12px } svg .value { font-variant-numeric: tabular-nums; fill: var(--kind); font-weight: 600 }
.grid { stroke: var(--line) } .grid.zero { stroke: var(--soft) } .band { fill: light-dark(#eef1f6, #232933) } .wide { stroke: var(--kind); stroke-width: 2 } .narrow { stroke: var(--kind); stroke-width: 7; stroke-linecap: round; opacity: .45 } circle { fill: var(--kind) } .main text { font-weight: 600 } .main circle { r: 6px }
.area { fill: var(--equal); opacity: .13 } .edge { fill: none; stroke: var(--equal); opacity: .6 } .effect { fill: none; stroke: var(--equal); stroke-width: 2.4 }
.legend { margin: 10px 0 0 } .key { display: inline-block; width: 22px; height: 2px; background: var(--open); vertical-align: 4px; margin: 0 4px 0 10px } .key:first-child { margin-left: 0 } .key.thick { height: 7px; border-radius: 4px; opacity: .45; vertical-align: 1px } .key.shade { height: 13px; background: light-dark(#e3e8f0, #2b3340); vertical-align: -2px }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: 13.5px; width: 100% } th { text-align: left; color: var(--soft); font-weight: 500; white-space: nowrap } th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top } tr:last-child td { border-bottom: 0 } .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
@media (max-width: 620px) { article { grid-template-columns: 1fr; gap: 8px } }
`;
