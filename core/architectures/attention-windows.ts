import { describeJson } from '../checkpoint/strict-json.js';
import { CheckpointError, suggestion } from '../errors.js';
import type { ConfigFields } from './config-fields.js';

const KINDS = ['full_attention', 'sliding_attention'] as const;

export type LayerType = (typeof KINDS)[number];

/** `layer_types` of config.json: one kind of attention per layer; undefined when the field is absent. @throws CheckpointError */
export function readLayerTypes(fields: ConfigFields, layers: number): LayerType[] | undefined {
  const types = fields.array('layer_types');
  if (types === undefined) return undefined;
  if (types.length !== layers) throw new CheckpointError(`${fields.source} has ${types.length} "layer_types" but "num_hidden_layers": ${layers}`);
  return types.map((type, i) => KINDS.find((kind) => kind === type) ?? refuseType(fields, type, i));
}

/** For families whose layers are all alike: `layer_types` may be there, but must say so. @throws CheckpointError */
export function checkLayerTypes(fields: ConfigFields, layers: number, expected: LayerType): void {
  const other = readLayerTypes(fields, layers)?.findIndex((type) => type !== expected) ?? -1;
  if (other >= 0) throw new CheckpointError(`${fields.source} has a layer of another kind in "layer_types" (layer ${other}); in this family every layer has ${expected}`);
}

function refuseType(fields: ConfigFields, type: unknown, layer: number): never {
  throw new CheckpointError(`${fields.source} has ${describeJson(type)} in "layer_types" (layer ${layer}), which is not supported${suggestion(String(type), KINDS)}`);
}

/**
 * Positions that each layer sees, 0 for all, of a family with `use_sliding_window`: a `sliding_window` is void unless that is true, and
 * without `layer_types` the layers from `max_window_layers` on slide.
 *
 * @throws CheckpointError
 */
export function switchedWindows(fields: ConfigFields, layers: number, defaults: { readonly window: number; readonly maxWindowLayers: number }): number[] {
  const enabled = fields.boolean('use_sliding_window', false);
  const isNull = fields.isNull('sliding_window');
  const window = enabled && !isNull ? fields.integer('sliding_window', { default: defaults.window }) : 0;
  const firstSliding = fields.integer('max_window_layers', { default: defaults.maxWindowLayers, min: 0 });
  const types = readLayerTypes(fields, layers);
  if (types?.includes('sliding_attention') && window === 0) {
    throw new CheckpointError(`${fields.source} has "sliding_attention" in "layer_types", but no "sliding_window" that "use_sliding_window" switches on`);
  }
  return Array.from({ length: layers }, (_, i) => ((types === undefined ? i >= firstSliding : types[i] === 'sliding_attention') ? window : 0));
}
