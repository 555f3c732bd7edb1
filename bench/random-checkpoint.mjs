// Checkpoints with random weights: running them costs what running trained ones of the same shapes costs.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../dist/core/checkpoint/safetensors-writer.js';

/** The shape of SmolLM2-135M: 134.5 M parameters. */
export const SHAPE_135M = {
  architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3,
  hidden_act: 'silu', vocab_size: 49152, max_position_embeddings: 8192, rms_norm_eps: 1e-5, rope_theta: 100000, rope_scaling: null, attention_bias: false, mlp_bias: false,
  tie_word_embeddings: true, bos_token_id: 0, eos_token_id: 0, torch_dtype: 'bfloat16',
};

/** A model. @returns its folder */
export function randomCheckpoint(name, config) {
  const { hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: kvHeads, vocab_size: vocab } = config;
  const shapes = { 'model.embed_tokens.weight': [vocab, hidden], 'model.norm.weight': [hidden] };
  for (let i = 0; i < layers; i++) Object.assign(shapes, layerShapes(`model.layers.${i}`, { hidden, inner, kv: (hidden / heads) * kvHeads }));
  return randomFolder(name, config, shapes);
}

/** Tensors of a decoder layer, whose attention reads `input` columns. */
export function layerShapes(layer, { hidden, inner, kv, input = hidden }) {
  return {
    [`${layer}.input_layernorm.weight`]: [hidden], [`${layer}.post_attention_layernorm.weight`]: [hidden],
    [`${layer}.self_attn.q_proj.weight`]: [hidden, input], [`${layer}.self_attn.k_proj.weight`]: [kv, input], [`${layer}.self_attn.v_proj.weight`]: [kv, input],
    [`${layer}.self_attn.o_proj.weight`]: [hidden, hidden],
    [`${layer}.mlp.gate_proj.weight`]: [inner, hidden], [`${layer}.mlp.up_proj.weight`]: [inner, hidden], [`${layer}.mlp.down_proj.weight`]: [hidden, inner],
  };
}

/**
 * Writes bf16 weights with a spread of 0.02 and norms of one, once, under `build-bench/` (not in git).
 *
 * @param shapes by tensor name @param extra tensors that are not random @returns the folder
 */
export async function randomFolder(name, config, shapes, extra = []) {
  const folder = relative('.', fileURLToPath(new URL(`../build-bench/${name}`, import.meta.url)));
  if (existsSync(join(folder, 'config.json'))) return folder;
  mkdirSync(folder, { recursive: true });
  const next = randomBlock();
  const tensors = Object.entries(shapes).map(([tensor, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1), values = shape.length === 1 ? new Uint16Array(count).fill(0x3f80) : next(count);
    return { name: tensor, dtype: 'BF16', shape, data: new Uint8Array(values.buffer) };
  });
  await writeSafetensors(join(folder, 'model.safetensors'), [...tensors, ...extra]);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));   // last: its presence says that the folder is complete
  return folder;
}

/** bf16 bits of about normal numbers (sums of four uniform ones), drawn once and then read round and round from changing places. */
function randomBlock() {
  let state = 1;
  const random = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32; };
  const floats = Float32Array.from({ length: 1 << 20 }, () => (random() + random() + random() + random() - 2) * 0.0346);
  const bits = new Uint32Array(floats.buffer), block = Uint16Array.from(bits, (each) => each >>> 16);
  let at = 0;
  return (count) => {
    const values = new Uint16Array(count);
    for (let i = 0; i < count;) {
      const part = block.subarray(at, at + count - i);
      values.set(part, i);
      i += part.length;
      at = (at + part.length + 12345) % block.length;
    }
    return values;
  };
}
