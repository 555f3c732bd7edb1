import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { GenerateRequest, LogprobStage, Run, RunResult, StrategyConfig } from '../../core/index.js';
import { toTraceFile } from '../trace/trace-file.js';
import { addEngineFlags, type EngineFlags, engineOptions, modelOf, shortPath, withDraft } from './engine-flags.js';
import { interruptible } from './interrupt.js';
import { toJson } from './output.js';
import { readPrompt } from './prompt.js';
import { statsLine } from './stats-line.js';
import { collect, collectBias, decimal, integer, seed, strategy, tokenIds } from './values.js';

/** Flags of one request, shared by `generate` and `bench`. */
export interface RequestFlags {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly logitBias?: Readonly<Record<number, number>>;
  readonly minTokens?: number;
  readonly seed?: bigint;
  readonly ignoreEos?: true;
  readonly stop?: readonly string[];
  readonly stopTokens?: readonly number[];
  /** False where it is not to be used. */
  readonly generationConfig?: boolean;
}

interface GenerateFlags extends EngineFlags, RequestFlags {
  readonly strategy?: string | StrategyConfig;
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
    .option('-s, --strategy <name|json|@file>', 'strategy by name or module, as a JSON object with options, or in a file; "off": decode plainly', strategy)
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
  addEngineFlags(command).action((argument: string | undefined, flags: GenerateFlags) => generate(argument, flags));
}

export function addRequestFlags(command: Command): Command {
  return command
    .optionsGroup('Tokens:')
    .option('--max-tokens <n>', 'most tokens to generate; default: as many as the context holds', integer(1))
    .option('--temperature <t>', '0 (default, unless generation_config.json says otherwise): always the most likely token', decimal(0, 100))
    .option('--top-k <k>', 'keep the k most likely tokens', integer(1))
    .option('--top-p <p>', 'keep the most likely tokens that together reach this probability', decimal(0, 1, { above: true }))
    .option('--min-p <p>', 'keep tokens at least this share as likely as the likeliest', decimal(0, 1))
    .option('--repetition-penalty <p>', 'divide positive and multiply negative logits of tokens in prompt and output', decimal(0, 100, { above: true }))
    .option('--presence-penalty <p>', 'taken off the logits of tokens in the output, once', decimal(-100, 100))
    .option('--frequency-penalty <p>', 'taken off the logits of tokens in the output, for each occurrence', decimal(-100, 100))
    .option('--logit-bias <id=bias>', 'added to the logit of a token; -inf bans it; may be repeated', collectBias)
    .option('--min-tokens <n>', 'nothing ends the text before it has this many tokens', integer(0))
    .option('--seed <n>', 'the same seed gives the same tokens; default: drawn, and told in the stats', seed)
    .option('--stop <text>', 'end before this text; may be repeated', collect)
    .option('--stop-tokens <ids>', 'end at any of these token ids, e.g. 13,262', tokenIds)
    .option('--ignore-eos', 'go on after the end token')
    .option('--no-generation-config', "leave the defaults of the model's generation_config.json aside");
}

/** Only what was given: the library has the defaults. */
export function requestOptions(flags: RequestFlags): Partial<Pick<GenerateRequest, keyof RequestFlags>> {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, minTokens, seed, ignoreEos, stop, stopTokens } = flags;
  const generationConfig = flags.generationConfig === false ? false : undefined;
  const all = { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, minTokens, seed, ignoreEos, stop, stopTokens, generationConfig };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

async function generate(argument: string | undefined, flags: GenerateFlags): Promise<void> {
  const { model, isDemo } = modelOf(flags);
  const chosen = withDraft(flags.strategy, flags.draft) ?? (isDemo ? DEMO_STRATEGY : undefined);
  const prompt = await readPrompt({ argument, file: flags.promptFile, tokens: flags.promptTokens });
  if (isDemo) process.stderr.write(`No --model: using the demo model, ${shortPath(model)}${flags.strategy ?? flags.draft ? '' : `, with ${DEMO_STRATEGY.name}`}.\n`);
  await interruptible(async (signal) => {
    const { ConfigError, createEngine } = await import('../../core/index.js');
    if (flags.logprobs !== undefined && flags.json === undefined) throw new ConfigError('--logprobs: log-probabilities are printed with --json only; add it.');
    await using engine = await createEngine({ maxSequences: flags.n ?? 1, ...engineOptions(flags), model, ...(chosen === undefined ? {} : { strategy: chosen }) });
    signal.throwIfAborted();
    const { ignored } = engine.info.generation;
    if (ignored.length > 0 && flags.generationConfig !== false) process.stderr.write(`Of generation_config.json nothing is done about ${ignored.join(', ')}.\n`);
    const run = engine.generate({ ...requestOptions(flags), ...outputOptions(flags), ...prompt, trace: flags.trace !== undefined, signal });
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
