import type { ModelDescription } from '../../core/index.js';
import type { TensorCheck } from './problem.js';

/** What the attention of a layer reads: the stream as it is, its norm, or the norms of embedding and stream side by side. */
export type LayerInput = 'bare' | 'normed' | 'joined';

/** Checks the tensors of one layer and maps them by neutral name. */
export function addLayerTensors(tensors: Map<string, string>, check: TensorCheck, index: number, input: LayerInput, d: ModelDescription): void {
  const from = `layers.${index}.`;
  const add = (name: string, stored: string, shape: readonly number[], what: string): void => void tensors.set(from + name, check.real(`${from}${stored}`, shape, what));
  const [hidden, inner, queries, keys] = [d.hiddenSize, d.intermediateSize, d.heads * d.headDim, d.kvHeads * d.headDim];
  if (input === 'joined') {
    add('embeddingNorm', 'input_layernorm.weight', [hidden], 'the norm of the embedding');
    add('stateNorm', 'hidden_norm.weight', [hidden], 'the norm of the state');
  } else if (input === 'normed') {
    add('attentionNorm', check.has(`${from}hidden_norm.weight`) ? 'hidden_norm.weight' : 'input_layernorm.weight', [hidden], 'the norm before attention');
  }
  const width = input === 'joined' ? 2 * hidden : hidden;
  const read = input === 'joined' ? '2 * hidden_size' : 'hidden_size';
  const project = (name: string, stored: string, outputs: number, inputs: number, what: string): void => {
    add(name, `${stored}.weight`, [outputs, inputs], what);
    if (check.has(`${from}${stored}.bias`)) add(`${name}.bias`, `${stored}.bias`, [outputs], `the bias of ${stored}`);
  };
  project('q', 'self_attn.q_proj', queries, width, `num_attention_heads * head_dim × ${read}`);
  project('k', 'self_attn.k_proj', keys, width, `num_key_value_heads * head_dim × ${read}`);
  project('v', 'self_attn.v_proj', keys, width, `num_key_value_heads * head_dim × ${read}`);
  project('o', 'self_attn.o_proj', hidden, queries, 'hidden_size × num_attention_heads * head_dim');
  if (d.qkNorm === 'head') {
    add('qNorm', 'self_attn.q_norm.weight', [d.headDim], 'head_dim');
    add('kNorm', 'self_attn.k_norm.weight', [d.headDim], 'head_dim');
  }
  add('mlpNorm', 'post_attention_layernorm.weight', [hidden], 'the norm before the MLP');
  project('gate', 'mlp.gate_proj', inner, hidden, 'intermediate_size × hidden_size');
  project('up', 'mlp.up_proj', inner, hidden, 'intermediate_size × hidden_size');
  project('down', 'mlp.down_proj', hidden, inner, 'hidden_size × intermediate_size');
}

/** Norms of queries and keys are there or not. */
export function qkNormOf(check: TensorCheck): ModelDescription['qkNorm'] {
  return check.has('layers.0.self_attn.q_norm.weight') || check.has('layers.0.self_attn.k_norm.weight') ? 'head' : 'none';
}
