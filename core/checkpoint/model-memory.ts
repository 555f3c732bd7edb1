import type { ModelDescription } from '../description.js';
import type { NativeTensorSource } from '../native/types.js';

/** Native code packs matrices in blocks of so many outputs and inputs, and aligns the pieces. */
const BLOCK = 32;
const ALIGNMENT = 64;

/**
 * Bytes that the weights of a model take once they are loaded: matrices padded to whole blocks, norms and biases in f32. A head that shares
 * the embedding's weights is packed apart from the embedding's table.
 *
 * @param tensors by neutral name
 */
export function weightMemory(description: ModelDescription, tensors: Readonly<Record<string, Pick<NativeTensorSource, 'shape'>>>, dtype: 'f32' | 'bf16'): number {
  const size = dtype === 'f32' ? 4 : 2;
  const packed = ([rows = 0, columns = 0]: readonly number[], each = size): number => up(rows, BLOCK) * up(columns, BLOCK) * each;
  let bytes = 0;
  for (const [name, { shape }] of Object.entries(tensors)) {
    if (name === 'embedding') bytes += up(shape.reduce((a, b) => a * b, size), ALIGNMENT) + (description.tied ? packed(shape) : 0);
    else if (name.endsWith('.bias')) bytes += up(shape[0]!, BLOCK) * 4;
    else if (name.endsWith('.router')) bytes += packed(shape, 4);   // f32 in every dtype
    else bytes += shape.length === 1 ? up(shape[0]! * 4, ALIGNMENT) : packed(shape);
  }
  return bytes;
}

/** Bytes of keys and values that one token of context takes, in all layers. */
export function kvMemoryPerToken({ layers, kvHeads, headDim }: ModelDescription, dtype: 'f32' | 'bf16'): number {
  return layers * 2 * kvHeads * headDim * (dtype === 'f32' ? 4 : 2);
}

function up(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
