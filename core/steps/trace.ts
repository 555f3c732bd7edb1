import type { TraceEntry } from '../trace.js';
import type { Outcome } from './read.js';

/**
 * What an iteration did to one tree, for `trace: true`. Rows that are absent or probes have no number in a trace.
 *
 * @param next the token after the accepted path
 */
export function traceOf({ part, tokens, parents, path, choices, next }: Outcome, strategy: string, ms: TraceEntry['ms']): TraceEntry {
  const { draft } = part.work;
  const isNode = (row: number): boolean => tokens[row]! >= 0 && !(row > 0 && draft?.kind === 'host' && draft.nodes[row - 1]!.probe);
  const numberOf = new Map<number, number>();
  for (let row = 0; row < tokens.length; row++) if (isNode(row)) numberOf.set(row, numberOf.size);
  const rows = [...numberOf.keys()];
  return {
    strategy,
    tokens: rows.map((row) => tokens[row]!),
    parents: rows.map((row) => (row === 0 ? -1 : numberOf.get(parents![row]!) ?? -1)),
    accepted: Array.from(path, (row) => numberOf.get(row)!),
    next,
    choices: rows.map((row) => choices![row]!),
    ms,
  };
}
