// Finds the tensors that a model needs in a checkpoint, and judges those that are left.
import type { ArchitecturePlan, PlannedTensor } from '../architectures/architecture.js';
import { CheckpointError, nearest } from '../errors.js';
import type { NativeTensorSource } from '../native/types.js';
import type { Checkpoint } from './checkpoint.js';
import { attempt, failAtOnce, type Report } from './report.js';
import type { StoredTensor } from './safetensors.js';
import { describeJson } from './strict-json.js';

const NATIVE_DTYPES: Readonly<Partial<Record<string, 'f32' | 'bf16' | 'f16'>>> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };

export interface TensorTable {
  readonly tensors: Readonly<Record<string, NativeTensorSource>>;
  readonly ignored: readonly string[];
  /** Whether the head shares the embedding's weights. */
  readonly tied: boolean;
  readonly storedDtype: 'f32' | 'bf16' | 'f16';
}

/**
 * Checks every tensor of the plan (presence, shape, dtype) and every tensor of the checkpoint that the plan does not use.
 *
 * A head that config.json calls tied but that the file holds all the same is used as it is stored: equal to the embedding, it gives the
 * same numbers; different, it is what transformers 5 computes with.
 *
 * @param report is told of each fault; default: the first is thrown
 * @throws CheckpointError naming the stored tensor, its file and what config.json makes us expect
 */
export function describeTensors(checkpoint: Checkpoint, architecture: string, plan: ArchitecturePlan, report: Report = failAtOnce): TensorTable {
  for (const name of checkpoint.tensors.keys()) attempt(report, () => refuseForeign(name, checkpoint));
  const prefix = storedPrefix(checkpoint);
  const used = new Set<string>();
  const tensors: Record<string, NativeTensorSource> = {};
  const bytes = { f32: 0, bf16: 0, f16: 0 };
  const take = (planned: PlannedTensor): void => attempt(report, () => {
    const tensor = find(planned, prefix, checkpoint, architecture);
    used.add(tensor.name);
    const source = toNative(tensor, planned);
    tensors[planned.name] = source;
    bytes[source.dtype] += bytesOf(source);
  });
  for (const planned of plan.tensors()) take(planned);
  const tied = plan.tied && !checkpoint.tensors.has(plan.head.stored);
  if (!tied) take(plan.head);
  const ignored = [...checkpoint.tensors.keys()].filter((name) => !used.has(name));
  for (const name of ignored) attempt(report, () => refuseUnused(name, prefix, checkpoint, architecture, plan.description.layers));
  const storedDtype = (['bf16', 'f16'] as const).reduce<'f32' | 'bf16' | 'f16'>((most, dtype) => (bytes[dtype] > bytes[most] ? dtype : most), 'f32');
  return { tensors, ignored, tied, storedDtype };
}

/** Most files name the decoder's tensors "model.…"; those saved without their head leave that out. */
function storedPrefix({ tensors }: Checkpoint): '' | 'model.' {
  return tensors.has('embed_tokens.weight') && !tensors.has('model.embed_tokens.weight') ? '' : 'model.';
}

function withPrefix(stored: string, prefix: string): string {
  return stored.startsWith('model.') ? prefix + stored.slice('model.'.length) : stored;
}

function find(planned: PlannedTensor, prefix: string, checkpoint: Checkpoint, architecture: string): StoredTensor {
  const stored = withPrefix(planned.stored, prefix);
  const tensor = checkpoint.tensors.get(stored);
  if (tensor !== undefined) return tensor;
  const { files, path, tensors } = checkpoint;
  const [, layer] = /^(?:model\.)?layers\.(\d+)\./.exec(stored) ?? [];
  const layerIsEmpty = layer !== undefined && ![...tensors.keys()].some((name) => name.startsWith(`${prefix}layers.${layer}.`));
  const near = nearest(stored, [...tensors.keys()].filter((name) => !/\d/.test(name)));
  const hint = planned.name === 'head' ? ' ("tie_word_embeddings" is not true)'
    : layerIsEmpty ? ` ("num_hidden_layers" counts a layer ${layer})`
    : near !== undefined ? `; there is "${near}"` : '';
  throw new CheckpointError(
    `${files.length === 1 ? files[0]! : `The ${files.length} shards in ${path}`} ${files.length === 1 ? 'has' : 'have'} no tensor "${stored}" [${planned.shape.join(', ')}],`
    + ` which a ${architecture} model with this config.json needs${hint}. Is the download complete, and does config.json belong to these weights?`,
  );
}

function toNative(tensor: StoredTensor, { shape, meaning, rows }: PlannedTensor): NativeTensorSource {
  const quoted = `tensor "${tensor.name}" in ${tensor.file}`;
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
    const transposed = shape.length === 2 && tensor.shape.length === 2 && tensor.shape[0] === shape[1] && tensor.shape[1] === shape[0];
    throw new CheckpointError(`${quoted} has shape [${tensor.shape.join(', ')}]; config.json says [${shape.join(', ')}] (${meaning})${transposed ? ': it is stored transposed' : ''}`);
  }
  const dtype = NATIVE_DTYPES[tensor.dtype];
  if (dtype === undefined) {
    throw new CheckpointError(`${quoted} is stored as ${tensor.dtype}; weights are read as ${Object.keys(NATIVE_DTYPES).join(', ')}. Quantised checkpoints are not supported: take the original`);
  }
  if (rows === undefined) return { file: tensor.file, dtype, offset: tensor.offset, shape: tensor.shape };
  const [first, end] = rows;
  return { file: tensor.file, dtype, offset: tensor.offset + (tensor.bytes / shape[0]!) * first, shape: [end - first, ...shape.slice(1)] };
}

function bytesOf({ dtype, shape }: NativeTensorSource): number {
  return shape.reduce((product, size) => product * size, dtype === 'f32' ? 4 : 2);
}

/** Kinds of checkpoints that are something else than their config.json says. */
function refuseForeign(name: string, checkpoint: Checkpoint): void {
  if (ADAPTER.test(name)) throw new CheckpointError(`${fileOf(name, checkpoint)} holds adapter weights (${describeJson(name)}); merge the adapter into its base model first`);
  if (QUANTISED.test(name)) throw new CheckpointError(`${fileOf(name, checkpoint)} holds quantised weights (${describeJson(name)}), which are not supported; take the original checkpoint`);
}

/** What is left over may only be ignored where it cannot change the numbers. */
function refuseUnused(name: string, prefix: string, checkpoint: Checkpoint, architecture: string, layers: number): void {
  if (OBSOLETE_BUFFER.test(name)) return;
  const inDecoder = name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
  const [, layer] = /^layers\.(\d+)\./.exec(inDecoder ?? '') ?? [];
  if (layer !== undefined && Number(layer) >= layers) {
    throw new CheckpointError(`${fileOf(name, checkpoint)} holds ${describeJson(name)}, but config.json says "num_hidden_layers": ${layers}; does config.json belong to these weights?`);
  }
  if (layer !== undefined || DECODER_PART.test(inDecoder ?? '') || HEAD_PART.test(name)) {
    throw new CheckpointError(`${fileOf(name, checkpoint)} holds ${describeJson(name)}, which a ${architecture} model with this config.json does not have; ignoring it would give wrong numbers. Does config.json belong to these weights?`);
  }
}

function fileOf(name: string, checkpoint: Checkpoint): string {
  return checkpoint.tensors.get(name)?.file ?? checkpoint.path;
}

/** Rotary tables that early checkpoints stored; they follow from config.json. */
const OBSOLETE_BUFFER = /\.rotary_emb\.(inv_freq|cos_cached|sin_cached)$/;
const ADAPTER = /(^|[._])lora_|(^|\.)(adapter|prompt_encoder|ia3_[a-z])\./i;
const QUANTISED = /\.(qweight|qzeros|scales|g_idx|SCB|absmax|quant_map|quant_state|weight_(scale|scale_inv|scale_2|zero_point|packed|shape|g_idx|format)|(input|output|k|v)_scale)(\.|$)/;
const DECODER_PART = /^(embed|norm|layernorm|final_|rotary_emb|position|wte|wpe)/;
const HEAD_PART = /^lm_head\./;
