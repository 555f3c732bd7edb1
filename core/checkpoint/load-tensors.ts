import { CheckpointError } from '../errors.js';
import type { NativeRuntime, NativeTensor, NativeTensorSource } from '../native/types.js';
import type { Checkpoint } from './checkpoint.js';
import { readTensorBytes, type StoredTensor } from './safetensors.js';
import { describeJson } from './strict-json.js';

const REAL: Readonly<Partial<Record<string, NativeTensorSource['dtype']>>> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };
const INTEGER: ReadonlySet<string> = new Set(['I32', 'I64']);

/**
 * Tensors of a checkpoint on the device, by stored name. Weights are mapped by native code; integers (tables of ids) pass through here.
 *
 * @param dtype in which real numbers arrive; integers arrive as i32
 * @param names default: every tensor of a kind that can be read
 * @throws CheckpointError naming the tensor and its file
 */
export async function loadTensors(runtime: NativeRuntime, checkpoint: Checkpoint, dtype: 'f32' | 'bf16', names?: readonly string[]): Promise<Map<string, NativeTensor>> {
  const wanted = names?.map((name) => named(checkpoint, name)) ?? [...checkpoint.tensors.values()].filter(isReadable);
  const integers = wanted.filter((tensor) => INTEGER.has(tensor.dtype));
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
  if (!isReadable(tensor)) throw new CheckpointError(`tensor ${describeJson(name)} in ${tensor.file} is stored as ${tensor.dtype}; tensors are read as ${[...Object.keys(REAL), ...INTEGER].join(', ')}`);
  return tensor;
}

function isReadable({ dtype }: StoredTensor): boolean {
  return REAL[dtype] !== undefined || INTEGER.has(dtype);
}

async function readIntegers(tensor: StoredTensor): Promise<Int32Array> {
  const bytes = await readTensorBytes(tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (tensor.dtype === 'I32') return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
  return Int32Array.from({ length: bytes.length / 8 }, (_, i) => {
    const value = Number(view.getBigInt64(8 * i, true));
    if (value !== (value | 0)) throw new CheckpointError(`tensor ${describeJson(tensor.name)} in ${tensor.file} holds ${value}, which is no 32-bit integer`);
    return value;
  });
}
