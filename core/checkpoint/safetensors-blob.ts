// The seam to the npm package `safetensors`. The package reads whole files in memory, fails on any that has `__metadata__`, ignores where a
// Uint8Array begins in its buffer, and checks nothing; so it gets a checked copy without metadata, and only small files.
import library from 'safetensors';
import { CheckpointError } from '../errors.js';
import { checkHeaderLength, parseSafetensorsHeader, type SafetensorsHeader } from './safetensors.js';
import { encodeSafetensors, type TensorData } from './safetensors-writer.js';

/** Larger files are for {@link readSafetensorsHeader} and native code. */
const MAX_BLOB_BYTES = 256 * 1024 * 1024;

/**
 * Every tensor of a small safetensors file that is in memory already: checkpoint heads, fixtures.
 *
 * @param name what the bytes are, for error messages
 * @returns tensors in the order of the header; their data are copies
 * @throws CheckpointError when the file is malformed or larger than 256 MiB
 */
export function readSafetensorsBlob(bytes: Uint8Array, name = 'safetensors data'): Map<string, TensorData> {
  if (bytes.length > MAX_BLOB_BYTES) throw new CheckpointError(`${name} has ${bytes.length} bytes; at most ${MAX_BLOB_BYTES} are read in memory`);
  const header = checkBlob(bytes, name);
  const stored = [...header.tensors.values()];
  // Our own writer gives a copy that starts at byte 0 of its own buffer, without metadata.
  const plain = encodeSafetensors(stored.map(({ name, dtype, shape, offset, bytes: count }) => ({ name, dtype, shape, data: bytes.subarray(offset, offset + count) })));
  const parsed = new library.SafeTensor(plain);
  return new Map(stored.map(({ name, dtype, shape }) => [name, { name, dtype, shape, data: parsed.getTensor(name) }]));
}

function checkBlob(bytes: Uint8Array, name: string): SafetensorsHeader {
  if (bytes.length < 8) throw new CheckpointError(`${name} is not a valid safetensors file: it has ${bytes.length} bytes; at least 8 are expected`);
  const length = checkHeaderLength(bytes.subarray(0, 8), bytes.length, name);
  return parseSafetensorsHeader(bytes.subarray(8, 8 + length), bytes.length, name);
}
