import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors, type TensorData } from '../checkpoint/safetensors-writer.js';

const LAYERS = 2;
const HIDDEN = 64;
const HEADS = 4;
const KV_HEADS = 2;
const HEAD_DIM = 16;
const INTERMEDIATE = 128;

/** How far the logit of the usual successor stands out: most of the probability at temperature 1, not all of it. */
const GAIN = 6.5;
/** Size of what attention and MLP add to the embedding: enough that the choice depends on the whole text. */
const LAYER_SCALE = 0.45;

/** What a tiny model may differ in. */
export interface TinyModelOptions {
  /** Seed of the layers. Models of different seeds know the same successors, so that one can draft for the other. Default 1. */
  readonly seed?: number;
  /** Default 96. */
  readonly vocabSize?: number;
  /** Default 512. */
  readonly maxPositions?: number;
  /** Token that ends a text. Default: none. */
  readonly eosTokenId?: number;
}

/**
 * Writes a Llama-shaped checkpoint with two layers of random weights, without a tokenizer, the same bytes every time. Every token has a usual
 * successor, and successors form short cycles: text repeats often enough that drafts are accepted, and strays often enough that some are not.
 *
 * @param folder is made if there is none
 */
export async function writeTinyModel(folder: string, { seed = 1, vocabSize = 96, maxPositions = 512, eosTokenId }: TinyModelOptions = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  const config = {
    architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', torch_dtype: 'float32', tie_word_embeddings: false,
    num_hidden_layers: LAYERS, hidden_size: HIDDEN, num_attention_heads: HEADS, num_key_value_heads: KV_HEADS, head_dim: HEAD_DIM,
    intermediate_size: INTERMEDIATE, vocab_size: vocabSize, max_position_embeddings: maxPositions, rms_norm_eps: 1e-5, rope_theta: 10000,
    ...(eosTokenId === undefined ? {} : { eos_token_id: eosTokenId }),
  };
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  await writeSafetensors(join(folder, 'model.safetensors'), tensorsOf(seed, vocabSize));
}

function tensorsOf(seed: number, vocabSize: number): TensorData[] {
  const shared = gaussians(0x5eed);
  const embedding = matrix(vocabSize, HIDDEN, 1, shared);
  const tensors = [
    tensor('model.embed_tokens.weight', [vocabSize, HIDDEN], embedding),
    tensor('lm_head.weight', [vocabSize, HIDDEN], successorHead(embedding, vocabSize)),
    tensor('model.norm.weight', [HIDDEN], new Float32Array(HIDDEN).fill(1)),
  ];
  const own = gaussians(seed);
  for (let layer = 0; layer < LAYERS; layer++) tensors.push(...layerTensors(`model.layers.${layer}.`, own));
  return tensors;
}

function layerTensors(prefix: string, random: () => number): TensorData[] {
  const linear = (name: string, out: number, input: number, scale = 1): TensorData =>
    tensor(`${prefix}${name}.weight`, [out, input], matrix(out, input, scale / Math.sqrt(input), random));
  const norm = (name: string): TensorData => tensor(`${prefix}${name}.weight`, [HIDDEN], new Float32Array(HIDDEN).fill(1));
  return [
    norm('input_layernorm'), norm('post_attention_layernorm'),
    linear('self_attn.q_proj', HEADS * HEAD_DIM, HIDDEN, 2), linear('self_attn.k_proj', KV_HEADS * HEAD_DIM, HIDDEN, 2),
    linear('self_attn.v_proj', KV_HEADS * HEAD_DIM, HIDDEN), linear('self_attn.o_proj', HIDDEN, HEADS * HEAD_DIM, LAYER_SCALE),
    linear('mlp.gate_proj', INTERMEDIATE, HIDDEN), linear('mlp.up_proj', INTERMEDIATE, HIDDEN), linear('mlp.down_proj', HIDDEN, INTERMEDIATE, LAYER_SCALE),
  ];
}

/** Row v answers to the embedding of the token that v usually follows. */
function successorHead(embedding: Float32Array, vocabSize: number): Float32Array {
  const head = new Float32Array(vocabSize * HIDDEN);
  for (let token = 0; token < vocabSize; token++) {
    const from = embedding.subarray(token * HIDDEN, (token + 1) * HIDDEN);
    head.set(from.map((value) => (value * GAIN) / HIDDEN), successor(token, vocabSize) * HIDDEN);
  }
  return head;
}

/** A permutation in cycles of 7, and of what is left. */
function successor(token: number, vocabSize: number): number {
  const start = token - (token % 7);
  const length = Math.min(7, vocabSize - start);
  return start + ((token - start + 1) % length);
}

function tensor(name: string, shape: readonly number[], values: Float32Array): TensorData {
  return { name, dtype: 'F32', shape, data: new Uint8Array(values.buffer) };
}

function matrix(rows: number, columns: number, scale: number, random: () => number): Float32Array {
  return Float32Array.from({ length: rows * columns }, () => random() * scale);
}

/** About normal: the sum of four uniforms, from a 32-bit generator (mulberry32). */
function gaussians(seed: number): () => number {
  let state = seed | 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
}
