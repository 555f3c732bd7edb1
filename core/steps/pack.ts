import type { Draft } from '../draft.js';
import type { NativeRows } from '../native/types.js';
import type { Tensor } from '../strategy.js';
import type { Target } from '../target.js';
import { nativeTensor } from '../tensor-scope.js';
import type { Work } from './schedule.js';

/** One pass: per member its known rows, its root and its nodes, side by side. */
export interface Pass {
  readonly rows: NativeRows;
  readonly parts: readonly Part[];
  /** Residual streams that some strategy in it needs. */
  readonly taps: readonly number[];
}

/** Where one member's rows lie in the pass. */
export interface Part {
  readonly work: Work;
  /** First row: known text, `work.to - work.from` rows. */
  readonly start: number;
  /** Row of the root; its nodes follow. -1: no root in this pass. */
  readonly root: number;
  /** Root and nodes. */
  readonly treeRows: number;
}

/** Lays out the rows. Nodes made on the device are gathered beside those built on the host; nothing is read back. */
export function pack(work: readonly Work[], target: Target): Pass {
  const layout = new RowLayout();
  const parts = work.map((one): Part => {
    const { member, from, to, hasRoot, draft } = one;
    const start = layout.length;
    const { tokens, pending } = member.sequence;
    for (let position = from; position < to; position++) layout.host(member.slot, tokens[position]!, 0, 1);
    if (!hasRoot) return { work: one, start, root: -1, treeRows: 0 };
    const root = layout.length;
    layout.host(member.slot, pending, -1, 0);
    if (draft !== undefined) addNodes(layout, member.slot, draft);
    return { work: one, start, root, treeRows: layout.length - root };
  });
  return { rows: layout.rows(target), parts, taps: tapsOf(work) };
}

function addNodes(layout: RowLayout, slot: number, draft: Draft): void {
  if (draft.kind === 'host') {
    for (const { token, parent } of draft.nodes) layout.host(slot, token, parent, 0);
  } else {
    const { tokens, parents, row, parentRow, width, count } = draft.nodes;
    for (let column = 0; column < count; column++) layout.device(slot, tokens, row * width + column, parents, parentRow * width + column);
  }
}

function tapsOf(work: readonly Work[]): number[] {
  const taps = new Set(work.flatMap(({ member }) => member.strategy?.plan.needs.taps ?? []));
  return [...taps].sort((a, b) => a - b);
}

/** Tokens and parents of a pass as they are laid out: each from the host, or from a place in a device tensor. */
class RowLayout {
  private readonly sequences: number[] = [];
  private readonly tokens: number[] = [];
  private readonly parents: number[] = [];
  private readonly known: number[] = [];
  private readonly fromDevice: { readonly row: number; readonly tokens: Tensor; readonly token: number; readonly parents: Tensor; readonly parent: number }[] = [];

  get length(): number {
    return this.tokens.length;
  }

  host(slot: number, token: number, parent: number, known: 0 | 1): void {
    this.sequences.push(slot);
    this.tokens.push(token);
    this.parents.push(parent);
    this.known.push(known);
  }

  device(slot: number, tokens: Tensor, token: number, parents: Tensor, parent: number): void {
    this.fromDevice.push({ row: this.length, tokens, token, parents, parent });
    this.host(slot, -1, 0, 0);
  }

  rows(target: Target): NativeRows {
    const sequences = Int32Array.from(this.sequences);
    const known = Uint8Array.from(this.known);
    const tokens = Int32Array.from(this.tokens);
    const parents = Int32Array.from(this.parents);
    if (this.fromDevice.length === 0) return { sequences, known, tokens, parents };
    return {
      sequences, known,
      tokens: this.merge(tokens, target, ({ tokens: from, token }) => [from, token]),
      parents: this.merge(parents, target, ({ parents: from, parent }) => [from, parent]),
    };
  }

  /** The host's values with those of the device in their places. */
  private merge(host: Int32Array, target: Target, sourceOf: (row: (typeof this.fromDevice)[number]) => [Tensor, number]): NativeRows['tokens'] {
    const ops = target.deviceOps;
    const index = Int32Array.from(host, (_, i) => i);
    const parts: Tensor[] = [ops.fromArray(host, [host.length])];
    const startOf = new Map<Tensor, number>();
    let length = host.length;
    for (const row of this.fromDevice) {
      const [from, place] = sourceOf(row);
      let start = startOf.get(from);
      if (start === undefined) {
        start = length;
        startOf.set(from, start);
        const size = from.shape.reduce((a, b) => a * b, 1);
        parts.push(ops.reshape(from, [size]));
        length += size;
      }
      index[row.row] = start + place;
    }
    return nativeTensor(ops.gather(ops.concat(parts, 0), index, 0));
  }
}
