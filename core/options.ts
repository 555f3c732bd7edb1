import { z } from 'zod';
import { ConfigError, suggestion } from './errors.js';
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
  temperature: z.number().min(0).max(100).default(0),
  topK: z.int().min(1).optional(),
  topP: z.number().gt(0).max(1).optional(),
  minP: z.number().min(0).max(1).optional(),
  seed: z.union([z.int().min(0), z.bigint().min(0n).max((1n << 64n) - 1n)], { error: 'expected an integer from 0 to 2^64 - 1' }).optional(),
  n: z.int().min(1).default(1),
  stop: z.union([z.string().min(1).transform((one) => [one]), z.array(z.string().min(1))], { error: 'expected strings that are not empty' }).default([]),
  ignoreEos: z.boolean().default(false),
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
  /** 0 (default): always the most likely token. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  /** The same seed gives the same tokens, whatever else runs. Drawn and reported when absent. */
  readonly seed?: number | bigint;
  /** Samples of the same prompt, which is computed once. Default 1. */
  readonly n?: number;
  /** Ends the text before the first of these strings. */
  readonly stop?: string | readonly string[];
  /** Goes on after the model's end token. */
  readonly ignoreEos?: boolean;
  /** Whether the result tells every iteration: its tree, the accepted path, times. */
  readonly trace?: boolean;
  /** A strategy by name or by configuration, or `'off'`. Default: the engine's. */
  readonly strategy?: string | StrategyConfig;
  /** Ends the run at the next commit; `result` rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Options of `engine.generate` that can be fixed for all requests. */
export type RequestDefaults = Omit<GenerateRequest, 'prompt' | 'promptTokens' | 'n' | 'trace' | 'strategy' | 'signal'>;

/** A request after defaults and checks. */
export interface GenerateOptions {
  readonly prompt: string | undefined;
  readonly promptTokens: Int32Array | undefined;
  readonly maxTokens: number | undefined;
  readonly sampling: Sampling;
  readonly n: number;
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
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

export function parseGenerateRequest(input: unknown): GenerateOptions {
  const { prompt, promptTokens, maxTokens, temperature, topK, topP, minP, seed, n, stop, ignoreEos, trace, strategy, signal } = parseOptions(requestSchema, input, 'generate');
  if ((prompt === undefined) === (promptTokens === undefined)) {
    throw new ConfigError(`generate takes either \`prompt\` or \`promptTokens\`; ${prompt === undefined ? 'neither' : 'both'} came.`);
  }
  const sampling: Sampling = {
    temperature,
    ...(topK === undefined ? {} : { topK }), ...(topP === undefined ? {} : { topP }), ...(minP === undefined ? {} : { minP }),
    seed: seed === undefined ? randomSeed() : BigInt(seed),
  };
  return {
    prompt, promptTokens: promptTokens === undefined ? undefined : Int32Array.from(promptTokens), maxTokens,
    sampling: Object.freeze(sampling), n, stop, ignoreEos, trace, strategy: strategy as string | StrategyConfig | undefined, signal,
  };
}

/** A request with what it leaves open filled in. */
export function withDefaults(request: GenerateRequest, defaults: RequestDefaults): GenerateRequest {
  if (typeof request !== 'object' || request === null) return request;   // the schema says what is wrong with it
  return { ...defaults, ...Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) };
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
  for (const key of path) inner = unwrap((unwrap(inner) as { shape?: Record<PropertyKey, unknown> }).shape?.[key]);
  return Object.keys((unwrap(inner) as { shape?: object }).shape ?? {});
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
