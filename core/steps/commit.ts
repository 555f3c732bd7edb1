import type { Member } from '../batch.js';
import type { Commit } from '../strategy.js';
import type { Target } from '../target.js';
import type { Block } from './decide.js';
import type { Part, Pass } from './pack.js';

/** Keeps the rows of every block that goes on, forgets the others, and notes what strategies are to be told in the next iteration. */
export function commit(blocks: readonly Block[], pass: Pass, target: Target): void {
  const goingOn = blocks.filter(({ finishReason, failure }) => finishReason === undefined && failure === undefined);
  if (goingOn.length > 0) {
    const depth = Math.max(...goingOn.map(({ path }) => path.length));
    const paths = new Int32Array(goingOn.length * depth).fill(-1);
    goingOn.forEach(({ path }, i) => paths.set(path, i * depth));
    target.session.commit(Int32Array.from(goingOn, ({ outcome }) => outcome.part.work.member.slot), paths);
  }
  const blockOf = new Map(blocks.map((block) => [block.outcome.part, block]));
  for (const part of pass.parts) note(part, blockOf.get(part));
}

/** Rows of this pass that became text of the member: its prompt chunk, then the kept path. */
function note(part: Part, block: Block | undefined): void {
  const { member, from, to } = part.work;
  const path = block?.path ?? new Int32Array(0);
  const rows = Array.from({ length: to - from }, (_, i) => part.start + i);
  for (const row of path) rows.push(part.root + row);
  member.lastRow = rows.at(-1) ?? -1;
  const repeated = Math.min(Math.max(0, member.told - from), rows.length);
  if (member.strategy === undefined || rows.length === repeated) return;
  member.unseen = { firstPosition: from + repeated, rows: rows.slice(repeated), commit: block === undefined ? undefined : commitOf(block, member) };
}

/** What a strategy is told of its last draft. */
export function commitOf({ outcome, tokens, path }: Block, member: Member): Commit {
  const { choices, reported, part } = outcome;
  return {
    tokens: Int32Array.from(tokens),
    path,
    proposed: proposedIn(part, outcome.tokens),
    ...(member.strategy?.plan.needs.choices && choices !== undefined ? { choices } : {}),
    ...(reported === undefined ? {} : { reported }),
  };
}

/** Nodes that could have been accepted: present, and no probes. */
export function proposedIn({ work: { draft } }: Part, tokens: Int32Array): number {
  if (draft === undefined) return 0;
  if (draft.kind === 'host') return draft.nodes.reduce((count, { probe }, i) => count + (!probe && tokens[i + 1]! >= 0 ? 1 : 0), 0);
  return tokens.reduce((count, token, row) => count + (row > 0 && token >= 0 ? 1 : 0), 0);
}
