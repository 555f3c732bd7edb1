// A checkpoint folder: its configuration and where its tensors lie. No weights are read here.
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { architectureOf } from '../architectures/architecture-of.js';
import { ConfigFields } from '../architectures/config-fields.js';
import { IRRELEVANT_FIELDS } from '../architectures/irrelevant-fields.js';
import type { ModelDescription } from '../description.js';
import { CheckpointError } from '../errors.js';
import type { NativeTensorSource } from '../native/types.js';
import type { CheckpointSummary } from '../strategy.js';
import { type GenerationConfig, readGenerationConfig } from './generation-config.js';
import { readJsonFileIfPresent } from './json-file.js';
import { attempt, failAtOnce, type Report } from './report.js';
import type { StoredTensor } from './safetensors.js';
import type { JsonObject } from './strict-json.js';
import { describeTensors } from './tensor-table.js';
import { readWeights } from './weight-files.js';

/** A folder as it was found: parsed and checked as files, not yet understood as a model. */
export interface Checkpoint {
  /** Absolute. */
  readonly path: string;
  readonly config: JsonObject;
  /** `generation_config.json`, if there is one. */
  readonly generation?: JsonObject;
  /** By stored name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The weights' files, absolute paths. */
  readonly files: readonly string[];
}

/** A checkpoint understood as a model. */
export interface DescribedCheckpoint {
  readonly description: ModelDescription;
  /** By neutral name (`native/include/model.h`). */
  readonly tensors: Readonly<Record<string, NativeTensorSource>>;
  /** Stored tensors that the model does not use and that cannot change its numbers. */
  readonly ignored: readonly string[];
  /** Tokens that end a text; from `generation_config.json` if it names any, else from `config.json`. Empty: none is known. */
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId?: number;
  /** What requests use where they do not say. */
  readonly generation: GenerationConfig;
  /** The dtype of most weights. */
  readonly storedDtype: 'f32' | 'bf16' | 'f16';
}

/**
 * Reads a checkpoint folder: `config.json`, `generation_config.json` if present, and the headers of all weight files.
 *
 * @throws CheckpointError when the folder or one of its files is missing or malformed; the message names the file and its fault
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const folder = resolve(path);
  await checkFolder(folder);
  const config = await readJsonFileIfPresent(join(folder, 'config.json'));
  if (config === undefined) throw new CheckpointError(`${folder} has no config.json; expected a checkpoint folder with config.json and weights`);
  const generation = await readJsonFileIfPresent(join(folder, 'generation_config.json'));
  const { tensors, files } = await readWeights(folder);
  return { path: folder, config, ...(generation === undefined ? {} : { generation }), tensors, files };
}

/**
 * What a strategy's plan may know of a checkpoint.
 *
 * @param vocabulary fingerprint of the tokenizer's vocabulary, where there is a tokenizer
 */
export function summarise(checkpoint: Checkpoint, vocabulary?: string): CheckpointSummary {
  const tensors = new Map([...checkpoint.tensors].map(([name, { dtype, shape, file }]) => [name, { dtype, shape, file }]));
  return { path: checkpoint.path, config: checkpoint.config, tensors, ...(vocabulary === undefined ? {} : { vocabulary }) };
}

/**
 * Derives the neutral description of a complete model and finds its tensors.
 *
 * @param report is told of each fault that leaves room for more; default: the first is thrown
 * @throws CheckpointError when the architecture is unknown, when a field of config.json is out of range or would change the numbers in a
 *   way that is not implemented, or when a tensor is missing, of the wrong shape or dtype, or one too many
 */
export function describeCheckpoint(checkpoint: Checkpoint, report: Report = failAtOnce): DescribedCheckpoint {
  const configFile = join(checkpoint.path, 'config.json');
  const architecture = architectureOf(checkpoint.config, configFile);
  const fields = new ConfigFields(checkpoint.config, configFile);
  const plan = architecture.describe(fields);
  const { tensors, ignored, tied, storedDtype } = describeTensors(checkpoint, architecture.name, plan, report);
  fields.refuseUnread(architecture.name, [...IRRELEVANT_FIELDS, ...architecture.irrelevant], additions(ignored), report);
  let special: ReturnType<typeof specialTokens> = { eosTokenIds: [] };
  let generation: GenerationConfig = { defaults: {}, ignored: [] };
  attempt(report, () => { special = specialTokens(checkpoint); });
  attempt(report, () => { generation = readGenerationConfig(checkpoint.generation, join(checkpoint.path, 'generation_config.json')); });
  return { description: { ...plan.description, tied }, tensors, ignored, storedDtype, generation, ...special };
}

/**
 * First words of the names of tensors that lie beside the model's own: "x" for `x_part.0.weight`. Whoever merges more into a checkpoint names
 * its fields of config.json after it too.
 */
function additions(ignored: readonly string[]): Set<string> {
  const parts = ignored.filter((name) => !/^(model|layers)\./.test(name)).map((name) => name.slice(0, Math.max(0, name.indexOf('.'))));
  return new Set(parts.map((part) => part.split('_', 1)[0]!).filter((word) => word !== ''));
}

function specialTokens(checkpoint: Checkpoint): { eosTokenIds: number[]; bosTokenId?: number } {
  const config = new ConfigFields(checkpoint.config, join(checkpoint.path, 'config.json'));
  const generation = new ConfigFields(checkpoint.generation ?? {}, join(checkpoint.path, 'generation_config.json'));
  const eosTokenIds = generation.tokenIds('eos_token_id') ?? config.tokenIds('eos_token_id') ?? [];
  const [bosTokenId] = generation.tokenIds('bos_token_id') ?? config.tokenIds('bos_token_id') ?? [];
  return { eosTokenIds, ...(bosTokenId === undefined ? {} : { bosTokenId }) };
}

async function checkFolder(folder: string): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(folder)).isDirectory();
  } catch (cause) {
    throw new CheckpointError(`There is no checkpoint folder at ${folder} (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  if (isFolder) return;
  const remedy = /\.(safetensors|bin|pt|pth)$/.test(folder) ? `; give its folder, ${dirname(folder)}` : '';
  throw new CheckpointError(`${folder} is a file; expected a checkpoint folder with config.json and weights (${basename(folder)} alone does not say how to use it)${remedy}`);
}
