import { writeFile } from 'node:fs/promises';
import { CheckpointError } from '../errors.js';
import { byteCount, DTYPE_BITS, type StoredDtype } from './safetensors.js';

/** A tensor to be written: little-endian bytes, row-major. */
export interface TensorData {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * The bytes of a safetensors file, in an ArrayBuffer of their own. The largest elements come first, then names in order, so that every
 * tensor is aligned to its elements; the header is padded with spaces to a multiple of 8.
 *
 * @throws CheckpointError when a name occurs twice or is reserved, or when data do not fit their shape
 */
export function encodeSafetensors(tensors: Iterable<TensorData>, metadata?: Readonly<Record<string, string>>): Uint8Array {
  const ordered = [...tensors].sort((a, b) => DTYPE_BITS[b.dtype] - DTYPE_BITS[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const entries: string[] = metadata === undefined ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  const seen = new Set(['__metadata__']);
  let end = 0;
  for (const { name, dtype, shape, data } of ordered) {
    if (seen.has(name)) throw new CheckpointError(`Cannot write tensor ${JSON.stringify(name)}: the name is ${name === '__metadata__' ? 'reserved' : 'used twice'}`);
    seen.add(name);
    if (byteCount(dtype, shape) !== data.length) {
      throw new CheckpointError(`Cannot write tensor ${JSON.stringify(name)}: ${data.length} bytes do not fit dtype ${dtype} and shape [${shape.join(', ')}]`);
    }
    // Written entry by entry: in an object, names like "__proto__" and "1" would not stay what and where they are.
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [end, end + data.length] })}`);
    end += data.length;
  }
  const header = new TextEncoder().encode(`{${entries.join(',')}}`);
  const padded = Math.ceil(header.length / 8) * 8;
  const file = new Uint8Array(8 + padded + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.fill(0x20, 8, 8 + padded);
  file.set(header, 8);
  let at = 8 + padded;
  for (const { data } of ordered) {
    file.set(data, at);
    at += data.length;
  }
  return file;
}

/** Writes a safetensors file; see {@link encodeSafetensors}. */
export async function writeSafetensors(path: string, tensors: Iterable<TensorData>, metadata?: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(path, encodeSafetensors(tensors, metadata));
}
