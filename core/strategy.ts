// The plugin interface. Two kinds of numbers, never mixed: a *row number* counts the tentative rows of one sequence since its last commit,
// in the order they were appended, 0 first; a *position* counts tokens from the start of the text. In a draft, row 0 is the root (the
// pending token), drafted nodes and probes are 1, 2, …, and `parent: 0` hangs one from the root. `-1` as a parent means "the last committed
// token" and exists only in `Session` rows. A row whose token is -1 is absent, with all that hangs from it.
import type { ZodType } from 'zod';
import type { DType, ModelDescription } from './description.js';
import type { Ops } from './ops.js';

export type { Ops } from './ops.js';

/**
 * A handle to device memory. Calls that take or return one are enqueued, never awaited. A tensor made inside a callback of a proposer or
 * verifier lives until the end of that iteration, unless `host.keep` takes it; one made in `create` lives as long as the proposer.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * Rows for one pass, all sequences packed. Row i feeds `tokens[i]`, and `states[i]` where the model takes states, to `sequences[i]`. A tensor's
 * leading axes may be split: `[n, k]` is n * k rows.
 */
export interface Rows {
  readonly sequences: Int32Array;
  readonly tokens: Int32Array | Tensor;
  /** The state that stands beside each token, `[rows, hidden]` f32, if the model's `inputs` are not its tokens alone. */
  readonly states?: Tensor;
  /** Row number of the parent in the same sequence, -1 for its last committed token. Absent: every row hangs from the row appended before it in its sequence. */
  readonly parents?: Int32Array | Tensor;
  /**
   * Per row, 1 = known text (prompt chunk, catch-up): committed at once, in order, before the tentative rows of this pass. It gets no row
   * number, and an error where tentative rows wait for their commit.
   */
  readonly known?: Uint8Array;
}

/** What one pass computed for its rows. */
export interface Forward {
  /** After the final norm, `[rows, hidden]` f32. Absent rows are zero. */
  readonly hidden: Tensor;
  /** Residual streams asked for, side by side `[rows, taps * hidden]`; tap K is the input of layer K, K = layers is before the final norm. */
  readonly taps?: Tensor;
}

/** Paged KV memory of one model for a set of sequences. Tentative rows are seen by nobody else, until `commit` keeps some of them. */
export interface Session {
  /** @throws CapacityError, nothing changed, when every sequence is taken. */
  open(): number;
  /** A copy of what is committed; pages are shared until one of the two writes. */
  fork(from: number): number;
  close(sequence: number): void;
  /** Committed tokens. */
  length(sequence: number): number;
  /** @throws CapacityError, nothing changed, when the pages do not suffice. */
  forward(rows: Rows, options?: { readonly taps?: readonly number[] }): Forward;
  /** Keeps the tentative rows on `paths` `[sequences, maxDepth]` (row numbers, root first, -1 padded) and forgets the others. No path: forgets all. */
  commit(sequences: Int32Array, paths?: Int32Array): void;
  /** Forgets the tentative rows too. */
  truncate(sequence: number, length: number): void;
}

/** Weights and description of one model. */
export interface Model {
  readonly description: ModelDescription;
  createSession(options: { readonly maxSequences: number; readonly maxTokens: number }): Session;
  /** `[rows, hidden]` f32. */
  embed(tokens: Tensor | Int32Array): Tensor;
  /** Final logits `[rows, vocab]` f32 of chosen rows. Prefer `choose`, which never writes them out. */
  head(hidden: Tensor): Tensor;
  /** The token this model would emit: argmax, or Gumbel-max with the request's own noise at `positions`. `[rows]` i32, target ids. */
  choose(hidden: Tensor, noise: Noise): Tensor;
}

/** Which noise each row uses (one sequence and one position per row): the request's seed, at the absolute position of the token that is chosen. */
export interface Noise {
  readonly sequences: readonly Sequence[];
  readonly positions: Int32Array | Tensor;
  /** Target id of each column, `[columns]` i32, where a draft numbers tokens in its own way; for `topK` only. */
  readonly vocabMap?: Tensor;
  /**
   * Default: the noise of the target's own choices. A draft that `distributions` describes must be drawn from another, which is new in every
   * iteration. Nodes drawn at the same position need streams of their own.
   */
  readonly stream?: string;
}

/** How tokens are chosen. */
export interface Sampling {
  /** 0: the most likely token, ties to the lowest id. */
  readonly temperature: number;
  /** Keeps the k most likely tokens and all ties of the k-th. */
  readonly topK?: number;
  /** Keeps the smallest set of tokens whose probability reaches this. In (0, 1]. */
  readonly topP?: number;
  /** Keeps tokens at least this share as likely as the likeliest. In [0, 1]. */
  readonly minP?: number;
  /** Above 0: divides positive and multiplies negative logits of every token in prompt and output, once. */
  readonly repetitionPenalty?: number;
  /** Taken off the logit of every token in the output, once. */
  readonly presencePenalty?: number;
  /** Taken off the logit of a token for each time it is in the output. */
  readonly frequencyPenalty?: number;
  /** Added to the logits of tokens by id; -Infinity bans. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Tokens that end a text may not come before the output has as many. */
  readonly minTokens?: number;
  /** 0 … 2^64 - 1; drawn and reported in the result when absent. */
  readonly seed: bigint;
}

/** A strategy by name with its options: plain data, the same in code, configuration files, flags and requests. */
export interface StrategyConfig {
  readonly name: string;
  readonly verifier?: string | { readonly name: string; readonly [option: string]: unknown };
  readonly [option: string]: unknown;
}

/**
 * Options of strategies by name, for typed configuration. A package with a strategy adds its own by declaration merging:
 *
 * @example
 * declare module 'foretoken' {
 *   interface StrategyOptions { 'foretoken-strategy-x': { length?: number } }
 * }
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging
export interface StrategyOptions {}

/** A strategy whose options are known, by its name. */
export type TypedStrategy = { [N in keyof StrategyOptions & string]: { readonly name: N; readonly verifier?: StrategyConfig['verifier'] } & StrategyOptions[N] }[keyof StrategyOptions & string];

/** A choice of strategy in a configuration: a name, `'off'`, or options beside a name. Editors complete the options of {@link StrategyOptions}. */
export type StrategyChoice = string | TypedStrategy | StrategyConfig;

/** A way of drafting: what it needs (`plan`) and what makes it run (`create`). */
export interface Strategy<O extends object = Record<string, unknown>> {
  readonly name: string;
  readonly version: string;
  /** Version of this interface. */
  readonly api: 1;
  /** One schema validates, types, documents and becomes the JSON schema. A path to weights is declared with `checkpoint()`. */
  readonly options: ZodType<O>;
  /** Pure: what this configuration needs and costs on this target, or why it cannot run. Core has read each checkpoint's config and tensor headers; no weights are loaded. */
  plan(options: O, target: TargetDescription, checkpoints: ReadonlyMap<string, CheckpointSummary>): Plan | Refusal;
  create(host: StrategyHost, options: O, plan: Plan): Promise<DraftProposer>;
}

/** What is known of a checkpoint folder without loading weights. */
export interface CheckpointSummary {
  readonly path: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** By stored name; `file` is the path of the file that holds it. */
  readonly tensors: ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[]; readonly file?: string }>;
  /** Fingerprint of the tokenizer's vocabulary; absent without a tokenizer. */
  readonly vocabulary?: string;
}

export interface TargetDescription {
  /** Its folder: a head without a folder of its own lies there, and `plan` finds the folder's summary among its checkpoints. */
  readonly path: string;
  readonly model: ModelDescription;
  /** Fingerprint of the tokenizer's vocabulary; empty without a tokenizer. */
  readonly vocabulary: string;
  readonly device: string;
  readonly kvDtype: DType;
  readonly maxSequences: number;
  readonly maxTokens: number;
}

export interface Plan {
  /** Rows besides the root, probes counted. */
  readonly maxNodes: number;
  readonly maxDepth: number;
  /** Most children of one node. Default: `maxNodes`. */
  readonly maxWidth?: number;
  /**
   * `'measured'` (default): core may take fewer nodes where more rows would cost this machine more than they bring. `'fixed'`: the user asked for
   * this very tree; only memory and the end of the text cut it.
   */
  readonly budget?: 'measured' | 'fixed';
  /** How nodes come about: top-ranked or copied, or drawn from a distribution that `distributions` hands to the verifier. */
  readonly drawn: 'deterministic' | 'independent' | 'without-replacement';
  /** Whether drawn drafts come with their `distributions`. Default: true. Where they do not, verifiers that judge by them refuse the plan. */
  readonly distributions?: boolean;
  readonly needs: Needs;
  readonly bytes: { readonly weights: number; readonly perToken: number; readonly perSequence: number };
  readonly unsupported?: readonly { readonly feature: string; readonly action: 'bypass' | 'refuse'; readonly why: string }[];
}

export interface Needs {
  /** Target rows wanted: none, the last committed one (in `DraftBatch`), or every committed one (in `Observed`). */
  readonly hidden: 'none' | 'last' | 'all';
  /** Residual streams instead of the final hidden state; numbering as in `Forward.taps`. */
  readonly taps?: readonly number[];
  /** Whether `Commit.choices` is wanted: the target's choice after every row proposed, accepted or not. */
  readonly choices: boolean;
  /** What to do with text whose rows this drafter never saw (swap in mid-text): run it again, let the first position be a later one, or decode plainly. */
  readonly gap: 'rerun' | 'start-late' | 'bypass';
}

/** Why a configuration cannot run. */
export interface Refusal {
  readonly refused: readonly { readonly path: string; readonly message: string; readonly remedy: string }[];
}

/** What a strategy is given. What is made through it is freed with the proposer. */
export interface StrategyHost {
  readonly target: { readonly description: ModelDescription; embed(tokens: Tensor | Int32Array): Tensor; head(hidden: Tensor): Tensor };
  readonly ops: Ops;
  readonly maxSequences: number;
  readonly maxTokens: number;
  /**
   * Tensors of a checkpoint by their stored names: all of kinds that can be read, or those named. Real numbers arrive in the number type of
   * the target's weights, f32 or bf16, so that both are multiplied alike; integers arrive as i32.
   *
   * @throws CheckpointError where a name is not in the checkpoint, or is stored in a kind that cannot be read
   */
  loadTensors(checkpoint: string, names?: readonly string[]): Promise<ReadonlyMap<string, Tensor>>;
  /**
   * The values of a tensor. It waits for the device: for `create` only, and refused in every callback.
   *
   * @throws DisposedError once `create` is over
   */
  read(tensor: Tensor): Promise<Float32Array | Int32Array>;
  /**
   * A small model from tensors of the strategy's own, by their neutral names (`attentionNorm`, `q`, …; see the guide to writing strategies), in
   * the number type of the target's weights. Without an `embedding` the target's serves, and is not copied; a description with `headSize: 0`
   * has no head. The tensors may be freed at once. Lives as long as the proposer.
   *
   * @throws ShapeError when a tensor is missing, of the wrong shape, or one too many
   */
  createModel(description: ModelDescription, tensors: ReadonlyMap<string, Tensor>): Model;
  /** A complete model folder. */
  loadModel(checkpoint: string): Promise<Model>;
  /** Lets a tensor live on after the iteration that made it. */
  keep<T extends Tensor>(tensor: T): T;
  free(tensor: Tensor): void;
}

/**
 * Drafts for all its sequences at once, synchronously; in each iteration `left`, `observe`, `forked`, `propose`, at most once per text. A
 * drafter that waits for something drafts from what has arrived, or nothing. After a throw its sequences decode plainly; after one in
 * `observe` or `forked` they have left.
 */
export interface DraftProposer extends Partial<Disposable> {
  /** Text that has become final: prompt chunks, then what each iteration kept. Every position arrives once, in order, from 0 or (after a gap) from a later one. */
  observe?(batch: Observed): void;
  /** Adds nodes for the sequences it wants to; adding none is normal and decodes that sequence plainly. It may be called for a sequence never observed, if no `hidden` is needed. */
  propose(batch: DraftBatch, draft: DraftBuilder): void;
  /** `to` continue as copies of `from`. Without it they arrive as sequences with a gap. */
  forked?(from: Sequence, to: readonly Sequence[]): void;
  /** Finished, cancelled or moved to another strategy: drop what is held for it. */
  left?(sequence: Sequence): void;
}

/** Rows of `sequences[i]` are `rowStart[i]` to `rowStart[i + 1]`; the first stands at position `firstPosition[i]`. */
export interface Observed {
  readonly sequences: readonly Sequence[];
  readonly firstPosition: Int32Array;
  readonly rowStart: Int32Array;
  /** For `hidden: 'all'`: `[rows, hidden]` or `[rows, taps * hidden]`. The row at position t is the state after token t; token t + 1 is `sequence.tokens[t + 1]`. */
  readonly hidden?: Tensor;
  /** What the last iteration did, one per sequence; undefined where the rows are prompt only. */
  readonly commits: readonly (Commit | undefined)[];
}

/** Sequences that have a budget and, where `hidden` is needed, were observed in this iteration or forked from one that was. */
export interface DraftBatch {
  readonly sequences: readonly Sequence[];
  /** Pending tokens `[sequences]` i32, the roots. */
  readonly pending: Tensor;
  /** For `hidden: 'last'`: the state after the token before the pending one, `[sequences, hidden]` or `[sequences, taps * hidden]`. */
  readonly hidden?: Tensor;
}

/** One running text. A view: its values are valid during the call. */
export interface Sequence {
  readonly id: number;
  /** Prompt and output so far; the last one is pending, at first the last of the prompt. */
  readonly tokens: Int32Array;
  readonly promptLength: number;
  /** Rows, probes counted, that core will take besides the root; at most `Plan.maxNodes`. Of more, it takes the first by number, or the best by `scores`. */
  readonly budget: number;
  /** Nodes deeper than this could never be emitted. */
  readonly maxDepth: number;
  readonly sampling: Sampling;
}

/** Collects the nodes of one `propose`. A sequence gets its rows from `node` and `probe`, or from `tensors`. */
export interface DraftBuilder {
  /** A node; returns its number, that of the sibling with the same token if there is one. Parent 0 is the root. A bad one, or one past the budget, is counted and gives -1, as does one whose parent is -1. */
  node(sequence: Sequence, token: number, parent: number): number;
  /** The same for a row that is scored for the proposer (see `Needs.choices`) and can never be accepted, nor what hangs from it; never merged. */
  probe(sequence: Sequence, token: number, parent: number): number;
  /** Nodes made on the device: `tokens` `[sequences, k]` target ids, `parents` `[sequences | 1, k]` (node numbers, column j is node j + 1, parents first), -1 = absent. */
  tensors(sequences: readonly Sequence[], nodes: {
    readonly tokens: Tensor;
    readonly parents: Tensor;
    /** Log-probabilities of the paths: of more nodes than the budget, the best are taken. Never with `distributions`: what is kept may not depend on what was drawn. */
    readonly scores?: Tensor;
    /** What node j was drawn from, before its siblings: `[sequences, k, vocab]` f32, each summing to 1. Siblings stand in the order drawn. */
    readonly distributions?: Tensor;
    /** Target id of each of the columns of `distributions`, `[columns]` i32. Default: they are target ids. */
    readonly vocabMap?: Tensor;
  }): void;
  /** A small tensor `[batch.sequences, …]` that rides on the iteration's one read; each sequence's part comes back in `Commit.reported`. */
  report(name: string, value: Tensor): void;
  /** This sequence decodes plainly now; the reason is counted and told. */
  fail(sequence: Sequence, why: unknown): void;
}

export interface Commit {
  /** Tokens that became final: the accepted nodes and the next one, cut at the first stop. */
  readonly tokens: Int32Array;
  /** Row numbers kept, root first. */
  readonly path: Int32Array;
  /** Nodes taken. */
  readonly proposed: number;
  /** By row number. */
  readonly choices?: Int32Array;
  readonly reported?: Readonly<Record<string, Float32Array | Int32Array>>;
}

/** Chooses the surviving path of every tree. */
export interface Verifier<O extends object = Record<string, unknown>> {
  readonly name: string;
  readonly options: ZodType<O>;
  readonly guarantee: Guarantee;
  readonly accepts: readonly Plan['drawn'][];
  /** Whether drawn drafts must come with what they were drawn from (`ScoredForest.distributions`). Default: false. */
  readonly needsDistributions?: boolean;
  verify(scored: ScoredForest, ops: Ops & VerifyOps, options: O): Verdict;
}

/** `identical`: the tokens of plain decoding; `distribution`: its law; `lossy`: neither. */
export type Guarantee = 'identical' | 'distribution' | 'lossy';

/** What the target says of every row, sequences packed: here a row is named by its index in the pack. Probes stand as absent rows. */
export interface ScoredForest {
  readonly sequences: readonly Sequence[];
  readonly rowStart: Int32Array;
  readonly tokens: Tensor;
  /** Index of the parent, -1 for a root. */
  readonly parents: Tensor;
  readonly drawn: Plan['drawn'];
  readonly maxWidth: number;
  /** Indices of the children in the order drafted, -1 padded: `[rows, maxWidth]`. */
  children(): Tensor;
  /** The target's own choice after each row, `[rows]`. */
  choices(): Tensor;
  /** Processed distributions `[rows, vocab]` f32. */
  probs(): Tensor;
  /** What each row's token was drawn from, `[rows, vocab]` f32 in target ids; zeros for roots. Undefined unless the verifier `needsDistributions` and drafts are drawn. */
  readonly distributions: Tensor | undefined;
  /** In (0, 1), one per row `[rows]`: keyed by the request's seed, the length of the text, the row's number in its own tree, and stream; never by the batch. New in every iteration. */
  uniform(stream: string): Tensor;
}

export interface VerifyOps {
  /** To the child whose token is the target's choice, as far as there is one. */
  acceptChosen(scored: ScoredForest): Verdict;
  /**
   * Drafts kept by the ratio of target and draft probability, so that what comes out has the target's law. `'recursive'` goes down from the
   * root and tries the children of each row in turn; `'traversal'` goes up from the leaves and tries whole paths, which keeps a little more.
   * Reads `probs`, `distributions` (deterministic drafts count as drawn with certainty), and the uniforms `accept` and `next`.
   */
  acceptByRatio(scored: ScoredForest, rule: 'recursive' | 'traversal'): Verdict;
  /**
   * The longest path from each root over rows that are `accepted` (`[rows]` i32, not 0); of equally long ones that with the largest sum of
   * `scores` (`[rows]` f32), then the one that ends first. `next[row]` of the last row follows.
   */
  acceptLongest(scored: ScoredForest, accepted: Tensor, scores: Tensor, next: Tensor): Verdict;
  /** From the root to `child[row]` until that is -1; `next[row]` of the last row follows. */
  walk(scored: ScoredForest, child: Tensor, next: Tensor): Verdict;
  /** One token per row, by weights `[rows, vocab]` that need no normalising. */
  sample(weights: Tensor, uniform: Tensor): Tensor;
}

/** `path` `[sequences, maxDepth]` row numbers, root first, -1 padded; `length` and `next` `[sequences]`. */
export interface Verdict {
  readonly path: Tensor;
  readonly length: Tensor;
  readonly next: Tensor;
}

/** Fixes the types of a strategy's options from its schema. */
export function defineStrategy<O extends object>(strategy: Strategy<O>): Strategy<O> {
  return strategy;
}

/** Fixes the types of a verifier's options from its schema. */
export function defineVerifier<O extends object>(verifier: Verifier<O>): Verifier<O> {
  return verifier;
}
