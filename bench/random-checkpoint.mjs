// A checkpoint with random weights: decoding it costs what decoding a trained one of the same shape costs.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../dist/core/checkpoint/safetensors-writer.js';

/** The shape of SmolLM2-135M: 134.5 M parameters. */
export const SHAPE_135M = {
  architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3,
  hidden_act: 'silu', vocab_size: 49152, max_position_embeddings: 8192, rms_norm_eps: 1e-5, rope_theta: 100000, rope_scaling: null, attention_bias: false, mlp_bias: false,
  tie_word_embeddings: true, bos_token_id: 0, eos_token_id: 0, torch_dtype: 'bfloat16',
};

/** Writes the checkpoint once, under `build-bench/` (not in git), and returns its folder. bf16 weights with a spread of 0.02, norms of one. */
export async function randomCheckpoint(name, config) {
  const folder = fileURLToPath(new URL(`../build-bench/${name}`, import.meta.url));
  if (existsSync(join(folder, 'config.json'))) return folder;
  mkdirSync(folder, { recursive: true });
  const next = randomBlock(), tensors = [];
  const add = (tensor, ...shape) => {
    const count = shape.reduce((product, size) => product * size, 1), values = shape.length === 1 ? new Uint16Array(count).fill(0x3f80) : next(count);
    tensors.push({ name: tensor, dtype: 'BF16', shape, data: new Uint8Array(values.buffer) });
  };
  const { hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: kvHeads, vocab_size: vocab } = config;
  const kv = (hidden / heads) * kvHeads;
  add('model.embed_tokens.weight', vocab, hidden);
  add('model.norm.weight', hidden);
  for (let i = 0; i < layers; i++) {
    const layer = `model.layers.${i}`;
    for (const norm of ['input_layernorm', 'post_attention_layernorm']) add(`${layer}.${norm}.weight`, hidden);
    for (const [part, rows, columns] of [['self_attn.q', hidden, hidden], ['self_attn.k', kv, hidden], ['self_attn.v', kv, hidden], ['self_attn.o', hidden, hidden], ['mlp.gate', inner, hidden], ['mlp.up', inner, hidden], ['mlp.down', hidden, inner]]) {
      add(`${layer}.${part}_proj.weight`, rows, columns);
    }
  }
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
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
