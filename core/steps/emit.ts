import type { Batch, Member } from '../batch.js';
import type { Draft } from '../draft.js';
import type { RunStats, SampleResult } from '../run.js';
import type { Target } from '../target.js';
import type { IterationTimes } from './clock.js';
import { proposedIn } from './commit.js';
import type { Block } from './decide.js';
import { leaveStrategy } from './faults.js';
import { traceOf } from './trace.js';

/** Counts, hands the new text to its readers, and lets finished samples go, all their pages with them. */
export function emit(blocks: readonly Block[], concurrent: number, times: IterationTimes, batch: Batch, target: Target): void {
  for (const block of blocks) {
    const { member } = block.outcome.part.work;
    const { request } = member;
    if (!batch.members.includes(member)) continue;   // a sample of a request that has just failed
    if (block.failure !== undefined) {
      abandon(batch.members.filter((each) => each.request === request), block.failure, 'failed', batch, target);
      continue;
    }
    count(block, member, concurrent, times, target);
    if (request.options.trace) trace(block, member, times);
    const isFirst = member.stats.iterations === 1;
    if (isFirst && request.echoed !== '') request.run.push({ text: request.echoed, tokens: [], index: member.sequence.sample });
    member.written += block.text;
    if (block.logprobs !== undefined) member.logprobs.push(...block.logprobs);
    request.run.push({ text: block.text, tokens: block.tokens, index: member.sequence.sample, ...(block.logprobs === undefined ? {} : { logprobs: block.logprobs }) });
    if (block.finishReason !== undefined) finish(member, block.finishReason, batch, target);
  }
}

function count({ outcome, tokens, path }: Block, member: Member, concurrent: number, { draftMs, verifyMs, commitMs }: IterationTimes, target: Target): void {
  const { stats } = member;
  const { part } = outcome;
  const accepted = tokens.length === path.length && outcome.path.length > path.length ? tokens.length : path.length - 1;
  const proposed = proposedIn(part, outcome.tokens);
  stats.iterations++;
  stats.drafted += proposed;
  stats.accepted += accepted;
  for (let depth = 0; depth < accepted; depth++) stats.acceptedPerPosition[depth] = (stats.acceptedPerPosition[depth] ?? 0) + 1;
  stats.maxConcurrent = Math.max(stats.maxConcurrent, concurrent);
  if (member.strategy !== undefined) stats.draftMs += draftMs;
  else if (member.request.strategy !== undefined) stats.bypassed++;
  stats.verifyMs += verifyMs;
  stats.commitMs += commitMs;
  if (stats.firstTokenAt === 0) stats.firstTokenAt = performance.now();
  member.acceptance.update(outcome.path.length - 1, proposed === 0 ? 0 : depthOf(part.work.draft));
  target.events.tell('committed', {
    request: member.request.id, sample: member.sequence.sample, strategy: member.request.strategy?.name ?? 'off', tokens: tokens.length, accepted, proposed,
  });
}

/** The pass that ends a prompt is no iteration of its own, unless something was drafted in it. */
function trace({ outcome }: Block, member: Member, { draftMs, verifyMs, commitMs }: IterationTimes): void {
  const isPrefill = member.stats.iterations === 1 && outcome.part.work.draft === undefined;
  if (isPrefill) return;
  member.trace.push(traceOf(outcome, member.request.strategy?.name ?? 'off', { draft: draftMs, verify: verifyMs, commit: commitMs }));
}

/** Longest path of a draft; of one that was made on the device only the number of nodes is known. */
export function depthOf(draft: Draft | undefined): number {
  if (draft === undefined) return 0;
  if (draft.kind === 'device') return draft.nodes.count;
  const depths = [0];
  for (const { parent, probe } of draft.nodes) depths.push(probe ? 0 : depths[parent]! + 1);
  return Math.max(...depths);
}

function finish(member: Member, finishReason: SampleResult['finishReason'], batch: Batch, target: Target): void {
  release(member, batch, target);
  const { request, sequence } = member;
  const stats = statsOf(member);
  request.samples[sequence.sample] = {
    text: member.written, tokens: Array.from(sequence.output()), finishReason, stats,
    ...(request.options.logprobs === undefined ? {} : { logprobs: member.logprobs }), ...(request.options.trace ? { trace: member.trace } : {}),
  };
  target.events.tell('finished', { request: request.id, sample: sequence.sample, reason: finishReason, tokens: sequence.outputLength, durationMs: performance.now() - request.calledAt });
  if (request.samples.filter(Boolean).length < request.options.n) return;
  const samples = request.samples as SampleResult[];   // all are there: the line above
  const completionTokens = samples.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const usage = { promptTokens: request.prompt.length, completionTokens, totalTokens: request.prompt.length + completionTokens };
  request.run.finish({ ...samples[0]!, usage, sampling: request.options.resolved, samples });
}

/** Ends a whole request without a result. */
export function abandon(members: readonly Member[], reason: unknown, kind: 'cancelled' | 'failed', batch: Batch, target: Target): void {
  for (const member of members) {
    release(member, batch, target);
    const { request, sequence } = member;
    target.events.tell('finished', { request: request.id, sample: sequence.sample, reason: kind, tokens: sequence.outputLength, durationMs: performance.now() - request.calledAt });
  }
  for (const request of new Set(members.map((member) => member.request))) request.run.fail(reason);
}

function release(member: Member, batch: Batch, target: Target): void {
  leaveStrategy(member, target);
  target.session.close(member.slot);
  batch.remove(member);
}

function statsOf({ request, sequence, stats }: Member): RunStats {
  const seconds = (performance.now() - stats.firstPassAt) / 1000;
  return {
    strategy: request.strategy?.name ?? 'off',
    guarantee: request.guarantee,
    iterations: stats.iterations,
    drafted: stats.drafted,
    accepted: stats.accepted,
    acceptanceLength: sequence.outputLength / stats.iterations,
    acceptedPerPosition: stats.acceptedPerPosition,
    maxConcurrent: stats.maxConcurrent,
    draftMs: stats.draftMs,
    verifyMs: stats.verifyMs,
    commitMs: stats.commitMs,
    tokensPerSecond: sequence.outputLength / seconds,
    timeToFirstTokenMs: stats.firstTokenAt - request.calledAt,
    faults: stats.faults,
    bypassed: stats.bypassed,
    seed: request.options.sampling.seed,
  };
}
