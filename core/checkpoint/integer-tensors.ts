import { CheckpointError } from '../errors.js';
import { DTYPE_BITS, readTensorBytes, type StoredDtype, type StoredTensor } from './safetensors.js';
import { describeJson } from './strict-json.js';

/** Tables of token ids and masks have at most some hundred thousand elements; more are weights in a type that is not read. */
const MAX_ELEMENTS = 1 << 24;

const READERS: Readonly<Partial<Record<StoredDtype, (view: DataView, at: number) => number | bigint>>> = {
  I64: (view, at) => view.getBigInt64(at, true), U64: (view, at) => view.getBigUint64(at, true),
  I32: (view, at) => view.getInt32(at, true), U32: (view, at) => view.getUint32(at, true),
  I16: (view, at) => view.getInt16(at, true), U16: (view, at) => view.getUint16(at, true),
  I8: (view, at) => view.getInt8(at), U8: (view, at) => view.getUint8(at), BOOL: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
};

export const INTEGER_DTYPES: readonly string[] = Object.keys(READERS);

export function isInteger({ dtype }: StoredTensor): boolean {
  return READERS[dtype] !== undefined;
}

/**
 * A tensor of whole numbers or truth values (0 and 1) as i32, row-major.
 *
 * @throws CheckpointError when it holds other numbers, a value outside i32, or more than 2^24 elements
 */
export async function readIntegers(tensor: StoredTensor): Promise<Int32Array> {
  const { name, file, dtype, bytes } = tensor;
  const quoted = `tensor ${describeJson(name)} in ${file}`;
  const read = READERS[dtype];
  if (read === undefined) throw new CheckpointError(`${quoted} is stored as ${dtype}; expected whole numbers (${INTEGER_DTYPES.join(', ')})`);
  const size = DTYPE_BITS[dtype] / 8;
  const count = bytes / size;
  if (count > MAX_ELEMENTS) throw new CheckpointError(`${quoted} has ${count} elements of ${dtype}; at most ${MAX_ELEMENTS} whole numbers are read. Quantised checkpoints are not supported: take the original`);
  const stored = await readTensorBytes(tensor);
  const view = new DataView(stored.buffer, stored.byteOffset, stored.length);
  const values = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const value = read(view, i * size);
    values[i] = Number(value);
    if (BigInt(values[i]!) !== BigInt(value)) throw new CheckpointError(`${quoted} holds ${value} at ${i}; expected values that fit 32 bits, -2147483648 to 2147483647`);
  }
  return values;
}
