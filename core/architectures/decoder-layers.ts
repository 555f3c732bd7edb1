import type { JsonObject } from '../checkpoint/strict-json.js';
import type { ModelDescription } from '../description.js';
import { ConfigFields } from './config-fields.js';
import { plainDecoder, readActivation, readSizes } from './decoder.js';
import { readRope } from './rope.js';

/**
 * Describes the decoder layers that a config.json in Llama's terms speaks of, for models that a strategy makes of its own tensors
 * (`StrategyHost.createModel`). Only sizes, activation and rotary positions are read: whoever knows the checkpoint spreads what differs over
 * the result. Without `rope_theta` the base is 10000.
 *
 * @param config an object of config.json, parsed
 * @param source stands at the beginning of every message: the file, and the object inside it
 * @throws CheckpointError when a field is missing, out of range or contradicts another
 */
export function describeDecoderLayers(config: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const fields = new ConfigFields(config as JsonObject, source);   // every value is checked when it is read
  const sizes = readSizes(fields, { kvHeads: 'heads', maxPositions: 2048, normEps: 1e-6 });
  const { rope, maxPositions } = readRope(fields, { size: sizes.headDim, maxPositions: sizes.maxPositions, defaultTheta: 10_000 });
  return {
    ...plainDecoder({ ...sizes, maxPositions }),
    activation: readActivation(fields),
    ropes: [rope],
    layer: Array.from({ length: sizes.layers }, () => ({ rope: 0, slidingWindow: 0 })),
    tied: false,
  };
}
