import type { RunResult } from '../run.js';
import { hashFraction, pairedOrder } from './assignment.js';
import { isPlain, type ResolvedExperiment } from './definition.js';
import type { ExperimentHost, ExperimentPrompt, ExperimentRunOptions } from './experiment.js';
import type { Ledger } from './ledger.js';
import { type Measured, measureRun, trialOf } from './measured-run.js';
import type { Trial } from './trial.js';

const WARM_UP_TOKENS = 8;
const ALWAYS = { from: -Infinity, to: Infinity };

interface Taken {
  readonly trial: Trial;
  readonly prompt: ExperimentPrompt;
  readonly seed: bigint;
  readonly result: RunResult;
}

/** Every prompt on every arm, block by block; a guardrail that is broken takes its arm out of the blocks that follow. */
export async function runPaired(experiment: ResolvedExperiment, ledger: Ledger, host: ExperimentHost, prompts: readonly ExperimentPrompt[], { signal, onProgress }: ExperimentRunOptions): Promise<void> {
  const { concurrency, repeats, request, version, name } = experiment;
  const firstBlock = 1 + ledger.trials.reduce((last, { block }) => Math.max(last, block), -1);
  const seedOf = (index: number): bigint => BigInt.asUintN(64, BigInt(request.seed ?? 0) + BigInt(index));
  const turn = (arm: string, prompt: ExperimentPrompt, seed: bigint, maxTokens?: number): Promise<Measured> => measured(experiment, host, arm, prompt, seed, signal, maxTokens);
  for (const arm of ledger.running) await turn(arm, prompts[0]!, seedOf(0), Math.min(WARM_UP_TOKENS, request.maxTokens ?? WARM_UP_TOKENS));   // there is a prompt: the caller looked
  for (let at = 0, block = firstBlock; at < prompts.length && !ledger.isDecided; at += concurrency, block++) {
    const group = prompts.slice(at, at + concurrency);
    const taken: Taken[] = [];
    for (const arm of pairedOrder(ledger.running, block, repeats)) {
      const runs = await Promise.all(group.map((prompt, i) => turn(arm, prompt, seedOf(at + i))));
      runs.forEach((run, i) => {
        const prompt = group[i]!;   // one run per prompt
        const trial: Trial = { arm, version, unit: prompt.id, block, isForced: false, ...(prompt.category === undefined ? {} : { category: prompt.category }), ...trialOf(run, ALWAYS) };
        taken.push({ trial, prompt, seed: seedOf(at + i), result: run.result });
      });
    }
    ledger.add(...await withIdentity(taken, experiment, ledger, (prompt) => hashFraction(name, 'identity', prompt.id), (prompt, seed) => plainTokens(host, experiment, prompt, seed, signal)));
    onProgress?.(Math.min(prompts.length, at + concurrency), prompts.length, ledger.trials);
  }
}

async function measured(experiment: ResolvedExperiment, host: ExperimentHost, arm: string, prompt: ExperimentPrompt, seed: bigint, signal: AbortSignal | undefined, maxTokens?: number): Promise<Measured> {
  const { name, version, arms, request } = experiment;
  return new Promise((resolve, reject) => {
    const start = (left: AbortSignal) => host.generate({
      ...request, ...promptOf(prompt), seed, strategy: arms.get(arm)!, signal: signal === undefined ? left : AbortSignal.any([left, signal]),
      ...(maxTokens === undefined ? {} : { maxTokens, minTokens: 0 }),
    } as Parameters<ExperimentHost['generate']>[0]);
    measureRun(Promise.resolve(), start, { name, version, arm, isForced: false }, () => {}, resolve).result.catch(reject);
  });
}

/** What a prompt is to `generate`. */
export function promptOf({ text, tokens }: ExperimentPrompt): { prompt: string } | { promptTokens: Int32Array | readonly number[] } {
  return tokens === undefined ? { prompt: text ?? '' } : { promptTokens: tokens };
}

/**
 * Compares the tokens of the arms that promise identity. An arm that decodes plainly is the reference where there is one; else plain decoding is
 * run for a sample of the prompts, and wherever two arms differ.
 */
async function withIdentity(taken: readonly Taken[], { arms, guardrails }: ResolvedExperiment, ledger: Ledger, chanceOf: (prompt: ExperimentPrompt) => number, plainOf: (prompt: ExperimentPrompt, seed: bigint) => Promise<readonly number[]>): Promise<Trial[]> {
  const promises = taken.filter(({ trial }) => ledger.guarantees.get(trial.arm) === 'identical');
  const references = new Map<ExperimentPrompt, string>();
  for (const { prompt, seed } of promises) {
    if (references.has(prompt)) continue;
    const own = promises.filter((one) => one.prompt === prompt);
    const plain = own.find(({ trial }) => isPlain(arms.get(trial.arm)!));
    const differ = new Set(own.map(({ result }) => result.tokens.join())).size > 1;
    if (plain !== undefined) references.set(prompt, plain.result.tokens.join());
    else if (differ || chanceOf(prompt) < guardrails.identity) references.set(prompt, (await plainOf(prompt, seed)).join());
  }
  return taken.map((one) => {
    const reference = references.get(one.prompt);
    const isCompared = reference !== undefined && promises.includes(one) && !isPlain(arms.get(one.trial.arm)!);
    return isCompared ? { ...one.trial, isIdentical: one.result.tokens.join() === reference } : one.trial;
  });
}

async function plainTokens(host: ExperimentHost, { request }: ResolvedExperiment, prompt: ExperimentPrompt, seed: bigint, signal: AbortSignal | undefined): Promise<readonly number[]> {
  const run = host.generate({ ...request, ...promptOf(prompt), seed, strategy: 'off', ...(signal === undefined ? {} : { signal }) } as Parameters<ExperimentHost['generate']>[0]);
  return (await run.result).tokens;
}
