import { fileURLToPath } from 'node:url';
import { existsSync, readdirSync } from 'node:fs';
import { ConfigError, StrategyVersionError } from './errors.js';
import { defaultExport, importPlugin } from './modules.js';
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
    this.plugins = new Map(plugins.map((plugin) => [plugin.name, checkedStrategy(plugin, plugin.name)]));
  }

  /** Names that need no module: plugins, then shipped strategies. */
  names(): string[] {
    return [...this.plugins.keys(), ...shippedStrategies()];
  }

  async resolve(name: string): Promise<Strategy> {
    const plugin = this.plugins.get(name);
    if (plugin !== undefined) return plugin;
    const shipped = shippedModule(name);
    if (shipped !== undefined) return checkedStrategy(defaultExport(await import(/* @vite-ignore */ shipped)), name);
    return checkedStrategy(await importPlugin(name, this.names()), name);
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

/** @throws ConfigError, StrategyVersionError where what a plugin exports is no strategy for this package */
export function checkedStrategy(value: unknown, name: string): Strategy {
  const strategy = value as Partial<Strategy> | null | undefined;
  const lacking = (['name', 'version', 'options', 'plan', 'create'] as const).filter((field) => strategy?.[field] === undefined);
  if (typeof strategy !== 'object' || strategy === null || lacking.length > 0) {
    throw new ConfigError(`"${name}" is no strategy: its default export lacks ${lacking.join(', ')}; export default defineStrategy({ ... }).`);
  }
  if (strategy.api !== STRATEGY_API) {
    throw new StrategyVersionError(`Strategy "${name}" was written for version ${String(strategy.api)} of the plugin interface; this is version ${STRATEGY_API}. Update the strategy or this package.`);
  }
  const wrong = wrongField(strategy);
  if (wrong !== undefined) throw new ConfigError(`Strategy "${name}": ${wrong}.`);
  return strategy as Strategy;
}

/** What a field of a plugin is, where it is not what it should be. */
function wrongField({ name, version, options, plan, create }: Partial<Strategy>): string | undefined {
  if (typeof name !== 'string' || name === '' || name === 'off') return `\`name\` is ${JSON.stringify(name)}; expected a text other than "off"`;
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+/.test(version)) return `\`version\` is ${JSON.stringify(version)}; expected a version such as "1.0.0"`;
  if (typeof (options as { safeParse?: unknown } | undefined)?.safeParse !== 'function') return '`options` is no schema; expected one made with zod, such as z.strictObject({ ... })';
  if (typeof plan !== 'function') return `\`plan\` is ${typeof plan}; expected a function`;
  return typeof create === 'function' ? undefined : `\`create\` is ${typeof create}; expected a function`;
}
