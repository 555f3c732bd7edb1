import { type Batch, Member } from '../batch.js';
import type { Target } from '../target.js';
import { guarded, leaveStrategy } from './faults.js';

/** Where a prompt of several samples is in, makes the samples: KV pages are shared, drafter state is copied by the strategy or arrives as a gap. */
export function fork(batch: Batch, target: Target): void {
  for (const parent of [...batch.members]) {
    const isIn = target.session.length(parent.slot) === parent.sequence.tokens.length - 1;
    if (parent.forks === 0 || !isIn) continue;
    const copies = Array.from({ length: parent.forks }, (_, i) => copyOf(parent, i + 1, batch, target));
    parent.forks = 0;
    batch.members.splice(batch.members.indexOf(parent) + 1, 0, ...copies);
    handOver(parent, copies, target);
  }
}

function copyOf(parent: Member, sample: number, batch: Batch, target: Target): Member {
  const copy = new Member(parent.request, batch.sequenceOf(parent.request, sample), target.session.fork(parent.slot), 0);
  copy.strategy = parent.strategy;
  copy.lastRow = parent.lastRow;
  copy.told = parent.told;
  copy.stats.firstPassAt = parent.stats.firstPassAt;
  return copy;
}

function handOver(parent: Member, copies: readonly Member[], target: Target): void {
  const { strategy } = parent;
  if (strategy === undefined) return;
  if (strategy.forks && parent.isObserved) {
    const took = guarded(strategy, [parent, ...copies], target, () => strategy.forked(parent.sequence, copies.map(({ sequence }) => sequence)));
    for (const member of took ? copies : [parent, ...copies]) {
      if (took) member.isObserved = true;
      else leaveStrategy(member, target);
    }
    return;
  }
  for (const copy of copies) arriveWithGap(copy, target);
}

/** A strategy meets a text whose rows it never saw: what its plan says is done. */
export function arriveWithGap(member: Member, target: Target): void {
  const needs = member.strategy?.plan.needs;
  if (needs === undefined || needs.hidden === 'none') return;
  member.isObserved = false;
  if (needs.gap === 'bypass') leaveStrategy(member, target);
  else if (needs.gap === 'rerun') rerun(member, target);
  else if (needs.hidden === 'last') member.isObserved = member.lastRow >= 0;
}

/** The scheduler feeds it again, chunk by chunk. */
function rerun(member: Member, target: Target): void {
  member.told = 0;
  target.session.truncate(member.slot, 0);
}
