import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { existsSync, readdirSync } from 'node:fs';
import { createJiti } from 'jiti';
import { ConfigError, ForetokenError, StrategyNotFoundError, StrategyVersionError, suggestion } from './errors.js';
import type { Strategy } from './strategy.js';

/** The version of the plugin interface that this package speaks. */
export const STRATEGY_API = 1;

/**
 * From a name to a strategy, by rule: a name given to the engine as a plugin; a bare name that is a folder of this package's `strategies/`;
 * anything else is a module specifier, a path (`./my-strategy.ts`) or a package, seen from the working directory.
 */
export class StrategyRegistry {
  private readonly plugins: ReadonlyMap<string, Strategy>;

  constructor(plugins: readonly Strategy[]) {
    this.plugins = new Map(plugins.map((plugin) => [plugin.name, checked(plugin, plugin.name)]));
  }

  /** Names that need no module: plugins, then shipped strategies. */
  names(): string[] {
    return [...this.plugins.keys(), ...shippedStrategies()];
  }

  async resolve(name: string): Promise<Strategy> {
    const plugin = this.plugins.get(name);
    if (plugin !== undefined) return plugin;
    const shipped = shippedModule(name);
    if (shipped !== undefined) return checked(defaultExport(await import(/* @vite-ignore */ shipped)), name);
    return checked(defaultExport(await importModule(name, this.names())), name);
  }
}

/** Names of the strategies that come with this package. */
export function shippedStrategies(): string[] {
  const folder = fileURLToPath(new URL('../strategies', import.meta.url));
  return readdirSync(folder).filter((name) => shippedModule(name) !== undefined).sort();
}

function shippedModule(name: string): string | undefined {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) return undefined;
  // Beside the compiled core lie compiled strategies; beside the sources, sources.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const url = new URL(`../strategies/${name}/index.${extension}`, import.meta.url);
  return existsSync(fileURLToPath(url)) ? url.href : undefined;
}

/** Modules may be TypeScript, and see this very package as `foretoken` wherever they lie. */
async function importModule(name: string, known: readonly string[]): Promise<unknown> {
  const isPath = /^(\.{0,2}\/|file:|[A-Za-z]:[\\/])/.test(name);
  const specifier = isPath && !name.startsWith('file:') ? resolve(name) : name;
  if (isPath && !name.startsWith('file:') && !existsSync(specifier)) {
    throw new StrategyNotFoundError(`There is no strategy file at ${specifier} (from "${name}"); give a path to a module that exports a strategy.`);
  }
  const jiti = createJiti(pathToFileURL(join(process.cwd(), 'foretoken.config.js')).href, {
    fsCache: false,
    virtualModules: { foretoken: await import('./index.js'), 'foretoken/testing': await import('./testing/index.js'), zod: await import('zod') },
  });
  try {
    return await jiti.import(specifier);
  } catch (cause) {
    if (ForetokenError.isInstance(cause)) throw cause;
    const isMissing = !isPath && typeof cause === 'object' && cause !== null && 'code' in cause && ['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(String(cause.code));
    if (isMissing) {
      throw new StrategyNotFoundError(`No strategy "${name}"${suggestion(name, ['off', ...known])} A strategy of your own is named by its path (./my-strategy.ts) or by its installed package.`, { cause });
    }
    throw new ConfigError(`The strategy module "${name}" does not load: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function defaultExport(module: unknown): unknown {
  return typeof module === 'object' && module !== null && 'default' in module ? module.default : module;
}

function checked(value: unknown, name: string): Strategy {
  const strategy = value as Partial<Strategy> | null | undefined;
  const lacking = (['name', 'version', 'options', 'plan', 'create'] as const).filter((field) => strategy?.[field] === undefined);
  if (typeof strategy !== 'object' || strategy === null || lacking.length > 0) {
    throw new ConfigError(`"${name}" is no strategy: its default export lacks ${lacking.join(', ')}; export default defineStrategy({ ... }).`);
  }
  if (strategy.api !== STRATEGY_API) {
    throw new StrategyVersionError(`Strategy "${name}" was written for version ${String(strategy.api)} of the plugin interface; this is version ${STRATEGY_API}. Update the strategy or this package.`);
  }
  return strategy as Strategy;
}
