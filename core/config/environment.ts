import type { z } from 'zod';
import { ConfigError, nearest } from '../errors.js';
import type { ConfigLayer } from './layers.js';
import { configSchema, ENGINE_KEYS, type ForetokenConfig, REQUEST_KEYS } from './schema.js';

const PREFIX = 'FORETOKEN_';

/** Variables that are no part of a configuration. */
const OTHERS = ['FORETOKEN_CONFIG', 'FORETOKEN_DEBUG'];

/** From the name of a variable to the path of its value: `FORETOKEN_MAX_TOKENS` is `request.maxTokens`. */
export function environmentNames(): Map<string, string> {
  const entries = [
    ...ENGINE_KEYS.map((key) => [key, `engine.${key}`] as const),
    ...REQUEST_KEYS.map((key) => [key, `request.${key}`] as const),
    ['strategy', 'strategy'] as const, ['plugins', 'plugins'] as const,
  ];
  return new Map(entries.map(([key, path]) => [`${PREFIX}${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`, path]));
}

/**
 * The layer that environment variables make. Values are text, or JSON where text will not do. Empty variables count as not set.
 *
 * @throws ConfigError for a variable that looks like a slip of a known one
 */
export function environmentLayer(environment: Readonly<Record<string, string | undefined>>): ConfigLayer {
  const names = environmentNames();
  const config: Record<string, unknown> = {};
  const origins = new Map<string, string>();
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || OTHERS.includes(name) || text === undefined || text === '') continue;
    const path = names.get(name);
    if (path === undefined) {
      const near = nearest(name.slice(PREFIX.length), [...names.keys()].map((known) => known.slice(PREFIX.length)));
      if (near !== undefined) throw new ConfigError(`Unknown environment variable ${name}; did you mean ${PREFIX}${near}?`);
      continue;   // somebody else's
    }
    origins.set(path, `env ${name}`);
    put(config, path, parsed(path, text));
  }
  return { config: config as ForetokenConfig, origin: (path) => origins.get(path) ?? 'the environment' };
}

function parsed(path: string, text: string): unknown {
  if (path === 'plugins') return text.split(',').map((one) => one.trim());
  const looksLikeJson = /^[[{"]/.test(text.trim());
  if (!looksLikeJson && schemaOf(path)?.safeParse(text).success) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;   // the schema says what was expected
  }
}

function schemaOf(path: string): z.ZodType | undefined {
  const [part, key] = path.split('.') as ['engine' | 'request' | 'strategy', string | undefined];
  const outer = configSchema.shape[part].unwrap();
  return key === undefined ? outer : (outer as unknown as { readonly shape: Record<string, z.ZodType> }).shape[key];
}

function put(config: Record<string, unknown>, path: string, value: unknown): void {
  const [part, key] = path.split('.') as [string, string | undefined];
  config[part] = key === undefined ? value : { ...(config[part] as object | undefined), [key]: value };
}
