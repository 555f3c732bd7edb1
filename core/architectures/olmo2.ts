import type { Architecture } from './architecture.js';
import { checkLayerTypes } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, POST_NORMS, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** OLMo 2: norms on the outputs of attention and MLP instead of their inputs; queries and keys are normed before they are split into heads. */
export const olmo2: Architecture = {
  name: 'olmo2',
  classes: ['Olmo2ForCausalLM'],
  irrelevant: [],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 'heads', maxPositions: 2048, normEps: 1e-5 });
    const attentionBias = fields.boolean('attention_bias', false);
    checkLayerTypes(fields, sizes.layers, 'full_attention');
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        preNorm: false,
        postNorm: true,
        qkNorm: 'all',
        ropes: [rope],
        layer: Array.from({ length: sizes.layers }, () => ({ rope: 0, slidingWindow: 0 })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, { biases: { qkv: attentionBias, o: attentionBias, mlp: false }, norms: POST_NORMS, qkNorm: 'all' }),
      head: headTensor(sizes),
    };
  },
};
