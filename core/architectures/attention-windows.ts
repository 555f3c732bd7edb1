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
 * Positions that each layer sees, 0 for all, of a family with `use_sliding_window`: a `sliding_window` is void unless that is true.
 *
 * @param slides which layers slide where there are no `layer_types`
 * @param defaultWindow where there is no `sliding_window`; absent: then none slides
 * @throws CheckpointError
 */
export function switchedWindows(fields: ConfigFields, layers: number, slides: (layer: number) => boolean, defaultWindow?: number): number[] {
  const enabled = fields.boolean('use_sliding_window', false);
  const isGiven = fields.has('sliding_window') || (defaultWindow !== undefined && !fields.isNull('sliding_window'));
  const window = enabled && isGiven ? fields.integer('sliding_window', defaultWindow === undefined ? {} : { default: defaultWindow }) : 0;
  const types = readLayerTypes(fields, layers);
  if (types?.includes('sliding_attention') && window === 0) {
    throw new CheckpointError(`${fields.source} has "sliding_attention" in "layer_types", but no "sliding_window" that "use_sliding_window" switches on`);
  }
  return Array.from({ length: layers }, (_, i) => ((types === undefined ? slides(i) : types[i] === 'sliding_attention') ? window : 0));
}

/** The layers from `max_window_layers` on. @throws CheckpointError */
export function laterLayers(fields: ConfigFields): (layer: number) => boolean {
  const first = fields.integer('max_window_layers', { default: 28, min: 0 });
  return (layer) => layer >= first;
}

/**
 * Positions that each layer sees, 0 for all, of a family in which some layers always slide.
 *
 * @param slides which layers slide where there are no `layer_types`
 * @throws CheckpointError
 */
export function mixedWindows(fields: ConfigFields, layers: number, slides: (layer: number) => boolean, defaultWindow: number): number[] {
  const types = readLayerTypes(fields, layers);
  const isSliding = Array.from({ length: layers }, (_, i) => (types === undefined ? slides(i) : types[i] === 'sliding_attention'));
  if (!isSliding.includes(true)) {
    fields.has('sliding_window');
    return isSliding.map(() => 0);
  }
  const window = fields.isNull('sliding_window') ? fields.refuse('sliding_window', null, 'a number of positions: some layers slide') : fields.integer('sliding_window', { default: defaultWindow });
  return isSliding.map((sliding) => (sliding ? window : 0));
}
