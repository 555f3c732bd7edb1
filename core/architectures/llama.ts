import type { Architecture } from './architecture.js';
import { checkLayerTypes } from './attention-windows.js';
import { decoderTensors, expectValue, headTensor, plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** Llama 1 to 3 and the many checkpoints in their form: optional biases on attention and MLP, no window. */
export const llama: Architecture = {
  name: 'llama',
  classes: ['LlamaForCausalLM', 'LLaMAForCausalLM'],
  irrelevant: [],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 'heads', maxPositions: 2048, normEps: 1e-6 });
    const attentionBias = fields.boolean('attention_bias', false);
    const mlpBias = fields.boolean('mlp_bias', false);
    expectValue(fields, 'rope_interleaved', false);
    checkLayerTypes(fields, sizes.layers, 'full_attention');
    // Configs derived from other families carry a window that is switched off; one that is on would be ignored here.
    if (!fields.boolean('use_sliding_window', true)) fields.has('sliding_window');
    fields.has('max_window_layers');
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        ropes: [rope],
        layer: Array.from({ length: sizes.layers }, () => ({ rope: 0, slidingWindow: 0 })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, { biases: { qkv: attentionBias, o: attentionBias, mlp: mlpBias } }),
      head: headTensor(sizes),
    };
  },
};
