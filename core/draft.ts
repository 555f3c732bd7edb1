import type { DeviceOps } from './device-ops.js';
import { ShapeError } from './errors.js';
import type { DraftBatch, DraftBuilder, Sequence, Tensor } from './strategy.js';

/** A node as a proposer gave it; its number is its place in the list plus one. */
export interface HostNode {
  readonly token: number;
  readonly parent: number;
  readonly probe: boolean;
}

/** Nodes that were made on the device: one row of tensors `[n, width]` (parents perhaps `[1, width]`), of which the first `count` columns are taken. */
export interface DeviceNodes {
  readonly tokens: Tensor;
  readonly parents: Tensor;
  readonly row: number;
  readonly parentRow: number;
  readonly width: number;
  readonly count: number;
  /** What the nodes were drawn from; only where the verifier asks for it. */
  readonly drawnFrom: DrawnFrom | undefined;
}

/** Distributions `[n, width, columns]`, row by row beside the nodes' tensors, and the target id of each column where they are not the target's own. */
export interface DrawnFrom {
  readonly distributions: Tensor;
  readonly vocabMap: Tensor | undefined;
}

/** What one sequence is to verify besides its root. */
export type Draft = { readonly kind: 'host'; readonly nodes: readonly HostNode[] } | { readonly kind: 'device'; readonly nodes: DeviceNodes };

/** Rows of a draft, probes counted. */
export function rowsOf(draft: Draft | undefined): number {
  if (draft === undefined) return 0;
  return draft.kind === 'host' ? draft.nodes.length : draft.nodes.count;
}

interface HostTree {
  readonly nodes: HostNode[];
  readonly children: Map<string, number>;
}

const NO_DISTRIBUTIONS = 'This verifier judges drawn drafts by what they were drawn from: give `tensors` the `distributions` of the nodes, or plan them as deterministic.';

/** Collects the nodes of one `propose` and lets nothing bad through: what is refused is counted, never an error for the others. */
export class DraftCollector implements DraftBuilder {
  /** Bad nodes and nodes past the budget. */
  refused = 0;
  readonly reports: { readonly name: string; readonly value: Tensor }[] = [];
  readonly failures = new Map<number, unknown>();
  private readonly trees = new Map<number, HostTree>();
  private readonly onDevice = new Map<number, DeviceNodes>();

  /** @param needsDistributions whether every node must come with what it was drawn from */
  constructor(private readonly batch: DraftBatch, private readonly vocabSize: number, private readonly ops: DeviceOps, private readonly needsDistributions = false) {}

  node(sequence: Sequence, token: number, parent: number): number {
    return this.add(sequence, token, parent, false);
  }

  probe(sequence: Sequence, token: number, parent: number): number {
    return this.add(sequence, token, parent, true);
  }

  tensors(sequences: readonly Sequence[], nodes: Parameters<DraftBuilder['tensors']>[1]): void {
    const { tokens, parents, scores } = nodes;
    const n = sequences.length;
    const width = tokens.shape[1] ?? 0;
    if (tokens.shape.length !== 2 || tokens.shape[0] !== n || parents.shape[1] !== width || (parents.shape[0] !== 1 && parents.shape[0] !== n)) {
      throw new ShapeError(`Draft tensors of shape [${tokens.shape}] (tokens) and [${parents.shape}] (parents) do not fit ${n} sequences: `
        + `expected tokens [${n}, k] and parents [${n}, k] or [1, k].`);
    }
    const drawnFrom = this.drawnFrom(nodes);
    for (const sequence of sequences) this.claim(sequence);
    let taken = { tokens, parents, width };
    if (scores !== undefined && sequences.some(({ budget }) => budget < width)) {
      const all = parents.shape[0] === n ? parents : this.ops.gather(parents, new Int32Array(n), 0);
      const best = this.ops.selectTree({ tokens, parents: all, scores }, Int32Array.from(sequences, ({ budget }) => Math.min(budget, width)));
      taken = { tokens: best.tokens, parents: best.parents, width: best.tokens.shape[1]! };
    }
    sequences.forEach(({ id, budget }, i) => {
      const count = Math.min(taken.width, budget);
      this.refused += width - count;
      this.onDevice.set(id, { ...taken, row: i, parentRow: taken.parents.shape[0] === 1 ? 0 : i, count, drawnFrom });
    });
  }

  report(name: string, value: Tensor): void {
    if (value.shape[0] !== this.batch.sequences.length) {
      throw new ShapeError(`Report "${name}" has shape [${value.shape}]; its first axis must be the ${this.batch.sequences.length} sequences of the batch.`);
    }
    this.reports.push({ name, value });
  }

  fail(sequence: Sequence, why: unknown): void {
    this.failures.set(sequence.id, why);
  }

  /** The draft of a sequence; undefined: it decodes plainly. */
  draftOf({ id }: Sequence): Draft | undefined {
    if (this.failures.has(id)) return undefined;
    const nodes = this.onDevice.get(id);
    if (nodes !== undefined) return nodes.count > 0 ? { kind: 'device', nodes } : undefined;
    const tree = this.trees.get(id);
    return tree === undefined || tree.nodes.length === 0 ? undefined : { kind: 'host', nodes: tree.nodes };
  }

  private drawnFrom({ tokens, scores, distributions, vocabMap }: Parameters<DraftBuilder['tensors']>[1]): DrawnFrom | undefined {
    if (distributions === undefined) {
      if (this.needsDistributions) throw new ShapeError(NO_DISTRIBUTIONS);
      return undefined;
    }
    if (scores !== undefined) throw new ShapeError('A draft has either scores or distributions: which drawn nodes are kept may not depend on what was drawn.');
    const [n, k] = tokens.shape;
    const columns = vocabMap === undefined ? this.vocabSize : vocabMap.shape[0];
    if (distributions.dtype !== 'f32' || `${distributions.shape}` !== `${[n, k, columns]}` || (vocabMap !== undefined && vocabMap.shape.length !== 1)) {
      throw new ShapeError(`Draft distributions of shape [${distributions.shape}] do not fit tokens [${tokens.shape}]: expected f32 [${n}, ${k}, ${columns}]`
        + `${vocabMap === undefined ? ', or a vocabMap of their columns' : ` for a vocabMap of shape [${vocabMap.shape}]`}.`);
    }
    return this.needsDistributions ? { distributions, vocabMap } : undefined;
  }

  private claim({ id, budget }: Sequence): void {
    if (budget === 0 || !this.batch.sequences.some((sequence) => sequence.id === id)) {
      throw new ShapeError(`Sequence ${id} is not in this batch.`);
    }
    if (this.trees.has(id) || this.onDevice.has(id)) throw new ShapeError(`Sequence ${id} was given two drafts: use node and probe, or tensors once.`);
  }

  private add(sequence: Sequence, token: number, parent: number, probe: boolean): number {
    if (this.needsDistributions) throw new ShapeError(NO_DISTRIBUTIONS);
    const { nodes, children } = this.treeOf(sequence);
    const isBad = !Number.isInteger(parent) || parent < 0 || parent > nodes.length
      || !Number.isInteger(token) || token < 0 || token >= this.vocabSize;
    if (isBad || (parent > 0 && !probe && nodes[parent - 1]!.probe)) return this.refuse();
    const key = `${parent} ${token}`;
    if (!probe) {
      const same = children.get(key);
      if (same !== undefined) return same;
    }
    if (nodes.length >= sequence.budget) return this.refuse();
    const number = nodes.push({ token, parent, probe });
    if (!probe) children.set(key, number);
    return number;
  }

  private refuse(): number {
    this.refused++;
    return -1;
  }

  private treeOf(sequence: Sequence): HostTree {
    let tree = this.trees.get(sequence.id);
    if (tree === undefined) {
      this.claim(sequence);
      tree = { nodes: [], children: new Map() };
      this.trees.set(sequence.id, tree);
    }
    return tree;
  }
}
