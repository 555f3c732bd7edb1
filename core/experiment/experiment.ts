import { ConfigError } from '../errors.js';
import type { GenerateRequest } from '../options.js';
import type { Run } from '../run.js';
import type { Guarantee, StrategyConfig } from '../strategy.js';
import { type ExperimentDefinition, isPlain, type ResolvedExperiment, resolveExperiment } from './definition.js';
import { Ledger } from './ledger.js';
import { LiveTraffic } from './live.js';
import { runPaired } from './paired.js';
import type { ExperimentRecord, ExperimentReport } from './report.js';
import type { ShadowRequest, ShadowScore } from './shadow-score.js';
import type { Trial } from './trial.js';

/** What an experiment needs of an engine. */
export interface ExperimentHost {
  /** Starts a request. */
  generate(request: GenerateRequest): Run;
  /** Loads a strategy and says what its verifier promises. */
  guaranteeOf(strategy: string | StrategyConfig): Promise<Guarantee>;
  /** What a strategy would have had accepted on a text that another wrote. */
  shadow(request: ShadowRequest): Promise<ShadowScore>;
}

/** A request of an experiment under live load. */
export interface ExperimentRequest extends Omit<GenerateRequest, 'strategy'> {
  /** What sticks to its arm: a user, a conversation. Default: every request is a unit of its own. */
  readonly unit?: string;
  /** An arm to use whatever the assignment says; such requests are kept apart from the comparison. */
  readonly arm?: string;
  /** For the breakdown of the report. */
  readonly category?: string;
}

/** A prompt that `run` uses; every one is its own unit. */
export interface ExperimentPrompt {
  /** Its name in trials and reports. */
  readonly id: string;
  /** The prompt as text. */
  readonly text?: string;
  /** Instead of `text`; taken as they are, no token is added. */
  readonly tokens?: Int32Array | readonly number[];
  /** For the breakdown of the report. */
  readonly category?: string;
}

/** Options of `run`. */
export interface ExperimentRunOptions {
  /** Ends the run at the next commit; `run` rejects with its reason, and what was measured stays. */
  readonly signal?: AbortSignal;
  /** `switchback`: rounds of slices, one of each arm. Default: the horizon of the experiment. */
  readonly rounds?: number;
  /** Called after every request or cluster; `total` is 0 where it is not known. */
  readonly onProgress?: (done: number, total: number, trials: readonly Trial[]) => void;
}

/**
 * A comparison of strategies on one engine. Give it prompts with `run`, or send live requests through `generate`; ask for a `report` whenever
 * you like. It ends with its engine and owns nothing else.
 *
 * @example
 * const experiment = engine.experiment({ name: 'first', arms: { plain: 'off', guess: './my-strategy.ts' } });
 * const { comparisons: [comparison] } = await experiment.run([{ id: 'a', text: 'Once upon a time' }]);
 */
export class Experiment {
  private readonly experiment: ResolvedExperiment;
  private readonly ledger: Ledger;
  private readonly live: LiveTraffic;
  private isReady: Promise<void> | undefined;

  /** @internal Made by `engine.experiment`. */
  constructor(definition: ExperimentDefinition, private readonly host: ExperimentHost) {
    this.experiment = resolveExperiment(definition);
    this.ledger = new Ledger(definition, this.experiment);
    this.live = new LiveTraffic(this.experiment, this.ledger, host, () => this.ready());
  }

  /**
   * Starts a request under the arm that it is dealt: `result.experiment` says which. Failures, of the experiment too, come through the run.
   *
   * @throws ConfigError in the design `paired`, which must run every prompt on every arm, where `arm` is none of its arms, and for several samples in a `shadow`
   */
  generate(request: ExperimentRequest): Run {
    const { design, name, arms } = this.experiment;
    if (design === 'paired') throw new ConfigError(`Experiment "${name}" is paired: it runs the same prompts on every arm; give them to \`run\`, or choose the design switchback, shadow or request for live requests.`);
    if (request.arm !== undefined && !arms.has(request.arm)) throw new ConfigError(`Experiment "${name}" has no arm "${request.arm}"; known: ${[...arms.keys()].join(', ')}.`);
    if (design === 'shadow' && (request.n ?? 1) > 1) throw new ConfigError(`Experiment "${name}" scores shadows of one sample at a time; ${request.n} were asked for. Leave \`n\` out.`);
    return this.live.generate(request);
  }

  /**
   * Runs prompts under the design: each on every arm (`paired`), each once (`request`, `shadow`), or over and over until the rounds are through
   * (`switchback`). Requests are as long as the definition's `request.maxTokens` says. Can be called again with more prompts.
   *
   * @throws ConfigError, and whatever a request fails with
   */
  async run(prompts: readonly ExperimentPrompt[], options: ExperimentRunOptions = {}): Promise<ExperimentReport> {
    if (prompts.length === 0) throw new ConfigError(`Experiment "${this.experiment.name}" was given no prompt.`);
    await this.ready();
    if (this.experiment.design === 'paired') await runPaired(this.experiment, this.ledger, this.host, prompts, options);
    else await this.live.run(prompts, options);
    return this.report();
  }

  /** The report on what has been measured so far. Looking costs nothing: its sequential intervals hold at every moment. */
  report(): ExperimentReport {
    return this.ledger.report();
  }

  /** What has been measured so far, as plain data. */
  record(): ExperimentRecord {
    return this.ledger.record();
  }

  /** Waits for what goes on behind the requests: shadows and identity checks. */
  settled(): Promise<void> {
    return this.live.settled();
  }

  private ready(): Promise<void> {
    this.isReady ??= this.load().catch((error: unknown) => {
      this.isReady = undefined;   // the next request may find the file repaired
      throw error;
    });
    return this.isReady;
  }

  /** Loads every arm, so that none pays for it in a measurement, and sees that they promise the same. */
  private async load(): Promise<void> {
    const { arms, name, mixGuarantees, design, control } = this.experiment;
    for (const [arm, strategy] of arms) {
      const guarantee = design === 'shadow' && arm !== control ? 'identical' : await this.host.guaranteeOf(strategy);
      this.ledger.guarantees.set(arm, isPlain(strategy) ? 'identical' : guarantee);
    }
    const levels = new Set(this.ledger.guarantees.values());
    if (levels.size > 1 && !mixGuarantees) {
      const told = [...this.ledger.guarantees].map(([arm, guarantee]) => `${arm}: ${guarantee}`).join(', ');
      throw new ConfigError(`The arms of experiment "${name}" promise different things of their tokens (${told}), so they write different texts. Give them verifiers of one guarantee, or set \`mixGuarantees\` if that is what you want to compare.`);
    }
  }
}
