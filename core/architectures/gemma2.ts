import type { Architecture } from './architecture.js';
import { mixedWindows } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes, SANDWICH_NORMS } from './decoder.js';
import { readRope } from './rope.js';

/**
 * Gemma 2: embeddings times the root of the hidden size, norms before and after attention and MLP that multiply by 1 + weight, soft caps on
 * scores and logits, every second layer (the first, the third, …) slides.
 */
export const gemma2: Architecture = {
  name: 'gemma2',
  classes: ['Gemma2ForCausalLM'],
  // The activation is `hidden_activation`; `hidden_act` is what the base class of configurations writes.
  irrelevant: ['hidden_act'],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 4, headDim: 256, maxPositions: 8192, normEps: 1e-6 });
    const attentionBias = fields.boolean('attention_bias', false);
    const windows = mixedWindows(fields, sizes.layers, (layer) => layer % 2 === 0, 4096);
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    const cap = (name: string, fallback: number): number => (fields.isNull(name) ? 0 : fields.number(name, { default: fallback, above: 0 }));
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields, 'hidden_activation', 'gelu_pytorch_tanh'),
        normWeightOffset: 1,
        attentionScale: fields.number('query_pre_attn_scalar', { default: 256, above: 0 }) ** -0.5,
        attentionSoftCap: cap('attn_logit_softcapping', 50),
        logitSoftCap: cap('final_logit_softcapping', 30),
        embeddingScale: Math.sqrt(sizes.hiddenSize),
        postNorm: true,
        ropes: [rope],
        layer: windows.map((slidingWindow) => ({ rope: 0, slidingWindow })),
      },
      tied: fields.boolean('tie_word_embeddings', true),
      tensors: () => decoderTensors(sizes, { biases: { qkv: attentionBias, o: attentionBias, mlp: false }, norms: SANDWICH_NORMS }),
      head: headTensor(sizes),
    };
  },
};
