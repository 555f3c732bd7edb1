import type { NativeChoice, NativeOps, NativeTensor } from './native/types.js';
import { choiceOf } from './sampling.js';
import type { Noise, Ops, Tensor } from './strategy.js';
import { nativeInput, nativeTensor, type TensorScope } from './tensor-scope.js';

type Operand = Tensor | number;

/** The op table as strategies see it: every tensor it makes belongs to one scope, so that nobody has to free one by hand. */
export class DeviceOps implements Ops {
  constructor(private readonly native: NativeOps, private readonly scope: TensorScope) {}

  linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    return this.track(bias === undefined
      ? this.native.linear(nativeTensor(x), nativeTensor(weight))
      : this.native.linear(nativeTensor(x), nativeTensor(weight), nativeTensor(bias)));
  }
  silu(x: Tensor): Tensor { return this.track(this.native.silu(nativeTensor(x))); }
  exp(x: Tensor): Tensor { return this.track(this.native.exp(nativeTensor(x))); }
  log(x: Tensor): Tensor { return this.track(this.native.log(nativeTensor(x))); }
  add(a: Operand, b: Operand): Tensor { return this.track(this.native.add(operand(a), operand(b))); }
  mul(a: Operand, b: Operand): Tensor { return this.track(this.native.mul(operand(a), operand(b))); }
  div(a: Operand, b: Operand): Tensor { return this.track(this.native.div(operand(a), operand(b))); }
  less(a: Operand, b: Operand): Tensor { return this.track(this.native.less(operand(a), operand(b))); }
  where(mask: Tensor, a: Operand, b: Operand): Tensor { return this.track(this.native.where(nativeTensor(mask), operand(a), operand(b))); }
  sum(x: Tensor): Tensor { return this.track(this.native.sum(nativeTensor(x))); }
  rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor { return this.track(this.native.rmsNorm(nativeTensor(x), nativeTensor(weight), eps)); }
  logSoftmax(x: Tensor): Tensor { return this.track(this.native.logSoftmax(nativeTensor(x))); }
  concat(parts: readonly Tensor[], axis: number): Tensor { return this.track(this.native.concat(parts.map(nativeTensor), axis)); }
  reshape(x: Tensor, shape: readonly number[]): Tensor { return this.track(this.native.reshape(nativeTensor(x), shape)); }
  gather(x: Tensor, index: Int32Array | Tensor, axis: number): Tensor { return this.track(this.native.gather(nativeTensor(x), nativeInput(index), axis)); }
  scatter(x: Tensor, index: Int32Array | Tensor, width: number): Tensor { return this.track(this.native.scatter(nativeTensor(x), nativeInput(index), width)); }
  probs(logits: Tensor, noise: Noise): Tensor { return this.track(this.native.probs(nativeTensor(logits), noiseOf(noise))); }
  choose(logits: Tensor, noise: Noise): Tensor { return this.track(this.native.choose(nativeTensor(logits), noiseOf(noise))); }
  fromArray(data: Int32Array | Float32Array, shape: readonly number[]): Tensor { return this.track(this.native.fromArray(data, shape)); }

  topK(x: Tensor, k: number, noise?: Noise): { values: Tensor; indices: Tensor; scores: Tensor } {
    const { values, indices, scores } = noise === undefined ? this.native.topK(nativeTensor(x), k) : this.native.topK(nativeTensor(x), k, noiseOf(noise));
    return { values: this.track(values), indices: this.track(indices), scores: this.track(scores) };
  }

  divMod(x: Tensor, by: number): [Tensor, Tensor] {
    const [quotient, remainder] = this.native.divMod(nativeTensor(x), by);
    return [this.track(quotient), this.track(remainder)];
  }

  mergePrefixes(beams: Tensor): { tokens: Tensor; parents: Tensor; nodeOf: Tensor } {
    const { tokens, parents, nodeOf } = this.native.mergePrefixes(nativeTensor(beams));
    return { tokens: this.track(tokens), parents: this.track(parents), nodeOf: this.track(nodeOf) };
  }

  selectTree(tree: { tokens: Tensor; parents: Tensor; scores: Tensor }, counts: Int32Array): { tokens: Tensor; parents: Tensor; scores: Tensor; index: Tensor } {
    const { tokens, parents, scores, index } = this.native.selectTree(nativeTensor(tree.tokens), nativeTensor(tree.parents), nativeTensor(tree.scores), counts);
    return { tokens: this.track(tokens), parents: this.track(parents), scores: this.track(scores), index: this.track(index) };
  }

  private track(tensor: NativeTensor): Tensor {
    return this.scope.track(tensor);
  }
}

/** The noise that a strategy names, in native terms. */
export function noiseOf({ sequences, positions, stream, vocabMap }: Noise): NativeChoice {
  const choice = choiceOf(sequences, positions, 0, stream === undefined ? undefined : `draft ${stream}`);
  return vocabMap === undefined ? choice : { ...choice, vocabMap: nativeTensor(vocabMap) };
}

function operand(value: Operand): NativeTensor | number {
  return typeof value === 'number' ? value : nativeTensor(value);
}
