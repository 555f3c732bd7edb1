import { basename } from 'node:path';
import type { Command } from 'commander';
import type { InspectedModel, InspectedWeights, Inspection } from '../../core/index.js';
import { shortPath } from './engine-flags.js';
import { EXIT } from './errors.js';
import { modelInWords } from './model-words.js';
import { toJson } from './output.js';
import { bytesInWords, countInWords } from './quantities.js';

export function addInspectCommand(program: Command): void {
  program.command('inspect')
    .description('say what a checkpoint folder is, what would run, what memory it takes, and every problem found; loads no weights')
    .argument('<folder>', 'a checkpoint folder')
    .option('-t, --target <folder>', 'a model: say which strategies run there with the folder as their head or draft model')
    .option('--json', 'print one JSON object { path, kind, config, weights, model, tokenizer, strategies, problems, notes }')
    .action(async (folder: string, { target, json }: { readonly target?: string; readonly json?: true }) => {
      const { inspectCheckpoint } = await import('../../core/index.js');
      const found = await inspectCheckpoint(folder, target === undefined ? {} : { target });
      process.stdout.write(json ? `${toJson(asJson(found), 2)}\n` : `${inWords(found, target).join('\n')}\n`);
      if (found.problems.length > 0) process.exitCode = EXIT.usage;
    });
}

/** Tables of tensors as objects. */
function asJson({ weights, ...found }: Inspection): object {
  return { ...found, ...(weights === undefined ? {} : { weights: { ...weights, tensors: Object.fromEntries(weights.tensors) } }) };
}

function inWords(found: Inspection, target?: string): string[] {
  const { path, kind, weights, model, tokenizer, problems, notes } = found;
  return [
    `${shortPath(path)}: ${whatItIs(found)}`,
    ...(weights === undefined ? [] : weightsInWords(weights)),
    ...(model === undefined ? [] : [...modelInWords(model.description).map((line) => `  ${line}`), ...(problems.length === 0 ? memoryInWords(model) : []), ...besides(model)]),
    ...(kind === 'weights' && weights !== undefined ? tensorsInWords(weights) : []),
    ...(tokenizer === undefined ? [] : [`tokenizer: ${tokenizer.size} tokens, ${tokenizer.specialTokens} of them special; fingerprint ${tokenizer.fingerprint.slice(0, 12)}`]),
    ...strategiesInWords(found, target),
    ...notes.map((note) => `note: ${note}`),
    problems.length === 0 ? 'no problem found' : `${problems.length} problem${problems.length === 1 ? '' : 's'}:`,
    ...problems.map((problem) => `  ${problem}`),
  ];
}

function whatItIs({ kind, model, weights }: Inspection): string {
  if (kind === 'model' && weights !== undefined) return `a ${model?.architecture ?? ''} model, ${countInWords(weights.parameters)} parameters`;
  if (kind === 'weights') return 'weights that are no model on their own, such as a draft head';
  return model === undefined ? 'nothing that runs' : `a ${model.architecture} model that does not run as it is`;
}

function weightsInWords({ files, tensors, parameters, bytes, dtypes }: InspectedWeights): string[] {
  const types = Object.entries(dtypes).map(([dtype, share]) => (share === 1 ? dtype : `${(100 * share).toFixed(share < 0.01 ? 2 : 0)} % ${dtype}`)).join(', ');
  const names = files.length <= 2 ? files.map((file) => basename(file)).join(', ') : `${files.length} files, ${basename(files[0] ?? '')} …`;
  return [`weights: ${names}: ${tensors.size} tensors, ${countInWords(parameters)} numbers, ${bytesInWords(bytes)}, ${types}`];
}

function memoryInWords({ memory: { weights, kvPerToken }, storedDtype }: InspectedModel): string[] {
  const line = (dtype: 'f32' | 'bf16'): string => `${bytesInWords(weights[dtype])} of weights, ${bytesInWords(kvPerToken[dtype])} of keys and values a token (${bytesInWords(4096 * kvPerToken[dtype])} for 4096)`;
  const own = storedDtype === 'f32' ? 'f32' : 'bf16';
  const other = own === 'f32' ? 'bf16' : 'f32';
  return [`memory: ${own} (as stored${storedDtype === 'f16' ? ' in f16' : ''}): ${line(own)}`, `        ${other}: ${line(other)}`];
}

function besides({ ignored, eosTokenIds, generation }: InspectedModel): string[] {
  const groups = new Map<string, number>();
  for (const name of ignored) {
    const group = `${name.replace(/\.\d.*$|\.[^.]*$/, '')}.*`;
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  const parts = [...groups].slice(0, 8).map(([group, count]) => `${group} (${count})`);
  return [
    ...(eosTokenIds.length === 0 ? [] : [`end of text: token ${eosTokenIds.join(', ')}`]),
    ...(Object.keys(generation.defaults).length === 0 ? [] : [`defaults by generation_config.json: ${Object.entries(generation.defaults).map(([name, value]) => `${name} ${String(value)}`).join(', ')}`]),
    ...(generation.ignored.length === 0 ? [] : [`of generation_config.json not implemented: ${generation.ignored.join(', ')}`]),
    ...(parts.length === 0 ? [] : [`beside the model, not used by it: ${parts.join(', ')}${groups.size > 8 ? ', …' : ''}`]),
  ];
}

const SHOWN_TENSORS = 20;

function tensorsInWords({ tensors }: InspectedWeights): string[] {
  const lines = [...tensors].slice(0, SHOWN_TENSORS).map(([name, { dtype, shape }]) => `  ${name} ${dtype} [${shape.join(', ')}]`);
  return tensors.size > SHOWN_TENSORS ? [...lines, `  and ${tensors.size - SHOWN_TENSORS} more (--json lists all)`] : lines;
}

/** Those that run; the reasons of the others only where none does. */
function strategiesInWords({ kind, strategies }: Inspection, target?: string): string[] {
  if (kind === 'weights' && target === undefined) return ['strategies: name a model with --target to see which take it as their head'];
  if (strategies.length === 0) return [];
  const running = strategies.filter(({ refused }) => refused === undefined);
  const where = target === undefined ? 'strategies that run on it' : `strategies that run with it on ${shortPath(target)}`;
  if (running.length > 0) return [`${where}: ${running.map(({ config, maxNodes }) => `${config.name} (up to ${maxNodes} nodes)`).join(', ')}`];
  return [`${where}: none`, ...strategies.map(({ refused }) => `  ${refused}`)];
}
