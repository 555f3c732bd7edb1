import type { DraftBuilder, Plan, Sequence, Strategy, Tensor } from '../strategy.js';
import { delegate, variantOf } from './variants.js';

/** What a strategy did against its own plan or against the rules of a draft, in words. */
export type Complaints = string[];

/** The same strategy under the same name; every draft it makes is checked on its way. */
export function watchedVariant(strategy: Strategy, complaints: Complaints): Strategy {
  let plan: Plan | undefined;
  const watched = variantOf(strategy, strategy.name, (inner) => delegate(inner, {
    propose: (batch, draft) => inner.propose(batch, new WatchedDraft(draft, batch.sequences, plan, complaints)),
  }));
  return { ...watched, create: (host, options, its) => { plan = its; return watched.create(host, options, its); } };
}

class WatchedDraft implements DraftBuilder {
  private readonly depths = new Map<number, Map<number, number>>();

  constructor(
    private readonly inner: DraftBuilder,
    private readonly sequences: readonly Sequence[],
    private readonly plan: Plan | undefined,
    private readonly complaints: Complaints,
  ) {}

  node(sequence: Sequence, token: number, parent: number): number {
    return this.row(sequence, token, parent, this.inner.node(sequence, token, parent));
  }

  probe(sequence: Sequence, token: number, parent: number): number {
    return this.row(sequence, token, parent, this.inner.probe(sequence, token, parent));
  }

  tensors(sequences: readonly Sequence[], nodes: Parameters<DraftBuilder['tensors']>[1]): void {
    const width = nodes.tokens.shape[1] ?? 0;
    // With scores more nodes may be offered than are wanted: the best are taken.
    if (this.plan !== undefined && nodes.scores === undefined && width > this.plan.maxNodes) this.complain(`drafts ${width} nodes; its plan says at most ${this.plan.maxNodes}`);
    this.inner.tensors(sequences, nodes);
  }

  report(name: string, value: Tensor): void {
    this.inner.report(name, value);
  }

  fail(sequence: Sequence, why: unknown): void {
    this.complain(`gives up sequence ${sequence.id}: ${String(why)}`);
    this.inner.fail(sequence, why);
  }

  private row(sequence: Sequence, token: number, parent: number, number: number): number {
    if (!this.sequences.includes(sequence)) this.complain(`drafts for sequence ${sequence.id}, which is not in the batch`);
    if (!Number.isInteger(token) || token < 0) this.complain(`drafts token ${token}`);
    const depths = this.depths.get(sequence.id) ?? new Map([[0, 0]]);
    this.depths.set(sequence.id, depths);
    const above = depths.get(parent);
    if (parent !== -1 && above === undefined) this.complain(`names parent ${parent}, which was never given to it`);
    if (number < 0 || above === undefined) return number;
    depths.set(number, above + 1);
    if (this.plan !== undefined && above + 1 > this.plan.maxDepth) this.complain(`drafts at depth ${above + 1}; its plan says at most ${this.plan.maxDepth}`);
    return number;
  }

  private complain(what: string): void {
    if (!this.complaints.includes(what)) this.complaints.push(what);
  }
}
