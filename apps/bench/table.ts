import { type BenchArm, labelOf } from './bench.js';

const HEADINGS = ['strategy', 'tok/s', 'speed-up', 'acceptance length', 'accepted', 'first token', 'tokens as plain'];

/** Aligned columns, plain decoding first. */
export function benchTable(arms: readonly BenchArm[]): string {
  const rows = [HEADINGS, ...arms.map(rowOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd());
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines.join('\n');
}

function rowOf(arm: BenchArm): string[] {
  const { drafted, accepted, equal, compared } = arm;
  return [
    labelOf(arm.strategy), arm.tokensPerSecond.toFixed(1), `${arm.speedup.toFixed(2)}x`, arm.acceptanceLength.toFixed(2),
    drafted === 0 ? '-' : `${((100 * accepted) / drafted).toFixed(0)} %`, `${arm.timeToFirstTokenMs.toFixed(0)} ms`,
    equal === compared ? 'all' : `${equal} of ${compared}`,
  ];
}
