import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createJiti, type Jiti } from 'jiti';
import { ConfigError, ForetokenError, StrategyNotFoundError, suggestion } from './errors.js';

/** Loads modules as seen from a folder. They may be TypeScript, and see this very package as `foretoken` wherever they lie. */
export async function moduleLoader(folder: string): Promise<Jiti> {
  return createJiti(pathToFileURL(join(folder, 'foretoken.config.js')).href, {
    fsCache: false, moduleCache: false, interopDefault: true,
    virtualModules: { foretoken: await import('./index.js'), 'foretoken/testing': await import('./testing/index.js'), zod: await import('zod') },
  });
}

/**
 * The default export of a module: a path, or a package.
 *
 * @param known names to suggest where there is no such package
 * @throws StrategyNotFoundError where there is none, ConfigError where it does not load
 */
export async function importPlugin(name: string, known: readonly string[], folder = process.cwd()): Promise<unknown> {
  const isPath = /^(\.{0,2}\/|file:|[A-Za-z]:[\\/])/.test(name);
  const specifier = isPath && !name.startsWith('file:') ? resolve(folder, name) : name;
  if (isPath && !name.startsWith('file:') && !existsSync(specifier)) {
    throw new StrategyNotFoundError(`There is no strategy file at ${specifier} (from "${name}"); give a path to a module that exports a strategy.`);
  }
  try {
    return defaultExport(await (await moduleLoader(folder)).import(specifier));
  } catch (cause) {
    if (ForetokenError.isInstance(cause)) throw cause;
    const isMissing = !isPath && typeof cause === 'object' && cause !== null && 'code' in cause && ['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(String(cause.code));
    if (isMissing) {
      throw new StrategyNotFoundError(`No strategy "${name}"${suggestion(name, ['off', ...known])} A strategy of your own is named by its path (./my-strategy.ts) or by its installed package.`, { cause });
    }
    throw new ConfigError(`The strategy module "${name}" does not load: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

export function defaultExport(module: unknown): unknown {
  return typeof module === 'object' && module !== null && 'default' in module ? module.default : module;
}
