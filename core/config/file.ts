import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { ConfigError, ForetokenError } from '../errors.js';
import { moduleLoader } from '../modules.js';
import type { ForetokenConfig } from './schema.js';

/** The name of configuration files, without the ending. */
export const CONFIG_NAME = 'foretoken.config';

const ENDINGS = ['ts', 'mts', 'js', 'mjs', 'json', 'yaml', 'yml'];

/** A configuration file that has been read. */
export interface ConfigFile {
  readonly path: string;
  readonly config: ForetokenConfig;
}

/**
 * Reads `foretoken.config.{ts,mts,js,mjs,json,yaml,yml}` of a folder, or one file.
 *
 * @returns undefined where the folder has none
 * @throws ConfigError for two files in one folder, for a file that does not exist and for one that does not load
 */
export async function readConfigFile(cwd: string, file?: string): Promise<ConfigFile | undefined> {
  const path = file === undefined ? found(cwd) : resolve(cwd, file);
  if (path === undefined) return undefined;
  if (!existsSync(path)) throw new ConfigError(`There is no configuration file at ${path}; name one that exists, or put ${CONFIG_NAME}.ts into the working directory.`);
  return { path, config: withAbsolutePaths(await load(path), dirname(path)) };
}

function found(cwd: string): string | undefined {
  const names = ENDINGS.map((ending) => `${CONFIG_NAME}.${ending}`).filter((name) => existsSync(join(cwd, name)));
  if (names.length > 1) throw new ConfigError(`${cwd} has ${names.join(' and ')}; keep one of them.`);
  return names[0] === undefined ? undefined : join(cwd, names[0]);
}

async function load(path: string): Promise<ForetokenConfig> {
  try {
    if (path.endsWith('.json')) return JSON.parse(await readFile(path, 'utf8')) as ForetokenConfig;   // a loader of modules would remember it
    const { loadConfig } = await import('c12');
    const { config } = await loadConfig<Record<string, unknown>>({
      cwd: dirname(path), name: 'foretoken', configFile: path, configFileRequired: true, jiti: await moduleLoader(dirname(path)),
      rcFile: false, globalRc: false, dotenv: false, packageJson: false, giget: false, extend: false, envName: false,
      merger: (...sources) => sources.find((source) => source !== null && source !== undefined) ?? {},   // there is one source: this file
    });
    return config;
  } catch (cause) {
    if (ForetokenError.isInstance(cause)) throw cause;
    throw new ConfigError(`The configuration file ${path} does not load: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Paths in a file are seen from its folder: `engine.model`, and whatever begins with `./` or `../`. */
function withAbsolutePaths(config: ForetokenConfig, folder: string): ForetokenConfig {
  if (typeof config !== 'object' || config === null) return config;   // the schema says what is wrong with it
  const absolute = (value: unknown): unknown => {
    if (typeof value === 'string') return /^\.{1,2}[\\/]/.test(value) ? resolve(folder, value) : value;
    if (Array.isArray(value)) return value.map(absolute);
    const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype && !('create' in value) && !('verify' in value);
    return isPlain ? Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, absolute(entry)])) : value;
  };
  const { request, ...rest } = config;   // stop strings are no paths
  const { engine, ...others } = absolute(rest) as ForetokenConfig;
  const model = engine?.model;
  return {
    ...others,
    ...(engine === undefined ? {} : { engine: typeof model === 'string' && !isAbsolute(model) ? { ...engine, model: resolve(folder, model) } : engine }),
    ...(request === undefined ? {} : { request }),
  };
}

/** A path as one would type it here. */
export function shortName(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short === '' || short.startsWith('..') ? path : short;
}
