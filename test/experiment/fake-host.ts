import { type ExperimentHost, Experiment } from '../../core/experiment/experiment.js';
import { Run, type RunStats } from '../../core/run.js';
import type { ExperimentDefinition, GenerateRequest, Guarantee } from '../../core/index.js';

/** How requests of one strategy behave. */
export interface Behaviour {
  readonly tokens?: readonly number[];
  /** Of every commit. */
  readonly msPerCommit?: number;
  readonly tokensPerCommit?: number;
  readonly faults?: number;
  readonly bypassed?: number;
  readonly guarantee?: Guarantee;
  readonly firstTokenMs?: number;
}

const TOKENS = Array.from({ length: 12 }, (_, i) => i);

/** An experiment on an engine that only pretends: strategies behave as told, and time passes as the tests' clock says. */
export function fakeExperiment(definition: ExperimentDefinition, behaviours: Readonly<Record<string, Behaviour>>, clock: { advance(ms: number): Promise<void> }): { experiment: Experiment; requests: GenerateRequest[] } {
  const requests: GenerateRequest[] = [];
  const behaviourOf = (strategy: GenerateRequest['strategy']): Behaviour => behaviours[typeof strategy === 'object' ? strategy.name : strategy ?? 'off'] ?? {};
  const host: ExperimentHost = {
    guaranteeOf: async (strategy) => behaviourOf(strategy).guarantee ?? 'identical',
    shadow: async ({ strategy, output }) => {
      const { tokensPerCommit = 1, faults = 0, bypassed = 0 } = behaviourOf(strategy);
      const iterations = Math.ceil(output.length / tokensPerCommit);
      return { stats: { iterations, drafted: output.length, accepted: output.length - iterations, acceptanceLength: output.length / iterations, faults, bypassed }, blocks: [], targetRows: 0 };
    },
    generate: (request) => {
      requests.push(request);
      const run = new Run(() => {});
      void produce(run, request, behaviourOf(request.strategy), clock);
      return run;
    },
  };
  return { experiment: new Experiment(definition, host), requests };
}

async function produce(run: Run, { seed = 0, strategy }: GenerateRequest, behaviour: Behaviour, clock: { advance(ms: number): Promise<void> }): Promise<void> {
  const { tokens = TOKENS, msPerCommit = 1, tokensPerCommit = 1, faults = 0, bypassed = 0, guarantee = 'identical', firstTokenMs = msPerCommit } = behaviour;
  let iterations = 0;
  for (let at = 0; at < tokens.length; at += tokensPerCommit, iterations++) {
    await clock.advance(at === 0 ? firstTokenMs : msPerCommit);
    run.push({ text: '', tokens: tokens.slice(at, at + tokensPerCommit), index: 0 });
    for (let hop = 0; hop < 10; hop++) await Promise.resolve();   // the reader stamps it
  }
  const stats: RunStats = {
    strategy: String(strategy), guarantee, iterations, drafted: iterations, accepted: tokens.length - iterations, acceptanceLength: tokens.length / iterations, acceptedPerPosition: [], maxConcurrent: 1,
    draftMs: 0, verifyMs: 0, commitMs: 0, tokensPerSecond: 0, timeToFirstTokenMs: 0, faults, bypassed, seed: BigInt(seed),
  };
  const sample = { text: '', tokens: [...tokens], finishReason: 'length' as const, stats };
  run.finish({ ...sample, usage: { promptTokens: 5, completionTokens: tokens.length, totalTokens: 5 + tokens.length }, sampling: { temperature: 0, seed: BigInt(seed), fromModel: [] }, samples: [sample] });
}
