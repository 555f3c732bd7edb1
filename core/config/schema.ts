import { z } from 'zod';
import { definitionSchema, type ExperimentDefinition } from '../experiment/definition.js';
import { type EngineOptions, engineSchema, type RequestDefaults, requestDefaultsSchema, strategyChoice } from '../options.js';
import type { Strategy, StrategyChoice, Verifier } from '../strategy.js';

const plugin = z.union([
  z.string().min(1),
  z.custom<Strategy | Verifier>((value) => typeof value === 'object' && value !== null && 'name' in value && ('create' in value || 'verify' in value)),
], { error: "expected a module (a path './x.ts' or a package), or what defineStrategy or defineVerifier made" });

/** What a configuration may hold, in a file or elsewhere. Every part may be left out; unknown keys are refused. */
export const configSchema = z.strictObject({
  $schema: z.string().optional().meta({ description: 'Where editors find this schema.' }),
  engine: engineSchema.omit({ strategy: true, strategies: true, request: true, plugins: true, verifiers: true }).partial().optional().meta({ description: 'The model and the machine.' }),
  strategy: strategyChoice.optional().meta({ description: 'Strategy of requests that name none: a name or an object with options; "off": plain decoding.' }),
  strategies: z.record(z.string(), strategyChoice).optional().meta({ description: 'Strategies by names of your own.' }),
  request: requestDefaultsSchema.optional().meta({ description: 'What requests get that say nothing else.' }),
  plugins: z.array(plugin).optional().meta({ description: 'Modules with strategies and verifiers of your own: paths or packages.' }),
  experiments: z.record(z.string(), definitionSchema.partial({ name: true })).optional().meta({ description: 'Experiments by name; see `foretoken experiment`.' }),
});

/** Names of `engine` and of `request`, for flags and environment variables. */
export const ENGINE_KEYS = Object.keys(configSchema.shape.engine.unwrap().shape);
export const REQUEST_KEYS = Object.keys(requestDefaultsSchema.shape);

/** One experiment of a configuration file; its name is its key. */
export type ExperimentConfig = Omit<ExperimentDefinition, 'name'> & { readonly name?: string };

/** The contents of `foretoken.config.{ts,js,json,yaml}`. Every part may be left out. */
export interface ForetokenConfig {
  /** Where editors find the schema of JSON and YAML files: `node_modules/foretoken/foretoken.schema.json`. */
  readonly $schema?: string;
  /** The model and the machine. `model` is seen from the folder of the file. */
  readonly engine?: Partial<Omit<EngineOptions, 'strategy' | 'strategies' | 'request' | 'plugins' | 'verifiers'>>;
  /** Strategy of requests that name none. Default `'off'`: plain decoding. */
  readonly strategy?: StrategyChoice;
  /** Strategies by names of your own, for `--strategy NAME`, requests and experiments. */
  readonly strategies?: Readonly<Record<string, StrategyChoice>>;
  /** What requests get that say nothing else. */
  readonly request?: RequestDefaults;
  /** Strategies and verifiers of your own: paths and packages, or what `defineStrategy` and `defineVerifier` made. */
  readonly plugins?: readonly (string | Strategy<object> | Verifier<object>)[];
  /** Experiments by name. */
  readonly experiments?: Readonly<Record<string, ExperimentConfig>>;
}

/** Types the contents of a configuration file, the options of known strategies included. */
export function defineConfig(config: ForetokenConfig): ForetokenConfig {
  return config;
}
