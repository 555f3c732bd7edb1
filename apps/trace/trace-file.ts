import { ForetokenError, type TraceEntry } from '../../core/index.js';

/** A line of a trace file: an iteration, with the text of each node's token where the model has a tokenizer. */
export interface TraceLine extends TraceEntry {
  readonly texts?: readonly string[];
}

/** One JSON object per iteration and line. */
export function toTraceFile(trace: readonly TraceEntry[], textOf: ((token: number) => string) | undefined): string {
  return trace.map((entry) => `${JSON.stringify(textOf === undefined ? entry : { ...entry, texts: entry.tokens.map(textOf) })}\n`).join('');
}

/**
 * Reads what `toTraceFile` wrote.
 *
 * @throws ForetokenError CONFIG naming the line and what it lacks
 */
export function parseTraceFile(content: string, file: string): TraceLine[] {
  const lines = content.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) throw new ForetokenError('CONFIG', `${file} holds no iteration; write one with foretoken generate --trace ${file}.`);
  return lines.map((line, i) => parseLine(line, `${file}, line ${i + 1}`));
}

function parseLine(line: string, where: string): TraceLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ForetokenError('CONFIG', `${where} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const entry = value as Partial<TraceLine>;
  const lacking = (['tokens', 'parents', 'accepted'] as const).filter((field) => !Array.isArray(entry?.[field]));
  if (lacking.length > 0) throw new ForetokenError('CONFIG', `${where} is no iteration of a trace: it lacks ${lacking.join(', ')}.`);
  const { tokens, parents, accepted } = value as TraceLine;
  const isTree = tokens.length === parents.length && parents.every((parent, node) => Number.isInteger(parent) && parent < node && (parent >= 0) === (node > 0));
  if (!isTree) throw new ForetokenError('CONFIG', `${where}: ${tokens.length} tokens and ${parents.length} parents do not make a tree; the root comes first, with parent -1, and parents before their children.`);
  const stranger = accepted.find((node) => !(node >= 0 && node < tokens.length));
  if (stranger !== undefined) throw new ForetokenError('CONFIG', `${where}: accepted node ${stranger} of ${tokens.length}.`);
  return value as TraceLine;
}
