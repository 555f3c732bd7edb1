import { ConfigError } from '../errors.js';
import type { ExperimentDefinition } from '../experiment/definition.js';
import { type EngineOptions, parseEngineOptions, requestDefaultsSchema } from '../options.js';
import { loadPlugins } from '../plugin-modules.js';
import { environmentLayer } from './environment.js';
import { readConfigFile, shortName } from './file.js';
import { type ConfigLayer, type ConfigValue, configOf, mergeLayers } from './layers.js';
import { ENGINE_KEYS, type ForetokenConfig } from './schema.js';

/** Where {@link loadConfig} looks. */
export interface LoadConfigOptions {
  /** Folder in which the file is looked for. Default: the working directory. */
  readonly cwd?: string;
  /** This file instead of the one in `cwd`; `false`: none. */
  readonly file?: string | false;
  /** Variables `FORETOKEN_*`: what the process was given, where an app wants to heed it. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Layers below the file and above the environment, e.g. defaults of an app and its flags. */
  readonly below?: readonly ConfigLayer[];
  readonly above?: readonly ConfigLayer[];
}

/** A configuration from all its sources, with its plugins loaded. */
export interface LoadedConfig {
  /** The file that was read. */
  readonly file: string | undefined;
  /** For `createEngine`. @throws ConfigError when no source names a model */
  readonly engine: EngineOptions;
  /** For `engine.experiment`, by name. */
  readonly experiments: Readonly<Record<string, ExperimentDefinition>>;
  /** Every value and where it comes from, defaults included. */
  readonly values: readonly ConfigValue[];
}

/**
 * Reads the configuration: defaults, then `foretoken.config.*`, then the environment, then what the caller lays above; the later wins. A
 * request has the last word in `engine.generate`.
 *
 * @example
 * const { engine } = await loadConfig();
 * await using running = await createEngine(engine);
 * @throws ConfigError naming the source, the option and the nearest known one
 */
export async function loadConfig({ cwd = process.cwd(), file, environment = {}, below = [], above = [] }: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const read = file === false ? undefined : await readConfigFile(cwd, file);
  const layers: ConfigLayer[] = [{ config: defaultConfig(), origin: 'default' }, ...below];
  if (read !== undefined) layers.push({ config: read.config, origin: shortName(read.path, cwd) });
  layers.push(environmentLayer(environment), ...above);
  const values = mergeLayers(layers);
  // What nobody says is left to the engine: a model's own defaults may stand between.
  const config = configOf(values.filter(({ origin }) => origin !== 'default'));
  const engine = await engineOptionsOf(config, cwd);
  const experiments = Object.fromEntries(Object.entries(config.experiments ?? {}).map(([name, experiment]) => [name, { ...experiment, name: experiment.name ?? name }]));
  return {
    file: read?.path, experiments, values,
    get engine() {
      if (engine.model === undefined) throw new ConfigError('No model: set `engine.model` in foretoken.config.ts, or FORETOKEN_MODEL.');
      return engine as EngineOptions;
    },
  };
}

async function engineOptionsOf({ engine, strategy, strategies, request, plugins = [] }: ForetokenConfig, cwd: string): Promise<Partial<EngineOptions>> {
  const loaded = await loadPlugins(plugins, cwd);
  return {
    ...engine,
    ...(strategy === undefined ? {} : { strategy }), ...(strategies === undefined ? {} : { strategies }), ...(request === undefined ? {} : { request }),
    ...(loaded.strategies.length === 0 ? {} : { plugins: loaded.strategies }), ...(loaded.verifiers.length === 0 ? {} : { verifiers: loaded.verifiers }),
  };
}

/** What the schemas say where nobody says anything. */
export function defaultConfig(): ForetokenConfig {
  const all = parseEngineOptions({ model: '-' }) as Readonly<Record<string, unknown>>;
  const engine = Object.fromEntries(ENGINE_KEYS.filter((key) => key !== 'model' && all[key] !== undefined).map((key) => [key, all[key]]));
  return { engine, strategy: 'off', request: requestDefaultsSchema.parse({}) as ForetokenConfig['request'] & object };
}
