import type { Architecture } from './architecture.js';
import { mixedWindows } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes, SANDWICH_NORMS } from './decoder.js';
import { readRopePair } from './rope.js';

/**
 * Gemma 3, text only: as Gemma 2 with norms of queries and keys instead of soft caps; of every six layers the last sees everything and has
 * a rotary table of its own. Checkpoints that see images too are of another model type, and not supported.
 */
export const gemma3: Architecture = {
  name: 'gemma3_text',
  classes: ['Gemma3ForCausalLM'],
  irrelevant: ['hidden_act'],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 4, headDim: 256, maxPositions: 131_072, normEps: 1e-6 });
    const attentionBias = fields.boolean('attention_bias', false);
    const pattern = fields.integer('sliding_window_pattern', { default: fields.integer('_sliding_window_pattern', { default: 6 }) });
    const windows = mixedWindows(fields, sizes.layers, (layer) => (layer + 1) % pattern !== 0, 4096);
    const { full, sliding } = readRopePair(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 1e6, defaultLocalTheta: 1e4 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions: full.maxPositions }),
        activation: readActivation(fields, 'hidden_activation', 'gelu_pytorch_tanh'),
        normWeightOffset: 1,
        attentionScale: fields.number('query_pre_attn_scalar', { default: 256, above: 0 }) ** -0.5,
        logitSoftCap: fields.has('final_logit_softcapping') ? fields.number('final_logit_softcapping', { above: 0 }) : 0,
        embeddingScale: Math.sqrt(sizes.hiddenSize),
        postNorm: true,
        qkNorm: 'head',
        ropes: [full.rope, sliding.rope],
        layer: windows.map((slidingWindow) => ({ rope: slidingWindow === 0 ? 0 : 1, slidingWindow })),
      },
      tied: fields.boolean('tie_word_embeddings', true),
      tensors: () => decoderTensors(sizes, { biases: { qkv: attentionBias, o: attentionBias, mlp: false }, norms: SANDWICH_NORMS, qkNorm: 'head' }),
      head: headTensor(sizes),
    };
  },
};
