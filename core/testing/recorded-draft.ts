import type { DraftBatch, DraftBuilder, Sampling, Sequence, Tensor } from '../strategy.js';

/** A node that a proposer added; its number is its place in the list plus one. */
export interface RecordedNode {
  readonly token: number;
  readonly parent: number;
  readonly isProbe: boolean;
}

/**
 * A draft builder without a runtime: unit tests of proposers that draft on the host read from it what was drafted. It keeps to the rules of
 * the real one: equal siblings are one node, bad nodes and nodes past the budget give -1.
 */
export class RecordedDraft implements DraftBuilder {
  readonly failures = new Map<number, unknown>();
  private readonly trees = new Map<number, RecordedNode[]>();

  /** Nodes of a sequence in the order of their numbers, 1 first. */
  nodesOf({ id }: Sequence): readonly RecordedNode[] {
    return this.trees.get(id) ?? [];
  }

  /** Tokens of every path from the root to a leaf, in the order of the leaves. */
  pathsOf(sequence: Sequence): number[][] {
    const nodes = this.nodesOf(sequence);
    const inner = new Set(nodes.map(({ parent }) => parent));
    return nodes.flatMap((_, i) => (inner.has(i + 1) ? [] : [pathTo(nodes, i + 1)]));
  }

  node(sequence: Sequence, token: number, parent: number): number {
    const same = this.nodesOf(sequence).findIndex((node) => node.parent === parent && node.token === token && !node.isProbe);
    return same >= 0 ? same + 1 : this.add(sequence, { token, parent, isProbe: false });
  }

  probe(sequence: Sequence, token: number, parent: number): number {
    return this.add(sequence, { token, parent, isProbe: true });
  }

  tensors(): void {
    throw new Error('RecordedDraft holds nodes made on the host; run strategies that draft on the device through an engine.');
  }

  report(_name: string, _value: Tensor): void {
    throw new Error('RecordedDraft has no read to report on; run this strategy through an engine.');
  }

  fail({ id }: Sequence, why: unknown): void {
    this.failures.set(id, why);
  }

  private add(sequence: Sequence, node: RecordedNode): number {
    const nodes = this.trees.get(sequence.id) ?? [];
    this.trees.set(sequence.id, nodes);
    const isBad = node.token < 0 || node.parent < 0 || node.parent > nodes.length || nodes.length >= sequence.budget;
    return isBad ? -1 : nodes.push(node);
  }
}

/** A sequence as a proposer sees it, from plain values. Defaults: no prompt apart, 64 nodes, unlimited depth, greedy. */
export function sequenceOf(tokens: readonly number[], values: { id?: number; promptLength?: number; budget?: number; maxDepth?: number; sampling?: Sampling } = {}): Sequence {
  return {
    id: 0, promptLength: tokens.length, budget: 64, maxDepth: 1024, sampling: { temperature: 0, seed: 0n },
    ...values, tokens: Int32Array.from(tokens),
  };
}

/** A batch without tensors: `pending` is absent, as strategies that draft on the host do not read it. */
export function batchOf(sequences: readonly Sequence[]): DraftBatch {
  const batch: Pick<DraftBatch, 'sequences'> = { sequences };
  return batch as DraftBatch;   // host strategies take the pending token from `sequence.tokens`
}

function pathTo(nodes: readonly RecordedNode[], number: number): number[] {
  const node = nodes[number - 1];
  return node === undefined ? [] : [...pathTo(nodes, node.parent), node.token];
}
