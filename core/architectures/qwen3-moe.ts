import { describeJson } from '../checkpoint/strict-json.js';
import { CheckpointError } from '../errors.js';
import type { Architecture } from './architecture.js';
import { switchedWindows } from './attention-windows.js';
import type { ConfigFields } from './config-fields.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readExpertCounts, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** Qwen 3 with experts, in all layers but those that config.json makes dense. */
export const qwen3Moe: Architecture = {
  name: 'qwen3_moe',
  classes: ['Qwen3MoeForCausalLM'],
  // The dense sibling slides its later layers only; here every layer does.
  irrelevant: ['max_window_layers'],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 4, maxPositions: 32_768, normEps: 1e-6 });
    const attentionBias = fields.boolean('attention_bias', false);
    const windows = switchedWindows(fields, sizes.layers, () => true, 4096);
    const has = layersWithExperts(fields, sizes.layers);
    const countField = countFieldOf(fields);
    const experts = {
      ...readExpertCounts(fields, countField, { count: 128, perToken: 8 }),
      size: fields.integer('moe_intermediate_size', { default: 768 }),
      shareWhole: fields.boolean('norm_topk_prob', false),
    };
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        qkNorm: 'head',
        ropes: [rope],
        experts,
        layer: windows.map((slidingWindow, i) => ({ rope: 0, slidingWindow, experts: has(i) })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, {
        biases: { qkv: attentionBias, o: attentionBias, mlp: false },
        qkNorm: 'head',
        experts: {
          description: experts, has, prefix: 'mlp.', gate: 'gate_proj', up: 'up_proj', down: 'down_proj', countMeaning: countField, sizeMeaning: 'moe_intermediate_size',
        },
      }),
      head: headTensor(sizes),
    };
  },
};

/** transformers 5 writes `num_local_experts`, versions before it `num_experts`. */
function countFieldOf(fields: ConfigFields): string {
  const [old, recent] = ['num_experts', 'num_local_experts'].map((name) => (fields.has(name) ? fields.integer(name) : undefined));
  if (old !== undefined && recent !== undefined && old !== recent) {
    throw new CheckpointError(`${fields.source} says both "num_experts": ${old} and "num_local_experts": ${recent}; remove the wrong one`);
  }
  return old === undefined ? 'num_local_experts' : 'num_experts';
}

/** Every `decoder_sparse_step`-th layer, without those of `mlp_only_layers`. */
function layersWithExperts(fields: ConfigFields, layers: number): (layer: number) => boolean {
  const step = fields.integer('decoder_sparse_step', { default: 1 });
  const dense = new Set((fields.array('mlp_only_layers') ?? []).map((layer) => {
    if (typeof layer === 'number' && Number.isInteger(layer) && layer >= 0 && layer < layers) return layer;
    throw new CheckpointError(`${fields.source} has ${describeJson(layer)} in "mlp_only_layers"; expected layers from 0 to ${layers - 1}`);
  }));
  return (layer) => !dense.has(layer) && (layer + 1) % step === 0;
}
