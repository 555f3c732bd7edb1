import { describeCheckpoint, readCheckpoint } from '../../core/checkpoint/checkpoint.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeRuntime, NativeSession } from '../../core/native/types.js';

/** States computed by themselves: every text in a session of its own, one pass, nothing else around it. */
export class FreshStates implements Disposable {
  private constructor(private readonly runtime: NativeRuntime, private readonly session: NativeSession, private readonly taps: readonly number[] | undefined) {}

  static async of(folder: string, dtype: 'f32' | 'bf16', taps?: readonly number[]): Promise<FreshStates> {
    const { description, tensors } = describeCheckpoint(await readCheckpoint(folder));
    const runtime = loadNative().createRuntime({ threads: 1 });
    const model = await runtime.loadModel(description, tensors, dtype);
    const session = model.createSession({ maxSequences: 1, maxTokens: description.maxPositions, pages: 64, kvDtype: dtype });
    return new FreshStates(runtime, session, taps);
  }

  /** State of the last token: after the final norm, or the taps side by side. */
  async after(tokens: Int32Array): Promise<Float32Array> {
    const sequence = this.session.open();
    try {
      const rows = { sequences: new Int32Array(tokens.length).fill(sequence), tokens, known: new Uint8Array(tokens.length).fill(1) };
      const { hidden, taps } = this.session.forward(rows, this.taps);
      const last = this.runtime.ops.gather(taps ?? hidden, Int32Array.of(tokens.length - 1), 0);
      const [state] = await this.runtime.read([last]);
      if (!(state instanceof Float32Array)) throw new Error('states are f32');
      return state;
    } finally {
      this.session.close(sequence);
    }
  }

  [Symbol.dispose](): void {
    this.runtime.dispose();
  }
}
