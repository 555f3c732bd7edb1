import type { FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../../errors.js';
import { readExactly } from '../file-reader.js';
import { byteCount } from '../safetensors.js';
import { unpickle } from './pickle-machine.js';
import { describePickle, PickleDict, PickleList, PickleTuple, type PickleValue } from './pickle-values.js';
import type { StoragePlace, TorchContents } from './torch-file.js';
import { torchHost, TorchStorage, type StorageMaker } from './torch-objects.js';
import { MAX_PICKLE_BYTES } from './zipped-file.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
const COUNT_BYTES = 8;

/**
 * The form before PyTorch 1.6: five pickles one behind the other (a magic number, a version, the machine, the tensors, the keys of the
 * storages), then for each key the number of elements, 8 bytes, and the elements.
 *
 * @throws CheckpointError
 */
export async function readLegacyFile(handle: FileHandle, size: number, file: string): Promise<TorchContents> {
  const bytes = await readExactly(handle, 0, Math.min(size, MAX_PICKLE_BYTES), file);
  const storages = new Map<string, TorchStorage>();
  const host = torchHost(file, storageMaker(storages, file));
  let at = 0;
  const next = (): PickleValue => {
    const { value, length } = unpickle(bytes.subarray(at), file, host);
    at += length;
    return value;
  };
  checkMagic(bytes, file);
  if (next() !== MAGIC) throw new CheckpointError(`${file} is a pickle, but no PyTorch file of tensors (no magic number)`);
  const version = next();
  if (version !== PROTOCOL) throw new CheckpointError(`${file} has the PyTorch version ${describePickle(version)} of its old form; expected ${PROTOCOL}`);
  checkMachine(next(), file);
  const value = next();
  const keys = next();
  return { value, places: await findPlaces(keys, at) };

  async function findPlaces(order: PickleValue, start: number): Promise<Map<string, StoragePlace>> {
    if (!(order instanceof PickleList)) throw new CheckpointError(`${file} has ${describePickle(order)} where the keys of its storages are expected`);
    const places = new Map<string, StoragePlace>();
    let offset = start;
    for (const key of order.items) {
      const storage = typeof key === 'string' ? storages.get(key) : undefined;
      if (storage === undefined || places.has(storage.key)) throw new CheckpointError(`${file} lists ${describePickle(key)} among its storages, which no tensor uses or which it lists twice`);
      if (offset + COUNT_BYTES > size) throw cutOff(storage);
      const count = new DataView((await readExactly(handle, offset, COUNT_BYTES, file)).buffer).getBigUint64(0, true);
      if (count !== BigInt(storage.count)) throw new CheckpointError(`${file} has ${count} elements in storage ${JSON.stringify(storage.key)}; its tensors need ${storage.count}`);
      const length = byteCount(storage.dtype, [storage.count])!;
      offset += COUNT_BYTES;
      if (offset + length > size) throw cutOff(storage);
      places.set(storage.key, { offset, storedBytes: length, bytes: length, isDeflated: false });
      offset += length;
    }
    const missing = [...storages.keys()].find((key) => !places.has(key));
    if (missing !== undefined) throw new CheckpointError(`${file} does not hold storage ${JSON.stringify(missing)}, which its tensors need: it is incomplete`);
    if (offset !== size) throw new CheckpointError(`${file} has ${size - offset} bytes behind its last storage`);
    return places;
  }

  function cutOff({ key }: TorchStorage): CheckpointError {
    return new CheckpointError(`${file} ends inside storage ${JSON.stringify(key)}, at byte ${size}: it is cut off`);
  }
}

/** Several tensors may name one storage, and must then say the same of it. */
function storageMaker(storages: Map<string, TorchStorage>, file: string): StorageMaker {
  return (key, dtype, count, view) => {
    if (view !== undefined && view !== null) throw new CheckpointError(`${file} has storages inside storages (${view instanceof PickleTuple ? 'a view' : describePickle(view)}), which are not read`);
    const known = storages.get(key);
    if (known !== undefined && (known.dtype !== dtype || known.count !== count)) throw new CheckpointError(`${file} has two storages called ${JSON.stringify(key)}`);
    const storage = known ?? new TorchStorage(key, dtype, count);
    storages.set(key, storage);
    return storage;
  };
}

/** The first two bytes of a pickle of protocol 2 or later. */
function checkMagic([first, second]: Uint8Array, file: string): void {
  const isPickle = first === 0x80 && second !== undefined && second >= 2 && second <= 5;
  if (!isPickle) throw new CheckpointError(`${file} is no PyTorch file: it begins neither like a zip archive nor like a pickle${first === 0x76 ? ' (is it a Git LFS pointer? fetch the file itself)' : ''}`);
}

function checkMachine(info: PickleValue, file: string): void {
  const isLittle = info instanceof PickleDict && info.entries.get('little_endian') === true;
  if (!isLittle) throw new CheckpointError(`${file} does not say that it was written by a little-endian machine`);
}
