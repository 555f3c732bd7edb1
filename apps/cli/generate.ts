import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { GenerateRequest, LogprobStage, Run, RunResult, StrategyConfig } from '../../core/index.js';
import { toTraceFile } from '../trace/trace-file.js';
import { addConfigFlags, type ConfiguredFlags, configured } from './configuration.js';
import { addEngineFlags, shortPath } from './engine-flags.js';
import { interruptible } from './interrupt.js';
import { toJson } from './output.js';
import { readPrompt } from './prompt.js';
import { addRequestFlags } from './request-flags.js';
import { statsLine } from './stats-line.js';
import { integer, strategy, tokenIds } from './values.js';

interface GenerateFlags extends ConfiguredFlags {
  readonly n?: number;
  readonly promptFile?: string;
  readonly promptTokens?: readonly number[];
  readonly echo?: true;
  readonly logprobs?: number;
  readonly logprobStage?: LogprobStage;
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
    .option('-s, --strategy <name|json|@file>', 'strategy by name (of the configuration, or one that ships) or module, as a JSON object with options, or in a file; "off": decode plainly', strategy)
    .option('--draft <folder>', 'short for --strategy \'{"name":"draft-target","draft":FOLDER}\'');
  addRequestFlags(command)
    .option('--n <n>', 'samples of the same prompt', integer(1))
    .optionsGroup('Output:')
    .option('--echo', 'print the prompt before the text')
    .option('--logprobs <n>', 'with --json: log-probabilities of the tokens and of the n likeliest in their places', integer(0, 1000))
    .addOption(new Option('--logprob-stage <stage>', 'of the model itself, or after penalties, temperature and filters; default: raw').choices(['raw', 'processed']))
    .option('--json', 'print one JSON object { text, tokens, finishReason, usage, stats, sampling } and nothing else')
    .option('--trace <file>', 'write every iteration, one JSON object per line: its tree, what was accepted, times; see foretoken trace view')
    .option('--no-stream', 'print the text when it is complete');
  addEngineFlags(addConfigFlags(command)).action((argument: string | undefined, flags: GenerateFlags) => generate(argument, flags));
}

async function generate(argument: string | undefined, flags: GenerateFlags): Promise<void> {
  const prompt = await readPrompt({ argument, file: flags.promptFile, tokens: flags.promptTokens });
  const { engine: options, isDemo, values } = await configured(flags, { engine: { maxSequences: flags.n ?? 1 } });
  const isOpen = isDemo && values.some(({ path, origin }) => path === 'strategy' && origin === 'default');
  if (isDemo) process.stderr.write(`No --model: using the demo model, ${shortPath(options.model)}${isOpen ? `, with ${DEMO_STRATEGY.name}` : ''}.\n`);
  await interruptible(async (signal) => {
    const { ConfigError, createEngine } = await import('../../core/index.js');
    if (flags.logprobs !== undefined && flags.json === undefined) throw new ConfigError('--logprobs: log-probabilities are printed with --json only; add it.');
    await using engine = await createEngine(isOpen ? { ...options, strategy: DEMO_STRATEGY } : options);
    signal.throwIfAborted();
    const { ignored } = engine.info.generation;
    if (ignored.length > 0 && flags.generationConfig !== false) process.stderr.write(`Of generation_config.json nothing is done about ${ignored.join(', ')}.\n`);
    const run = engine.generate({ ...outputOptions(flags), ...prompt, trace: flags.trace !== undefined, signal });
    const result = await show(run, flags);
    if (flags.trace !== undefined) await writeFile(flags.trace, toTraceFile(result.trace ?? [], engine.hasTokenizer ? (token) => engine.decode([token]) : undefined));
    process.stderr.write(`${statsLine(result, process.stderr.isTTY === true)}\n`);
  });
}

/** What is to be told besides the text. */
function outputOptions({ n, echo, logprobs, logprobStage }: GenerateFlags): Partial<GenerateRequest> {
  return Object.fromEntries(Object.entries({ n, echo, logprobs, logprobStage }).filter(([, value]) => value !== undefined));
}

/** Prints the output in the form asked for. Samples of one prompt come at the same time, so only a single one is streamed. */
async function show(run: Run, { json, stream, n = 1 }: GenerateFlags): Promise<RunResult> {
  if (json === undefined && stream && n === 1) return streamed(run);
  const result = await run.result;
  if (json === undefined) process.stdout.write(`${result.samples.map(({ text }) => text).join('\n---\n')}\n`);
  else {
    const { text, tokens, finishReason, usage, stats, sampling, logprobs, samples } = result;
    process.stdout.write(`${toJson({ text, tokens, finishReason, usage, stats, sampling, ...(logprobs === undefined ? {} : { logprobs }), ...(n === 1 ? {} : { samples }) })}\n`);
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
