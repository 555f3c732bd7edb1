// PyTorch's files of tensors (.pt, .bin, .pth): a zip archive with a pickle and the bytes of each storage, or the older form of several
// pickles and the bytes behind them. Only where the bytes lie is read; no code is executed.
import type { FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../../errors.js';
import { readExactly, withFile } from '../file-reader.js';
import { byteCount, type StoredTensor } from '../safetensors.js';
import { describeJson } from '../strict-json.js';
import { readLegacyFile } from './legacy-file.js';
import { describePickle, PickleDict, type PickleValue } from './pickle-values.js';
import { TorchTensor } from './torch-objects.js';
import { readZippedFile } from './zipped-file.js';

/** Where the bytes of a storage lie. */
export interface StoragePlace {
  readonly offset: number;
  /** In the file. */
  readonly storedBytes: number;
  readonly bytes: number;
  readonly isDeflated: boolean;
}

/** What a container gives: the value of its pickle, and the place of each storage by key. */
export interface TorchContents {
  readonly value: PickleValue;
  readonly places: ReadonlyMap<string, StoragePlace>;
}

export interface TorchFile {
  readonly file: string;
  /** By name, in the file's order. */
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  placeOf(tensor: TorchTensor): StoragePlace;
}

const ZIP_MAGIC = 'PK\u0003\u0004';

/**
 * Reads the table of tensors of a PyTorch file.
 *
 * @throws CheckpointError naming the file and its fault, or the Python object that it would have needed
 */
export async function readTorchFile(file: string): Promise<TorchFile> {
  const { value, places } = await withFile(file, readContents);
  const tensors = tensorsOf(value, file);
  return { file, tensors, placeOf: ({ storage }) => places.get(storage.key)! };

  async function readContents(handle: FileHandle, size: number): Promise<TorchContents> {
    const start = new TextDecoder('latin1').decode(await readExactly(handle, 0, Math.min(4, size), file));
    return start === ZIP_MAGIC ? readZippedFile(handle, size, file) : readLegacyFile(handle, size, file);
  }
}

/**
 * The same as a table that native code can map: every tensor must lie in the file as it is.
 *
 * @throws CheckpointError also for tensors that are compressed, transposed or otherwise strided, with the remedy
 */
export async function readTorchTensors(file: string): Promise<{ readonly file: string; readonly tensors: ReadonlyMap<string, StoredTensor> }> {
  const torch = await readTorchFile(file);
  return { file, tensors: new Map([...torch.tensors].map(([name, tensor]) => [name, stored(name, tensor, torch)])) };
}

function stored(name: string, tensor: TorchTensor, { file, placeOf }: TorchFile): StoredTensor {
  const { dtype, shape } = tensor;
  const place = placeOf(tensor);
  const trouble = place.isDeflated ? 'is compressed' : tensor.isContiguous ? undefined : `is stored with strides [${tensor.strides.join(', ')}]`;
  if (trouble !== undefined) throw new CheckpointError(`tensor ${describeJson(name)} in ${file} ${trouble} and cannot be read in place; rewrite the checkpoint with \`foretoken convert\``);
  return { name, dtype, shape, file, offset: place.offset + byteCount(dtype, [tensor.offset])!, bytes: byteCount(dtype, shape)! };
}

/** Names under which training scripts wrap the tensors of a model. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'module'];

function tensorsOf(value: PickleValue, file: string): Map<string, TorchTensor> {
  if (!(value instanceof PickleDict)) throw fault(file, `it holds ${describePickle(value)}; expected a dict of tensors by name`);
  const wrapped = WRAPPERS.map((name) => value.entries.get(name)).find((inner) => inner instanceof PickleDict);
  const tensors = new Map<string, TorchTensor>();
  for (const [name, entry] of (wrapped ?? value).entries) {
    if (typeof name !== 'string') throw fault(file, `it has an entry called ${describePickle(name)}; expected texts`);
    if (!(entry instanceof TorchTensor)) throw fault(file, `its entry ${describeJson(name)} is ${describePickle(entry)}; expected a tensor`);
    tensors.set(name, entry);
  }
  return tensors;
}

function fault(file: string, what: string): CheckpointError {
  return new CheckpointError(`${file} is no PyTorch file of tensors: ${what}`);
}
