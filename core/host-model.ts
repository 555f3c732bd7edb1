import { noiseOf } from './device-ops.js';
import type { ModelDescription } from './description.js';
import type { NativeModel, NativeRows, NativeRuntime, NativeSession } from './native/types.js';
import type { Forward, Model, Noise, Rows, Session, Tensor } from './strategy.js';
import { nativeInput, nativeTensor, type TensorScope } from './tensor-scope.js';

/** Positions of one page of KV memory. */
export const PAGE_SIZE = 64;

/** Tentative rows that a sequence of a session may hold besides its text: trees that grow level by level keep all their levels. */
const MAX_TENTATIVE_ROWS = 1024;

/** Pages with which every sequence can reach its full length. Memory is touched only where it is used. */
export function pagesFor(maxSequences: number, maxTokens: number): number {
  return maxSequences * Math.ceil((maxTokens + MAX_TENTATIVE_ROWS) / PAGE_SIZE);
}

/** A model as strategies see it. Its sessions are remembered, so that their pages can be counted and their memory freed with the owner. */
export class HostModel implements Model {
  readonly sessions: NativeSession[] = [];

  constructor(
    readonly native: NativeModel,
    readonly description: ModelDescription,
    private readonly runtime: NativeRuntime,
    private readonly kvDtype: 'f32' | 'bf16',
    private readonly scope: TensorScope,
  ) {}

  createSession({ maxSequences, maxTokens }: { maxSequences: number; maxTokens: number }): Session {
    const native = this.native.createSession({ maxSequences, maxTokens, pages: pagesFor(maxSequences, maxTokens), kvDtype: this.kvDtype });
    this.sessions.push(native);
    const { longFrom = Infinity } = this.description;
    return new HostSession(native, this.runtime, this.scope, maxTokens > longFrom);
  }

  embed(tokens: Tensor | Int32Array): Tensor {
    return this.scope.track(this.native.embed(nativeInput(tokens)));
  }

  head(hidden: Tensor): Tensor {
    return this.scope.track(this.native.head(nativeTensor(hidden)));
  }

  choose(hidden: Tensor, noise: Noise): Tensor {
    return this.scope.track(this.native.choose(nativeTensor(hidden), noiseOf(noise)));
  }

  dispose(): void {
    for (const session of this.sessions) session.dispose();
    this.native.dispose();
  }
}

class HostSession implements Session {
  constructor(private readonly native: NativeSession, private readonly runtime: NativeRuntime, private readonly scope: TensorScope, private readonly isLong: boolean) {}

  /** A drafting model whose rotary table changes has one for all its texts, that of the longest it may meet: it guesses, and never starts again. */
  open(): number {
    const sequence = this.native.open();
    if (this.isLong) this.native.setLong(sequence, true);
    return sequence;
  }

  fork(from: number): number { return this.native.fork(from); }
  close(sequence: number): void { this.native.close(sequence); }
  length(sequence: number): number { return this.native.length(sequence); }
  truncate(sequence: number, length: number): void { this.native.truncate(sequence, length); }
  commit(sequences: Int32Array, paths?: Int32Array): void {
    if (paths === undefined) this.native.commit(sequences);
    else this.native.commit(sequences, paths);
  }

  forward({ sequences, tokens, states, parents, known }: Rows, { taps }: { taps?: readonly number[] } = {}): Forward {
    const rows: NativeRows = {
      sequences,
      tokens: this.flat(tokens),
      ...(states === undefined ? {} : { states: nativeTensor(states) }),
      ...(parents === undefined ? {} : { parents: this.flat(parents) }),
      ...(known === undefined ? {} : { known }),
    };
    const forward = taps === undefined ? this.native.forward(rows) : this.native.forward(rows, taps);
    forward.tokens.dispose();
    forward.positions.dispose();
    forward.refused.dispose();
    this.scope.track(forward.hidden);
    return forward.taps === undefined ? { hidden: forward.hidden } : { hidden: forward.hidden, taps: this.scope.track(forward.taps) };
  }

  /** A tensor's leading axes may be split: `[n, k]` is n * k rows. */
  private flat(input: Int32Array | Tensor): NativeRows['tokens'] {
    if (input instanceof Int32Array) return input;
    const tensor = nativeTensor(input);
    if (tensor.shape.length === 1) return tensor;
    return this.scope.track(this.runtime.ops.reshape(tensor, [tensor.shape.reduce((a, b) => a * b, 1)]));
  }
}
