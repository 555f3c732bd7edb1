import type { GenerationDefaults } from './checkpoint/generation-config.js';
import { DeviceOps } from './device-ops.js';
import type { ModelDescription } from './description.js';
import type { EngineEmitter } from './events.js';
import type { NodeBudget } from './budget.js';
import type { NativeForward, NativeModel, NativeRows, NativeRuntime, NativeSession, NativeTensor } from './native/types.js';
import { TensorScope } from './tensor-scope.js';

/** What the loop needs of the engine besides the batch. */
export interface LoopSettings {
  readonly prefillChunk: number;
  readonly proposeBudgetMs: number;
  /** Longest prompt and output together. */
  readonly maxTokens: number;
  readonly eosTokenIds: ReadonlySet<number>;
  /** What requests use where they do not say. */
  readonly generation: GenerationDefaults;
}

/** The model whose tokens count, with its KV memory, and the tensors of the pass before this one, which strategies are still to be told of. */
export class Target {
  private scope = new TensorScope();
  private before = new TensorScope();
  private ops: DeviceOps;
  private last: NativeForward | undefined;
  private taps: readonly number[] = [];

  constructor(
    readonly runtime: NativeRuntime,
    readonly model: NativeModel,
    readonly session: NativeSession,
    readonly description: ModelDescription,
    readonly budget: NodeBudget,
    readonly settings: LoopSettings,
    readonly events: EngineEmitter,
  ) {
    this.ops = new DeviceOps(runtime.ops, this.scope);
  }

  /** Ops whose tensors live until the end of the next iteration's drafting. */
  get deviceOps(): DeviceOps {
    return this.ops;
  }

  /** Rows of the last pass; undefined before the first. */
  get lastForward(): Pick<NativeForward, 'hidden' | 'taps'> | undefined {
    return this.last;
  }

  /** Residual streams that the last pass computed, in the order of its `taps`. */
  get lastTaps(): readonly number[] {
    return this.taps;
  }

  track<T extends NativeTensor>(tensor: T): T {
    return this.scope.track(tensor);
  }

  /** From here on new tensors belong to this iteration; those of the one before live until `forgetLast`. */
  beginIteration(): void {
    this.before = this.scope;
    this.scope = new TensorScope();
    this.ops = new DeviceOps(this.runtime.ops, this.scope);
  }

  /** Strategies have seen the pass before: its tensors go. */
  forgetLast(): void {
    this.before.dispose();
    this.last = undefined;
  }

  /** One pass. @throws CapacityError, nothing changed, when the pages do not suffice. */
  forward(rows: NativeRows, taps: readonly number[]): NativeForward {
    const forward = taps.length === 0 ? this.session.forward(rows) : this.session.forward(rows, taps);
    for (const tensor of [forward.hidden, forward.tokens, forward.positions, forward.refused]) this.scope.track(tensor);
    if (forward.taps !== undefined) this.scope.track(forward.taps);
    this.last = forward;
    this.taps = taps;
    return forward;
  }

  /** Frees the tensors of the last passes; model and session stay. */
  release(): void {
    this.before.dispose();
    this.scope.dispose();
  }

  dispose(): void {
    this.release();
    this.session.dispose();
    this.model.dispose();
  }
}
