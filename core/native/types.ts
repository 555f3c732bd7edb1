// The native boundary: four classes and one table of ops. Everything here is implemented by the addon; `binding.ts` loads it.
// Calls validate on the calling thread and throw there; work is enqueued to the device thread; only `read`, `loadModel` and `measure` wait.
import type { ModelDescription } from '../description.js';

/** Device memory behind a handle. */
export interface NativeTensor {
  readonly dtype: 'f32' | 'bf16' | 'f16' | 'i32';
  readonly shape: readonly number[];
  /** Gives up this handle; commands already enqueued keep what they need. A second call does nothing. */
  dispose(): void;
}

/** Where a tensor's bytes lie in a file that native code maps itself. Row-major; `offset` in bytes from the start of the file. */
export interface NativeTensorSource {
  readonly file: string;
  readonly dtype: 'f32' | 'bf16' | 'f16';
  readonly offset: number;
  readonly shape: readonly number[];
}

/** How one request's tokens are chosen; filters that are off: topK 0, topP 1, minP 0. */
export interface NativeSampler {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  /** 0 … 2^64 - 1. */
  readonly seed: bigint;
  readonly sample: number;
  readonly stream: number;
  readonly adjustments?: NativeAdjustments;
}

/** What is done to logits before temperature and filters; see `native/include/sampling.h`. */
export interface NativeAdjustments {
  /** Above 0; 1: off. */
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  /** Distinct tokens of prompt and output, and how often each occurs in the output. */
  readonly seen: Int32Array;
  readonly counts: Int32Array;
  readonly biasIds: Int32Array;
  readonly biases: Float32Array;
  /** Tokens that may not stand at a position before `bannedBefore`. */
  readonly banned: Int32Array;
  readonly bannedBefore: number;
}

/** Which sampler and which position each row uses: the token chosen after row i stands at `positions[i] + positionOffset`. */
export interface NativeChoice {
  readonly samplers: readonly NativeSampler[];
  readonly rowSampler: Int32Array;
  readonly positions: Int32Array | NativeTensor;
  readonly positionOffset: number;
  /** `[columns]` i32: the token whose noise each column has; for `topK` only. Default: columns are tokens. */
  readonly vocabMap?: NativeTensor;
  /** The rows as a forest, `[rows]` i32 each: parents by index, -1 for roots, whose tokens the adjustments count already. Default: only roots. */
  readonly tree?: { readonly tokens: NativeTensor; readonly parents: NativeTensor };
}

export interface NativeRows {
  readonly sequences: Int32Array;
  readonly tokens: Int32Array | NativeTensor;
  /** `[rows, hidden]` f32, leading axes in any split, where the model takes states. */
  readonly states?: NativeTensor;
  readonly parents?: Int32Array | NativeTensor;
  readonly known?: Uint8Array;
}

export interface NativeForward {
  readonly hidden: NativeTensor;
  readonly tokens: NativeTensor;
  readonly positions: NativeTensor;
  readonly refused: NativeTensor;
  readonly taps?: NativeTensor;
}

export interface NativeSession {
  open(): number;
  fork(from: number): number;
  close(sequence: number): void;
  length(sequence: number): number;
  forward(rows: NativeRows, taps?: readonly number[]): NativeForward;
  /** `paths` `[sequences, maxDepth]`; without it every tentative row is forgotten. */
  commit(sequences: Int32Array, paths?: Int32Array): void;
  truncate(sequence: number, length: number): void;
  /** Whether an empty sequence is to turn by the tables for long texts; forks inherit it. Throws while it holds rows of the other table. */
  setLong(sequence: number, isLong: boolean): void;
  isLong(sequence: number): boolean;
  pages(): { readonly used: number; readonly total: number };
  dispose(): void;
}

export interface NativeModel {
  readonly bytes: number;
  createSession(options: { readonly maxSequences: number; readonly maxTokens: number; readonly pages: number; readonly kvDtype: 'f32' | 'bf16' }): NativeSession;
  embed(tokens: Int32Array | NativeTensor): NativeTensor;
  head(hidden: NativeTensor): NativeTensor;
  choose(hidden: NativeTensor, choice: NativeChoice): NativeTensor;
  /** Milliseconds of one pass for each row count. */
  measure(rowCounts: readonly number[]): Promise<number[]>;
  dispose(): void;
}

type Operand = NativeTensor | number;

/** See `native/include/ops.h` for shapes and meaning. */
export interface NativeOps {
  linear(x: NativeTensor, weight: NativeTensor, bias?: NativeTensor): NativeTensor;
  silu(x: NativeTensor): NativeTensor;
  exp(x: NativeTensor): NativeTensor;
  log(x: NativeTensor): NativeTensor;
  add(a: Operand, b: Operand): NativeTensor;
  mul(a: Operand, b: Operand): NativeTensor;
  div(a: Operand, b: Operand): NativeTensor;
  less(a: Operand, b: Operand): NativeTensor;
  where(mask: NativeTensor, a: Operand, b: Operand): NativeTensor;
  sum(x: NativeTensor): NativeTensor;
  rmsNorm(x: NativeTensor, weight: NativeTensor, eps: number): NativeTensor;
  logSoftmax(x: NativeTensor): NativeTensor;
  concat(parts: readonly NativeTensor[], axis: number): NativeTensor;
  reshape(x: NativeTensor, shape: readonly number[]): NativeTensor;
  gather(x: NativeTensor, index: Int32Array | NativeTensor, axis: number): NativeTensor;
  scatter(x: NativeTensor, index: Int32Array | NativeTensor, width: number): NativeTensor;
  topK(x: NativeTensor, k: number, noise?: NativeChoice): { readonly values: NativeTensor; readonly indices: NativeTensor; readonly scores: NativeTensor };
  divMod(x: NativeTensor, by: number): [NativeTensor, NativeTensor];
  mergePrefixes(beams: NativeTensor): { readonly tokens: NativeTensor; readonly parents: NativeTensor; readonly nodeOf: NativeTensor };
  selectTree(tokens: NativeTensor, parents: NativeTensor, scores: NativeTensor, counts: Int32Array): { readonly tokens: NativeTensor; readonly parents: NativeTensor; readonly scores: NativeTensor; readonly index: NativeTensor };
  acceptChosen(tokens: NativeTensor, parents: NativeTensor, choices: NativeTensor, rowStart: Int32Array, maxDepth: number): NativeVerdict;
  walk(child: NativeTensor, next: NativeTensor, rowStart: Int32Array, maxDepth: number): NativeVerdict;
  acceptLongest(tokens: NativeTensor, parents: NativeTensor, accepted: NativeTensor, scores: NativeTensor, next: NativeTensor, rowStart: Int32Array, maxDepth: number): NativeVerdict;
  acceptByRatio(inputs: NativeRatioInputs, rowStart: Int32Array, maxDepth: number, drawn: 'deterministic' | 'independent' | 'without-replacement', rule: 'recursive' | 'traversal'): NativeVerdict;
  children(tokens: NativeTensor, parents: NativeTensor, maxWidth: number): NativeTensor;
  sample(weights: NativeTensor, uniform: NativeTensor): NativeTensor;
  uniform(choice: NativeChoice): NativeTensor;
  probs(logits: NativeTensor, choice: NativeChoice): NativeTensor;
  /** What a model with these logits `[rows, vocab]` chooses, `[rows]` i32; -1 where every logit is -inf or NaN, or the position is negative. */
  choose(logits: NativeTensor, choice: NativeChoice): NativeTensor;
  /**
   * Log-probabilities of the tokens along accepted paths, and of the `top` likeliest at each place; `rows` `[rows, vocab]` f32. `chosen`
   * `[sequences, depth]`, `ids` (-1 padded) and `values` `[sequences, depth, top]`.
   */
  logprobs(rows: NativeTensor, kind: 'logits' | 'probs', tokens: NativeTensor, path: NativeTensor, next: NativeTensor, rowStart: Int32Array, top: number): { readonly chosen: NativeTensor; readonly ids: NativeTensor; readonly values: NativeTensor };
  fromArray(data: Int32Array | Float32Array, shape: readonly number[]): NativeTensor;
  /** When the device thread comes to it: `[2]` i32, seconds and microseconds of a steady clock. */
  clock(): NativeTensor;
}

/** `tokens`, `parents` `[rows]` i32; `probs`, `draftProbs` `[rows, vocab]` f32, the latter not for deterministic drafts; uniforms `accept`, `next` `[rows]`. */
export interface NativeRatioInputs {
  readonly tokens: NativeTensor;
  readonly parents: NativeTensor;
  readonly probs: NativeTensor;
  readonly draftProbs?: NativeTensor;
  readonly accept: NativeTensor;
  readonly next: NativeTensor;
}

/** `path` `[sequences, maxDepth]` row numbers within the sequence, root first, -1 padded; `length` and `next` `[sequences]`. All i32. */
export interface NativeVerdict {
  readonly path: NativeTensor;
  readonly length: NativeTensor;
  readonly next: NativeTensor;
}

export interface NativeRuntime {
  /** Name of the kernels in use, e.g. "avx2", and the number of threads. */
  readonly isa: string;
  readonly threads: number;
  readonly ops: NativeOps;
  loadModel(description: ModelDescription, tensors: Readonly<Record<string, NativeTensorSource>>, dtype: 'f32' | 'bf16'): Promise<NativeModel>;
  /** Tensors of a file, in the number type given; without one as they are stored, f16 as f32. */
  loadTensors(tensors: Readonly<Record<string, NativeTensorSource>>, dtype?: 'f32' | 'bf16'): Promise<Record<string, NativeTensor>>;
  /**
   * A model of tensors that are on the device already, by their neutral names (`native/include/model.h`), in the number type given. Without an
   * `embedding` among them that of `shared` serves, and is not copied. The tensors may be disposed at once.
   */
  createModel(description: ModelDescription, tensors: Readonly<Record<string, NativeTensor>>, dtype: 'f32' | 'bf16', shared?: NativeModel): NativeModel;
  /** The one read: resolves when everything enqueued before has run. f32 and i32 only. */
  read(tensors: readonly NativeTensor[]): Promise<(Float32Array | Int32Array)[]>;
  /** Drops what is queued, waits for what runs, frees everything. */
  dispose(): void;
}

export interface NativeBinding {
  /** `threads` ≥ 1; `isa`: one of {@link NativeBinding.instructionSets}, default the best. */
  createRuntime(options: { readonly threads: number; readonly isa?: string }): NativeRuntime;
  /** Kernel sets that this machine executes, best first. */
  readonly instructionSets: readonly string[];
}
