import type { Batch, Member } from '../batch.js';
import type { Draft } from '../draft.js';
import type { Target } from '../target.js';

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

/**
 * A text that has outgrown the rotary table of its rows is run again from its first token, with the table for long texts. Its strategy has
 * heard what is final already and hears nothing twice.
 */
function turnLong(member: Member, target: Target): void {
  const { session, description: { longFrom } } = target;
  if (longFrom === undefined) return;
  const isLong = member.sequence.tokens.length > longFrom;
  if (session.isLong(member.slot) === isLong) return;
  member.told = Math.max(member.told, session.length(member.slot));
  session.truncate(member.slot, 0);
  session.setLong(member.slot, isLong);
}

/** Deals out the prompt chunk of this pass, first come first served; everybody whose text is in runs its root. */
export function schedule(batch: Batch, target: Target): Work[] {
  let left = target.settings.prefillChunk;
  const work: Work[] = [];
  for (const member of batch.members) {
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
