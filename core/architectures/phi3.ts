import type { Architecture } from './architecture.js';
import { checkLayerTypes } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/**
 * Phi 3 and 4 (mini): one stored matrix for queries, keys and values and one for gate and up; heads that turn in part. Its scaling, "longrope",
 * is called "su" or "yarn" in older files, whatever "yarn" means elsewhere.
 */
export const phi3: Architecture = {
  name: 'phi3',
  classes: ['Phi3ForCausalLM'],
  // The code that early checkpoints brought along computes the same.
  irrelevant: ['auto_map'],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 'heads', maxPositions: 4096, normEps: 1e-5 });
    // Phi 4 names which layers see everything; every layer has the same window here.
    fields.integer('full_attn_mod', { default: 1, max: 1 });
    const slidingWindow = fields.has('sliding_window') ? fields.integer('sliding_window') : 0;
    checkLayerTypes(fields, sizes.layers, slidingWindow === 0 ? 'full_attention' : 'sliding_attention');
    const { rope, maxPositions, longFrom } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000, partial: true, kinds: ['default', 'longrope'], aliases: { su: 'longrope', yarn: 'longrope' } });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        ropes: [rope],
        ...(longFrom === undefined ? {} : { longFrom }),
        layer: Array.from({ length: sizes.layers }, () => ({ rope: 0, slidingWindow })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, { fused: true }),
      head: headTensor(sizes),
    };
  },
};
