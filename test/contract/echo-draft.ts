import type { DraftBuilder, Sequence } from '../../core/index.js';

/** Drafts three tokens that once followed the pending one, and a wrong sibling before each: a tree whose right path is not its first. */
export function draftEcho(sequence: Sequence, draft: DraftBuilder): void {
  const { tokens } = sequence;
  const earlier = tokens.subarray(0, -1).lastIndexOf(tokens.at(-1) ?? -1);
  if (earlier < 0) return;
  let parent = 0;
  for (const token of tokens.subarray(earlier + 1, earlier + 4)) {
    draft.node(sequence, (token + 31) % 90, parent);
    parent = draft.node(sequence, token, parent);
  }
}
