import type { Member } from '../batch.js';
import { PAGE_SIZE } from '../host-model.js';
import type { Target } from '../target.js';

/**
 * Whether a text of so many tokens, in so many samples, finds pages beside the members that run: those that their known text still wants are
 * promised to them.
 */
export function hasRoom(tokens: number, samples: number, running: readonly Member[], { session }: Target): boolean {
  const { used, total } = session.pages();
  const promised = running.reduce((sum, { sequence, slot, forks }) => sum + pagesOf(sequence.tokens.length + 1) - pagesOf(session.length(slot)) + forks, 0);
  return pagesOf(tokens + 1) + samples - 1 <= total - used - promised;
}

/** Gives the pages of a member to the others. It runs again, from its first token, when there is room; its strategy hears nothing twice. */
export function pause(member: Member, target: Target): void {
  startAgain(member, target);
  member.isPaused = true;
}

/** What is final stays final; its keys and values are computed again. */
export function startAgain(member: Member, target: Target): void {
  member.told = Math.max(member.told, target.session.length(member.slot));
  member.lastRow = -1;
  target.session.truncate(member.slot, 0);
}

function pagesOf(positions: number): number {
  return Math.ceil(positions / PAGE_SIZE);
}
