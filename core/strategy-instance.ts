import type { DeviceOps } from './device-ops.js';
import type { HostModel } from './host-model.js';
import type { DraftProposer, Guarantee, Plan, Sequence, Verifier } from './strategy.js';
import type { TensorScope } from './tensor-scope.js';

/** A verifier with its options, ready to be called. */
export interface BoundVerifier {
  readonly verifier: Verifier;
  readonly options: Record<string, unknown>;
  /** Equal for verifiers that may judge the same rows in one call. */
  readonly key: string;
}

/**
 * One strategy configuration at work in an engine: its plan, its proposer and all that was made through its host. Requests with equal
 * configurations share it.
 */
export class StrategyInstance {
  constructor(
    readonly name: string,
    readonly plan: Plan,
    readonly verifier: BoundVerifier,
    readonly ops: DeviceOps,
    private readonly proposer: DraftProposer,
    private readonly scope: TensorScope,
    private readonly models: readonly HostModel[],
  ) {}

  get guarantee(): Guarantee {
    return this.verifier.verifier.guarantee;
  }

  /** Whether its drafts must come with what they were drawn from. */
  get needsDistributions(): boolean {
    return this.plan.drawn !== 'deterministic' && this.verifier.verifier.needsDistributions === true;
  }

  get observes(): boolean {
    return this.proposer.observe !== undefined;
  }

  get forks(): boolean {
    return this.proposer.forked !== undefined;
  }

  observe(batch: Parameters<NonNullable<DraftProposer['observe']>>[0]): void {
    this.proposer.observe?.(batch);
  }

  propose(...args: Parameters<DraftProposer['propose']>): void {
    this.proposer.propose(...args);
  }

  forked(from: Sequence, to: readonly Sequence[]): void {
    this.proposer.forked?.(from, to);
  }

  left(sequence: Sequence): void {
    this.proposer.left?.(sequence);
  }

  /** Frees what the callbacks of this iteration made and nobody kept. */
  endIteration(): void {
    this.scope.endIteration();
  }

  /** Pages of KV memory that its own models use. */
  pages(): { used: number; total: number } {
    const pages = { used: 0, total: 0 };
    for (const session of this.models.flatMap((model) => model.sessions)) {
      const { used, total } = session.pages();
      pages.used += used;
      pages.total += total;
    }
    return pages;
  }

  dispose(): void {
    try {
      this.proposer[Symbol.dispose]?.();
    } finally {
      this.scope.dispose();
      for (const model of this.models) model.dispose();
    }
  }
}
