import { CheckpointError } from '../errors.js';
import type { NativeRuntime, NativeTensor, NativeTensorSource } from '../native/types.js';
import type { Checkpoint } from './checkpoint.js';
import { INTEGER_DTYPES, isInteger, readIntegers } from './integer-tensors.js';
import type { StoredTensor } from './safetensors.js';
import { describeJson } from './strict-json.js';

const REAL: Readonly<Partial<Record<string, NativeTensorSource['dtype']>>> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };

/**
 * Tensors of a checkpoint on the device, by stored name. Weights are mapped by native code; integers (tables of ids, masks) pass through here.
 *
 * @param dtype in which real numbers arrive; integers arrive as i32
 * @param names default: every tensor of a kind that can be read
 * @throws CheckpointError naming the tensor and its file
 */
export async function loadTensors(runtime: NativeRuntime, checkpoint: Checkpoint, dtype: 'f32' | 'bf16', names?: readonly string[]): Promise<Map<string, NativeTensor>> {
  const wanted = names?.map((name) => named(checkpoint, name)) ?? [...checkpoint.tensors.values()].filter(isReadable);
  const integers = wanted.filter(isInteger);
  const tables = await Promise.all(integers.map(readIntegers));
  const sources = Object.fromEntries(wanted.flatMap((tensor) => {
    const stored = REAL[tensor.dtype];
    return stored === undefined ? [] : [[tensor.name, { file: tensor.file, dtype: stored, offset: tensor.offset, shape: tensor.shape }]];
  }));
  const tensors = new Map(Object.entries(await runtime.loadTensors(sources, dtype)));
  integers.forEach(({ name, shape }, i) => tensors.set(name, runtime.ops.fromArray(tables[i]!, shape)));
  return tensors;
}

function named(checkpoint: Checkpoint, name: string): StoredTensor {
  const tensor = checkpoint.tensors.get(name);
  if (tensor === undefined) throw new CheckpointError(`${checkpoint.path} has no tensor ${describeJson(name)}`);
  if (!isReadable(tensor)) throw new CheckpointError(`tensor ${describeJson(name)} in ${tensor.file} is stored as ${tensor.dtype}; tensors are read as ${[...Object.keys(REAL), ...INTEGER_DTYPES].join(', ')}`);
  return tensor;
}

function isReadable(tensor: StoredTensor): boolean {
  return REAL[tensor.dtype] !== undefined || isInteger(tensor);
}
