// Models with random weights, written to a plain file: each tensor is a range of it, at an odd offset.
import { writeFileSync } from 'node:fs';
import type { ModelDescription } from '../../core/description.js';
import type { NativeTensorSource } from '../../core/native/types.js';
import { Random } from './random.js';
import type { Weights } from './reference-decoder.js';

/** Sizes that fit no vector, no tile and no page. */
export const ODD: ModelDescription = {
  layers: 3, hiddenSize: 42, headDim: 10, heads: 6, kvHeads: 2, intermediateSize: 75, vocabSize: 101, maxPositions: 512, normEps: 1e-5, normWeightOffset: 0,
  activation: 'silu', attentionScale: 10 ** -0.5, attentionSoftCap: 0, logitSoftCap: 0, embeddingScale: 1, residualScale: 1, logitScale: 1,
  preNorm: true, postNorm: false, qkNorm: 'none', finalNorm: true, ropes: [{ inverseFrequencies: [1, 0.3, 0.09, 0.027, 0.0081], scale: 1 }],
  layer: [0, 1, 2].map(() => ({ rope: 0, slidingWindow: 0 })), tied: false,
};

export interface RandomModel {
  readonly weights: Weights;
  readonly tensors: Record<string, NativeTensorSource>;
}

/** Writes every tensor that the description needs, and biases where asked, to `file`. */
export function writeRandomModel(file: string, d: ModelDescription, biases: readonly string[] = []): RandomModel {
  const random = new Random(d.hiddenSize);
  const weights = new Map<string, Float32Array>();
  const tensors: Record<string, NativeTensorSource> = {};
  const bytes: Uint8Array[] = [Uint8Array.of(0)];  // so that nothing is aligned
  let offset = 1;
  for (const [name, shape] of shapesOf(d, biases)) {
    const count = shape.reduce((a, b) => a * b, 1);
    const around = shape.length === 1 && !name.endsWith('.bias') ? 1 - d.normWeightOffset : 0;
    const values = random.normals(count, name === 'embedding' || shape.length === 1 ? 0.3 : 1.2 / Math.sqrt(shape[1]!)).map((x) => x + around);
    weights.set(name, values);
    tensors[name] = { file, dtype: 'f32', offset, shape };
    bytes.push(new Uint8Array(values.buffer));
    offset += values.byteLength;
  }
  writeFileSync(file, Buffer.concat(bytes));
  return { weights, tensors };
}

function shapesOf(d: ModelDescription, biases: readonly string[]): [string, number[]][] {
  const mlp = (prefix: string, inner: number): [string, number, number][] => [[`${prefix}gate`, inner, hidden], [`${prefix}up`, inner, hidden], [`${prefix}down`, hidden, inner]];
  const expertsOf = ({ experts }: ModelDescription): [string, number, number][] => [['router', experts!.count, hidden], ...Array.from({ length: experts!.count }, (_, e) => mlp(`experts.${e}.`, experts!.size)).flat()];
  const queries = d.heads * d.headDim, keys = d.kvHeads * d.headDim, { hiddenSize: hidden, intermediateSize: middle } = d;
  const shapes: [string, number[]][] = [['embedding', [d.vocabSize, hidden]]];
  if (!d.tied) shapes.push(['head', [d.vocabSize, hidden]]);
  if (d.finalNorm) shapes.push(['finalNorm', [hidden]]);
  for (let i = 0; i < d.layers; i++) {
    const matrices: [string, number, number][] = [
      ['q', queries, hidden], ['k', keys, hidden], ['v', keys, hidden], ['o', hidden, queries], ...(d.layer[i]!.experts ? expertsOf(d) : mlp('', middle)),
    ];
    for (const [name, outputs, inputs] of matrices) {
      shapes.push([`layers.${i}.${name}`, [outputs, inputs]]);
      if (biases.includes(name)) shapes.push([`layers.${i}.${name}.bias`, [outputs]]);
    }
    const norms = [...(d.preNorm ? ['attentionNorm', 'mlpNorm'] : []), ...(d.postNorm ? ['attentionPostNorm', 'mlpPostNorm'] : [])];
    for (const name of norms) shapes.push([`layers.${i}.${name}`, [hidden]]);
    if (d.qkNorm !== 'none') shapes.push([`layers.${i}.qNorm`, [d.qkNorm === 'all' ? queries : d.headDim]], [`layers.${i}.kNorm`, [d.qkNorm === 'all' ? keys : d.headDim]]);
  }
  return shapes;
}
