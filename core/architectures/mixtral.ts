import type { Architecture } from './architecture.js';
import { checkLayerTypes } from './attention-windows.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readExpertCounts, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** Mixtral (arXiv:2401.04088): Mistral with experts in every layer; the shares of the chosen ones add up to 1. */
export const mixtral: Architecture = {
  name: 'mixtral',
  classes: ['MixtralForCausalLM'],
  // Training alone: noise on what the router reads.
  irrelevant: ['router_jitter_noise'],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 8, maxPositions: 131_072, normEps: 1e-5 });
    const slidingWindow = fields.has('sliding_window') ? fields.integer('sliding_window') : 0;
    checkLayerTypes(fields, sizes.layers, slidingWindow === 0 ? 'full_attention' : 'sliding_attention');
    const experts = { ...readExpertCounts(fields, 'num_local_experts', { count: 8, perToken: 2 }), size: sizes.intermediateSize, shareWhole: true };
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 1e6 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        ropes: [rope],
        experts,
        layer: Array.from({ length: sizes.layers }, () => ({ rope: 0, slidingWindow, experts: true })),
      },
      tied: fields.boolean('tie_word_embeddings', false),
      tensors: () => decoderTensors(sizes, {
        experts: {
          description: experts, has: () => true, prefix: 'block_sparse_moe.', gate: 'w1', up: 'w3', down: 'w2', countMeaning: 'num_local_experts', sizeMeaning: 'intermediate_size',
        },
      }),
      head: headTensor(sizes),
    };
  },
};
