import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { GenerateRequest, Run, RunResult, StrategyConfig } from '../../core/index.js';
import { toTraceFile } from '../trace/trace-file.js';
import { addEngineFlags, type EngineFlags, engineOptions, modelOf, shortPath, withDraft } from './engine-flags.js';
import { interruptible } from './interrupt.js';
import { toJson } from './output.js';
import { readPrompt } from './prompt.js';
import { statsLine } from './stats-line.js';
import { collect, decimal, integer, seed, strategy, tokenIds } from './values.js';

/** Flags of one request, shared by `generate` and `bench`. */
export interface RequestFlags {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly seed?: bigint;
  readonly ignoreEos?: true;
  readonly stop?: readonly string[];
}

interface GenerateFlags extends EngineFlags, RequestFlags {
  readonly strategy?: string | StrategyConfig;
  readonly n?: number;
  readonly promptFile?: string;
  readonly promptTokens?: readonly number[];
  readonly json?: true;
  readonly trace?: string;
  readonly stream: boolean;
}

/**
 * The strategy for the demo model when none is named, chosen by measurement. Models that users name are decoded plainly unless they ask: what helps
 * depends on the text.
 */
export const DEMO_STRATEGY: StrategyConfig = { name: 'prompt-lookup' };

export function addGenerateCommand(program: Command): void {
  const command = program.command('generate')
    .description('continue a prompt')
    .argument('[prompt]', 'the text to continue; "-" or nothing: what is piped in')
    .optionsGroup('Prompt:')
    .option('--prompt-file <file>', 'read the prompt from a file')
    .option('--prompt-tokens <ids>', 'token ids instead of a text, e.g. 1,2,3; no token is added', tokenIds)
    .optionsGroup('Speculation (never changes a token):')
    .option('-s, --strategy <name|json|@file>', 'strategy by name or module, as a JSON object with options, or in a file; "off": decode plainly', strategy)
    .option('--draft <folder>', 'short for --strategy \'{"name":"draft-target","draft":FOLDER}\'');
  addRequestFlags(command)
    .option('--n <n>', 'samples of the same prompt', integer(1))
    .optionsGroup('Output:')
    .option('--json', 'print one JSON object { text, tokens, finishReason, usage, stats } and nothing else')
    .option('--trace <file>', 'write every iteration, one JSON object per line: its tree, what was accepted, times; see foretoken trace view')
    .option('--no-stream', 'print the text when it is complete');
  addEngineFlags(command).action((argument: string | undefined, flags: GenerateFlags) => generate(argument, flags));
}

export function addRequestFlags(command: Command): Command {
  return command
    .optionsGroup('Tokens:')
    .option('--max-tokens <n>', 'most tokens to generate; default: as many as the context holds', integer(1))
    .option('--temperature <t>', '0 (default): always the most likely token', decimal(0, 100))
    .option('--top-k <k>', 'keep the k most likely tokens', integer(1))
    .option('--top-p <p>', 'keep the most likely tokens that together reach this probability', decimal(0, 1, { above: true }))
    .option('--min-p <p>', 'keep tokens at least this share as likely as the likeliest', decimal(0, 1))
    .option('--seed <n>', 'the same seed gives the same tokens; default: drawn, and told in the stats', seed)
    .option('--stop <text>', 'end before this text; may be repeated', collect)
    .option('--ignore-eos', 'go on after the end token');
}

/** Only what was given: the library has the defaults. */
export function requestOptions(flags: RequestFlags): Partial<Pick<GenerateRequest, keyof RequestFlags>> {
  const { maxTokens, temperature, topK, topP, minP, seed, ignoreEos, stop } = flags;
  return Object.fromEntries(Object.entries({ maxTokens, temperature, topK, topP, minP, seed, ignoreEos, stop }).filter(([, value]) => value !== undefined));
}

async function generate(argument: string | undefined, flags: GenerateFlags): Promise<void> {
  const { model, isDemo } = modelOf(flags);
  const chosen = withDraft(flags.strategy, flags.draft) ?? (isDemo ? DEMO_STRATEGY : undefined);
  const prompt = await readPrompt({ argument, file: flags.promptFile, tokens: flags.promptTokens });
  if (isDemo) process.stderr.write(`No --model: using the demo model, ${shortPath(model)}${flags.strategy ?? flags.draft ? '' : `, with ${DEMO_STRATEGY.name}`}.\n`);
  await interruptible(async (signal) => {
    const { createEngine } = await import('../../core/index.js');
    await using engine = await createEngine({ maxSequences: flags.n ?? 1, ...engineOptions(flags), model, ...(chosen === undefined ? {} : { strategy: chosen }) });
    signal.throwIfAborted();
    const run = engine.generate({ ...requestOptions(flags), ...prompt, ...(flags.n === undefined ? {} : { n: flags.n }), trace: flags.trace !== undefined, signal });
    const result = await show(run, flags);
    if (flags.trace !== undefined) await writeFile(flags.trace, toTraceFile(result.trace ?? [], engine.hasTokenizer ? (token) => engine.decode([token]) : undefined));
    process.stderr.write(`${statsLine(result, process.stderr.isTTY === true)}\n`);
  });
}

/** Prints the output in the form asked for. Samples of one prompt come at the same time, so only a single one is streamed. */
async function show(run: Run, { json, stream, n = 1 }: GenerateFlags): Promise<RunResult> {
  if (json === undefined && stream && n === 1) return streamed(run);
  const result = await run.result;
  if (json === undefined) process.stdout.write(`${result.samples.map(({ text }) => text).join('\n---\n')}\n`);
  else {
    const { text, tokens, finishReason, usage, stats, samples } = result;
    process.stdout.write(`${toJson({ text, tokens, finishReason, usage, stats, ...(n === 1 ? {} : { samples }) })}\n`);
  }
  return result;
}

async function streamed(run: Run): Promise<RunResult> {
  let last = '';
  try {
    for await (const { text } of run) {
      process.stdout.write(text);
      last = text === '' ? last : text;
    }
    return await run.result;
  } finally {
    if (last !== '' && !last.endsWith('\n')) process.stdout.write('\n');   // also where the text was cut off
  }
}
