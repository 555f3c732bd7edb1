import type { Batch, Member, Request } from '../batch.js';
import type { Guarantee } from '../strategy.js';
import type { Target } from '../target.js';
import { leaveStrategy } from './faults.js';
import { arriveWithGap } from './fork.js';

/** Lets requests change their strategy between two passes: the old one drops what it holds, the new one meets a text that it has not seen. */
export function move(batch: Batch, target: Target): void {
  for (const request of new Set(batch.members.map((member) => member.request))) {
    if (request.next === undefined) continue;
    const { strategy } = request.next;
    delete request.next;
    if (strategy === request.strategy) continue;
    for (const member of batch.members) if (member.request === request) leaveStrategy(member, target);
    goOver(request, strategy);
    for (const member of batch.members) if (member.request === request) arrive(member, target);
  }
}

function goOver(request: Request, strategy: Request['strategy']): void {
  request.strategy = strategy;
  request.guarantee = weaker(request.guarantee, strategy?.guarantee ?? 'identical');
}

/** A fresh start: what the strategy before did is not held against this one. */
function arrive(member: Member, target: Target): void {
  member.strategy = member.request.strategy;
  member.strikes = 0;
  arriveWithGap(member, target);
}

const BY_STRENGTH: readonly Guarantee[] = ['identical', 'distribution', 'lossy'];

function weaker(one: Guarantee, other: Guarantee): Guarantee {
  return BY_STRENGTH[Math.max(BY_STRENGTH.indexOf(one), BY_STRENGTH.indexOf(other))]!;   // both are in the list
}
