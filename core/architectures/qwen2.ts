import type { Architecture } from './architecture.js';
import { laterLayers, switchedWindows } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** Qwen 2 and 2.5: biases on queries, keys and values, which no field of config.json mentions. */
export const qwen2: Architecture = {
  name: 'qwen2',
  classes: ['Qwen2ForCausalLM'],
  irrelevant: [],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 32, maxPositions: 32_768, normEps: 1e-6 });
    const windows = switchedWindows(fields, sizes.layers, laterLayers(fields), 4096);
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        ropes: [rope],
        layer: windows.map((slidingWindow) => ({ rope: 0, slidingWindow })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, { biases: { qkv: true, o: false, mlp: false } }),
      head: headTensor(sizes),
    };
  },
};
