import type { Draft } from '../draft.js';
import type { NativeRuntime, NativeTensor } from '../native/types.js';
import type { Report } from '../steps/propose.js';
import { nativeTensor } from '../tensor-scope.js';

/** A draft as the host sees it: by row number, the root first. Absent rows have token -1. */
export interface ShadowTree {
  readonly tokens: Int32Array;
  /** Row numbers; -1 for the root. */
  readonly parents: Int32Array;
}

/** Reads a draft, and what the strategy reported with it, for one text. Everything is enqueued when the promise is made. */
export async function readShadow(draft: Draft | undefined, pending: number, vocabSize: number, reports: readonly Report[], runtime: NativeRuntime): Promise<{ readonly tree: ShadowTree; readonly reported: Record<string, Float32Array | Int32Array> | undefined }> {
  const onDevice = draft?.kind === 'device' ? draft.nodes : undefined;
  const wanted: NativeTensor[] = [...reports.map(({ value }) => value), ...(onDevice === undefined ? [] : [onDevice.tokens, onDevice.parents])].map(nativeTensor);
  const values = wanted.length === 0 ? [] : await runtime.read(wanted);
  const reported = reports.length === 0 ? undefined : Object.fromEntries(reports.map(({ name }, i) => [name, values[i]!.slice()]));
  if (onDevice === undefined) {
    const nodes = draft?.kind === 'host' ? draft.nodes : [];
    // A probe is scored for its proposer and can never be accepted: here it stands as an absent row, as it does for a verifier.
    return { reported, tree: { tokens: Int32Array.from([pending, ...nodes.map(({ token, probe }) => (probe ? -1 : token))]), parents: Int32Array.from([-1, ...nodes.map(({ parent }) => parent)]) } };
  }
  const { row, parentRow, width, count } = onDevice;
  const [tokens, parents] = values.slice(reports.length) as [Int32Array, Int32Array];   // both were asked for, and tokens and parents are i32
  const from = <T extends Int32Array>(source: T, start: number): number[] => Array.from(source.subarray(start, start + count));
  return { reported, tree: checked([pending, ...from(tokens, row * width)], [-1, ...from(parents, parentRow * width)], vocabSize) };
}

/** Device nodes are checked by the pass that runs them; here nothing runs, so the same rule is applied: a bad row is absent, with all that hangs from it. */
function checked(tokens: readonly number[], parents: readonly number[], vocabSize: number): ShadowTree {
  const kept = Int32Array.from(tokens);
  for (let row = 1; row < kept.length; row++) {
    const parent = parents[row]!;
    const isBad = kept[row]! < 0 || kept[row]! >= vocabSize || parent < -1 || parent >= row || (parent >= 0 && kept[parent]! < 0);
    if (isBad) kept[row] = -1;
  }
  return { tokens: kept, parents: Int32Array.from(parents) };
}

/** The path from the root along a text: to the first child, in row order, whose token comes next. Row numbers, root first. */
export function walkAlong({ tokens, parents }: ShadowTree, text: ArrayLike<number>, from: number): number[] {
  const path = [0];
  for (let at = from; at < text.length; at++) {
    const parent = path.at(-1)!;   // the root is there
    const child = tokens.findIndex((token, row) => row > parent && token === text[at] && parents[row] === parent);
    if (child < 0) break;
    path.push(child);
  }
  return path;
}
