import type { Architecture } from './architecture.js';
import { checkLayerTypes } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** Mistral: Llama with a sliding window on every layer. A config without `sliding_window` means 4096; `null` means none. */
export const mistral: Architecture = {
  name: 'mistral',
  classes: ['MistralForCausalLM'],
  irrelevant: [],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 8, maxPositions: 131_072, normEps: 1e-6 });
    const slidingWindow = fields.isNull('sliding_window') ? 0 : fields.integer('sliding_window', { default: 4096 });
    checkLayerTypes(fields, sizes.layers, slidingWindow === 0 ? 'full_attention' : 'sliding_attention');
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        ropes: [rope],
        layer: Array.from({ length: sizes.layers }, () => ({ rope: 0, slidingWindow })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, {}),
      head: headTensor(sizes),
    };
  },
};
