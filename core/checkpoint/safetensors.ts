// Reads headers of safetensors files: which tensors a file holds and where their bytes lie. The bytes themselves are mapped by native code.
// A file is checked as a whole before anyone sees a tensor of it; no allocation exceeds the size of the file's header.
import { CheckpointError } from '../errors.js';
import { readExactly, withFile } from './file-reader.js';
import { describeJson, isObject, parseStrictJsonObject, type JsonObject } from './strict-json.js';

/** Bits per element of every dtype of the format. */
export const DTYPE_BITS = {
  F64: 64, I64: 64, U64: 64, C64: 64, F32: 32, I32: 32, U32: 32, F16: 16, BF16: 16, I16: 16, U16: 16,
  F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, I8: 8, U8: 8, BOOL: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4,
} as const;

export type StoredDtype = keyof typeof DTYPE_BITS;

/** One tensor of a file. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly file: string;
  /** Of the first byte, from the start of the file; any alignment. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The `__metadata__` entry; empty when the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The format's limit on the length of a header, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;
const MAX_RANK = 64;
const LENGTH_BYTES = 8;

/**
 * Reads and checks the header of a safetensors file.
 *
 * @throws CheckpointError naming the file and its fault
 */
export async function readSafetensorsHeader(file: string): Promise<SafetensorsHeader> {
  return withFile(file, async (handle, size) => {
    if (size < LENGTH_BYTES) throw fault(file, `it has ${size} bytes; a safetensors file begins with 8 bytes that hold the length of its header`);
    const length = checkHeaderLength(await readExactly(handle, 0, LENGTH_BYTES, file), size, file);
    return parseSafetensorsHeader(await readExactly(handle, LENGTH_BYTES, length, file), size, file);
  });
}

/** The bytes of one tensor, in a buffer of their own. Meant for small ones: weights are mapped by native code. @throws CheckpointError */
export async function readTensorBytes(tensor: StoredTensor): Promise<Uint8Array> {
  return withFile(tensor.file, async (handle, size) => {
    if (tensor.offset + tensor.bytes > size) throw new CheckpointError(`${tensor.file} has become shorter than its header says (${size} bytes)`);
    return readExactly(handle, tensor.offset, tensor.bytes, tensor.file);
  });
}

/** Checks the first 8 bytes of a file of `size` bytes and returns the length of the header that follows. @throws CheckpointError */
export function checkHeaderLength(prefix: Uint8Array, size: number, file: string): number {
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) throw fault(file, `its first 8 bytes say that the header has ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  if (length > BigInt(size - LENGTH_BYTES)) throw fault(file, `its header should have ${length} bytes, but the file has only ${size} in all: it is cut off or no safetensors file`);
  return Number(length);
}

/**
 * Checks a header against the format and the size of its file.
 *
 * @param bytes the header's JSON, without the 8 bytes of its length
 * @param size of the whole file, in bytes
 * @throws CheckpointError naming the file and its fault
 */
export function parseSafetensorsHeader(bytes: Uint8Array, size: number, file: string): SafetensorsHeader {
  const header = parseStrictJsonObject(decode(bytes, file), `the header of ${file}`);
  const dataStart = LENGTH_BYTES + bytes.length;
  const metadata = new Map<string, string>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') readMetadata(entry, metadata, file);
    else tensors.set(name, readEntry(name, entry, file, dataStart));
  }
  checkCoverage([...tensors.values()], dataStart, size, file);
  return { file, tensors, metadata };
}

/** Bytes of a tensor; undefined when the count overflows or is no whole number of bytes. */
export function byteCount(dtype: StoredDtype, shape: readonly number[]): number | undefined {
  let bits: number = DTYPE_BITS[dtype];
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return undefined;
  }
  return bits % 8 === 0 ? bits / 8 : undefined;
}

export function isStoredDtype(dtype: unknown): dtype is StoredDtype {
  return typeof dtype === 'string' && Object.hasOwn(DTYPE_BITS, dtype);
}

function decode(bytes: Uint8Array, file: string): string {
  if (bytes[0] !== 0x7b) throw fault(file, bytes.length === 0 ? 'its header is empty; expected a JSON object' : 'its header does not begin with "{": it is no safetensors file');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw fault(file, 'its header is not valid UTF-8', cause);
  }
}

function readMetadata(entry: unknown, metadata: Map<string, string>, file: string): void {
  if (!isObject(entry)) throw fault(file, `"__metadata__" is ${describeJson(entry)}; expected an object of strings`);
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') throw fault(file, `"__metadata__" says ${describeJson(value)} for ${describeJson(key)}; expected a string`);
    metadata.set(key, value);
  }
}

function readEntry(name: string, entry: unknown, file: string, dataStart: number): StoredTensor {
  const quoted = `tensor ${describeJson(name)}`;
  if (!isObject(entry)) throw fault(file, `${quoted} is ${describeJson(entry)}; expected an object with dtype, shape and data_offsets`);
  const dtype = required(entry, 'dtype', quoted, file);
  if (!isStoredDtype(dtype)) throw fault(file, `${quoted} has dtype ${describeJson(dtype)}; known: ${Object.keys(DTYPE_BITS).join(', ')}`);
  const shape = integers(required(entry, 'shape', quoted, file), 'shape', quoted, file);
  if (shape.length > MAX_RANK) throw fault(file, `${quoted} has ${shape.length} dimensions; at most ${MAX_RANK} are allowed`);
  const offsets = integers(required(entry, 'data_offsets', quoted, file), 'data_offsets', quoted, file);
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length !== 2) throw fault(file, `${quoted} has data_offsets ${describeJson(offsets)}; expected two numbers, [begin, end]`);
  if (begin > end) throw fault(file, `${quoted} has data_offsets ${describeJson(offsets)}: it ends before it begins`);
  const bytes = byteCount(dtype, shape);
  if (bytes === undefined) throw fault(file, `${quoted} of dtype ${dtype} and shape ${describeJson(shape)} has no size that can be: too large, or no whole number of bytes`);
  if (bytes !== end - begin) throw fault(file, `${quoted} of dtype ${dtype} and shape ${describeJson(shape)} needs ${bytes} bytes, but its data_offsets span ${end - begin}`);
  return { name, dtype, shape, file, offset: dataStart + begin, bytes };
}

function required(entry: JsonObject, field: string, quoted: string, file: string): unknown {
  if (!Object.hasOwn(entry, field)) throw fault(file, `${quoted} has no ${field}`);
  return entry[field];
}

function integers(value: unknown, field: string, quoted: string, file: string): number[] {
  if (!Array.isArray(value)) throw fault(file, `${quoted} has ${field} ${describeJson(value)}; expected an array of integers`);
  for (const item of value) {
    if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < 0 || Object.is(item, -0)) {
      throw fault(file, `${quoted} has ${describeJson(item)} in its ${field}; expected integers from 0 to ${Number.MAX_SAFE_INTEGER}`);
    }
  }
  return value as number[];
}

/** The tensors lie one behind the other from the end of the header to the end of the file: no byte belongs to none, or to two. */
function checkCoverage(tensors: StoredTensor[], dataStart: number, size: number, file: string): void {
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const { name, offset, bytes } of tensors) {
    if (offset < end) throw fault(file, `tensor ${describeJson(name)} begins at byte ${offset - dataStart} of the data, inside the tensor before it, which ends at ${end - dataStart}`);
    if (offset > end) throw fault(file, `the ${offset - end} bytes of data before tensor ${describeJson(name)} belong to no tensor`);
    end = offset + bytes;
    if (end > size) throw fault(file, `tensor ${describeJson(name)} ends at byte ${end}, but the file has only ${size} bytes: it is cut off`);
  }
  if (end < size) throw fault(file, `the last ${size - end} bytes belong to no tensor`);
}

function fault(file: string, what: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${file} is not a valid safetensors file: ${what}`, cause === undefined ? undefined : { cause });
}
