// What the families have in common: sizes, a description with the plain choices, and the tensor names most of them use.
import { describeJson } from '../checkpoint/strict-json.js';
import type { ExpertsDescription, ModelDescription } from '../description.js';
import { CheckpointError } from '../errors.js';
import type { PlannedTensor } from './architecture.js';
import type { ConfigFields } from './config-fields.js';

/** More is no model but a broken file; it bounds what is built before the tensors are looked up. */
const MAX_LAYERS = 10_000;
const MAX_HEAD_DIM = 65_536;
const MAX_EXPERTS = 65_536;

export interface Sizes {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly headDim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly normEps: number;
}

/** What a family's config.json may leave out. */
export interface SizeDefaults {
  /** `'heads'`: as many as `num_attention_heads`. */
  readonly kvHeads: number | 'heads';
  /** Absent: `hidden_size / num_attention_heads`. */
  readonly headDim?: number;
  readonly maxPositions: number;
  readonly normEps: number;
}

/** @throws CheckpointError naming the field, what came and what was expected */
export function readSizes(fields: ConfigFields, defaults: SizeDefaults): Sizes {
  const layers = fields.integer('num_hidden_layers', { max: MAX_LAYERS });
  const hiddenSize = fields.integer('hidden_size');
  const heads = fields.integer('num_attention_heads');
  // An explicit null means "no grouping" in every family, whatever an absent field means.
  const kvHeads = fields.integer('num_key_value_heads', { default: defaults.kvHeads === 'heads' || fields.isNull('num_key_value_heads') ? heads : defaults.kvHeads });
  if (heads % kvHeads !== 0) fields.refuse('num_attention_heads', heads, `a multiple of "num_key_value_heads", ${kvHeads}`);
  if (!fields.has('head_dim') && defaults.headDim === undefined && hiddenSize % heads !== 0) {
    throw new CheckpointError(`${fields.source} has "hidden_size": ${hiddenSize}, no multiple of "num_attention_heads", ${heads}, and no "head_dim" that says how long a head is`);
  }
  const headDim = fields.integer('head_dim', { default: defaults.headDim ?? hiddenSize / heads, max: MAX_HEAD_DIM });
  if (headDim % 2 !== 0) throw new CheckpointError(`${fields.source} gives heads of ${headDim} values; rotary positions need an even number`);
  return {
    layers, hiddenSize, headDim, heads, kvHeads,
    intermediateSize: fields.integer('intermediate_size'),
    vocabSize: fields.integer('vocab_size'),
    maxPositions: fields.integer('max_position_embeddings', { default: defaults.maxPositions }),
    normEps: fields.number('rms_norm_eps', { default: defaults.normEps, min: 0, max: 1 }),
  };
}

const ACTIVATIONS: ReadonlyMap<string, ModelDescription['activation']> = new Map([
  ['silu', 'silu'], ['swish', 'silu'], ['gelu', 'gelu'], ['gelu_pytorch_tanh', 'geluTanh'], ['gelu_new', 'geluTanh'],
]);

/** @throws CheckpointError listing the known ones */
export function readActivation(fields: ConfigFields, field = 'hidden_act', fallback = 'silu'): ModelDescription['activation'] {
  return fields.choice(field, ACTIVATIONS, fallback);
}

/** A decoder with pre-norms, plain residuals and scaled dot products; a family spreads what differs over it. */
export function plainDecoder(sizes: Sizes): Omit<ModelDescription, 'tied' | 'ropes' | 'layer' | 'activation'> {
  return {
    ...sizes,
    normWeightOffset: 0,
    attentionScale: sizes.headDim ** -0.5,
    attentionSoftCap: 0,
    logitSoftCap: 0,
    embeddingScale: 1,
    residualScale: 1,
    logitScale: 1,
    preNorm: true,
    postNorm: false,
    qkNorm: 'none',
    finalNorm: true,
  };
}

/** Which projections have a bias. */
export interface Biases {
  readonly qkv: boolean;
  readonly o: boolean;
  readonly mlp: boolean;
}

/** What distinguishes the tensors of one family from those of Llama. */
export interface DecoderParts {
  /** Default: none. */
  readonly biases?: Biases;
  /** Norms of queries and keys, over a head or over all heads. Default: none. */
  readonly qkNorm?: 'head' | 'all';
  /** Neutral names of a layer's norms, and their stored ones. */
  readonly norms?: Readonly<Record<string, string>>;
  /** Whether q, k and v are rows of one stored matrix, gate and up of another. */
  readonly fused?: boolean;
  /** Layers whose MLP is one of experts, and how the file names its parts. Default: none. */
  readonly experts?: StoredExperts;
}

/** Experts as they are stored. */
export interface StoredExperts {
  readonly description: ExpertsDescription;
  readonly has: (layer: number) => boolean;
  /** Within a layer, e.g. "mlp." */
  readonly prefix: string;
  readonly gate: string;
  readonly up: string;
  readonly down: string;
  /** What config.json calls the count and the inner width. */
  readonly countMeaning: string;
  readonly sizeMeaning: string;
}

/** Where norms stand, by neutral and stored name: on the inputs of attention and MLP, on their outputs, or on both. */
const PRE_NORMS = { attentionNorm: 'input_layernorm', mlpNorm: 'post_attention_layernorm' };
export const POST_NORMS = { attentionPostNorm: 'post_attention_layernorm', mlpPostNorm: 'post_feedforward_layernorm' };
export const SANDWICH_NORMS = { attentionNorm: 'input_layernorm', mlpNorm: 'pre_feedforward_layernorm', ...POST_NORMS };

type Axis = readonly [size: number, meaning: string];

/** All tensors but the head, under the names of Llama and the many families that took them over. */
export function* decoderTensors(sizes: Sizes, { biases, qkNorm, norms = PRE_NORMS, fused = false, experts }: DecoderParts): Iterable<PlannedTensor> {
  const { hiddenSize, headDim, heads, kvHeads, intermediateSize, vocabSize, layers } = sizes;
  const hidden: Axis = [hiddenSize, 'hidden_size'];
  const query: Axis = [heads * headDim, 'num_attention_heads * head_dim'];
  const key: Axis = [kvHeads * headDim, 'num_key_value_heads * head_dim'];
  const inner: Axis = [intermediateSize, 'intermediate_size'];
  yield planned('embedding', 'model.embed_tokens.weight', [vocabSize, 'vocab_size'], hidden);
  yield planned('finalNorm', 'model.norm.weight', hidden);
  for (let i = 0; i < layers; i++) {
    const neutral = `layers.${i}.`;
    const stored = `model.layers.${i}.`;
    for (const [name, file] of Object.entries(norms)) yield planned(neutral + name, `${stored}${file}.weight`, hidden);
    yield* projections(neutral, `${stored}self_attn.`, [['q', query], ['k', key], ['v', key]], hidden, biases?.qkv, fused ? 'qkv_proj' : undefined);
    yield* projections(neutral, `${stored}self_attn.`, [['o', hidden]], query, biases?.o);
    if (experts?.has(i)) yield* expertTensors(neutral, stored, hidden, experts);
    else {
      yield* projections(neutral, `${stored}mlp.`, [['gate', inner], ['up', inner]], hidden, biases?.mlp, fused ? 'gate_up_proj' : undefined);
      yield* projections(neutral, `${stored}mlp.`, [['down', hidden]], inner, biases?.mlp);
    }
    if (qkNorm === undefined) continue;
    yield planned(`${neutral}qNorm`, `${stored}self_attn.q_norm.weight`, qkNorm === 'head' ? [headDim, 'head_dim'] : query);
    yield planned(`${neutral}kNorm`, `${stored}self_attn.k_norm.weight`, qkNorm === 'head' ? [headDim, 'head_dim'] : key);
  }
}

function* expertTensors(neutral: string, stored: string, hidden: Axis, { description, prefix, gate, up, down, countMeaning, sizeMeaning }: StoredExperts): Iterable<PlannedTensor> {
  const inner: Axis = [description.size, sizeMeaning];
  yield planned(`${neutral}router`, `${stored}${prefix}gate.weight`, [description.count, countMeaning], hidden);
  for (let i = 0; i < description.count; i++) {
    const [to, from] = [`${neutral}experts.${i}.`, `${stored}${prefix}experts.${i}.`];
    yield planned(`${to}gate`, `${from}${gate}.weight`, inner, hidden);
    yield planned(`${to}up`, `${from}${up}.weight`, inner, hidden);
    yield planned(`${to}down`, `${from}${down}.weight`, hidden, inner);
  }
}

/** How many experts there are and how many of them a token runs. @throws CheckpointError */
export function readExpertCounts(fields: ConfigFields, countField: string, defaults: { readonly count: number; readonly perToken: number }): { readonly count: number; readonly perToken: number } {
  const count = fields.integer(countField, { default: defaults.count, max: MAX_EXPERTS });
  const perToken = fields.integer('num_experts_per_tok', { default: defaults.perToken });
  if (perToken > count) fields.refuse('num_experts_per_tok', perToken, `at most "${countField}", ${count}`);
  return { count, perToken };
}

/** Matrices that read the same input: one tensor each, or all rows of one that is stored as `fused`. */
function* projections(neutral: string, stored: string, parts: readonly (readonly [name: string, outputs: Axis])[], inputs: Axis, biased = false, fused?: string): Iterable<PlannedTensor> {
  const all: Axis = [parts.reduce((sum, [, [size]]) => sum + size, 0), `(${parts.map(([, [, meaning]]) => meaning).join(' + ')})`];
  let first = 0;
  for (const [name, outputs] of parts) {
    const rows = fused === undefined ? {} : { rows: [first, first + outputs[0]] as const };
    const file = `${stored}${fused ?? `${name}_proj`}`;
    const stands = fused === undefined ? outputs : all;
    yield { ...planned(neutral + name, `${file}.weight`, stands, inputs), ...rows };
    if (biased) yield { ...planned(`${neutral}${name}.bias`, `${file}.bias`, stands), ...rows };
    first += outputs[0];
  }
}

export function headTensor({ vocabSize, hiddenSize }: Sizes): PlannedTensor {
  return planned('head', 'lm_head.weight', [vocabSize, 'vocab_size'], [hiddenSize, 'hidden_size']);
}

function planned(name: string, stored: string, ...axes: readonly Axis[]): PlannedTensor {
  return { name, stored, shape: axes.map(([size]) => size), meaning: axes.map(([, meaning]) => meaning).join(' × ') };
}

/** Refuses a field that the family does not implement unless it has the one value that changes nothing. */
export function expectValue(fields: ConfigFields, name: string, value: boolean): void {
  const given = fields.boolean(name, value);
  if (given !== value) fields.refuse(name, given, `${describeJson(value)}: this family has no other`);
}
