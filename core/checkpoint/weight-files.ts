// Which files of a checkpoint folder hold its weights, and the one table of tensors they make.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors.js';
import { readJsonFile } from './json-file.js';
import { readTorchTensors } from './pickle/torch-file.js';
import { readSafetensorsHeader, type StoredTensor } from './safetensors.js';
import { describeJson, isObject } from './strict-json.js';

export interface Weights {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Absolute paths. */
  readonly files: readonly string[];
}

/** The weights of a folder as names of files in it. */
export interface WeightFiles {
  readonly format: WeightFormat;
  /** One, or the shards. */
  readonly names: readonly string[];
  /** The index that says which shard holds which tensor. PyTorch shards work without. */
  readonly index?: string;
}

interface TensorFile {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

export interface WeightFormat {
  readonly name: 'safetensors' | 'pytorch';
  readonly single: string;
  readonly index: string;
  readonly anyIndex: RegExp;
  /** No separator of any system, no drive, no control character; the ending excludes "." and "..". */
  readonly shardName: RegExp;
  readonly shardWords: string;
  readonly read: (file: string) => Promise<TensorFile>;
}

const SAFETENSORS: WeightFormat = {
  name: 'safetensors', single: 'model.safetensors', index: 'model.safetensors.index.json', anyIndex: /\.safetensors\.index\.json$/,
  shardName: /^[^/\\:\u0000-\u001f]+\.safetensors$/, shardWords: 'a safetensors file', read: readSafetensorsHeader,
};
export const PYTORCH: WeightFormat = {
  name: 'pytorch', single: 'pytorch_model.bin', index: 'pytorch_model.bin.index.json', anyIndex: /\.(bin|pt|pth)\.index\.json$/,
  shardName: /^[^/\\:\u0000-\u001f]+\.(bin|pt|pth)$/, shardWords: 'a PyTorch file', read: readTorchTensors,
};

/**
 * Reads the headers of a folder's weights; which files these are, {@link findWeightFiles} says.
 *
 * @throws CheckpointError when there are none, or when a file or the index is malformed
 */
export async function readWeights(folder: string): Promise<Weights> {
  const found = await findWeightFiles(folder);
  if (found.index !== undefined) return readIndexed(folder, found, found.index);
  const files = new Map<string, TensorFile>();
  for (const name of found.names) files.set(name, await found.format.read(join(folder, name)));
  const tensors = new Map<string, StoredTensor>();
  addUnlisted(tensors, new Map(), files, folder);
  return { tensors, files: [...files.values()].map(({ file }) => file) };
}

/**
 * Finds a folder's weights. `model.safetensors`, else the shards of `model.safetensors.index.json`, else the only safetensors file or index,
 * whatever it is called (heads are named after their method). Without any of these the same of PyTorch's files: `pytorch_model.bin`, else the
 * shards of its index, else `pytorch_model-*.bin`, else the only `.bin`, `.pt` or `.pth` file that is not a trainer's notes.
 *
 * @throws CheckpointError when there are none, or it is not clear which
 */
export async function findWeightFiles(folder: string): Promise<WeightFiles> {
  const names = await listFolder(folder);
  const found = await findFormat(folder, names, SAFETENSORS, names.filter((name) => SAFETENSORS.shardName.test(name)));
  if (found !== undefined) return found;
  const torch = names.filter((name) => PYTORCH.shardName.test(name) && !TRAINER_NOTES.test(name));
  const pytorch = await findFormat(folder, names, PYTORCH, torch);
  if (pytorch !== undefined) return pytorch;
  throw new CheckpointError(`${folder} ${whyNoWeights(names)}`);
}

async function findFormat(folder: string, names: readonly string[], format: WeightFormat, files: readonly string[]): Promise<WeightFiles | undefined> {
  if (names.includes(format.single)) return { format, names: [format.single] };
  const index = names.includes(format.index) ? format.index : onlyOne(names.filter((name) => format.anyIndex.test(name)));
  if (index !== undefined) return { format, index, names: [...new Set((await readWeightMap(join(folder, index), format)).values())] };
  const shards = format === PYTORCH ? files.filter((name) => TORCH_SHARD.test(name)) : [];
  if (shards.length > 0) return { format, names: checkedShards(folder, shards) };
  const only = onlyOne(files);
  if (only !== undefined) return { format, names: [only] };
  if (files.length === 0) return undefined;
  throw new CheckpointError(`${folder} holds several ${format.name} files (${list(files)}) and no ${format.index} that says which tensor is where; copy the index too`);
}

function onlyOne(names: readonly string[]): string | undefined {
  return names.length === 1 ? names[0] : undefined;
}

/** PyTorch shards say their number and how many there are. */
function checkedShards(folder: string, shards: readonly string[]): readonly string[] {
  const counts = new Set(shards.map((name) => TORCH_SHARD.exec(name)![2]!));
  if (counts.size > 1) throw new CheckpointError(`${folder} holds shards of several checkpoints (${list(shards)})`);
  if (Number([...counts][0]) !== shards.length) throw new CheckpointError(`${folder} holds ${shards.length} shards of ${Number([...counts][0])} (${list(shards)}); copy all shards of the checkpoint`);
  return shards;
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    throw new CheckpointError(`${folder} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function readIndexed(folder: string, { format, names }: WeightFiles, indexName: string): Promise<Weights> {
  const indexFile = join(folder, indexName);
  const weightMap = await readWeightMap(indexFile, format);
  const present = await listFolder(folder);
  const shards = new Map<string, TensorFile>();
  for (const shard of names) {
    if (!present.includes(shard)) throw new CheckpointError(`${indexFile} names the shard ${describeJson(shard)}, which is not in the folder; copy all shards of the checkpoint`);
    shards.set(shard, await format.read(join(folder, shard)));
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shard] of weightMap) {
    const tensor = shards.get(shard)!.tensors.get(name);
    if (tensor === undefined) throw new CheckpointError(`${indexFile} says that tensor ${describeJson(name)} is in ${shard}, but that file does not hold it${whereElse(name, shards)}`);
    tensors.set(name, tensor);
  }
  addUnlisted(tensors, weightMap, shards, indexFile);
  return { tensors, files: [...shards.values()].map(({ file }) => file) };
}

/** Tensor name → shard, as an index says. Shards are names of files in the folder itself: nothing outside is ever opened. */
export async function readWeightMap(indexFile: string, { shardName, shardWords }: WeightFormat): Promise<Map<string, string>> {
  const index = await readJsonFile(indexFile);
  if (!Object.hasOwn(index, 'weight_map')) throw new CheckpointError(`${indexFile} has no "weight_map"; expected an object that maps tensor names to shards`);
  const { weight_map: weightMap } = index;
  if (!isObject(weightMap)) throw new CheckpointError(`${indexFile} has "weight_map": ${describeJson(weightMap)}; expected an object that maps tensor names to shards`);
  const map = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string') throw new CheckpointError(`${indexFile} maps tensor ${describeJson(name)} to ${describeJson(shard)}; expected the name of a shard`);
    if (!shardName.test(shard)) throw new CheckpointError(`${indexFile} maps tensor ${describeJson(name)} to ${describeJson(shard)}; expected the name of ${shardWords} in the same folder`);
    map.set(name, shard);
  }
  if (map.size === 0) throw new CheckpointError(`${indexFile} has an empty "weight_map"; expected an object that maps tensor names to shards`);
  return map;
}

/** Tensors that a shard holds and the index leaves out belong to the model all the same. */
function addUnlisted(tensors: Map<string, StoredTensor>, weightMap: ReadonlyMap<string, string>, shards: ReadonlyMap<string, TensorFile>, source: string): void {
  for (const { file, tensors: held } of shards.values()) {
    for (const [name, tensor] of held) {
      if (weightMap.has(name)) continue;
      const other = tensors.get(name);
      if (other !== undefined) throw new CheckpointError(`${source} does not say where tensor ${describeJson(name)} is, and both ${other.file} and ${file} hold one`);
      tensors.set(name, tensor);
    }
  }
}

function whereElse(name: string, shards: ReadonlyMap<string, TensorFile>): string {
  for (const [shard, { tensors }] of shards) if (tensors.has(name)) return `; ${shard} does`;
  return '';
}

function whyNoWeights(names: readonly string[]): string {
  const others = names.filter((name) => /\.(ckpt|h5|msgpack|onnx|gguf|npz)$/.test(name));
  const expected = `expected ${SAFETENSORS.single}, or ${SAFETENSORS.index} and its shards, or ${PYTORCH.single}`;
  if (others.length === 0) return `holds no weights; ${expected}`;
  if (others.some((name) => name.endsWith('.gguf'))) return `holds its weights as GGUF (${list(others)}); ${expected}: take the original checkpoint`;
  return `holds its weights in a format that is not read (${list(others)}); ${expected}: convert them, in Python with \`model.save_pretrained(folder, safe_serialization=True)\``;
}

function list(names: readonly string[]): string {
  return names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

const TORCH_SHARD = /^pytorch_model-(\d{5})-of-(\d{5})\.bin$/;
/** What training leaves beside the weights: optimiser, schedule, random numbers, arguments. */
const TRAINER_NOTES = /^(training_args|trainer_state|optimizer|scheduler|scaler|rng_state)[\w.-]*\.(bin|pt|pth)$/;
