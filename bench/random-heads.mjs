// Heads with random weights for a target of a given shape: they draft nonsense at the cost of trained ones.
import { layerShapes, randomCheckpoint, randomFolder } from './random-checkpoint.mjs';

/** @param config of the target @returns folders by strategy */
export async function randomHeads(name, config) {
  const { hidden_size: hidden, intermediate_size: inner, num_attention_heads: heads, num_key_value_heads: kvHeads, vocab_size: vocab } = config;
  const sizes = { hidden, inner, kv: (hidden / heads) * kvHeads }, ownVocab = Math.min(vocab, 32_000), torch_dtype = 'bfloat16';
  const { 'layers.0.input_layernorm.weight': _, ...eagleLayer } = layerShapes('layers.0', sizes);
  const layer = { ...config, num_hidden_layers: 1 };
  const small = { ...config, hidden_size: 192, intermediate_size: 512, num_hidden_layers: 4, num_attention_heads: 3, num_key_value_heads: 1 };
  return {
    draft: await randomCheckpoint(`${name}-draft`, small),
    medusa: await randomFolder(`${name}-medusa`, { architectures: ['MedusaModel'], model_type: 'medusa', medusa_num_heads: 3, medusa_num_layers: 1, hidden_size: hidden, vocab_size: vocab, torch_dtype },
      Object.fromEntries([0, 1, 2].flatMap((h) => [[`${h}.0.linear.bias`, [hidden]], [`${h}.0.linear.weight`, [hidden, hidden]], [`${h}.1.weight`, [vocab, hidden]]]))),
    redrafter: await randomFolder(`${name}-redrafter`, { model_type: 'recurrent_drafting_drafter', architectures: ['RecurrentDrafter'], vocab_size: vocab, hidden_size: hidden, exit_dim: hidden, num_draft_layers: 1, rnn: true, torch_dtype }, {
      'input_proj.bias': [hidden], 'input_proj.weight': [hidden, 2 * hidden], 'lm_head.0.linear.bias': [hidden], 'lm_head.0.linear.weight': [hidden, hidden], 'lm_head.1.weight': [vocab, hidden],
      'rnn_u.bias': [hidden], 'rnn_u.weight': [hidden, hidden], 'rnn_w.weight': [hidden, hidden],
    }),
    eagle: await randomFolder(`${name}-eagle`, { ...layer, bias: true, torch_dtype }, { 'fc.bias': [hidden], 'fc.weight': [hidden, 2 * hidden], ...eagleLayer }),
    eagle3: await randomFolder(`${name}-eagle3`, {
      architectures: ['Eagle3Speculator'], speculators_model_type: 'eagle3', speculators_version: '0.3.0', draft_vocab_size: ownVocab, norm_before_residual: false, eagle_aux_hidden_state_layer_ids: [2, 15, 27],
      target_hidden_size: null, transformer_layer_config: layer, torch_dtype,
    }, { 'fc.weight': [hidden, 3 * hidden], ...layerShapes('layers.0', { ...sizes, input: 2 * hidden }), 'layers.0.hidden_norm.weight': [hidden], 'lm_head.weight': [ownVocab, hidden], 'norm.weight': [hidden] },
    [{ name: 'd2t', dtype: 'I64', shape: [ownVocab], data: new Uint8Array(8 * ownVocab) }]),
  };
}
