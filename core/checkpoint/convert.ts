// Rewrites a checkpoint of PyTorch files as safetensors: same names, same dtypes, same bytes, row-major.
import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CheckpointError } from '../errors.js';
import { tensorBytes } from './pickle/tensor-bytes.js';
import { readTorchFile, type TorchFile } from './pickle/torch-file.js';
import { byteCount } from './safetensors.js';
import { streamSafetensors } from './safetensors-writer.js';
import { describeJson } from './strict-json.js';
import { findWeightFiles, PYTORCH, readWeightMap, type WeightFiles } from './weight-files.js';

/** What a conversion did; paths are absolute. */
export interface Conversion {
  /** New safetensors files, and their index if there are several. */
  readonly written: readonly string[];
  /** Configuration, tokenizer and texts, copied as they are. */
  readonly copied: readonly string[];
  /** Names of files in the source folder that were not taken over. */
  readonly leftOut: readonly string[];
  readonly tensors: number;
  /** Of all tensors. */
  readonly bytes: number;
}

/** Compressed storages and names that share one may make the result larger than its source, but not at will. */
const MAX_GROWTH = 100;
const SLACK_BYTES = 1 << 20;

/**
 * Converts PyTorch weights to safetensors, without executing anything that the files hold. Nothing is overwritten; after an error nothing of
 * the result is left.
 *
 * @param source a checkpoint folder, or one file of weights (`.bin`, `.pt`, `.pth`) whose folder gives the configuration
 * @param target a folder, made if need be; it may be the source's own
 * @throws CheckpointError when the source is malformed or is safetensors already, or when the target holds a file of the result
 */
export async function convertCheckpoint(source: string, target: string): Promise<Conversion> {
  const plan = await planConversion(resolve(source), resolve(target));
  await mkdir(plan.target, { recursive: true });
  await refuseExisting(plan);
  const written: string[] = [], copied: string[] = [];
  try {
    for (const [torch, name] of plan.outputs) {
      await writeFileOf(torch, join(plan.target, name));
      written.push(join(plan.target, name));
    }
    if (plan.index !== undefined) {
      await writeFile(join(plan.target, NEW_INDEX), plan.index, { flag: 'wx' });
      written.push(join(plan.target, NEW_INDEX));
    }
    for (const name of plan.extras) {
      await copyFile(join(plan.folder, name), join(plan.target, name), constants.COPYFILE_EXCL);
      copied.push(join(plan.target, name));
    }
  } catch (error) {
    await Promise.all([...written, ...copied].map((file) => rm(file, { force: true })));
    throw error;
  }
  return { written, copied, leftOut: plan.leftOut, tensors: plan.tensors, bytes: plan.bytes };
}

const NEW_INDEX = 'model.safetensors.index.json';

interface ConversionPlan {
  readonly folder: string;
  readonly target: string;
  /** Names of the new files. */
  readonly outputs: ReadonlyMap<TorchFile, string>;
  /** The text of the new index, where there are several files. */
  readonly index?: string;
  /** Names of files to be copied. */
  readonly extras: readonly string[];
  readonly leftOut: readonly string[];
  readonly tensors: number;
  readonly bytes: number;
}

/** Reads and checks everything before anything is written. */
async function planConversion(source: string, target: string): Promise<ConversionPlan> {
  const { folder, weights } = await findSource(source);
  const files = await Promise.all(weights.names.map((name) => readTorchFile(join(folder, name))));
  const outputs = new Map(files.map((torch) => [torch, outputName(basename(torch.file))]));
  const owner = ownersOf(files);
  if (weights.index !== undefined) await checkIndex(join(folder, weights.index), owner);
  const bytes = await checkGrowth(files);
  const weightMap = Object.fromEntries([...owner].map(([name, torch]) => [name, outputs.get(torch)]));
  const index = files.length > 1 ? `${JSON.stringify({ metadata: { total_size: bytes }, weight_map: weightMap }, null, 2)}\n` : undefined;
  const others = target === folder ? [] : await filesBeside(folder, [...weights.names, weights.index]);
  const extras = others.filter((name) => KEPT.test(name) && !INDEX.test(name));
  const leftOut = others.filter((name) => !extras.includes(name));
  return { folder, target, outputs, ...(index === undefined ? {} : { index }), extras, leftOut, tensors: owner.size, bytes };
}

/** Regular files of a folder, links followed. */
async function filesBeside(folder: string, taken: readonly (string | undefined)[]): Promise<string[]> {
  const names = (await readdir(folder)).sort().filter((name) => !taken.includes(name));
  const isFile = await Promise.all(names.map((name) => stat(join(folder, name)).then((found) => found.isFile(), () => false)));
  return names.filter((_, i) => isFile[i]);
}

async function findSource(source: string): Promise<{ readonly folder: string; readonly weights: Pick<WeightFiles, 'names' | 'index'> }> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(source)).isDirectory();
  } catch (cause) {
    throw new CheckpointError(`There is no checkpoint at ${source} (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  if (!isFolder) {
    if (source.endsWith('.safetensors')) throw new CheckpointError(`${source} is a safetensors file already`);
    return { folder: dirname(source), weights: { names: [basename(source)] } };
  }
  const weights = await findWeightFiles(source);
  if (weights.format.name !== 'pytorch') throw new CheckpointError(`${source} holds safetensors already (${weights.names.join(', ')})`);
  return { folder: source, weights };
}

/** Tensor name → the file that holds it. */
function ownersOf(files: readonly TorchFile[]): Map<string, TorchFile> {
  const owner = new Map<string, TorchFile>();
  for (const torch of files) {
    for (const name of torch.tensors.keys()) {
      const other = owner.get(name);
      if (other !== undefined) throw new CheckpointError(`both ${other.file} and ${torch.file} hold a tensor ${describeJson(name)}`);
      owner.set(name, torch);
    }
  }
  return owner;
}

async function checkIndex(indexFile: string, owner: ReadonlyMap<string, TorchFile>): Promise<void> {
  for (const [name, shard] of await readWeightMap(indexFile, PYTORCH)) {
    const torch = owner.get(name);
    if (torch === undefined || basename(torch.file) !== shard) throw new CheckpointError(`${indexFile} says that tensor ${describeJson(name)} is in ${shard}, but that file does not hold it`);
  }
}

/** Bytes of all tensors. */
async function checkGrowth(files: readonly TorchFile[]): Promise<number> {
  let bytes = 0;
  for (const { file, tensors } of files) {
    const { size } = await stat(file);
    let ofFile = 0;
    for (const [name, tensor] of tensors) {
      // A stride of 0 repeats elements that are stored once.
      const count = tensor.shape.reduce((product, length) => product * length, 1);
      if (count > tensor.storage.count) throw new CheckpointError(`tensor ${describeJson(name)} in ${file} has ${count} elements, but only ${tensor.storage.count} are stored: it is an expanded view; store it as it is (in Python: tensor.contiguous())`);
      ofFile += byteCount(tensor.dtype, tensor.shape)!;
    }
    if (ofFile > MAX_GROWTH * size + SLACK_BYTES) throw new CheckpointError(`${file} has ${size} bytes and would become ${ofFile}; no checkpoint is compressed that much`);
    bytes += ofFile;
  }
  return bytes;
}

async function writeFileOf(torch: TorchFile, path: string): Promise<void> {
  const streams = [...torch.tensors].map(([name, tensor]) => ({ name, dtype: tensor.dtype, shape: tensor.shape, chunks: () => tensorBytes(name, tensor, torch) }));
  await streamSafetensors(path, streams, { format: 'pt' });
}

function outputName(name: string): string {
  return `${name.replace(/^pytorch_model(?=[.-])/, 'model').replace(/\.(bin|pt|pth)$/, '')}.safetensors`;
}

async function refuseExisting({ target, outputs, index, extras }: ConversionPlan): Promise<void> {
  const present = new Set(await readdir(target));
  const taken = [...outputs.values(), ...(index === undefined ? [] : [NEW_INDEX]), ...extras].find((name) => present.has(name));
  if (taken !== undefined) throw new CheckpointError(`${join(target, taken)} exists already and is not overwritten; choose another folder, or remove it`);
}

const KEPT = /\.(json|model|txt|jinja|tiktoken|md)$|^(LICEN[SC]E|NOTICE)/i;
const INDEX = /\.index\.json$/;
