import { quantile } from 'simple-statistics';
import { Run, type RunResult } from '../run.js';
import type { Trial, TrialTiming } from './trial.js';

/** Tokens that became final at one moment. */
export interface Commit {
  readonly at: number;
  readonly tokens: number;
}

/** One request as it was seen from outside, in milliseconds of `performance.now()`. */
export interface Measured {
  readonly result: RunResult;
  readonly calledAt: number;
  /** Of the first sample. */
  readonly commits: readonly Commit[];
}

/** What an experiment says of itself in a result. */
export interface ExperimentTag {
  /** Of the experiment. */
  readonly name: string;
  /** Of the experiment. */
  readonly version: string;
  /** The arm that served the request. */
  readonly arm: string;
  /** Whether the arm was not dealt by the experiment: the request asked for it, or it stands in for an arm that was stopped. */
  readonly isForced: boolean;
}

/** The part of the time in which an arm had the engine for itself. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/**
 * Passes a run on and times it, whether or not its reader keeps up.
 *
 * @param start begins the run once `ready` is; it gets the signal that ends it when the reader leaves
 * @param done hears of every run that ended well, before its result is known to the reader
 */
export function measureRun(
  ready: Promise<void>, start: (signal: AbortSignal) => Run, tag: ExperimentTag, onCommit: (commit: Commit) => void, done: (measured: Measured) => void,
): Run {
  const left = new AbortController();
  const outer = new Run((reason) => left.abort(reason));
  const pass = async (): Promise<void> => {
    await ready;
    const calledAt = performance.now();
    const inner = start(left.signal);
    const commits: Commit[] = [];
    for await (const chunk of inner) {
      if (chunk.index === 0 && chunk.tokens.length > 0) {
        const commit = { at: performance.now(), tokens: chunk.tokens.length };
        commits.push(commit);
        onCommit(commit);
      }
      outer.push(chunk);
    }
    const result = { ...await inner.result, experiment: tag };
    done({ result, calledAt, commits });
    outer.finish(result);
  };
  pass().catch((error: unknown) => outer.fail(error));
  return outer;
}

/** The counts and times of a trial. */
export function trialOf({ result, calledAt, commits }: Measured, window: Window): Pick<Trial, 'promptTokens' | 'batch' | 'tokens' | 'iterations' | 'drafted' | 'accepted' | 'faults' | 'bypassed' | 'timing'> {
  const sum = (of: (stats: RunResult['stats']) => number): number => result.samples.reduce((total, { stats }) => total + of(stats), 0);
  const timing = timingOf(calledAt, commits, window);
  return {
    promptTokens: result.usage.promptTokens, batch: Math.max(...result.samples.map(({ stats }) => stats.maxConcurrent)),
    tokens: result.usage.completionTokens, iterations: sum(({ iterations }) => iterations), drafted: sum(({ drafted }) => drafted), accepted: sum(({ accepted }) => accepted),
    faults: sum(({ faults }) => faults), bypassed: sum(({ bypassed }) => bypassed),
    ...(timing === undefined ? {} : { timing }),
  };
}

/** What lies inside the window with both ends; so slow arms lose no more of their requests at its edge than fast ones. */
function timingOf(calledAt: number, commits: readonly Commit[], { from, to }: Window): TrialTiming | undefined {
  const gaps: number[] = [];
  let tokens = 0;
  let ms = 0;
  for (let i = 1; i < commits.length; i++) {
    const [before, now] = [commits[i - 1]!, commits[i]!];
    if (before.at < from || now.at > to) continue;
    tokens += now.tokens;
    ms += now.at - before.at;
    gaps.push(now.at - before.at, ...new Array<number>(now.tokens - 1).fill(0));
  }
  const first = commits[0];
  const hasFirst = first !== undefined && calledAt >= from && first.at <= to;
  if (!hasFirst && gaps.length === 0) return undefined;
  return {
    tokens, ms,
    ...(hasFirst ? { timeToFirstTokenMs: first.at - calledAt } : {}),
    ...(gaps.length === 0 ? {} : { interTokenP99Ms: quantile(gaps, 0.99) }),
  };
}
