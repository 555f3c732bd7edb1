import { describeJson } from '../checkpoint/strict-json.js';
import { CheckpointError } from '../errors.js';
import type { Architecture } from './architecture.js';
import { switchedWindows } from './attention-windows.js';
import type { ConfigFields } from './config-fields.js';
import { decoderTensors, headTensor, plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/** SmolLM 3: Llama in which every fourth layer has no positions. */
export const smollm3: Architecture = {
  name: 'smollm3',
  classes: ['SmolLM3ForCausalLM'],
  irrelevant: ['max_window_layers'],
  describe(fields) {
    const sizes = readSizes(fields, { kvHeads: 4, maxPositions: 32_768, normEps: 1e-6 });
    const attentionBias = fields.boolean('attention_bias', false);
    const mlpBias = fields.boolean('mlp_bias', false);
    const turns = layersThatTurn(fields, sizes.layers);
    const windows = switchedWindows(fields, sizes.layers, (layer) => !turns[layer]);
    const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 2e6 });
    return {
      description: {
        ...plainDecoder({ ...sizes, maxPositions }),
        activation: readActivation(fields),
        ropes: [rope],
        layer: windows.map((slidingWindow, i) => ({ rope: turns[i] ? 0 : -1, slidingWindow })),
      },
      tied: fields.boolean('tie_word_embeddings', true),
      tensors: () => decoderTensors(sizes, { biases: { qkv: attentionBias, o: attentionBias, mlp: mlpBias } }),
      head: headTensor(sizes),
    };
  },
};

/** `no_rope_layers` says 1 where a layer turns, in spite of its name; without it every `no_rope_layer_interval`-th does not. */
function layersThatTurn(fields: ConfigFields, layers: number): boolean[] {
  const interval = fields.integer('no_rope_layer_interval', { default: 4 });
  const given = fields.array('no_rope_layers');
  if (given === undefined) return Array.from({ length: layers }, (_, i) => (i + 1) % interval !== 0);
  if (given.length < layers) throw new CheckpointError(`${fields.source} has ${given.length} "no_rope_layers" but "num_hidden_layers": ${layers}`);
  return given.slice(0, layers).map((turns, i) => {
    if (turns === 0 || turns === 1) return turns === 1;
    throw new CheckpointError(`${fields.source} has ${describeJson(turns)} in "no_rope_layers" (layer ${i}); expected 0 or 1`);
  });
}
