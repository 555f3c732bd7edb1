import type { Comparison, Interval, PathPoint } from '../../core/index.js';
import { percent } from './words.js';

// Charts as SVG text: the page needs no script, prints, and can be read by a screen reader.

/** A row of the forest chart. */
export interface ForestRow {
  readonly label: string;
  readonly comparison: Comparison;
  /** Whether it is the answer itself and no part of it. */
  readonly isMain?: boolean;
}

const FOREST = { width: 860, left: 286, right: 130, row: 34, top: 30 };
const PATH = { width: 860, height: 260, left: 64, right: 24, top: 16, bottom: 38 };

/** Effects with their intervals, one row each, on one axis with the smallest effect of interest shaded. */
export function forestChart(rows: readonly ForestRow[], smallest: number): string {
  const { width, left, right, row, top } = FOREST;
  const shown = rows.filter(({ comparison }) => comparison.effect !== undefined);
  if (shown.length === 0) return '<p class="quiet">No effect to draw yet.</p>';
  const [low, high] = limits(shown.map(({ comparison }) => comparison), smallest);
  const x = (value: number): number => left + ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * (width - left - right);
  const bottom = top + shown.length * row;
  const ticks = ticksOf(low, high);
  const band = (interval: Interval | undefined, y: number, kind: string): string =>
    interval === undefined ? '' : `<line class="${kind}" x1="${at(x(finite(interval.low, low)))}" x2="${at(x(finite(interval.high, high)))}" y1="${y}" y2="${y}"/>`;
  return `<svg viewBox="0 0 ${width} ${bottom + 28}" role="img" aria-label="Effects with their intervals">
<rect class="band" x="${at(x(-smallest))}" y="${top - 8}" width="${at(x(smallest) - x(-smallest))}" height="${bottom - top + 8}"/>
${ticks.map((tick) => `<line class="grid${tick === 0 ? ' zero' : ''}" x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${top - 8}" y2="${bottom}"/><text class="tick" x="${at(x(tick))}" y="${bottom + 18}" text-anchor="middle">${tick === 0 ? '0' : percent(tick, 0)}</text>`).join('\n')}
${shown.map(({ label, comparison, isMain }, i) => {
    const y = top + i * row + row / 2;
    return `<g class="${kindOf(comparison)}${isMain ? ' main' : ''}"><title>${escapeHtml(`${label}: ${comparison.why}`)}</title><text x="${left - 14}" y="${y + 4}" text-anchor="end">${escapeHtml(shorten(label, 38))}</text>
${band(comparison.sequential, y, 'wide')}${band(comparison.interval, y, 'narrow')}<circle cx="${at(x(comparison.effect!))}" cy="${y}" r="4.5"/><text class="value" x="${width - right + 14}" y="${y + 4}">${percent(comparison.effect!)}</text></g>`;   // rows without an effect were left out
  }).join('\n')}
</svg>`;
}

/** How the sequential interval narrowed as clusters came in. */
export function pathChart(path: readonly PathPoint[], clusters: string): string {
  const { width, height, left, right, top, bottom } = PATH;
  const last = path.at(-1);
  const bounded = path.filter(({ low, high }) => low !== null && high !== null);
  if (last === undefined || bounded.length < 2) return '<p class="quiet">Too few clusters for a bound.</p>';
  const reach = niceReach(bounded.flatMap(({ low, high }) => [low!, high!]));   // bounded ones have both
  const first = bounded[0]!.clusters;
  const x = (value: number): number => left + ((value - first) / Math.max(1, last.clusters - first)) * (width - left - right);
  const y = (value: number): number => top + ((reach.high - Math.max(reach.low, Math.min(reach.high, value))) / (reach.high - reach.low)) * (height - top - bottom);
  const line = (of: (point: PathPoint) => number): string => bounded.map((point) => `${at(x(point.clusters))},${at(y(of(point)))}`).join(' ');
  const back = [...bounded].reverse().map((point) => `${at(x(point.clusters))},${at(y(point.low!))}`).join(' ');
  const marks = [...new Set([first, ...[0.25, 0.5, 0.75].map((share) => Math.round(first + share * (last.clusters - first))), last.clusters])];
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="The sequential interval as data came in">
${ticksOf(reach.low, reach.high).map((tick) => `<line class="grid${tick === 0 ? ' zero' : ''}" x1="${left}" x2="${width - right}" y1="${at(y(tick))}" y2="${at(y(tick))}"/><text class="tick" x="${left - 8}" y="${at(y(tick) + 4)}" text-anchor="end">${tick === 0 ? '0' : percent(tick, 0)}</text>`).join('\n')}
<polygon class="area" points="${line(({ high }) => high!)} ${back}"/>
<polyline class="edge" points="${line(({ high }) => high!)}"/><polyline class="edge" points="${line(({ low }) => low!)}"/><polyline class="effect" points="${line(({ effect }) => effect)}"/>
${marks.map((mark) => `<text class="tick" x="${at(x(mark))}" y="${height - bottom + 18}" text-anchor="middle">${mark}</text>`).join('')}
<text class="tick" x="${(left + width - right) / 2}" y="${height - 4}" text-anchor="middle">${escapeHtml(clusters)}</text>
</svg>`;
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/** How a comparison is coloured. */
export function kindOf({ verdict }: Comparison): string {
  return verdict === 'not enough data' ? 'open' : verdict;
}

/** Wide enough for the fixed intervals; the sequential ones may be cut where they are still very wide. */
function limits(comparisons: readonly Comparison[], smallest: number): [number, number] {
  const inner = comparisons.flatMap(({ effect, interval }) => [effect ?? 0, interval?.low ?? 0, interval?.high ?? 0]).filter(Number.isFinite);
  const outer = comparisons.flatMap(({ sequential }) => [sequential?.low ?? 0, sequential?.high ?? 0]).filter(Number.isFinite);
  const { low, high } = niceReach([...inner, -smallest, smallest]);
  const room = (high - low) * 0.6;
  return [Math.max(Math.min(low, ...outer) - 0.02, low - room), Math.min(Math.max(high, ...outer) + 0.02, high + room)];
}

/** From the values with some air around, zero always included; the widest tenth is cut off where it would flatten the rest. */
function niceReach(values: readonly number[]): { readonly low: number; readonly high: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const low = Math.min(0, sorted[Math.floor(sorted.length * 0.05)] ?? 0);
  const high = Math.max(0, sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0);
  const air = Math.max(0.01, (high - low) * 0.1);
  return { low: low - air, high: high + air };
}

function ticksOf(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(0.01, [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough);
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push(i === 0 ? 0 : i * step);
  return ticks;
}

/** Bounds that JSON made null, or that are not there yet, end at the edge of the chart. */
function finite(value: number | null, edge: number): number {
  return value === null || !Number.isFinite(value) ? edge : value;
}

function at(value: number): string {
  return value.toFixed(1);
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
