import { type Batch, endTokensOf, type Request } from './batch.js';
import { iterate } from './decode.js';
import type { GenerationConfig } from './checkpoint/generation-config.js';
import { ConfigError, ContextLengthError, DisposedError, TokenizerError } from './errors.js';
import type { EngineEmitter } from './events.js';
import type { ExperimentDefinition } from './experiment/definition.js';
import { Experiment } from './experiment/experiment.js';
import { type ShadowRequest, type ShadowScore, ShadowScorer } from './experiment/shadow-score.js';
import type { ModelDescription } from './description.js';
import { NamedStrategies } from './named-strategies.js';
import { type GenerateOptions, type GenerateRequest, parseGenerateRequest, type RequestDefaults, type ScoreRequest, withDefaults } from './options.js';
import { Run } from './run.js';
import { score, type Scores } from './score.js';
import { abandon } from './steps/emit.js';
import type { StrategyInstance } from './strategy-instance.js';
import type { StrategyConfig } from './strategy.js';
import type { StrategyLoader } from './strategy-loader.js';
import type { Target } from './target.js';
import { TextStream } from './tokenizer/stop.js';
import type { Tokenizer } from './tokenizer/tokenizer.js';
import { VerifierRegistry } from './verifiers/registry.js';

/** What an engine runs with, for reports. */
export interface EngineInfo {
  readonly model: string;
  readonly description: ModelDescription;
  readonly dtype: 'f32' | 'bf16';
  readonly kvDtype: 'f32' | 'bf16';
  readonly device: string;
  /** Kernels in use, e.g. `avx2`. Results are the same bits on all of them. */
  readonly instructionSet: string;
  readonly threads: number;
  readonly maxSequences: number;
  readonly maxTokensPerSequence: number;
  /** What the model's generation_config.json says: requests use it where they do not say, unless they ask not to. */
  readonly generation: GenerationConfig;
  /** Milliseconds of one pass by number of rows, as measured at load time; empty when it was not measured. */
  readonly passTimes: readonly { readonly rows: number; readonly ms: number }[];
}

/**
 * One target model and the strategies that speed it up. Requests start at once and share passes, whatever their strategies; what each of
 * them gets does not depend on the others.
 */
export class Engine implements AsyncDisposable {
  private readonly plain = new VerifierRegistry().bind(undefined, undefined, 'off');
  private readonly shutdown = new AbortController();
  private nextRequest = 0;
  private looping: Promise<void> | undefined;
  private failure: unknown;
  private readonly loaded: StrategyInstance[] = [];
  private disposal: Promise<void> | undefined;
  private scorer: ShadowScorer | undefined;
  private readonly requestDefaults: RequestDefaults;
  /** The default strategy and those with names of your own; they can be changed while requests run. */
  readonly strategies: NamedStrategies;

  /** @internal Made by `createEngine`. */
  constructor(
    readonly info: EngineInfo,
    /** What happens, as it happens. */
    readonly events: EngineEmitter,
    private readonly target: Target,
    private readonly batch: Batch,
    private readonly loader: StrategyLoader,
    private readonly tokenizer: Tokenizer | undefined,
    private readonly noTokenizer: string,
    choices: { readonly strategy: string | StrategyConfig; readonly strategies: Readonly<Record<string, string | StrategyConfig>>; readonly request: RequestDefaults },
    private readonly freeRuntime: () => void,
  ) {
    this.requestDefaults = choices.request;
    this.strategies = new NamedStrategies(choices.strategies, choices.strategy, (choice) => this.loadConfig(choice), (name, strategy) => batch.move(name, strategy));
  }

  /**
   * Starts to generate at once. Every failure, of the options too, comes through the run.
   *
   * @example
   * for await (const { text } of engine.generate({ prompt: 'Once upon a time' })) process.stdout.write(text);
   */
  generate(request: GenerateRequest): Run {
    const cancelled = new AbortController();
    const run = new Run((reason) => cancelled.abort(reason));
    this.start(request, run, cancelled.signal).catch((error: unknown) => run.fail(error));
    return run;
  }

  /**
   * Final logits of a text, before any processor: one row per token (or those asked for), or one per node of a tree that hangs from it.
   *
   * @throws ConfigError, ContextLengthError
   */
  async score(request: ScoreRequest): Promise<Scores> {
    this.checkUsable();
    return score(request, this.target);
  }

  /** Whether it takes and gives text; without a tokenizer it works token in, token out. */
  get hasTokenizer(): boolean {
    return this.tokenizer !== undefined;
  }

  /** Tokens of a text, with what the model expects around it. @throws TokenizerError when the model has no tokenizer */
  encode(text: string): Int32Array {
    return this.needTokenizer().encode(text);
  }

  /** Text of tokens, special tokens left out. @throws TokenizerError when the model has no tokenizer */
  decode(tokens: ArrayLike<number>): string {
    return this.needTokenizer().decode(Array.from(tokens));
  }

  /** Pages of KV memory in use, of the target and of all draft models. 0 when nothing runs. */
  pages(): { used: number; total: number } {
    const { used, total } = this.target.session.pages();
    return this.loaded.reduce((sum, strategy) => {
      const own = strategy.pages();
      return { used: sum.used + own.used, total: sum.total + own.total };
    }, { used, total });
  }

  /** Loads a strategy now rather than with its first request. @throws what `generate` with it would */
  async prepare(strategy: string | StrategyConfig): Promise<void> {
    this.checkUsable();
    await this.load(strategy);
  }

  /**
   * Compares strategies on this engine; see {@link Experiment}.
   *
   * @throws ConfigError where the definition is wrong
   */
  experiment(definition: ExperimentDefinition): Experiment {
    this.checkUsable();
    return new Experiment(definition, {
      generate: (request) => this.generate(request),
      shadow: (request) => this.shadow(request),
      guaranteeOf: async (strategy) => (await this.load(strategy))?.guarantee ?? 'identical',
    });
  }

  /**
   * What a strategy would have had accepted on a text that was served without it, token for token. It verifies no draft, because under the exact verifier the
   * text itself says what the target chose.
   *
   * @throws ConfigError for a verifier that is not exact and for drafts that are drawn anew
   */
  async shadow(request: ShadowRequest): Promise<ShadowScore> {
    this.checkUsable();
    this.scorer ??= new ShadowScorer(this.target, this.loader, this.plain, (options) => ({ prompt: this.promptOf(options), openText: this.textOpener(options, this.promptOf(options)) }));
    const { output, ...generated } = request;
    return this.scorer.score({ ...withDefaults(generated, this.requestDefaults), output, strategy: this.strategies.resolve(request.strategy).choice });
  }

  /** Ends every run with a DisposedError and frees everything. A second call waits for the first. */
  dispose(): Promise<void> {
    this.disposal ??= this.end();
    return this.disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private load(choice: string | StrategyConfig): Promise<StrategyInstance | undefined> {
    return this.loadConfig(this.strategies.resolve(choice).choice);
  }

  private async loadConfig(choice: string | StrategyConfig): Promise<StrategyInstance | undefined> {
    this.checkUsable();
    const strategy = await this.loader.load(choice);
    if (strategy !== undefined && !this.loaded.includes(strategy)) this.loaded.push(strategy);
    return strategy;
  }

  private async start(input: GenerateRequest, run: Run, cancelled: AbortSignal): Promise<void> {
    const calledAt = performance.now();
    this.checkUsable();
    const options = parseGenerateRequest(withDefaults(input, this.requestDefaults), this.target.settings.generation);
    options.signal?.throwIfAborted();
    const prompt = this.promptOf(options);
    this.checkFits(prompt, options);
    const { strategy, names } = await this.chosen(options.strategy);
    const signals = [cancelled, this.shutdown.signal, ...(options.signal === undefined ? [] : [options.signal])];
    for (const signal of signals) signal.throwIfAborted();
    const endTokens = endTokensOf(options, this.target.settings);
    const echoed = options.echo ? options.prompt ?? this.decode(prompt) : '';
    const openText = this.textOpener(options, prompt);
    const request: Request = { id: this.nextRequest++, options, prompt, endTokens, echoed, run, strategy, guarantee: strategy?.guarantee ?? 'identical', names, signals, calledAt, openText, samples: new Array(options.n).fill(undefined) };
    this.batch.add(request);
    this.looping ??= this.loop();
  }

  /** The strategy of a choice. A name may be set anew while it loads: what it stands for at the end counts. */
  private async chosen(choice: string | StrategyConfig | undefined): Promise<{ strategy: StrategyInstance | undefined; names: readonly string[] }> {
    for (let at = this.strategies.resolve(choice); ; ) {
      const strategy = await this.loadConfig(at.choice);
      const now = this.strategies.resolve(choice);
      if (now.choice === at.choice) return { strategy, names: now.names };
      at = now;
    }
  }

  /** The text of a sample, cut at its stop strings. */
  private textOpener({ stop }: GenerateOptions, prompt: Int32Array): () => TextStream | undefined {
    const { tokenizer } = this;
    return () => tokenizer && new TextStream(tokenizer, stop, prompt);
  }

  private promptOf(options: GenerateOptions): Int32Array {
    const { prompt, promptTokens, stop, echo, stopTokens, sampling: { logitBias = {} } } = options;
    if (stop.length > 0 || echo) this.needTokenizer();
    const tokens = promptTokens ?? this.needTokenizer().encode(prompt!);   // one of the two is there
    const { vocabSize } = this.target.description;
    const bad = tokens.find((token) => token < 0 || token >= vocabSize);
    if (bad !== undefined) throw new ConfigError(`Prompt token ${bad} is outside of the vocabulary (0 to ${vocabSize - 1}).`);
    for (const [option, ids] of [['stopTokens', [...stopTokens]], ['logitBias', Object.keys(logitBias).map(Number)]] as const) {
      const beyond = ids.find((id) => id >= vocabSize);
      if (beyond !== undefined) throw new ConfigError(`Option \`${option}\` of generate: token ${beyond} is outside of the vocabulary (0 to ${vocabSize - 1}).`);
    }
    if (tokens.length === 0) throw new ConfigError('The prompt has no token; give at least one, e.g. the begin-of-text token.');
    return tokens;
  }

  private checkFits(prompt: Int32Array, { n }: GenerateOptions): void {
    const { maxTokens } = this.target.settings;
    if (prompt.length >= maxTokens) {
      throw new ContextLengthError(`The prompt has ${prompt.length} tokens; the engine holds ${maxTokens} per sequence, and at least one must be left to generate. `
        + 'Shorten the prompt or raise `maxTokensPerSequence`.');
    }
    if (n > this.info.maxSequences) {
      throw new ConfigError(`Option \`n\` of generate: ${n} samples; this engine runs at most ${this.info.maxSequences} sequences at once. Raise \`maxSequences\` or ask for fewer.`);
    }
  }

  private needTokenizer(): Tokenizer {
    if (this.tokenizer === undefined) throw new TokenizerError(this.noTokenizer);
    return this.tokenizer;
  }

  private checkUsable(): void {
    if (this.disposal !== undefined) throw new DisposedError('The engine has been disposed; create a new one.');
    if (this.failure !== undefined) throw this.failure;
  }

  /** Runs while there is anybody to run for. */
  private async loop(): Promise<void> {
    try {
      while (!this.batch.isEmpty) await iterate(this.batch, this.plain, this.target);
    } catch (error) {
      // Only loss of the device, or a fault of our own, comes this far.
      this.failure = error;
      for (const { run } of this.batch.dropWaiting(() => true)) run.fail(error);
      abandon([...this.batch.members], error, 'failed', this.batch, this.target);
    } finally {
      this.looping = undefined;
    }
  }

  private async end(): Promise<void> {
    this.shutdown.abort(new DisposedError('The engine was disposed while this run was under way.'));
    await this.looping;
    await this.scorer?.settled();
    for (const strategy of await this.loader.ready()) strategy.dispose();
    this.target.dispose();
    this.events.removeAllListeners();
    this.freeRuntime();
  }
}
