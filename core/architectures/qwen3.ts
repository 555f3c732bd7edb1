import type { Architecture } from './architecture.js';
import { laterLayers, switchedWindows } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** Qwen 3, dense: RMSNorm of every head's query and key before they turn; heads of 128 values unless config.json says otherwise. */
export const qwen3: Architecture = {
  name: 'qwen3',
  classes: ['Qwen3ForCausalLM'],
  irrelevant: [],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 32, headDim: 128, maxPositions: 32_768, normEps: 1e-6 });
    const attentionBias = fields.boolean('attention_bias', false);
    const windows = switchedWindows(fields, sizes.layers, laterLayers(fields), 4096);
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        qkNorm: 'head',
        ropes: [rope],
        layer: windows.map((slidingWindow) => ({ rope: 0, slidingWindow })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, { biases: { qkv: attentionBias, o: attentionBias, mlp: false }, qkNorm: 'head' }),
      head: headTensor(sizes),
    };
  },
};
