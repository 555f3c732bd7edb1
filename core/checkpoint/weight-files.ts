// Which files of a checkpoint folder hold its weights, and the one table of tensors they make.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors.js';
import { readJsonFile } from './json-file.js';
import { readSafetensorsHeader, type SafetensorsHeader, type StoredTensor } from './safetensors.js';
import { describeJson, isObject } from './strict-json.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

export interface Weights {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Absolute paths. */
  readonly files: readonly string[];
}

/**
 * Reads the headers of a folder's weights: `model.safetensors`, else the shards of `model.safetensors.index.json`, else the folder's only
 * safetensors file or index, whatever it is called (heads are named after their method).
 *
 * @throws CheckpointError when there are none, or when a file or the index is malformed
 */
export async function readWeights(folder: string): Promise<Weights> {
  const names = await listFolder(folder);
  if (names.includes(SINGLE)) return readSingle(join(folder, SINGLE));
  if (names.includes(INDEX)) return readSharded(folder, INDEX, names);
  const indices = names.filter((name) => name.endsWith('.safetensors.index.json'));
  if (indices.length === 1) return readSharded(folder, indices[0]!, names);
  const files = names.filter((name) => name.endsWith('.safetensors'));
  if (files.length === 1) return readSingle(join(folder, files[0]!));
  throw new CheckpointError(`${folder} ${whyNoWeights(names, files)}`);
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    throw new CheckpointError(`${folder} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function readSingle(file: string): Promise<Weights> {
  const { tensors } = await readSafetensorsHeader(file);
  return { tensors, files: [file] };
}

async function readSharded(folder: string, indexName: string, names: readonly string[]): Promise<Weights> {
  const indexFile = join(folder, indexName);
  const weightMap = await readWeightMap(indexFile);
  const shards = new Map<string, SafetensorsHeader>();
  for (const shard of new Set(weightMap.values())) {
    if (!names.includes(shard)) throw new CheckpointError(`${indexFile} names the shard ${describeJson(shard)}, which is not in the folder; copy all shards of the checkpoint`);
    shards.set(shard, await readSafetensorsHeader(join(folder, shard)));
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

/** Tensor name → shard. Shards are names of files in the folder itself: nothing outside is ever opened. */
async function readWeightMap(indexFile: string): Promise<Map<string, string>> {
  const index = await readJsonFile(indexFile);
  if (!Object.hasOwn(index, 'weight_map')) throw new CheckpointError(`${indexFile} has no "weight_map"; expected an object that maps tensor names to shards`);
  const { weight_map: weightMap } = index;
  if (!isObject(weightMap)) throw new CheckpointError(`${indexFile} has "weight_map": ${describeJson(weightMap)}; expected an object that maps tensor names to shards`);
  const map = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string') throw new CheckpointError(`${indexFile} maps tensor ${describeJson(name)} to ${describeJson(shard)}; expected the name of a shard`);
    if (!SHARD_NAME.test(shard)) throw new CheckpointError(`${indexFile} maps tensor ${describeJson(name)} to ${describeJson(shard)}; expected the name of a safetensors file in the same folder`);
    map.set(name, shard);
  }
  if (map.size === 0) throw new CheckpointError(`${indexFile} has an empty "weight_map"; expected an object that maps tensor names to shards`);
  return map;
}

/** Tensors that a shard holds and the index leaves out belong to the model all the same. */
function addUnlisted(tensors: Map<string, StoredTensor>, weightMap: ReadonlyMap<string, string>, shards: ReadonlyMap<string, SafetensorsHeader>, indexFile: string): void {
  for (const { file, tensors: held } of shards.values()) {
    for (const [name, tensor] of held) {
      if (weightMap.has(name)) continue;
      const other = tensors.get(name);
      if (other !== undefined) throw new CheckpointError(`${indexFile} does not say where tensor ${describeJson(name)} is, and both ${other.file} and ${file} hold one`);
      tensors.set(name, tensor);
    }
  }
}

function whereElse(name: string, shards: ReadonlyMap<string, SafetensorsHeader>): string {
  for (const [shard, { tensors }] of shards) if (tensors.has(name)) return `; ${shard} does`;
  return '';
}

function whyNoWeights(names: readonly string[], files: readonly string[]): string {
  if (files.length > 1) return `holds several safetensors files (${list(files)}) and no ${INDEX} that says which tensor is where; copy the index too`;
  const others = names.filter((name) => /\.(bin|pt|pth|ckpt|h5|msgpack|onnx|gguf|npz)$/.test(name));
  const expected = `expected ${SINGLE}, or ${INDEX} and its shards`;
  if (others.length === 0) return `holds no weights; ${expected}`;
  if (others.some((name) => name.endsWith('.gguf'))) return `holds its weights as GGUF (${list(others)}); ${expected}: take the original checkpoint`;
  return `holds its weights in a format that is not read (${list(others)}); ${expected}: convert them, in Python with \`model.save_pretrained(folder, safe_serialization=True)\``;
}

function list(names: readonly string[]): string {
  return names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

/** No separator of any system, no drive, no control character; ends in .safetensors, so never "." or "..". */
const SHARD_NAME = /^[^/\\:\u0000-\u001f]+\.safetensors$/;
