import { Batch, endTokensOf, type Request } from '../batch.js';
import { iterate } from '../decode.js';
import { ConfigError } from '../errors.js';
import { EngineEmitter } from '../events.js';
import { type GenerateOptions, type GenerateRequest, parseGenerateRequest } from '../options.js';
import { Run, type RunStats } from '../run.js';
import type { BoundVerifier, StrategyInstance } from '../strategy-instance.js';
import type { StrategyLoader } from '../strategy-loader.js';
import type { StrategyConfig } from '../strategy.js';
import { Target } from '../target.js';
import type { TraceEntry } from '../trace.js';
import { ShadowRun } from './shadow-run.js';
import { WholeText } from './whole-text.js';

/** What `engine.shadow` is asked: a request that has been served, its output, and the strategy to judge. */
export interface ShadowRequest extends Omit<GenerateRequest, 'n' | 'trace' | 'signal'> {
  readonly strategy: string | StrategyConfig;
  /** Tokens that were generated, up to and including the one that ended the text. */
  readonly output: readonly number[];
}

/** One iteration that the strategy would have had. Nodes are numbered as in a trace: absent ones and probes have no number. */
export interface ShadowBlock {
  /** Of the nodes, the root first. */
  readonly tokens: readonly number[];
  /** Node numbers; -1 for the root. */
  readonly parents: readonly number[];
  /** Nodes accepted and kept, root first. */
  readonly accepted: readonly number[];
  /** The token after them; undefined where the text ended with an accepted node. */
  readonly next: number | undefined;
}

/** What a strategy would have had accepted on a text that it did not serve. */
export interface ShadowScore {
  /** Counts, as in `RunStats`. */
  readonly stats: Pick<RunStats, 'iterations' | 'drafted' | 'accepted' | 'acceptanceLength' | 'faults' | 'bypassed'>;
  /** As a trace has them: without the pass that ends the prompt, where nothing was drafted in it. */
  readonly blocks: readonly ShadowBlock[];
  /** Rows that the target computed for it: none for a strategy that looks at tokens alone, the text for one that wants hidden states, all drafts for one that asks for the target's choices. */
  readonly targetRows: number;
}

/**
 * Works out what strategies would have had accepted. Under the exact verifier the emitted tokens are the target's own choices, whoever drafts:
 * so a node is accepted if and only if it is the token that the text has there, and no draft needs to be verified. The strategy is run as
 * the loop runs it, with the text in place of the target's answers. One text at a time.
 */
export class ShadowScorer {
  private queue: Promise<unknown> = Promise.resolve();
  private count = 0;

  constructor(private readonly target: Target, private readonly strategies: StrategyLoader, private readonly plain: BoundVerifier, private readonly textOf: (options: GenerateOptions) => Pick<Request, 'prompt' | 'openText'>) {}

  /** Waits for the text at work and those behind it. */
  async settled(): Promise<void> {
    await this.queue;
  }

  /** @throws ConfigError where acceptance does not follow from the text */
  score(request: ShadowRequest): Promise<ShadowScore> {
    const scored = this.queue.then(() => this.scoreNow(request));
    this.queue = scored.catch(() => {});   // the next one does not suffer from it
    return scored;
  }

  private async scoreNow({ output, strategy, ...rest }: ShadowRequest): Promise<ShadowScore> {
    const options = parseGenerateRequest({ ...rest, n: 1, trace: true }, this.target.settings.generation);
    const instance = await this.strategies.loadApart(strategy);
    if (output.length === 0) throw new ConfigError('A shadow needs the tokens that were generated; `output` is empty.');
    if (instance !== undefined) requireFollows(instance);
    const { prompt, openText } = this.textOf(options);
    const request: Request = {
      id: this.count++, options, prompt, endTokens: endTokensOf(options, this.target.settings), echoed: '', run: new Run(() => {}), strategy: instance, guarantee: 'identical', names: [], signals: [], calledAt: performance.now(), openText, samples: [undefined],
    };
    const needs = instance?.plan.needs;
    return needs?.choices ? this.scoreByPasses(request, output) : this.scoreByText(request, output);
  }

  /** Nothing is verified; the target computes the rows of the text, once, where the strategy wants them. */
  private async scoreByText(request: Request, output: readonly number[]): Promise<ShadowScore> {
    const text = Int32Array.from([...request.prompt, ...output]);
    const whole = await WholeText.of(text, request.strategy?.plan.needs, this.target);
    try {
      return await new ShadowRun(request, text, whole).run();
    } finally {
      whole.close();
    }
  }

  /** The target's answers to its own rows are what this strategy drafts from: they are computed, in passes of their own that serve nobody. */
  private async scoreByPasses(request: Request, output: readonly number[]): Promise<ShadowScore> {
    const { runtime, model, session, description, budget, settings } = this.target;
    const target = new Target(runtime, model, session, description, budget, settings, new EngineEmitter());
    let targetRows = 0;
    target.events.on('verified', ({ rows }) => { targetRows += rows; });
    const batch = new Batch(1, () => session.open());
    batch.add(request);
    while (!batch.isEmpty) await iterate(batch, this.plain, target);
    target.release();
    const { tokens, stats, trace } = await request.run.result;
    if (tokens.join() !== output.join()) {
      throw new ConfigError('The output of this shadow request is not what this model writes for it: give the prompt, sampling options and seed that it was generated with.');
    }
    const { iterations, drafted, accepted, acceptanceLength, faults, bypassed } = stats;
    return { stats: { iterations, drafted, accepted, acceptanceLength, faults, bypassed }, blocks: blocksOf(trace ?? [], output.length - (iterations - (trace ?? []).length)), targetRows };
  }
}

/**
 * Blocks of a trace; the last is cut where the text ended.
 *
 * @param emitted tokens that its iterations emitted
 */
export function blocksOf(trace: readonly TraceEntry[], emitted: number): ShadowBlock[] {
  const past = trace.reduce((sum, { accepted }) => sum + accepted.length, 0) - emitted;   // what the last path and the token after it go past the end
  return trace.map(({ tokens, parents, accepted, next }, i) => {
    if (i < trace.length - 1 || past === 0) return { tokens, parents, accepted, next };
    return { tokens, parents, accepted: accepted.slice(0, accepted.length - past + 1), next: undefined };
  });
}

function requireFollows({ name, guarantee, plan }: StrategyInstance): void {
  const why = guarantee !== 'identical' ? `its verifier promises only "${guarantee}", so the text would have been another`
    : plan.drawn !== 'deterministic' ? 'its drafts are drawn anew in every iteration' : undefined;
  if (why === undefined) return;
  throw new ConfigError(`What strategy "${name}" would have had accepted does not follow from a text: ${why}. Use the exact verifier and deterministic drafts, or the design "paired".`);
}

