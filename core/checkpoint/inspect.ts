// Looks at a checkpoint folder as a whole and gathers what is wrong with it, instead of ending at the first fault.
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ModelDescription } from '../description.js';
import { CheckpointError, ForetokenError } from '../errors.js';
import { fittingStrategies, type StrategyFit } from '../strategy-fit.js';
import { loadTokenizer, missingTokenizer } from '../tokenizer/tokenizer.js';
import { describeCheckpoint, type Checkpoint, type DescribedCheckpoint } from './checkpoint.js';
import type { GenerationConfig } from './generation-config.js';
import { readJsonFileIfPresent } from './json-file.js';
import { kvMemoryPerToken, weightMemory } from './model-memory.js';
import { DTYPE_BITS } from './safetensors.js';
import type { JsonObject } from './strict-json.js';
import { readWeights, type Weights } from './weight-files.js';

/** What a folder is, and what would run. */
export interface Inspection {
  /** Absolute. */
  readonly path: string;
  /** `model`: a decoder that runs; `weights`: tensors that are no model on their own, such as a draft head; `broken`: there are problems. */
  readonly kind: 'model' | 'weights' | 'broken';
  readonly config?: Readonly<Record<string, unknown>>;
  readonly weights?: InspectedWeights;
  readonly model?: InspectedModel;
  readonly tokenizer?: InspectedTokenizer;
  /** Strategies and whether they would run: on this model, or with this folder on the target that was asked about. */
  readonly strategies: readonly StrategyFit[];
  /** What keeps the folder from running as it seems to be meant: all, up to 100. */
  readonly problems: readonly string[];
  /** What does not keep it from running. */
  readonly notes: readonly string[];
}

/** The stored weights. */
export interface InspectedWeights {
  /** Absolute paths. */
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[] }>;
  /** Elements of all tensors. */
  readonly parameters: number;
  /** As stored. */
  readonly bytes: number;
  /** Share of the bytes, by dtype. */
  readonly dtypes: Readonly<Record<string, number>>;
}

/** The model that would run. */
export interface InspectedModel {
  /** `model_type` of config.json, where it is given. */
  readonly architecture: string;
  readonly description: ModelDescription;
  readonly storedDtype: 'f32' | 'bf16' | 'f16';
  /** Stored tensors that the model does not use. */
  readonly ignored: readonly string[];
  readonly eosTokenIds: readonly number[];
  /** Defaults of requests by generation_config.json, and what of it is not implemented. */
  readonly generation: GenerationConfig;
  /** Bytes, by the number type asked for. */
  readonly memory: {
    readonly weights: Readonly<Record<'f32' | 'bf16', number>>;
    /** Keys and values of one token of context. */
    readonly kvPerToken: Readonly<Record<'f32' | 'bf16', number>>;
  };
}

/** The tokenizer beside the weights. */
export interface InspectedTokenizer {
  /** One more than its highest id. */
  readonly size: number;
  readonly specialTokens: number;
  /** Equal for equal vocabularies. */
  readonly fingerprint: string;
}

const MAX_PROBLEMS = 100;

/**
 * Reads configuration, headers of the weights and the tokenizer of a folder; no weights are loaded.
 *
 * @param options target: folder of a model; then strategies are asked whether they run there with this folder as their head or draft model
 * @throws CheckpointError when there is no such folder, or when the target does not run; every other fault is among the problems
 */
export async function inspectCheckpoint(path: string, { target }: { readonly target?: string } = {}): Promise<Inspection> {
  const folder = resolve(path);
  if (!(await stat(folder).then((found) => found.isDirectory(), () => false))) throw new CheckpointError(`There is no checkpoint folder at ${folder}`);
  const problems: string[] = [], notes: string[] = [];
  const config = await tried(problems, () => readJsonFileIfPresent(join(folder, 'config.json')));
  const generation = await tried(problems, () => readJsonFileIfPresent(join(folder, 'generation_config.json')));
  const weights = await tried(problems, () => readWeights(folder));
  if (config === undefined && !problems.some((problem) => problem.startsWith(join(folder, 'config.json')))) problems.push(`${folder} has no config.json, which says how its weights are used`);
  const checkpoint: Checkpoint | undefined = config === undefined || weights === undefined ? undefined : { path: folder, config, ...(generation === undefined ? {} : { generation }), ...weights };
  const model = checkpoint === undefined ? undefined : inspectModel(checkpoint, problems, notes);
  const tokenizer = await inspectTokenizer(folder, model, problems, notes);
  const kind = problems.length > 0 ? 'broken' : model === undefined ? 'weights' : 'model';
  const strategies = kind === 'broken' || (kind === 'weights' && target === undefined) ? [] : target === undefined ? await fittingStrategies(folder) : await fittingStrategies(target, folder);
  return {
    path: folder, kind, strategies,
    ...(config === undefined ? {} : { config }), ...(weights === undefined ? {} : { weights: summed(weights) }),
    ...(model === undefined ? {} : { model }), ...(tokenizer === undefined ? {} : { tokenizer }), problems, notes,
  };
}

/** What would run; undefined for a draft head, whose config.json may well name a family of models. */
function inspectModel(checkpoint: Checkpoint, problems: string[], notes: string[]): InspectedModel | undefined {
  const faults: string[] = [];
  const described = describeAll(checkpoint, faults);
  const isWhole = described === undefined ? holdsDecoder(checkpoint) : 'embedding' in described.tensors && 'finalNorm' in described.tensors;
  const isHead = !isWhole && (described?.ignored ?? [...checkpoint.tensors.keys()]).some((name) => !DECODER_NAME.test(name));
  if (isHead) {
    notes.push(`it is no model on its own: ${faults[0] ?? 'parts of a decoder are missing'}`);
    return undefined;
  }
  problems.push(...faults);
  if (described === undefined) return undefined;
  const { description, tensors, ignored, storedDtype, eosTokenIds, generation } = described;
  const beyond = eosTokenIds.filter((id) => id >= description.vocabSize);
  if (beyond.length > 0) problems.push(`the end token ${beyond.join(', ')} is outside the vocabulary of ${description.vocabSize}`);
  const by = (bytes: (dtype: 'f32' | 'bf16') => number): Record<'f32' | 'bf16', number> => ({ f32: bytes('f32'), bf16: bytes('bf16') });
  const memory = { weights: by((dtype) => weightMemory(description, tensors, dtype)), kvPerToken: by((dtype) => kvMemoryPerToken(description, dtype)) };
  return { architecture: nameOf(checkpoint.config), description, storedDtype, ignored, eosTokenIds, generation, memory };
}

function describeAll(checkpoint: Checkpoint, faults: string[]): DescribedCheckpoint | undefined {
  const tooMany = new CheckpointError(`and possibly more: the search ended after ${MAX_PROBLEMS} problems`);
  try {
    return describeCheckpoint(checkpoint, (fault) => {
      if (faults.length >= MAX_PROBLEMS) throw tooMany;
      faults.push(fault.message);
    });
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    faults.push(error.message);
    return undefined;
  }
}

function holdsDecoder({ tensors }: Checkpoint): boolean {
  return ['', 'model.'].some((prefix) => tensors.has(`${prefix}embed_tokens.weight`) && tensors.has(`${prefix}norm.weight`));
}

/** Parts of a decoder and its head; whatever else a file holds belongs to something else. */
const DECODER_NAME = /^(model\.)?(layers|embed_tokens|norm)\.|^lm_head\./;

function nameOf({ model_type: type, architectures }: JsonObject): string {
  return typeof type === 'string' ? type : Array.isArray(architectures) ? String(architectures[0]) : 'unknown';
}

async function inspectTokenizer(folder: string, model: InspectedModel | undefined, problems: string[], notes: string[]): Promise<InspectedTokenizer | undefined> {
  const tokenizer = await tried(problems, () => loadTokenizer(folder));
  if (tokenizer === undefined) {
    if (model !== undefined && problems.length === 0) notes.push(await missingTokenizer(folder));
    return undefined;
  }
  const vocabSize = model?.description.vocabSize;
  if (vocabSize !== undefined && tokenizer.size > vocabSize) problems.push(`the tokenizer has ids up to ${tokenizer.size - 1}, but the model's vocabulary ends at ${vocabSize - 1}; does the tokenizer belong to these weights?`);
  if (model?.eosTokenIds.length === 0) notes.push('no end token is named in config.json or generation_config.json: texts end only at their maximum length or a stop string');
  return { size: tokenizer.size, specialTokens: tokenizer.specialIds.size, fingerprint: tokenizer.fingerprint };
}

function summed({ files, tensors }: Weights): InspectedWeights {
  let parameters = 0, bytes = 0;
  const dtypes: Record<string, number> = {};
  for (const { dtype, bytes: own } of tensors.values()) {
    parameters += (own * 8) / DTYPE_BITS[dtype];
    bytes += own;
    dtypes[dtype] = (dtypes[dtype] ?? 0) + own;
  }
  const shares = Object.fromEntries(Object.entries(dtypes).sort(([, a], [, b]) => b - a).map(([dtype, own]) => [dtype, bytes === 0 ? 0 : own / bytes]));
  return { files, tensors: new Map([...tensors].map(([name, { dtype, shape }]) => [name, { dtype, shape }])), parameters, bytes, dtypes: shares };
}

/** What a step gives, or its fault among the problems. */
async function tried<T>(problems: string[], step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (!ForetokenError.isInstance(error)) throw error;
    problems.push(error.message);
    return undefined;
  }
}
