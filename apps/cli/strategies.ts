import type { Command } from 'commander';
import { z } from 'zod';
import { toJson } from './output.js';

interface Property { readonly type?: string; readonly enum?: readonly unknown[]; readonly anyOf?: readonly Property[]; readonly items?: Property; readonly default?: unknown; readonly description?: string }
interface OptionsSchema { readonly description?: string; readonly properties?: Readonly<Record<string, Property>>; readonly required?: readonly string[] }

export function addStrategiesCommand(program: Command): void {
  program.command('strategies')
    .description('list the strategies that ship with Foretoken, and their options')
    .option('--json', 'print names, versions and JSON schemas')
    .action(async ({ json }: { readonly json?: true }) => {
      const list = await shipped();
      process.stdout.write(json ? `${toJson(list.map(({ name, version, schema }) => ({ name, version, options: schema })), 2)}\n` : told(list));
    });
}

interface Shipped { readonly name: string; readonly version: string; readonly schema: OptionsSchema }

async function shipped(): Promise<Shipped[]> {
  const { shippedStrategies, StrategyRegistry } = await import('../../core/index.js');
  const registry = new StrategyRegistry([]);
  return Promise.all(shippedStrategies().map(async (name) => {
    const { version, options } = await registry.resolve(name);
    return { name, version, schema: z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }) as OptionsSchema };
  }));
}

function told(list: readonly Shipped[]): string {
  const parts = list.map(({ name, schema }) => {
    const options = Object.entries(schema.properties ?? {}).map(([key, property]) => [`    ${key}`, typeOf(property), noteOf(property, schema.required?.includes(key) ?? false)]);
    return [`${name}${schema.description === undefined ? '' : `: ${schema.description}`}`, ...aligned(options)].join('\n');
  });
  return `${[...parts, 'off: plain decoding.', HOW_TO].join('\n\n')}\n`;
}

const HOW_TO = `Choose one with --strategy NAME, or with its options as JSON: --strategy '{"name":"…", …}' (or @file.json).
A strategy of your own is named by its module: --strategy ./my-strategy.ts or --strategy foretoken-strategy-x.`;

function typeOf({ type, enum: values, anyOf, items }: Property): string {
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' | ');
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' | ');
  return type === 'array' ? `${items === undefined ? 'any' : typeOf(items)}[]` : type ?? 'any';
}

function noteOf(property: Property, isRequired: boolean): string {
  const rule = property.default !== undefined ? `Default ${JSON.stringify(property.default)}.` : isRequired ? 'Required.' : '';
  return [property.description, rule].filter((part) => part !== undefined && part !== '').join(' ');
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
}
