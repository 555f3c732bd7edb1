import { type CheckpointSummary, describeDecoderLayers, type ModelDescription, type TargetDescription } from '../../core/index.js';
import { joinedLayout } from './joined-layout.js';
import { pairLayout } from './pair-layout.js';
import { COPY_AGAIN, type Problem, TensorCheck } from './problem.js';
import { namingOf, type Naming } from './stored-names.js';
import { isSameVocabulary } from './vocabulary.js';

/** A draft layer as it was found and checked: what to load, and how it computes. All names are stored names. */
export interface Layout {
  /** For reports. */
  readonly format: string;
  readonly checkpoint: string;
  /** Where most of the tensors lie. */
  readonly file: string;
  readonly description: ModelDescription;
  /** Of the model, by neutral name. */
  readonly tensors: ReadonlyMap<string, string>;
  /** What becomes of the target's features before they meet the layer; undefined: they are its states as they are. */
  readonly features: Features | undefined;
  /** Norm before the head. */
  readonly outputNorm: string | undefined;
  /** Whether the state that the draft goes on from is normed too. */
  readonly normsState: boolean;
  /** Draft id → target id; undefined: they are the same. */
  readonly vocabularyMap: VocabularyMap | undefined;
  /** Residual streams of the target that are its features; undefined: its last hidden state. */
  readonly taps: readonly number[] | undefined;
  /** What was decided, and by what. */
  readonly notes: readonly string[];
}

export interface Features {
  /** `[>= hidden, parts * target hidden]`: rows past the hidden size are signals that nobody reads. */
  readonly projection: string;
  readonly bias: string | undefined;
  /** Norm over all parts, or one for each. */
  readonly norm: string | undefined;
  readonly partNorms: readonly string[] | undefined;
}

export interface VocabularyMap {
  readonly name: string;
  /** Target id minus draft id, or the target id itself. */
  readonly holds: 'offsets' | 'ids';
}

/** All that a layout is derived from. */
export interface Found {
  readonly summary: CheckpointSummary;
  readonly naming: Naming;
  readonly check: TensorCheck;
  readonly target: TargetDescription;
  /** The part of config.json that describes the layer. */
  readonly layerConfig: Readonly<Record<string, unknown>>;
  /** What it says of the layers. */
  readonly layers: ModelDescription;
  readonly isSpeculators: boolean;
  readonly notes: string[];
}

export type LayoutParts = Omit<Layout, 'checkpoint' | 'file' | 'notes'>;

/**
 * Recognises the layout of a checkpoint and checks every tensor of it.
 *
 * @param ropeTheta takes the place of the base in config.json
 * @returns what is wrong, where something is
 * @throws CheckpointError when config.json does not describe a layer
 */
export function layoutOf(summary: CheckpointSummary, target: TargetDescription, ropeTheta: number | undefined): Layout | readonly Problem[] {
  const naming = namingOf(summary, summary.path === target.path);
  const file = fileOf(summary, naming);
  const foreign = foreignProblem(summary, naming, file);
  if (foreign !== undefined) return [foreign];
  const check = new TensorCheck(naming.tensors, file);
  const layerConfig = objectIn(summary.config, 'transformer_layer_config') ?? objectIn(summary.config, 'model') ?? summary.config;
  const query = check.shape('layers.0.self_attn.q_proj.weight');
  const found: Found = {
    summary, naming, check, target, layerConfig, notes: [],
    layers: describeDecoderLayers(completed(layerConfig, naming, query?.[0], ropeTheta), `${summary.path}/config.json`),
    isSpeculators: summary.config['speculators_model_type'] !== undefined,
  };
  const parts = isPair(found, query?.[1]) ? pairLayout(found) : joinedLayout(found);
  vocabularyProblems(found);
  strict(found, parts.format);
  if (check.problems.length > 0) return check.problems;
  return { ...parts, checkpoint: summary.path, file, notes: [`${parts.format} in ${file}`, ...found.notes] };
}

/** Config fields that the tensors tell better: how many layers there are, how long a head is where nobody says so. */
function completed(config: Found['layerConfig'], { tensors }: Naming, queryRows: number | undefined, ropeTheta: number | undefined): Record<string, unknown> {
  const layers = new Set([...tensors.keys()].flatMap((name) => /^layers\.(\d+)\./.exec(name)?.[1] ?? [])).size;
  const heads = config['num_attention_heads'];
  const headDim = queryRows !== undefined && typeof heads === 'number' && queryRows % heads === 0 ? { head_dim: queryRows / heads } : {};
  const scaling = config['rope_parameters'];
  const isScaled = typeof scaling === 'object' && scaling !== null;
  return {
    ...config, ...(typeof config['head_dim'] === 'number' ? {} : headDim), num_hidden_layers: layers,
    ...(ropeTheta === undefined ? {} : { rope_theta: ropeTheta, ...(isScaled ? { rope_parameters: { ...scaling, rope_theta: ropeTheta } } : {}) }),
  };
}

/** EAGLE-1 and 2 project the pair of embedding and state to the width of one; EAGLE-3 and what followed read both side by side. */
function isPair({ check, naming, layers }: Found, queryWidth: number | undefined): boolean {
  if (naming.isMidlayer || check.has('eh_proj.weight') || check.has('layers.0.hidden_norm.weight')) return false;
  return check.has('fc.weight') && queryWidth !== 2 * layers.hiddenSize;
}

/** Checkpoints of another kind, told before anything is looked up. */
function foreignProblem(summary: CheckpointSummary, { tensors, twice }: Naming, file: string): Problem | undefined {
  const names = [...tensors.keys()];
  const first = (pattern: RegExp): string | undefined => names.find((name) => pattern.test(name));
  const expected = 'expected tensors such as "fc.weight" and "layers.0.self_attn.q_proj.weight" or "midlayer.self_attn.q_proj.weight"';
  if (twice !== undefined) return { message: `${file} holds "${twice[0]}" and "${twice[1]}", two names of the same tensor; expected one.`, remedy: 'Take the wrong one out.' };
  const quantised = first(/\.(weight_scale\w*|weight_packed|input_scale|qweight|scales|qzeros)$/);
  if (quantised !== undefined) return { message: `${file} holds quantised weights ("${quantised}"); expected F32, F16 or BF16.`, remedy: 'Take a draft layer that is not quantised.' };
  const latent = first(/\.(kv_a_proj_with_mqa|q_a_proj)\./);
  if (latent !== undefined) return { message: `${file} holds "${latent}": a layer with latent attention, which is not supported; ${expected}.`, remedy: 'Take a draft layer with ordinary attention.' };
  if (tensors.has('mask_hidden') || summary.config['parallel_drafting'] === true) {
    return { message: `${file} holds a draft that guesses several tokens at once ("mask_hidden"), which is not supported; ${expected}.`, remedy: 'Take a draft layer that guesses token by token.' };
  }
  const heads = first(/^(medusa_|blocks\.\d+\.layers)/);
  if (heads !== undefined) return { message: `${file} holds "${heads}", heads of another kind; ${expected}.`, remedy: 'Use the strategy that they were made for.' };
  if (tensors.has('layers.0.self_attn.q_proj.weight') || names.some((name) => /^(fc|eh_proj)\./.test(name))) return undefined;
  const count = summary.tensors.size;
  const [some = 'nothing'] = summary.tensors.keys();
  return { message: `${summary.path} holds no draft layer: ${expected}, found ${count} tensors, the first "${some}".`, remedy: 'Name the folder of the draft layer in `head`.' };
}

/** Token ids must mean the same in both. */
function vocabularyProblems({ summary, layerConfig, check, target }: Found): void {
  if (summary.vocabulary !== undefined && target.vocabulary !== '' && summary.vocabulary !== target.vocabulary) {
    check.add(`${summary.path} holds another tokenizer than the target at ${target.path}; expected the same vocabulary.`, 'Choose a draft layer that was trained on this target: token ids must mean the same text.');
  }
  const { vocabSize } = target.model;
  const head = check.shape('lm_head.weight')?.[0];
  for (const config of new Set([summary.config, layerConfig])) {
    const stated = config['vocab_size'];
    if (typeof stated !== 'number' || isSameVocabulary(stated, vocabSize) || stated === head) continue;
    check.add(`${summary.path}/config.json has "vocab_size": ${stated}; expected ${vocabSize}, the target's.`, 'Choose a draft layer that was trained on this target: token ids must mean the same text.');
    return;
  }
}

/** What nobody asked for would be a part of the computation that is left out. */
function strict({ check }: Found, format: string): void {
  for (const { name, file } of check.leftOver()) {
    if (/rotary_emb\.(inv_freq|cos_cached|sin_cached)$/.test(name)) continue;
    check.add(`${file ?? check.file} holds "${name}", which a draft layer of this layout (${format}) does not have; expected no other tensor.`, `Without it the layer may not be what was trained: rename it, or take it out. ${COPY_AGAIN}`);
  }
}

/** The one file of the draft, or the folder where there are several. */
function fileOf({ path }: CheckpointSummary, { tensors }: Naming): string {
  const files = new Set([...tensors.values()].map(({ file }) => file));
  const [file] = files;
  return files.size === 1 && file !== undefined ? file : path;
}

function objectIn(config: Readonly<Record<string, unknown>>, field: string): Record<string, unknown> | undefined {
  const value = config[field];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}
