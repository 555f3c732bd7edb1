import { parseOptions } from '../options.js';
import { configSchema, type ForetokenConfig } from './schema.js';

/** One source of values. Later layers win over earlier ones, value by value. */
export interface ConfigLayer {
  readonly config: ForetokenConfig;
  /** What the source is called, e.g. `foretoken.config.ts`, or `flag --threads` for the value at a path. */
  readonly origin: string | ((path: string) => string);
}

/** One value of a configuration and where it comes from. */
export interface ConfigValue {
  /** Such as `engine.threads` or `strategies.fast`. */
  readonly path: string;
  readonly value: unknown;
  readonly origin: string;
}

/** Parts whose entries come one by one from different layers; all others come as a whole. */
const BY_ENTRY = new Set(['engine', 'request', 'strategies', 'experiments']);

/**
 * The values of several layers, each with the layer that it comes from.
 *
 * @throws ConfigError naming the layer, the option and the nearest known one
 */
export function mergeLayers(layers: readonly ConfigLayer[]): ConfigValue[] {
  const values = new Map<string, ConfigValue>();
  for (const { config, origin } of layers) {
    parseOptions(configSchema, config, typeof origin === 'string' ? origin : origin(''));
    for (const [path, value] of valuesOf(config)) values.set(path, { path, value, origin: typeof origin === 'string' ? origin : origin(path) });
  }
  const parts = Object.keys(configSchema.shape);
  const rank = ({ path }: ConfigValue): number => parts.indexOf(path.split('.')[0]!);   // every path begins with a part
  return [...values.values()].sort((a, b) => rank(a) - rank(b));
}

/** The configuration that values make. */
export function configOf(values: readonly ConfigValue[]): ForetokenConfig {
  const config: Record<string, unknown> = {};
  for (const { path, value } of values) {
    const dot = path.indexOf('.');
    if (dot < 0) config[path] = value;
    else config[path.slice(0, dot)] = { ...(config[path.slice(0, dot)] as object | undefined), [path.slice(dot + 1)]: value };
  }
  return config;   // every layer has passed the schema
}

function* valuesOf(config: ForetokenConfig): Generator<[path: string, value: unknown]> {
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined || key === '$schema') continue;
    if (!BY_ENTRY.has(key)) yield [key, value];
    else for (const [name, entry] of Object.entries(value as object)) if (entry !== undefined) yield [`${key}.${name}`, entry];
  }
}
