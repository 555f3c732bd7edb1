import { type BenchArm, labelOf } from './bench.js';

const HEADINGS = ['strategy', 'tok/s', 'speed-up', 'acceptance length', 'drafted', 'accepted', 'first token', 'tokens as plain'];
const PART_HEADINGS = ['÷ one plain iteration', 'draft', 'verify', 'host', 'of it commit', 'iteration = break-even length', 'host µs'];

/** What each strategy brings, plain decoding first. */
export function benchTable(arms: readonly BenchArm[]): string {
  return aligned([HEADINGS, ...arms.map(rowOf)]);
}

/**
 * Where the time of an iteration goes, as shares of one iteration of plain decoding. A strategy whose acceptance length is above the last share
 * wins time.
 */
export function partsTable(arms: readonly BenchArm[]): string {
  const plain = arms[0]?.parts.iterationMs ?? Number.NaN;
  return aligned([PART_HEADINGS, ...arms.map(({ strategy, parts }) => [
    labelOf(strategy), ...[parts.draftMs, parts.verifyMs, parts.hostMs, parts.commitMs, parts.iterationMs].map((ms) => (ms / plain).toFixed(2)), (1000 * parts.hostMs).toFixed(0),
  ])]);
}

/** Columns of one width; the first row is the heading. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd());
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines.join('\n');
}

function rowOf(arm: BenchArm): string[] {
  const { drafted, accepted, equal, compared } = arm;
  return [
    labelOf(arm.strategy), arm.tokensPerSecond.toFixed(1), `${arm.speedup.toFixed(2)}x`, arm.acceptanceLength.toFixed(2),
    drafted === 0 ? '-' : String(drafted), drafted === 0 ? '-' : `${((100 * accepted) / drafted).toFixed(0)} %`, `${arm.timeToFirstTokenMs.toFixed(0)} ms`,
    equal === compared ? 'all' : `${equal} of ${compared}`,
  ];
}
