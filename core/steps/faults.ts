import type { Member } from '../batch.js';
import type { StrategyInstance } from '../strategy-instance.js';
import type { Target } from '../target.js';

/** Throws or slow calls in a row after which a sequence gives its strategy up. */
const MAX_STRIKES = 3;

/** Slow calls in a row: one may be a garbage collection, two are a habit. */
const SLOW_STRIKE = 1.5;

/** Calls a strategy. What it throws costs the named members this iteration's draft, and after some repetitions the strategy; never a token, never a neighbour. */
export function guarded(strategy: StrategyInstance, members: readonly Member[], target: Target, call: () => void): boolean {
  const start = performance.now();
  try {
    call();
  } catch (reason) {
    strike(strategy, members, target, reason, 1);
    return false;
  }
  const duration = performance.now() - start;
  if (duration > target.settings.proposeBudgetMs) {
    strike(strategy, members, target, new Error(`took ${duration.toFixed(0)} ms; the budget is ${target.settings.proposeBudgetMs} ms (proposeBudgetMs)`), SLOW_STRIKE);
  }
  return true;
}

/** Counts a fault against members; those that have had enough decode plainly from now on. */
export function strike(strategy: StrategyInstance, members: readonly Member[], target: Target, reason: unknown, weight = 1): void {
  const benched = members.filter((member) => {
    member.stats.faults++;
    member.strikes += weight;
    return member.strikes >= MAX_STRIKES;
  });
  const told = members.filter((member) => !benched.includes(member));
  if (told.length > 0) tellFault(strategy, told, target, reason, false);
  if (benched.length > 0) tellFault(strategy, benched, target, reason, true);
  for (const member of benched) leaveStrategy(member, target);
}

/** Its strategy drops what it holds for the member, which decodes plainly from now on. */
export function leaveStrategy(member: Member, target: Target): void {
  const { strategy } = member;
  if (strategy === undefined) return;
  member.strategy = undefined;
  member.unseen = undefined;
  member.isObserved = false;
  try {
    strategy.left(member.sequence);
  } catch (reason) {
    tellFault(strategy, [member], target, reason, true);
  }
}

function tellFault(strategy: StrategyInstance, members: readonly Member[], target: Target, reason: unknown, benched: boolean): void {
  target.events.tell('faulted', { strategy: strategy.name, requests: members.map(({ request }) => request.id), reason, benched });
}

/** Members by the strategy that drafts for them now. */
export function byStrategy(members: readonly Member[]): Map<StrategyInstance, Member[]> {
  const groups = new Map<StrategyInstance, Member[]>();
  for (const member of members) {
    if (member.strategy === undefined) continue;
    const group = groups.get(member.strategy);
    if (group === undefined) groups.set(member.strategy, [member]);
    else group.push(member);
  }
  return groups;
}
