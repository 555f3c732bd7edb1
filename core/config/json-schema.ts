import { z } from 'zod';
import { shippedStrategies, StrategyRegistry } from '../registry.js';
import { configSchema } from './schema.js';

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema of configuration files, with the options of every shipped strategy. `foretoken.schema.json` in the package is this, for
 * editors.
 */
export async function configJsonSchema(): Promise<JsonSchema> {
  const registry = new StrategyRegistry([]);
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
  const cases = await Promise.all(shippedStrategies().map(async (name) => ({ name, options: z.toJSONSchema((await registry.resolve(name)).options, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown> })));
  const definitions = { strategy: strategyDefinition(cases) };
  return { ...(pointedAt(schema) as JsonSchema), title: 'Foretoken configuration', $defs: definitions };
}

/** By the name of a shipped strategy, its options are known; other names take any. */
function strategyDefinition(cases: readonly { readonly name: string; readonly options: Record<string, unknown> }[]): JsonSchema {
  const names = cases.map(({ name }) => name);
  return {
    anyOf: [
      { type: 'string', minLength: 1, examples: ['off', ...names] },
      {
        type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1, examples: names } },
        allOf: cases.map(({ name, options: { $schema: _, properties, ...rest } }) => ({
          if: { required: ['name'], properties: { name: { const: name } } },
          // biome-ignore lint/suspicious/noThenProperty: the word is JSON Schema's
          then: { ...rest, properties: { name: {}, verifier: {}, ...(properties as object | undefined) } },
        })),
      },
    ],
  };
}

/** Wherever the schema says "a strategy", it points at the one definition. */
function pointedAt(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pointedAt);
  if (typeof value !== 'object' || value === null) return value;
  if (isStrategyChoice(value)) {
    const { anyOf: _, ...rest } = value as Record<string, unknown>;
    return { ...rest, $ref: '#/$defs/strategy' };
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, pointedAt(entry)]));
}

function isStrategyChoice(value: object): boolean {
  if (!('anyOf' in value) || !Array.isArray(value.anyOf) || value.anyOf.length !== 2) return false;
  const [name, object] = value.anyOf as [{ type?: string }, { type?: string; required?: readonly string[] }];
  return name.type === 'string' && object.type === 'object' && JSON.stringify(object.required) === '["name"]';
}
