import type { Architecture } from './architecture.js';
import { checkLayerTypes } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** Granite 3, dense: Llama with factors on embeddings, attention scores, residual branches and logits. */
export const granite: Architecture = {
  name: 'granite',
  classes: ['GraniteForCausalLM'],
  irrelevant: [],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 'heads', maxPositions: 2048, normEps: 1e-6 });
    const attentionBias = fields.boolean('attention_bias', false);
    const mlpBias = fields.boolean('mlp_bias', false);
    checkLayerTypes(fields, sizes.layers, 'full_attention');
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        // Instead of the root of the head size, not besides.
        attentionScale: fields.number('attention_multiplier', { default: 1 }),
        embeddingScale: fields.number('embedding_multiplier', { default: 1 }),
        residualScale: fields.number('residual_multiplier', { default: 1 }),
        logitScale: 1 / fields.number('logits_scaling', { default: 1, above: 0 }),
        ropes: [rope],
        layer: Array.from({ length: sizes.layers }, () => ({ rope: 0, slidingWindow: 0 })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, { biases: { qkv: attentionBias, o: attentionBias, mlp: mlpBias } }),
      head: headTensor(sizes),
    };
  },
};
