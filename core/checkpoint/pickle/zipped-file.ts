import type { FileHandle } from 'node:fs/promises';
import { inflateRawSync } from 'node:zlib';
import { CheckpointError } from '../../errors.js';
import { readExactly } from '../file-reader.js';
import { byteCount } from '../safetensors.js';
import { unpickle } from './pickle-machine.js';
import type { StoragePlace, TorchContents } from './torch-file.js';
import { torchHost, TorchStorage, type StorageMaker } from './torch-objects.js';
import { readZipEntries, type ZipEntry } from './zip-archive.js';

/** The pickle of a checkpoint has a few hundred bytes per tensor. */
export const MAX_PICKLE_BYTES = 32 * 1024 * 1024;
const MAX_NOTE_BYTES = 64;

/** The form since PyTorch 1.6: `NAME/data.pkl` and a file `NAME/data/KEY` for each storage. @throws CheckpointError */
export async function readZippedFile(handle: FileHandle, size: number, file: string): Promise<TorchContents> {
  const entries = await readZipEntries(handle, size, file);
  const root = rootOf(entries, file);
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined) checkByteOrder(await readEntry(handle, order, file, MAX_NOTE_BYTES), file);
  const places = new Map<string, StoragePlace>();
  const makeStorage: StorageMaker = (key, dtype, count) => {
    const name = `${root}data/${key}`;
    const entry = entries.get(name);
    if (entry === undefined) throw new CheckpointError(`${file} has no entry ${JSON.stringify(name)}, which its tensors need: it is incomplete`);
    const expected = byteCount(dtype, [count]);
    if (entry.bytes !== expected) throw new CheckpointError(`${file} has ${entry.bytes} bytes in ${JSON.stringify(name)}; ${count} elements of ${dtype} need ${expected}`);
    places.set(key, entry);
    return new TorchStorage(key, dtype, count);
  };
  const pickle = entries.get(`${root}data.pkl`)!;
  const { value } = unpickle(await readEntry(handle, pickle, file, MAX_PICKLE_BYTES), `${pickle.name} in ${file}`, torchHost(file, makeStorage));
  return { value, places };
}

/** What stands before every name in the archive, with its slash. */
function rootOf(entries: ReadonlyMap<string, ZipEntry>, file: string): string {
  const pickles = [...entries.keys()].filter((name) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) throw new CheckpointError(`${file} is a zip archive with ${pickles.length} entries "data.pkl"; a PyTorch file has one`);
  const root = pickle.slice(0, -'data.pkl'.length);
  if (entries.has(`${root}constants.pkl`)) throw new CheckpointError(`${file} is a TorchScript program, which is not read; save the tensors alone (in Python: torch.save(model.state_dict(), file))`);
  return root;
}

function checkByteOrder(note: Uint8Array, file: string): void {
  const order = new TextDecoder('latin1').decode(note).trim();
  if (order !== 'little') throw new CheckpointError(`${file} has the byte order ${JSON.stringify(order)}; expected "little"`);
}

async function readEntry(handle: FileHandle, entry: ZipEntry, file: string, limit: number): Promise<Uint8Array> {
  if (entry.bytes > limit || entry.storedBytes > limit) throw new CheckpointError(`${file} has ${Math.max(entry.bytes, entry.storedBytes)} bytes in ${JSON.stringify(entry.name)}; at most ${limit} are expected`);
  const bytes = await readExactly(handle, entry.offset, entry.storedBytes, file);
  if (!entry.isDeflated) return bytes;
  try {
    const inflated = inflateRawSync(bytes, { maxOutputLength: Math.max(1, entry.bytes) });
    if (inflated.length === entry.bytes) return inflated;
    throw new Error(`${inflated.length} bytes instead of ${entry.bytes}`);
  } catch (cause) {
    throw new CheckpointError(`${file} has an entry ${JSON.stringify(entry.name)} that cannot be decompressed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
