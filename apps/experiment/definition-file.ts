import { readFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, type ExperimentDefinition } from '../../core/index.js';

/** A definition from JSON or YAML, or the default export of a TypeScript or JavaScript module. Its contents are checked by the engine. */
export async function readDefinition(path: string): Promise<ExperimentDefinition> {
  const kind = extname(path).toLowerCase();
  if (['.ts', '.mts', '.js', '.mjs'].includes(kind)) return moduleDefault(path);
  const text = readFileSync(path, 'utf8');
  try {
    return kind === '.yaml' || kind === '.yml' ? (await import('yaml')).parse(text) as ExperimentDefinition : JSON.parse(text) as ExperimentDefinition;
  } catch (error) {
    throw new ConfigError(`${path} cannot be read as ${kind === '.json' ? 'JSON' : kind.slice(1).toUpperCase() || 'JSON'}: ${(error as Error).message}`, { cause: error });
  }
}

async function moduleDefault(path: string): Promise<ExperimentDefinition> {
  const { createJiti } = await import('jiti');
  const loaded = await createJiti(import.meta.url).import(pathToFileURL(resolve(path)).href, { default: true });
  if (typeof loaded !== 'object' || loaded === null || !('arms' in loaded)) throw new ConfigError(`${path} has no experiment as its default export; write: export default defineExperiment({ … }).`);
  return loaded as ExperimentDefinition;
}
