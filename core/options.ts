import { z } from 'zod';
import type { GenerationDefaults } from './checkpoint/generation-config.js';
import { ConfigError, suggestion } from './errors.js';
import type { LogprobOptions, LogprobStage } from './logprobs.js';
import { randomSeed } from './sampling.js';
import type { Sampling, Strategy, StrategyConfig, Verifier } from './strategy.js';

/** A strategy by name, `'off'`, or a configuration. */
export const strategyChoice = z.union([
  z.string().min(1),
  z.looseObject({ name: z.string().min(1) }),
], { error: "expected a strategy's name, 'off', or an object with a `name`" });

const tokenIds = z.union([z.instanceof(Int32Array), z.array(z.int().min(0))], { error: 'expected an array of token ids' });

const requestSchema = z.strictObject({
  prompt: z.string().optional(),
  promptTokens: tokenIds.optional(),
  maxTokens: z.int().min(1).optional(),
  temperature: z.number().min(0).max(100).optional(),
  topK: z.int().min(1).optional(),
  topP: z.number().gt(0).max(1).optional(),
  minP: z.number().min(0).max(1).optional(),
  seed: z.union([z.int().min(0), z.bigint().min(0n).max((1n << 64n) - 1n)], { error: 'expected an integer from 0 to 2^64 - 1' }).optional(),
  n: z.int().min(1).default(1),
  repetitionPenalty: z.number().gt(0).max(100).optional(),
  presencePenalty: z.number().min(-100).max(100).optional(),
  frequencyPenalty: z.number().min(-100).max(100).optional(),
  logitBias: z.record(z.string().regex(/^\d{1,10}$/), z.union([z.number(), z.literal(-Infinity)]), { error: 'expected numbers (or -Infinity) by token id' }).optional(),
  minTokens: z.int().min(0).optional(),
  stop: z.union([z.string().min(1).transform((one) => [one]), z.array(z.string().min(1))], { error: 'expected strings that are not empty' }).optional(),
  stopTokens: tokenIds.optional(),
  ignoreEos: z.boolean().default(false),
  logprobs: z.int().min(0).max(1000).optional(),
  logprobStage: z.enum(['raw', 'processed']).optional(),
  echo: z.boolean().default(false),
  generationConfig: z.boolean().default(true),
  trace: z.boolean().default(false),
  strategy: strategyChoice.optional(),
  signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal, { error: 'expected an AbortSignal' }).optional(),
});

/** What a configuration may fix for all requests: all but what belongs to one request. */
export const requestDefaultsSchema = requestSchema.omit({ prompt: true, promptTokens: true, n: true, trace: true, strategy: true, signal: true }).partial();

/** @internal */
export const engineSchema = z.strictObject({
  model: z.string().min(1),
  strategy: strategyChoice.default('off'),
  strategies: z.record(z.string(), strategyChoice).default({}),
  request: requestDefaultsSchema.default({}),
  plugins: z.array(z.custom<Strategy>((value) => typeof value === 'object' && value !== null && 'name' in value && 'create' in value,
    { error: 'expected strategies made with defineStrategy' })).default([]),
  verifiers: z.array(z.custom<Verifier>((value) => typeof value === 'object' && value !== null && 'name' in value && 'verify' in value,
    { error: 'expected verifiers made with defineVerifier' })).default([]),
  device: z.literal('cpu', { error: "expected 'cpu', the only backend so far" }).default('cpu'),
  dtype: z.enum(['f32', 'bf16']).optional(),
  kvDtype: z.enum(['f32', 'bf16']).optional(),
  maxSequences: z.int().min(1).max(1024).default(8),
  maxTokensPerSequence: z.int().min(2).optional(),
  kvPages: z.int().min(1).max(2 ** 31 - 1).optional(),
  prefillChunk: z.int().min(1).default(256),
  threads: z.int().min(1).max(256).optional(),
  instructionSet: z.string().optional(),
  proposeBudgetMs: z.number().positive().default(100),
  measure: z.boolean().default(true),
});

/** Options of {@link createEngine}. */
export interface EngineOptions {
  /** A Hugging Face folder: config.json, safetensors, tokenizer.json. Without a tokenizer the engine works token in, token out. */
  readonly model: string;
  /** Strategy of requests that name none. Default `'off'`: plain decoding. */
  readonly strategy?: string | StrategyConfig;
  /** Strategies by names of your own, which requests and `strategy` may use; `engine.strategies.set` changes them later. */
  readonly strategies?: Readonly<Record<string, string | StrategyConfig>>;
  /** What requests get that say nothing else. */
  readonly request?: RequestDefaults;
  /** Strategies that requests may name besides the shipped ones and modules. */
  readonly plugins?: readonly Strategy<object>[];
  /** Verifiers that configurations may name besides the shipped ones. */
  readonly verifiers?: readonly Verifier<object>[];
  readonly device?: 'cpu';
  /** Of weights and of matrix inputs; sums are f32. Default: f32 for f32 checkpoints, else bf16. */
  readonly dtype?: 'f32' | 'bf16';
  /** Of keys and values. Default: `dtype`. */
  readonly kvDtype?: 'f32' | 'bf16';
  /** Sequences that run at once; more wait. Default 8. */
  readonly maxSequences?: number;
  /** Longest prompt and output together. Default: what the model was made for, at most 4096. */
  readonly maxTokensPerSequence?: number;
  /**
   * Pages of KV memory, 64 tokens each. Default: enough for every sequence to reach its full length. With fewer, requests wait for pages; a
   * running text may give its pages to others and be computed again, and one that alone does not fit fails with a CapacityError.
   */
  readonly kvPages?: number;
  /** Prompt tokens per pass, over all sequences. Default 256. */
  readonly prefillChunk?: number;
  /** Default: the processor's cores. Never changes a token. */
  readonly threads?: number;
  /** Kernels to use, e.g. `'portable'`; default: the best that this machine executes. Never changes a token. */
  readonly instructionSet?: string;
  /** A strategy whose callback takes longer than this, in milliseconds, twice in a row is benched for those sequences. Default 100. */
  readonly proposeBudgetMs?: number;
  /** Whether to measure what rows cost on this machine, for the node budget. Default true; false: every plan gets the nodes it asks for. */
  readonly measure?: boolean;
}

export type ResolvedEngineOptions = z.output<typeof engineSchema>;

/** Options of `engine.generate`. */
export interface GenerateRequest {
  readonly prompt?: string;
  /** Instead of `prompt`; taken as they are, no token is added. */
  readonly promptTokens?: Int32Array | readonly number[];
  /** Default: as many as the context holds. */
  readonly maxTokens?: number;
  /** 0 (default): always the most likely token. At most 100. */
  readonly temperature?: number;
  /** Keeps the k most likely tokens and all ties of the k-th. Filters apply in the order topK, topP, minP, each to what the one before left. */
  readonly topK?: number;
  /** Keeps the smallest set of tokens whose probability reaches this. In (0, 1]. */
  readonly topP?: number;
  /** Keeps tokens at least this share as likely as the likeliest. In [0, 1]. */
  readonly minP?: number;
  /**
   * Divides positive and multiplies negative logits of every token in prompt and output, once. Above 0, at most 100; 1 (default): off.
   * Logits are changed in this order: repetition penalty, frequency and presence penalty, bias, `minTokens`; then come temperature and filters.
   */
  readonly repetitionPenalty?: number;
  /** Taken off the logit of every token that is in the output, once. In [-100, 100]; 0 (default): off. */
  readonly presencePenalty?: number;
  /** Taken off the logit of a token for each time that it is in the output. In [-100, 100]; 0 (default): off. */
  readonly frequencyPenalty?: number;
  /** Added to the logits of tokens, by id; -Infinity bans a token. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Nothing ends the text before it has this many tokens: end and stop tokens cannot be chosen, and stop strings count from there on. Default 0. */
  readonly minTokens?: number;
  /** The same seed gives the same tokens, whatever else runs. Drawn and reported when absent. */
  readonly seed?: number | bigint;
  /** Samples of the same prompt, which is computed once. Default 1. */
  readonly n?: number;
  /** Ends the text before the first of these strings. */
  readonly stop?: string | readonly string[];
  /** Ends the text at any of these tokens, which `tokens` holds and `text` does not. */
  readonly stopTokens?: Int32Array | readonly number[];
  /** Goes on after the model's end token. */
  readonly ignoreEos?: boolean;
  /** Log-probabilities of every token, and of so many of the likeliest in its place. 0: of the chosen ones only. At most 1000. Default: none. */
  readonly logprobs?: number;
  /** `'raw'` (default): what the model says; `'processed'`: after penalties, temperature and filters. With `logprobs` only. */
  readonly logprobStage?: LogprobStage;
  /** Puts the prompt's text before that of every sample, in the stream as a chunk without tokens. `tokens` and `logprobs` are of the output alone. */
  readonly echo?: boolean;
  /** Whether options that are not given come from the model's generation_config.json. Default true; the result's `sampling` says what came from there. */
  readonly generationConfig?: boolean;
  /** Whether the result tells every iteration: its tree, the accepted path, times. */
  readonly trace?: boolean;
  /** A strategy by name or by configuration, or `'off'`. Default: the engine's. */
  readonly strategy?: string | StrategyConfig;
  /** Ends the run at the next commit; `result` rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Options of `engine.generate` that can be fixed for all requests. */
export type RequestDefaults = Omit<GenerateRequest, 'prompt' | 'promptTokens' | 'n' | 'trace' | 'strategy' | 'signal'>;
/** How the tokens of a run were chosen. */
export interface ResolvedSampling extends Sampling {
  /** Options that the request did not give and generation_config.json did. */
  readonly fromModel: readonly (keyof GenerationDefaults)[];
}

/** A request after defaults and checks. */
export interface GenerateOptions {
  readonly prompt: string | undefined;
  readonly promptTokens: Int32Array | undefined;
  readonly maxTokens: number | undefined;
  readonly sampling: Sampling;
  readonly resolved: ResolvedSampling;
  readonly n: number;
  readonly stop: readonly string[];
  readonly stopTokens: ReadonlySet<number>;
  readonly ignoreEos: boolean;
  readonly logprobs: LogprobOptions | undefined;
  readonly echo: boolean;
  readonly trace: boolean;
  readonly strategy: string | StrategyConfig | undefined;
  readonly signal: AbortSignal | undefined;
}

const scoreSchema = z.strictObject({
  tokens: tokenIds,
  rows: z.array(z.int().min(0)).optional(),
  tree: z.strictObject({ tokens: tokenIds, parents: z.union([z.instanceof(Int32Array), z.array(z.int().min(-1))]) }).optional(),
});

/** Options of `engine.score`. */
export interface ScoreRequest {
  readonly tokens: Int32Array | readonly number[];
  /** Which prompt rows; default all. Not with `tree`. */
  readonly rows?: readonly number[];
  /** Nodes that hang from the text; parent -1: from its last token. One row of logits per node. */
  readonly tree?: { readonly tokens: Int32Array | readonly number[]; readonly parents: Int32Array | readonly number[] };
}

export function parseEngineOptions(input: unknown): ResolvedEngineOptions {
  return parseOptions(engineSchema, input, 'createEngine');
}

export function parseScoreRequest(input: unknown): z.output<typeof scoreSchema> {
  return parseOptions(scoreSchema, input, 'score');
}

/** @param defaults what the model asks for where the request does not say */
export function parseGenerateRequest(input: unknown, defaults: GenerationDefaults = {}): GenerateOptions {
  const given = parseOptions(requestSchema, input, 'generate');
  const { prompt, promptTokens, n, ignoreEos, echo, trace, strategy, signal } = given;
  if ((prompt === undefined) === (promptTokens === undefined)) {
    throw new ConfigError(`generate takes either \`prompt\` or \`promptTokens\`; ${prompt === undefined ? 'neither' : 'both'} came.`);
  }
  if (given.logprobStage !== undefined && given.logprobs === undefined) {
    throw new ConfigError('Option `logprobStage` of generate says which log-probabilities; say how many with `logprobs` (0: of the chosen tokens only).');
  }
  const { values, fromModel } = withModelDefaults(given, given.generationConfig ? defaults : {});
  const { maxTokens } = values;
  const minTokens = given.minTokens ?? Math.min(values.minTokens ?? 0, maxTokens ?? Infinity);
  if (minTokens > (maxTokens ?? Infinity)) throw new ConfigError(`Option \`minTokens\` of generate: ${minTokens} tokens at least, but at most ${maxTokens} (\`maxTokens\`).`);
  const sampling = samplingOf({ ...given, ...values, minTokens });
  return {
    prompt, promptTokens: promptTokens === undefined ? undefined : Int32Array.from(promptTokens), maxTokens,
    sampling, resolved: Object.freeze({ ...sampling, fromModel }), n, stop: values.stop ?? [], stopTokens: new Set(given.stopTokens ?? []), ignoreEos,
    logprobs: given.logprobs === undefined ? undefined : { top: given.logprobs, stage: given.logprobStage ?? 'raw' },
    echo, trace, strategy: strategy as string | StrategyConfig | undefined, signal,
  };
}

/** A request with what it leaves open filled in. */
export function withDefaults(request: GenerateRequest, defaults: RequestDefaults): GenerateRequest {
  if (typeof request !== 'object' || request === null) return request;   // the schema says what is wrong with it
  return { ...defaults, ...Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) };
}

/** What was given, else what the model asks for; and which options that were. */
function withModelDefaults(given: z.output<typeof requestSchema>, defaults: GenerationDefaults): { values: GenerationDefaults; fromModel: (keyof GenerationDefaults)[] } {
  const { temperature, topK, topP, minP, repetitionPenalty, minTokens, maxTokens, stop } = given;
  const asked = Object.entries({ temperature, topK, topP, minP, repetitionPenalty, minTokens, maxTokens, stop }).filter(([, value]) => value !== undefined);
  const fromModel = (Object.keys(defaults) as (keyof GenerationDefaults)[]).filter((name) => given[name] === undefined);
  return { values: { ...defaults, ...Object.fromEntries(asked) }, fromModel };
}

function samplingOf(values: Omit<z.output<typeof requestSchema>, 'stop'>): Sampling {
  const { temperature = 0, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, minTokens, seed } = values;
  const optional = { topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, minTokens: minTokens === 0 ? undefined : minTokens };
  const present = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined));
  return Object.freeze({ temperature, ...present, seed: seed === undefined ? randomSeed() : BigInt(seed) });
}

/** Validates against a schema. Unknown keys are refused with the nearest known one; every message names the option. */
export function parseOptions<T extends z.ZodType>(schema: T, input: unknown, what: string): z.output<T> {
  const outcome = schema.safeParse(input);
  if (outcome.success) return outcome.data;
  const [issue] = outcome.error.issues;
  if (issue!.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    const path = issue.path.length > 0 ? ` in \`${issue.path.join('.')}\`` : '';
    throw new ConfigError(`Unknown option "${key}"${path} for ${what}${suggestion(key!, knownKeys(schema, issue.path))}`);
  }
  const path = issue!.path.join('.');
  throw new ConfigError(`${path === '' ? `Options of ${what}` : `Option \`${path}\` of ${what}`}: ${lowerFirst(issue!.message)}; got ${shown(valueAt(input, issue!.path))}.`, { cause: outcome.error });
}

function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let inner: unknown = schema;
  for (const key of path) {
    const { shape, valueType } = unwrap(inner) as { shape?: Record<PropertyKey, unknown>; valueType?: unknown };   // an object or a record
    inner = unwrap(shape?.[key] ?? valueType);
  }
  return Object.keys((unwrap(inner) as { shape?: object } | undefined)?.shape ?? {});
}

/** Looks through `.optional()` and `.default()`. */
function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (typeof inner === 'object' && inner !== null && 'unwrap' in inner && typeof inner.unwrap === 'function') inner = inner.unwrap();
  return inner;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined), input);
}

function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
