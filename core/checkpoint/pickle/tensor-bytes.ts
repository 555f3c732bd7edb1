// The bytes of tensors that native code cannot map where they lie: compressed ones and those with other strides than a row-major table has.
import { createReadStream } from 'node:fs';
import { createInflateRaw } from 'node:zlib';
import { CheckpointError } from '../../errors.js';
import { byteCount, DTYPE_BITS } from '../safetensors.js';
import { describeJson } from '../strict-json.js';
import type { StoragePlace, TorchFile } from './torch-file.js';
import type { TorchTensor } from './torch-objects.js';

const CHUNK_BYTES = 1 << 20;
/** What a tensor with strides is gathered from must fit the memory. */
const MAX_SPAN_BYTES = 2 ** 31;

/** The bytes of a tensor, row-major, in pieces. @throws CheckpointError when the file is cut off or a storage cannot be decompressed */
export async function* tensorBytes(name: string, tensor: TorchTensor, torch: TorchFile): AsyncGenerator<Uint8Array> {
  const size = DTYPE_BITS[tensor.dtype] / 8;
  const begin = tensor.offset * size;
  const length = byteCount(tensor.dtype, tensor.shape)!;
  const place = torch.placeOf(tensor);
  if (length === 0) return;
  if (tensor.isContiguous) {
    yield* storageBytes(torch.file, place, begin, begin + length);
    return;
  }
  const span = spanOf(tensor);
  if (span * size > MAX_SPAN_BYTES) throw new CheckpointError(`tensor ${describeJson(name)} in ${torch.file} is spread over ${span * size} bytes; at most ${MAX_SPAN_BYTES} are rearranged`);
  const source = new Uint8Array(span * size);
  let at = 0;
  for await (const chunk of storageBytes(torch.file, place, begin, begin + source.length)) {
    source.set(chunk, at);
    at += chunk.length;
  }
  yield* gathered(source, tensor, size);
}

/** Elements from the first that a tensor uses to the last. */
function spanOf({ shape, strides }: TorchTensor): number {
  return shape.reduce((last, length, axis) => last + (length - 1) * strides[axis]!, 1);
}

/** The elements in the order of the shape. The last axis is the inner loop; the others count like an odometer. */
function* gathered(source: Uint8Array, { shape, strides }: TorchTensor, size: number): Generator<Uint8Array> {
  const outer = shape.slice(0, -1), inner = shape.at(-1)!, step = strides.at(-1)! * size;
  const index = outer.map(() => 0);
  const rows = outer.reduce((product, length) => product * length, 1);
  let chunk = new Uint8Array(Math.max(CHUNK_BYTES, size)), filled = 0;
  for (let row = 0; row < rows; row++) {
    let at = index.reduce((sum, position, axis) => sum + position * strides[axis]!, 0) * size;
    for (let i = 0; i < inner; i++, at += step) {
      for (let byte = 0; byte < size; byte++) chunk[filled++] = source[at + byte]!;
      if (filled + size <= chunk.length) continue;
      yield chunk.subarray(0, filled);
      chunk = new Uint8Array(chunk.length);
      filled = 0;
    }
    for (let axis = outer.length - 1; axis >= 0 && ++index[axis]! === outer[axis]; axis--) index[axis] = 0;
  }
  yield chunk.subarray(0, filled);
}

/** Bytes `[begin, end)` of a storage, decompressed. */
async function* storageBytes(file: string, place: StoragePlace, begin: number, end: number): AsyncGenerator<Uint8Array> {
  if (place.isDeflated) {
    yield* slice(inflated(file, place), begin, end, file);
    return;
  }
  yield* slice(createReadStream(file, { start: place.offset + begin, end: place.offset + end - 1, highWaterMark: CHUNK_BYTES }), 0, end - begin, file);
}

function inflated(file: string, { offset, storedBytes }: StoragePlace): AsyncIterable<Uint8Array> {
  const stored = createReadStream(file, { start: offset, end: offset + storedBytes - 1, highWaterMark: CHUNK_BYTES });
  const inflate = createInflateRaw();
  stored.on('error', (error) => inflate.destroy(error));
  inflate.on('close', () => stored.destroy());
  return stored.pipe(inflate);
}

async function* slice(chunks: AsyncIterable<Uint8Array>, begin: number, end: number, file: string): AsyncGenerator<Uint8Array> {
  let at = 0;
  try {
    for await (const chunk of chunks) {
      const part = chunk.subarray(Math.max(0, begin - at), Math.min(chunk.length, end - at));
      at += chunk.length;
      if (part.length > 0) yield part;
      if (at >= end) return;
    }
  } catch (cause) {
    throw new CheckpointError(`${file} holds a storage that cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  throw new CheckpointError(`${file} holds a storage that ends after ${at} bytes; ${end} are expected`);
}
