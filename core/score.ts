import { ConfigError, ContextLengthError } from './errors.js';
import type { NativeForward, NativeRows, NativeTensor } from './native/types.js';
import { parseScoreRequest } from './options.js';
import type { Target } from './target.js';

/** Logits of chosen rows. */
export interface Scores {
  /** `[rows, vocabSize]` f32, row-major: final logits before any processor. */
  readonly logits: Float32Array;
  readonly rows: number;
  readonly vocabSize: number;
  /** Passes that computed these rows: the chunks of a prompt, or 1 for a tree. */
  readonly forwards: number;
}

/** Runs a text, and perhaps a tree that hangs from it, through the target and returns logits. Leaves nothing behind. */
export async function score(request: unknown, target: Target): Promise<Scores> {
  const { tokens, rows, tree } = parseScoreRequest(request);
  const text = Int32Array.from(tokens);
  check(text, rows, tree, target);
  const { session, settings } = target;
  const slot = session.open();
  try {
    if (isLong(text, tree, target)) session.setLong(slot, true);
    const scored: Float32Array[] = [];
    let forwards = 0;
    for (let from = 0; from < text.length; from += settings.prefillChunk) {
      const to = Math.min(text.length, from + settings.prefillChunk);
      const isLast = to === text.length;
      const forward = session.forward(rowsOf(slot, text.subarray(from, to), isLast ? tree : undefined));
      const wanted = tree === undefined
        ? (rows ?? range(text.length)).filter((row) => row >= from && row < to).map((row) => row - from)
        : isLast ? range(tree.tokens.length).map((node) => to - from + node) : [];
      if (wanted.length > 0) forwards++;
      scored.push(await logitsOf(forward, wanted, target));
    }
    const { vocabSize } = target.description;
    const logits = inOrder(joined(scored), tree === undefined ? rows : undefined, vocabSize);
    return { logits, rows: logits.length / vocabSize, vocabSize, forwards };
  } finally {
    session.close(slot);
  }
}

function check(text: Int32Array, rows: readonly number[] | undefined, tree: ReturnType<typeof parseScoreRequest>['tree'], target: Target): void {
  const { vocabSize } = target.description;
  if (text.length === 0) throw new ConfigError('score needs at least one token.');
  if (rows !== undefined && tree !== undefined) throw new ConfigError('score takes either `rows` or `tree`: with a tree it returns the rows of its nodes.');
  const badRow = rows?.find((row) => row >= text.length);
  if (badRow !== undefined) throw new ConfigError(`Option \`rows\` of score: row ${badRow} of a text of ${text.length} tokens.`);
  for (const token of [...text, ...(tree?.tokens ?? [])]) {
    if (token < 0 || token >= vocabSize) throw new ConfigError(`Token ${token} is outside of the vocabulary (0 to ${vocabSize - 1}).`);
  }
  const length = text.length + (tree?.tokens.length ?? 0);
  if (length > target.settings.maxTokens) {
    throw new ContextLengthError(`score was given ${length} tokens; the engine holds ${target.settings.maxTokens} per sequence (maxTokensPerSequence).`);
  }
  if (tree === undefined) return;
  if (tree.parents.length !== tree.tokens.length || tree.tokens.length === 0) throw new ConfigError(`Option \`tree\` of score: ${tree.tokens.length} tokens and ${tree.parents.length} parents.`);
  const badParent = tree.parents.findIndex((parent, node) => parent >= node);
  if (badParent >= 0) throw new ConfigError(`Option \`tree\` of score: node ${badParent} hangs from node ${tree.parents[badParent]}; parents come before their children.`);
}

/** Whether the tables for long texts serve. A tree is computed in one pass, so all its paths must want the same. */
function isLong(text: Int32Array, tree: ReturnType<typeof parseScoreRequest>['tree'], { description: { longFrom } }: Target): boolean {
  if (longFrom === undefined || text.length > longFrom) return longFrom !== undefined;
  const depths: number[] = [];
  for (const parent of tree?.parents ?? []) depths.push(parent < 0 ? 1 : depths[parent]! + 1);
  const deepest = text.length + Math.max(0, ...depths);
  if (deepest <= longFrom) return false;
  throw new ConfigError(`Option \`tree\` of score reaches from ${text.length} to ${deepest} tokens; the model's rotary table changes at ${longFrom}, and no tree may cross that length. Score its paths as texts.`);
}

function rowsOf(slot: number, known: Int32Array, tree: ReturnType<typeof parseScoreRequest>['tree']): NativeRows {
  const nodes = tree?.tokens.length ?? 0;
  const length = known.length + nodes;
  const tokens = new Int32Array(length);
  const parents = new Int32Array(length);
  tokens.set(known);
  if (tree !== undefined) {
    tokens.set(tree.tokens, known.length);
    parents.set(tree.parents, known.length);
  }
  return { sequences: new Int32Array(length).fill(slot), tokens, parents, known: new Uint8Array(length).fill(1, 0, known.length) };
}

async function logitsOf(forward: NativeForward, rows: readonly number[], { runtime, model }: Target): Promise<Float32Array> {
  const made: NativeTensor[] = [forward.hidden, forward.tokens, forward.positions, forward.refused];
  try {
    if (rows.length === 0) return new Float32Array(0);
    const chosen = runtime.ops.gather(forward.hidden, Int32Array.from(rows), 0);
    made.push(chosen);
    const logits = model.head(chosen);
    made.push(logits);
    const [values] = await runtime.read([logits]);
    return values as Float32Array;   // logits are f32
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return whole;
}

/** Rows were computed in the order of the text; they come back in the order asked for. */
function inOrder(logits: Float32Array, rows: readonly number[] | undefined, vocabSize: number): Float32Array {
  if (rows === undefined) return logits;
  const computed = [...rows].sort((a, b) => a - b);
  if (computed.every((row, i) => row === rows[i])) return logits;
  const ordered = new Float32Array(logits.length);
  rows.forEach((row, i) => ordered.set(logits.subarray(computed.indexOf(row) * vocabSize, (computed.indexOf(row) + 1) * vocabSize), i * vocabSize));
  return ordered;
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
