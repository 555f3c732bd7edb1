import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { ConfigValue } from '../../core/index.js';
import { addConfigFlags, type ConfiguredFlags, configured } from './configuration.js';
import { addEngineFlags } from './engine-flags.js';
import { UsageError } from './errors.js';
import { toJson } from './output.js';
import { addRequestFlags } from './request-flags.js';
import { strategy } from './values.js';

export function addConfigCommand(program: Command): void {
  const command = program.command('config').description('show, check and import configuration');
  const print = command.command('print')
    .description('print the configuration as a command would see it: defaults < file < environment < flags')
    .option('--origins', 'say where each value comes from')
    .option('--json', 'print one JSON object')
    .option('-s, --strategy <name|json|@file>', 'as for generate', strategy)
    .option('--draft <folder>', 'as for generate');
  addEngineFlags(addRequestFlags(addConfigFlags(print))).action(printConfig);
  command.command('schema')
    .description('print the JSON Schema of configuration files')
    .action(async () => {
      const { configJsonSchema } = await import('../../core/index.js');
      process.stdout.write(`${toJson(await configJsonSchema(), 2)}\n`);
    });
  command.command('import')
    .description('turn settings of another engine into a configuration; every part without an equivalent is named')
    .argument('<engine>', 'vllm or sglang')
    .argument('[settings]', 'vllm: the JSON of --speculative-config, or a whole command line; sglang: a command line; "-" or nothing: what is piped in')
    .option('--json', 'print { config, notes } as JSON')
    .allowUnknownOption()
    .action(importConfig);
  for (const sub of command.commands) sub.exitOverride();
}

async function printConfig({ origins, json, ...flags }: ConfiguredFlags & { readonly origins?: true; readonly json?: true }): Promise<void> {
  const { values, file } = await configured(flags);
  if (json) process.stdout.write(`${toJson(origins ? { file, values: values.map(shownValue) } : nested(values), 2)}\n`);
  else if (origins) process.stdout.write(`${table(values)}\n`);
  else process.stdout.write(`${toJson(nested(values), 2)}\n`);
}

function table(values: readonly ConfigValue[]): string {
  const rows = values.map((value) => { const { path, value: shown, origin } = shownValue(value); return [path, cut(toJson(shown)), origin] as const; });
  const [first, second] = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length))) as [number, number];
  return rows.map(([path, value, origin]) => `${path.padEnd(first)}  ${value.padEnd(second)}  ${origin}`).join('\n');
}

/** Plugins that came as objects are shown by their names. */
function shownValue({ path, value, origin }: ConfigValue): ConfigValue {
  return { path, origin, value: path !== 'plugins' ? value : (value as readonly (string | { readonly name: string })[]).map((one) => (typeof one === 'string' ? one : `(${one.name})`)) };
}

const MOST = 70;
const cut = (text: string): string => (text.length > MOST ? `${text.slice(0, MOST - 1)}…` : text);

function nested(values: readonly ConfigValue[]): Record<string, unknown> {
  const config: Record<string, Record<string, unknown> | unknown> = {};
  for (const { path, value } of values.map(shownValue)) {
    const [part, ...rest] = path.split('.') as [string, ...string[]];
    if (rest.length === 0) config[part] = value;
    else config[part] = { ...(config[part] as object | undefined), [rest.join('.')]: value };
  }
  return config;
}

async function importConfig(engine: string, settings: string | undefined, { json }: { readonly json?: true }): Promise<void> {
  if (engine !== 'vllm' && engine !== 'sglang') throw new UsageError(`Settings of "${engine}" are not understood; known: vllm, sglang.`);
  const text = settings === undefined || settings === '-' ? readFileSync(0, 'utf8') : settings;
  const { importVllm, importSglang } = await import('../config/import.js');
  const { config, notes } = engine === 'vllm' ? importVllm(text) : importSglang(text);
  process.stdout.write(`${toJson(json ? { config, notes } : config, 2)}\n`);
  if (!json) for (const note of notes) process.stderr.write(`${note}\n`);
}
