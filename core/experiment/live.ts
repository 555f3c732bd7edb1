import type { GenerateRequest } from '../options.js';
import type { Run } from '../run.js';
import { assignArm, hashFraction, roundOrder } from './assignment.js';
import { isPlain, type ResolvedExperiment } from './definition.js';
import type { ExperimentHost, ExperimentPrompt, ExperimentRequest, ExperimentRunOptions } from './experiment.js';
import type { Ledger } from './ledger.js';
import { type Measured, measureRun, trialOf, type Window } from './measured-run.js';
import { promptOf } from './paired.js';
import type { Trial } from './trial.js';

/** What a request was dealt. */
interface Deal {
  readonly arm: string;
  readonly block: number;
  readonly window: Window;
  readonly isForced: boolean;
}

/** Requests as they come: dealt to arms, timed, and followed by what can be worked out from them. */
export class LiveTraffic {
  private count = 0;
  private startedAt: number | undefined;
  private readonly background = new Set<Promise<void>>();
  /** Identity checks that wait for a time in which nobody is timed: they would slow down the arm that they check. */
  private readonly waiting: (() => void)[] = [];
  /** Requests under way, by arm. */
  private readonly active = new Map<string, number>();

  constructor(
    private readonly experiment: ResolvedExperiment,
    private readonly ledger: Ledger,
    private readonly host: ExperimentHost,
    private readonly ready: () => Promise<void>,
  ) {}

  generate({ unit, arm: wanted, category, ...request }: ExperimentRequest): Run {
    const number = this.count++;
    const { name, version } = this.experiment;
    const own = unit ?? `${name}-${number}`;
    const deal = this.deal(own, wanted, number);
    const full = { ...this.experiment.request, ...request } as GenerateRequest;
    const start = (left: AbortSignal): Run => {
      const signal = full.signal === undefined ? left : AbortSignal.any([left, full.signal]);
      return this.started({ ...full, strategy: this.experiment.arms.get(deal.arm)!, signal }, deal);
    };
    const onCommit = ({ at, tokens }: { readonly at: number; readonly tokens: number }): void => {
      if (this.experiment.design !== 'switchback' || at < deal.window.from || at > deal.window.to) return;
      this.ledger.timedTokens += tokens;
      if ([...this.active].some(([arm, count]) => arm !== deal.arm && count > 0)) this.ledger.overlappedTokens += tokens;
    };
    return measureRun(this.ready(), start, { name, version, arm: deal.arm, isForced: deal.isForced }, onCommit, (measured) => {
      const trial: Trial = { arm: deal.arm, version, unit: own, block: deal.block, isForced: deal.isForced, ...(category === undefined ? {} : { category }), ...this.trialOf(measured, deal) };
      this.follow(this.finish(trial, measured, full));
    });
  }

  async run(prompts: readonly ExperimentPrompt[], { signal, rounds = this.experiment.horizon, onProgress }: ExperimentRunOptions): Promise<void> {
    const { design, arms, sliceMs, concurrency } = this.experiment;
    const isSwitchback = design === 'switchback';
    const endsAt = (this.startedAt ??= performance.now()) + rounds * arms.size * sliceMs;
    const total = isSwitchback ? 0 : prompts.length;
    let next = 0;
    let done = 0;
    const isOver = (): boolean => (isSwitchback ? performance.now() >= endsAt : next >= prompts.length) || signal?.aborted === true || (next % arms.size === 0 && this.ledger.isDecided);
    const worker = async (): Promise<void> => {
      while (!isOver()) {
        const prompt = prompts[next % prompts.length]!;   // there is one: the caller looked
        const seed = BigInt.asUintN(64, BigInt(this.experiment.request.seed ?? 0) + BigInt(next++));
        await this.generate({ ...promptOf(prompt), seed, unit: prompt.id, ...(prompt.category === undefined ? {} : { category: prompt.category }), ...(signal === undefined ? {} : { signal }) }).result;
        onProgress?.(++done, total, this.ledger.trials);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    signal?.throwIfAborted();
    await this.settled();
  }

  async settled(): Promise<void> {
    while (this.background.size > 0) {
      this.release();
      await Promise.all(this.background);
    }
  }

  /** Generates, and knows which arms have a request under way. */
  private started(request: GenerateRequest, { arm }: Deal): Run {
    const run = this.host.generate(request);
    this.active.set(arm, (this.active.get(arm) ?? 0) + 1);
    const ended = (): void => { this.active.set(arm, this.active.get(arm)! - 1); };   // it was set above
    run.result.then(ended, ended);
    return run;
  }

  private deal(unit: string, wanted: string | undefined, number: number): Deal {
    const { control, design, weights, salt, sliceMs, washOutMs, arms } = this.experiment;
    const always = { from: -Infinity, to: Infinity };
    const standIn = (arm: string): Pick<Deal, 'arm' | 'isForced'> => (this.ledger.stopped.has(arm) ? { arm: control, isForced: true } : { arm, isForced: false });
    if (design === 'switchback') {
      const slice = Math.floor((performance.now() - (this.startedAt ??= performance.now())) / sliceMs);
      const round = Math.floor(slice / arms.size);
      const from = this.startedAt + slice * sliceMs;
      if (performance.now() < from + washOutMs) this.release();
      const dealt = { block: round, window: { from: from + washOutMs, to: from + sliceMs } };
      return { ...dealt, ...(wanted === undefined ? standIn(roundOrder([...arms.keys()], salt, round)[slice % arms.size]!) : { arm: wanted, isForced: true }) };
    }
    if (wanted !== undefined) return { arm: wanted, isForced: true, block: number, window: always };
    return { ...(design === 'shadow' ? { arm: control, isForced: false } : standIn(assignArm(weights, salt, unit))), block: number, window: always };
  }

  /** Only `switchback` can tell time: in the other designs arms share passes, or are not served. */
  private trialOf(measured: Measured, { window }: Deal): ReturnType<typeof trialOf> {
    const { timing, ...counts } = trialOf(measured, window);
    return this.experiment.design === 'switchback' && timing !== undefined ? { ...counts, timing } : counts;
  }

  private async finish(trial: Trial, measured: Measured, request: GenerateRequest): Promise<void> {
    const isIdentical = await this.checkIdentity(trial, measured, request);
    const trials: Trial[] = [isIdentical === undefined ? trial : { ...trial, isIdentical }];
    if (this.experiment.design === 'shadow' && !trial.isForced) {
      for (const arm of this.ledger.running) if (arm !== this.experiment.control) trials.push(await this.shadowOf(arm, trial, measured, request));
    }
    this.ledger.add(...trials);
  }

  /** Runs a sample of the requests again, plainly. */
  private async checkIdentity({ arm, unit, block }: Trial, { result }: Measured, request: GenerateRequest): Promise<boolean | undefined> {
    const { arms, guardrails, salt } = this.experiment;
    const isPromised = this.ledger.guarantees.get(arm) === 'identical' && !isPlain(arms.get(arm)!);
    if (!isPromised || hashFraction(salt, 'identity', unit, block) >= guardrails.identity) return undefined;
    if (this.experiment.design === 'switchback') await new Promise<void>((resolve) => { this.waiting.push(resolve); });
    const { signal: _, ...again } = request;
    const plain = await this.host.generate({ ...again, seed: result.stats.seed, strategy: 'off' }).result;
    return plain.samples.every(({ tokens }, i) => tokens.join() === result.samples[i]?.tokens.join());
  }

  private release(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private async shadowOf(arm: string, { unit, block, category, version }: Trial, { result }: Measured, request: GenerateRequest): Promise<Trial> {
    const { signal: _, ...same } = request;
    const score = await this.host.shadow({ ...same, strategy: this.experiment.arms.get(arm)!, seed: result.stats.seed, output: result.tokens });
    const { iterations, drafted, accepted, faults, bypassed } = score.stats;
    return {
      arm, version, unit, block, isForced: false, ...(category === undefined ? {} : { category }), promptTokens: result.usage.promptTokens, batch: 1,
      tokens: result.tokens.length, iterations, drafted, accepted, faults, bypassed,
    };
  }

  /** What follows a request must not fail it: a fault is told as a warning, and its trial is missing. */
  private follow(work: Promise<void>): void {
    const followed = work.catch((error: unknown) => {
      process.emitWarning(`A request of experiment "${this.experiment.name}" could not be analysed: ${error instanceof Error ? error.message : String(error)}`, 'ForetokenWarning');
    }).finally(() => this.background.delete(followed));
    this.background.add(followed);
  }
}
