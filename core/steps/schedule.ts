import type { Batch, Member } from '../batch.js';
import type { Draft } from '../draft.js';
import type { Target } from '../target.js';
import { hasRoom, startAgain } from './room.js';

/** What one member does in this pass: known text from `from` to `to`, then, once all text is in, its root and its draft. */
export interface Work {
  readonly member: Member;
  readonly from: number;
  readonly to: number;
  /** Whether the pending token runs, as the root of a tree. */
  readonly hasRoot: boolean;
  draft: Draft | undefined;
  /** Names and places of what its strategy reported; see `steps/propose.ts`. */
  reportRow: number;
}

/** Whether a member runs: one that gave its pages away waits until there is room for it, or nobody else. */
function resumes(member: Member, batch: Batch, target: Target): boolean {
  if (!member.isPaused) return true;
  const running = batch.members.filter(({ isPaused }) => !isPaused);
  member.isPaused = running.length > 0 && !hasRoom(member.sequence.tokens.length, 1 + member.forks, running, target);
  return !member.isPaused;
}

/**
 * A text that has outgrown the rotary table of its rows is run again from its first token, with the table for long texts. Its strategy has
 * heard what is final already and hears nothing twice.
 */
function turnLong(member: Member, target: Target): void {
  const { session, description: { longFrom } } = target;
  if (longFrom === undefined) return;
  const isLong = member.sequence.tokens.length > longFrom;
  if (session.isLong(member.slot) === isLong) return;
  startAgain(member, target);
  session.setLong(member.slot, isLong);
}

/** Deals out the prompt chunk of this pass, first come first served; everybody whose text is in runs its root. */
export function schedule(batch: Batch, target: Target): Work[] {
  let left = target.settings.prefillChunk;
  const work: Work[] = [];
  for (const member of batch.members) {
    if (!resumes(member, batch, target)) continue;
    turnLong(member, target);
    const from = target.session.length(member.slot);
    const goal = member.sequence.tokens.length - 1;   // the last token is pending
    const to = Math.min(goal, from + left);
    left -= to - from;
    // Samples are forked from a prompt that is in, before any of them runs a root.
    const hasRoot = to === goal && member.forks === 0;
    if (to > from || hasRoot) work.push({ member, from, to, hasRoot, draft: undefined, reportRow: -1 });
  }
  return work;
}
