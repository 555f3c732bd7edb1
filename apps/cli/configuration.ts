// The configuration of a command: the library's defaults, the file in the working directory, the environment, flags.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { ConfigLayer, ForetokenConfig, LoadedConfig, StrategyConfig } from '../../core/index.js';
import { type EngineFlags, engineOptions, withDraft } from './engine-flags.js';
import { FLAGS } from './errors.js';
import { type RequestFlags, requestOptions } from './request-flags.js';
import { packageRoot } from './package.js';

/** Flags that say where the configuration comes from. */
export interface ConfigFlags {
  /** A file, or false for `--no-config`. */
  readonly config?: string | false;
}

export type ConfiguredFlags = ConfigFlags & EngineFlags & RequestFlags & { readonly strategy?: string | StrategyConfig };

export interface CommandConfig extends LoadedConfig {
  /** Whether no source named a model, so that the one of the package is used. */
  readonly isDemo: boolean;
}

const DEMO = 'the demo model of the package';

export function addConfigFlags(command: Command): Command {
  return command
    .optionsGroup('Configuration:')
    .option('--config <file>', 'this configuration file; default: foretoken.config.{ts,js,json,yaml} of the working directory, or FORETOKEN_CONFIG')
    .option('--no-config', 'no configuration file');
}

/**
 * Reads all sources.
 *
 * @param preset what this command takes where no source says anything
 */
export async function configured(flags: ConfiguredFlags, preset: ForetokenConfig = {}): Promise<CommandConfig> {
  const { loadConfig } = await import('../../core/index.js');
  const file = flags.config ?? process.env['FORETOKEN_CONFIG'];
  const loaded = await loadConfig({
    ...(file === undefined || file === '' ? {} : { file }), environment: process.env,
    below: [...demoLayer(), { config: preset, origin: 'default of this command' }], above: [flagLayer(flags)],
  });
  const isDemo = loaded.values.some(({ path, origin }) => path === 'engine.model' && origin === DEMO);
  return { file: loaded.file, experiments: loaded.experiments, values: loaded.values, isDemo, get engine() { return loaded.engine; } };
}

function demoLayer(): ConfigLayer[] {
  const folder = fileURLToPath(new URL('models/demo/target', packageRoot()));
  return existsSync(folder) ? [{ config: { engine: { model: folder } }, origin: DEMO }] : [];
}

function flagLayer(flags: ConfiguredFlags): ConfigLayer {
  const strategy = withDraft(flags.strategy, flags.draft);
  const engine = { ...engineOptions(flags), ...(flags.model === undefined ? {} : { model: flags.model }) };
  const config = { engine, request: requestOptions(flags), ...(strategy === undefined ? {} : { strategy }) } as ForetokenConfig;   // commander has checked the values
  return { config, origin: (path) => (path === '' ? 'the flags' : `flag ${flagOf(path)}`) };
}

function flagOf(path: string): string {
  const key = path.slice(path.indexOf('.') + 1);
  return FLAGS[key] ?? `--${key === 'measure' ? 'no-measure' : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
