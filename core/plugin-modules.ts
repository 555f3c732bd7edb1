import { ConfigError } from './errors.js';
import { importPlugin } from './modules.js';
import { checkedStrategy, shippedStrategies } from './registry.js';
import type { Strategy, Verifier } from './strategy.js';

/** What plugin modules bring. */
export interface Plugins {
  readonly strategies: readonly Strategy[];
  readonly verifiers: readonly Verifier[];
}

/**
 * Loads the modules among plugins and sorts all by kind. A module exports a strategy or a verifier by default, or a list of them.
 *
 * @param folder from which paths and packages are seen
 * @throws StrategyNotFoundError, ConfigError or StrategyVersionError, naming the plugin
 */
export async function loadPlugins(plugins: readonly (string | Strategy<object> | Verifier<object>)[], folder: string): Promise<Plugins> {
  const strategies: Strategy[] = [];
  const verifiers: Verifier[] = [];
  for (const plugin of plugins) {
    const exported: unknown = typeof plugin === 'string' ? await importPlugin(plugin, shippedStrategies(), folder) : plugin;
    const name = typeof plugin === 'string' ? plugin : plugin.name;
    for (const one of Array.isArray(exported) ? exported : [exported]) {
      if (isVerifier(one)) verifiers.push(one);
      else if (typeof one === 'object' && one !== null && 'name' in one) strategies.push(checkedStrategy(one, name));
      else throw new ConfigError(`Plugin "${name}" exports neither a strategy nor a verifier; export default defineStrategy({ ... }) or defineVerifier({ ... }).`);
    }
  }
  return { strategies, verifiers };
}

/** The registry of verifiers checks the rest. */
function isVerifier(value: unknown): value is Verifier {
  return typeof value === 'object' && value !== null && 'verify' in value && !('create' in value);
}
