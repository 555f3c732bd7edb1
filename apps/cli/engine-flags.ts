import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import type { EngineOptions, StrategyConfig } from '../../core/index.js';
import { UsageError } from './errors.js';
import { packageRoot } from './package.js';
import { decimal, integer } from './values.js';

/** Flags that make an engine, shared by the commands. */
export interface EngineFlags {
  readonly model?: string;
  readonly draft?: string;
  readonly dtype?: 'f32' | 'bf16';
  readonly kvDtype?: 'f32' | 'bf16';
  readonly device?: 'cpu';
  readonly threads?: number;
  readonly context?: number;
  readonly prefillChunk?: number;
  readonly maxSequences?: number;
  readonly instructionSet?: string;
  readonly proposeBudget?: number;
  readonly measure: boolean;
}

export function addEngineFlags(command: Command): Command {
  return command
    .optionsGroup('Model:')
    .option('-m, --model <folder>', 'Hugging Face folder (config.json, weights, tokenizer.json); default: the demo model that ships with Foretoken')
    .addOption(new Option('--dtype <type>', 'numeric type of weights; default: as stored (f32, or bf16 for half precision)').choices(['f32', 'bf16']))
    .addOption(new Option('--kv-dtype <type>', 'numeric type of keys and values; default: that of the weights').choices(['f32', 'bf16']))
    .option('--context <n>', 'longest prompt and output together, in tokens', integer(2))
    .addOption(new Option('--device <name>', 'backend; default: cpu').choices(['cpu']))
    .optionsGroup('Machine (none of these changes a token):')
    .option('--threads <n>', 'default: the processor\'s cores', integer(1, 256))
    .option('--instruction-set <name>', 'kernels to use instead of the best that this machine executes')
    .option('--prefill-chunk <n>', 'prompt tokens per pass', integer(1))
    .option('--max-sequences <n>', 'sequences that run at once', integer(1, 1024))
    .option('--propose-budget <ms>', 'time a strategy may take to draft before it is benched', decimal(0, Number.POSITIVE_INFINITY, { above: true }))
    .option('--no-measure', 'do not measure what rows cost here; strategies get all the nodes they ask for');
}

/** What the flags say, without the model. Only what was given: the library has the defaults. */
export function engineOptions(flags: EngineFlags): Omit<EngineOptions, 'model'> {
  const { dtype, kvDtype, device, threads, context: maxTokensPerSequence, prefillChunk, maxSequences, instructionSet, proposeBudget: proposeBudgetMs } = flags;
  const given = { dtype, kvDtype, device, threads, maxTokensPerSequence, prefillChunk, maxSequences, instructionSet, proposeBudgetMs };
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return flags.measure ? options : { ...options, measure: false };
}

/** Which model, and whether it is the one that ships with the package. */
export function modelOf(flags: EngineFlags): { readonly model: string; readonly isDemo: boolean } {
  if (flags.model !== undefined) return { model: flags.model, isDemo: false };
  const folder = fileURLToPath(new URL('models/demo/target', packageRoot()));
  if (!existsSync(folder)) throw new UsageError(`The demo model is missing (${folder}); name a model with --model.`);
  return { model: folder, isDemo: true };
}

/** A path as one would type it here. */
export function shortPath(path: string): string {
  const short = relative('', path);
  return short === '' || short.startsWith('..') ? path : short;
}

/** `--draft DIR` gives the draft model to the strategy that uses one; beside another strategy it is a mistake. */
export function withDraft(strategy: string | StrategyConfig | undefined, draft: string | undefined): string | StrategyConfig | undefined {
  if (draft === undefined) return strategy;
  const config: StrategyConfig = typeof strategy === 'object' ? strategy : { name: strategy ?? 'draft-target' };
  if (config.name !== 'draft-target') throw new UsageError(`--draft is for the strategy draft-target, but --strategy says "${config.name}"; give that strategy its checkpoint as an option: --strategy '{"name":"${config.name}", …}'`);
  return { ...config, draft };
}
