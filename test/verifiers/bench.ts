// Verifiers without an engine: trees, distributions and uniforms are given, the verdict is read.
import type { Tensor, ScoredForest, Verifier } from '../../core/index.js';
import { DeviceOps } from '../../core/device-ops.js';
import { verifyOps } from '../../core/forest.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeTensor } from '../../core/native/types.js';
import type { Target } from '../../core/target.js';
import { TensorScope } from '../../core/tensor-scope.js';
import type { Drawn, Tree } from './toy.js';

export interface Outcome {
  readonly path: readonly number[];
  readonly next: number;
}

/** Trees packed into one forest; only their uniforms change from call to call. */
export interface PackedTrees {
  /** @param uniforms by stream, `[rows]`: those of all trees, one after the other */
  judge(uniforms: Readonly<Record<string, Float32Array>>): Promise<Outcome[]>;
  dispose(): void;
}

export class VerifierBench {
  private readonly runtime = loadNative().createRuntime({ threads: 1 });

  pack<O extends object>(verifier: Verifier<O>, options: O, drawn: Drawn, trees: readonly Tree[]): PackedTrees {
    const lasting = new TensorScope();
    const forest = this.forest(drawn, trees, new DeviceOps(this.runtime.ops, lasting));
    return {
      dispose: () => lasting.dispose(),
      judge: async (uniforms) => {
        const scope = new TensorScope();
        try {
          const ops = new DeviceOps(this.runtime.ops, scope);
          const target: Pick<Target, 'runtime' | 'track'> = { runtime: this.runtime, track: (tensor) => scope.track(tensor) };
          const verdict = verifier.verify(forest(uniforms, ops), Object.assign(Object.create(ops), verifyOps(target as Target)), options);   // nothing else of it is used
          const [path, next] = await this.runtime.read([verdict.path as NativeTensor, verdict.next as NativeTensor]);
          const width = verdict.path.shape[1]!;
          return trees.map((_, i) => ({ path: Array.from(path!.subarray(i * width, (i + 1) * width)).filter((row) => row >= 0), next: next![i]! }));
        } finally {
          scope.dispose();
        }
      },
    };
  }

  /** What a sampler makes of logits `[rows, vocab]`. */
  async probs(logits: readonly (readonly number[])[], temperature: number, topP = 1): Promise<number[][]> {
    const { ops } = this.runtime;
    const [rows, vocab] = [logits.length, logits[0]!.length];
    const samplers = [{ temperature, topK: 0, topP, minP: 0, seed: 0n, sample: 0, stream: 0 }];
    const probs = ops.probs(ops.fromArray(Float32Array.from(logits.flat()), [rows, vocab]), { samplers, rowSampler: new Int32Array(rows), positions: new Int32Array(rows), positionOffset: 0 });
    const [values] = await this.runtime.read([probs]);
    return logits.map((_, row) => Array.from(values!.subarray(row * vocab, (row + 1) * vocab)));
  }

  /** What is chosen by the same logits at `count` positions, with the noise that all rows of a position share. */
  async choices(logits: readonly number[], count: number): Promise<Int32Array> {
    const { ops } = this.runtime;
    const row = Float32Array.from(logits);
    const all = new Float32Array(count * row.length);
    for (let i = 0; i < count; i++) all.set(row, i * row.length);
    const samplers = [{ temperature: 1, topK: 0, topP: 1, minP: 0, seed: 7n, sample: 0, stream: 0 }];
    const chosen = ops.choose(ops.fromArray(all, [count, row.length]), { samplers, rowSampler: new Int32Array(count), positions: Int32Array.from({ length: count }, (_, i) => i), positionOffset: 0 });
    const [values] = await this.runtime.read([chosen]);
    return values as Int32Array;   // choices are i32
  }

  dispose(): void {
    this.runtime.dispose();
  }

  private forest(drawn: Drawn, trees: readonly Tree[], ops: DeviceOps): (uniforms: Readonly<Record<string, Float32Array>>, ops: DeviceOps) => ScoredForest {
    const rowStart = Int32Array.from([0, ...trees.map(({ tokens }) => tokens.length)]);
    for (let i = 1; i < rowStart.length; i++) rowStart[i]! += rowStart[i - 1]!;
    const rows = rowStart.at(-1)!;
    const vocab = trees[0]!.target[0]!.length;
    const tokens = ops.fromArray(Int32Array.from(trees.flatMap((tree) => tree.tokens)), [rows]);
    const parents = ops.fromArray(Int32Array.from(trees.flatMap((tree, i) => tree.parents.map((parent) => (parent < 0 ? -1 : parent + rowStart[i]!)))), [rows]);
    const table = (pick: (tree: Tree) => readonly (readonly number[])[]): Tensor => {
      const values = new Float32Array(rows * vocab);
      trees.forEach((tree, i) => pick(tree).forEach((row, r) => values.set(row, (rowStart[i]! + r) * vocab)));
      return ops.fromArray(values, [rows, vocab]);
    };
    const maxWidth = Math.max(1, ...trees.map(({ parents: own }) => Math.max(...own.map((_, row) => own.filter((parent) => parent === row).length))));
    const probs = table((tree) => tree.target);
    const distributions = drawn === 'deterministic' ? undefined : table((tree) => tree.draft);
    return (uniforms, own) => {
      const uniform = (stream: string): Tensor => own.fromArray(uniforms[stream] ?? new Float32Array(0), [rows]);   // of the wrong length: refused
      return {
        sequences: [], rowStart, tokens, parents, drawn, maxWidth, distributions, uniform,
        children: () => this.runtime.ops.children(tokens as NativeTensor, parents as NativeTensor, maxWidth),
        choices: () => this.runtime.ops.sample(probs as NativeTensor, uniform('choice') as NativeTensor),
        probs: () => probs,
      };
    };
  }
}
