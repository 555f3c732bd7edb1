import { open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../errors.js';
import { byteCount, DTYPE_BITS, type StoredDtype } from './safetensors.js';

/** A tensor to be written: little-endian bytes, row-major. */
export interface TensorData {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** The same when the bytes do not fit into memory: made when their turn comes. */
export interface TensorStream {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * The bytes of a safetensors file, in an ArrayBuffer of their own. The largest elements come first, then names in order, so that every
 * tensor is aligned to its elements; the header is padded with spaces to a multiple of 8.
 *
 * @throws CheckpointError when a name occurs twice or is reserved, or when data do not fit their shape
 */
export function encodeSafetensors(tensors: Iterable<TensorData>, metadata?: Readonly<Record<string, string>>): Uint8Array {
  const { start, ordered, bytes } = layOut(tensors, metadata);
  for (const { tensor, bytes: expected } of ordered) if (tensor.data.length !== expected) throw doesNotFit(tensor, tensor.data.length);
  const file = new Uint8Array(start.length + bytes);
  file.set(start);
  let at = start.length;
  for (const { tensor } of ordered) {
    file.set(tensor.data, at);
    at += tensor.data.length;
  }
  return file;
}

/** Writes a safetensors file; see {@link encodeSafetensors}. */
export async function writeSafetensors(path: string, tensors: Iterable<TensorData>, metadata?: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(path, encodeSafetensors(tensors, metadata));
}

/**
 * Writes a safetensors file of any size piece by piece. It appears under its name when it is complete; after an error nothing is left.
 *
 * @throws CheckpointError also when the chunks of a tensor are not as many bytes as its shape says
 */
export async function streamSafetensors(path: string, tensors: Iterable<TensorStream>, metadata?: Readonly<Record<string, string>>): Promise<void> {
  const { start, ordered } = layOut(tensors, metadata);
  const partial = `${path}.partial`;
  const handle = await open(partial, 'wx');
  try {
    await writeAll(handle, start);
    for (const { tensor, bytes } of ordered) {
      let done = 0;
      for await (const chunk of tensor.chunks()) {
        done += chunk.length;
        if (done > bytes) break;
        await writeAll(handle, chunk);
      }
      if (done !== bytes) throw doesNotFit(tensor, done);
    }
    await handle.close();
    await rename(partial, path);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten;
}

interface Layout<T> {
  /** Length and header: what stands before the data. */
  readonly start: Uint8Array;
  readonly ordered: readonly { readonly tensor: T; readonly bytes: number }[];
  readonly bytes: number;
}

function layOut<T extends Pick<TensorData, 'name' | 'dtype' | 'shape'>>(tensors: Iterable<T>, metadata?: Readonly<Record<string, string>>): Layout<T> {
  const sorted = [...tensors].sort((a, b) => DTYPE_BITS[b.dtype] - DTYPE_BITS[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const entries: string[] = metadata === undefined ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  const seen = new Set(['__metadata__']);
  let end = 0;
  const ordered = sorted.map((tensor) => {
    const { name, dtype, shape } = tensor;
    if (seen.has(name)) throw new CheckpointError(`Cannot write tensor ${JSON.stringify(name)}: the name is ${name === '__metadata__' ? 'reserved' : 'used twice'}`);
    seen.add(name);
    const bytes = byteCount(dtype, shape);
    if (bytes === undefined) throw new CheckpointError(`Cannot write tensor ${JSON.stringify(name)}: dtype ${dtype} and shape [${shape.join(', ')}] have no size that can be`);
    // Written entry by entry: in an object, names like "__proto__" and "1" would not stay what and where they are.
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [end, end + bytes] })}`);
    end += bytes;
    return { tensor, bytes };
  });
  const header = new TextEncoder().encode(`{${entries.join(',')}}`);
  const padded = Math.ceil(header.length / 8) * 8;
  const start = new Uint8Array(8 + padded).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(padded), true);
  start.set(header, 8);
  return { start, ordered, bytes: end };
}

function doesNotFit({ name, dtype, shape }: Pick<TensorData, 'name' | 'dtype' | 'shape'>, bytes: number): CheckpointError {
  return new CheckpointError(`Cannot write tensor ${JSON.stringify(name)}: ${bytes} bytes do not fit dtype ${dtype} and shape [${shape.join(', ')}]`);
}
