import type { Member } from '../batch.js';
import { DraftCollector, rowsOf } from '../draft.js';
import type { RunningSequence } from '../sequence.js';
import type { StrategyInstance } from '../strategy-instance.js';
import type { DraftBatch, Tensor } from '../strategy.js';
import type { Target } from '../target.js';
import { byStrategy, guarded, strike } from './faults.js';
import { hiddenRows } from './observe.js';
import type { Work } from './schedule.js';

/** A small tensor that rides on the iteration's read: row i belongs to `members[i]`. */
export interface Report {
  readonly name: string;
  readonly members: readonly Member[];
  readonly value: Tensor;
}

/** Lets every strategy draft for all its sequences that run a root and have a budget. Fills in `draft` of the work. */
export function propose(work: readonly Work[], target: Target): Report[] {
  const reports: Report[] = [];
  const roots = work.filter(({ hasRoot }) => hasRoot);
  const workOf = new Map(roots.map((one) => [one.member, one]));
  for (const { member } of roots) setLimits(member, roots.length, target);
  const drafting = roots.filter((one) => one.member.sequence.budget > 0 && hasItsRows(one)).map(({ member }) => member);
  for (const [strategy, members] of byStrategy(drafting)) {
    const start = performance.now();
    const draft = collect(strategy, members, target);
    const durationMs = performance.now() - start;
    let nodes = 0;
    for (const member of members) {
      const one = workOf.get(member)!;   // members come from roots
      one.draft = member.strategy === undefined ? undefined : draft?.draftOf(member.sequence);   // benched a moment ago: its draft goes too
      nodes += rowsOf(one.draft);
    }
    for (const { name, value } of draft?.reports ?? []) reports.push({ name, members, value });
    target.events.tell('drafted', { strategy: strategy.name, sequences: members.length, nodes, refused: draft?.refused ?? 0, durationMs });
  }
  return reports;
}

/** Whether the strategy knows the text as its plan needs it. The pass that brings the last prompt chunk has no hidden rows yet. */
function hasItsRows({ member, from, to }: Work): boolean {
  return member.strategy?.plan.needs.hidden === 'none' || (member.isObserved && from === to);
}

/** How many nodes are worth a place, and how deep one can still be emitted. */
function setLimits({ sequence, strategy, request, acceptance }: Member, sequences: number, target: Target): void {
  const { maxTokens = Infinity } = request.options;
  const remaining = Math.min(maxTokens - sequence.outputLength, target.settings.maxTokens - sequence.tokens.length);
  sequence.maxDepth = Math.max(0, remaining - 1);
  sequence.budget = 0;
  if (strategy === undefined || sequence.maxDepth === 0) return;
  const { maxNodes, budget } = strategy.plan;
  sequence.budget = budget === 'fixed' ? maxNodes : target.budget.nodes(maxNodes, acceptance.rate, sequences);
  keepBelowSwitch(sequence, budget === 'fixed', target);
}

/** Nodes beyond the length where the rotary table changes would be computed with the wrong one. As many nodes as fit are never deeper than fits. */
function keepBelowSwitch(sequence: RunningSequence, isFixed: boolean, { description: { longFrom = Infinity } }: Target): void {
  const room = longFrom - sequence.tokens.length;
  if (room < 0 || room >= sequence.budget) return;
  sequence.budget = isFixed ? 0 : room;   // a fixed tree comes whole or not at all
  sequence.maxDepth = Math.min(sequence.maxDepth, room);
}

function collect(strategy: StrategyInstance, members: readonly Member[], target: Target): DraftCollector | undefined {
  const sequences = members.map(({ sequence }) => sequence);
  const { hidden, taps } = strategy.plan.needs;
  const batch: DraftBatch = {
    sequences,
    pending: target.deviceOps.fromArray(Int32Array.from(sequences, ({ pending }) => pending), [sequences.length]),
    ...(hidden === 'last' ? { hidden: hiddenRows(members.map(({ lastRow }) => lastRow), taps, target) } : {}),
  };
  const draft = new DraftCollector(batch, target.description.vocabSize, target.deviceOps, strategy.needsDistributions);
  const strikesBefore = members.map(({ strikes }) => strikes);
  const isDone = guarded(strategy, members, target, () => strategy.propose(batch, draft));
  if (!isDone) return undefined;
  members.forEach((member, i) => { if (member.strikes === strikesBefore[i]) member.strikes = 0; });
  for (const member of members) {
    if (draft.failures.has(member.sequence.id)) strike(strategy, [member], target, draft.failures.get(member.sequence.id));
  }
  return draft;
}
