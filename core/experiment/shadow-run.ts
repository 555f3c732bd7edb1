import { Batch, type Member, type Request } from '../batch.js';
import { commitOf } from '../steps/commit.js';
import { depthOf } from '../steps/emit.js';
import { leaveStrategy } from '../steps/faults.js';
import { observe } from '../steps/observe.js';
import { propose } from '../steps/propose.js';
import type { Work } from '../steps/schedule.js';
import { readShadow, type ShadowTree, walkAlong } from './shadow-tree.js';
import type { ShadowBlock, ShadowScore } from './shadow-score.js';
import type { WholeText } from './whole-text.js';

/** The loop over one text that is known: the strategy observes and drafts as if it served, and the text says what is accepted. */
export class ShadowRun {
  private readonly batch = new Batch(1, () => -1);   // no place in the KV memory: nothing is forwarded
  private readonly member: Member;
  private readonly blocks: ShadowBlock[] = [];
  private committed = 0;

  constructor(request: Request, private readonly text: Int32Array, private readonly target: WholeText) {
    this.batch.add(request);
    this.batch.join();
    this.member = this.batch.members[0]!;   // it has just joined
  }

  async run(): Promise<ShadowScore> {
    const { sequence, stats, request } = this.member;
    while (sequence.tokens.length < this.text.length) await this.iterate();
    leaveStrategy(this.member, this.target);
    const { iterations, drafted, accepted, faults, bypassed } = stats;
    return {
      stats: { iterations, drafted, accepted, acceptanceLength: (this.text.length - request.prompt.length) / iterations, faults, bypassed },
      blocks: this.blocks, targetRows: this.target.rows,
    };
  }

  private async iterate(): Promise<void> {
    const { member, target, committed: from } = this;
    target.beginIteration();
    observe(this.batch, target);
    const goal = member.sequence.tokens.length - 1;
    const to = Math.min(goal, from + target.settings.prefillChunk);
    const work: Work = { member, from, to, hasRoot: to === goal, draft: undefined, reportRow: -1 };
    const reports = propose([work], target);
    const drafting = member.strategy;
    const reading = readShadow(work.draft, member.sequence.pending, target.description.vocabSize, reports, target.runtime);
    target.forgetLast();
    drafting?.endIteration();   // all that its callbacks made has been used or is being read
    const { tree, reported } = await reading;
    if (work.hasRoot) this.accept(work, tree, reported);
    else this.tell(to, undefined);
    await new Promise((resolve) => { setImmediate(resolve); });   // the requests that are served come first
  }

  /** What `decide`, `commit` and `emit` do to a verified tree. */
  private accept(work: Work, tree: ShadowTree, reported: Record<string, Float32Array | Int32Array> | undefined): void {
    const { member, text } = this;
    const { sequence, stats } = member;
    const at = sequence.tokens.length;
    const path = walkAlong(tree, text, at);
    const next = text[at + path.length - 1];   // undefined: the text ends with an accepted node
    const tokens = Array.from(text.slice(at, at + path.length));
    for (const token of tokens) sequence.append(token);
    const kept = Int32Array.from(path.slice(0, tokens.length));   // the last token is pending, be it a node or the next
    const part = { work, start: 0, root: 0, treeRows: tree.tokens.length };
    const outcome = { part, path: Int32Array.from(path), next: next ?? -1, tokens: tree.tokens, parents: tree.parents, choices: undefined, logprobs: undefined, reported };
    const commit = commitOf({ outcome, tokens, path: kept, logprobs: undefined, text: '', failure: undefined, finishReason: undefined }, member);
    stats.iterations++;
    stats.drafted += commit.proposed;
    stats.accepted += path.length - 1;
    if (member.strategy === undefined && member.request.strategy !== undefined) stats.bypassed++;
    member.acceptance.update(path.length - 1, commit.proposed === 0 ? 0 : depthOf(work.draft));
    if (stats.iterations > 1 || work.draft !== undefined) this.blocks.push(blockOf(tree, path, next));
    this.tell(work.to + kept.length, commit);
  }

  /** Text up to `end` is final: row i of the target is position i. */
  private tell(end: number, commit: ReturnType<typeof commitOf> | undefined): void {
    const { member, committed: firstPosition } = this;
    const rows = Array.from({ length: end - firstPosition }, (_, i) => firstPosition + i);
    this.committed = end;
    member.lastRow = rows.at(-1) ?? -1;
    if (member.strategy !== undefined && rows.length > 0) member.unseen = { firstPosition, rows, commit };
  }
}

function blockOf({ tokens, parents }: ShadowTree, path: readonly number[], next: number | undefined): ShadowBlock {
  const numberOf = new Map<number, number>();
  tokens.forEach((token, row) => { if (token >= 0) numberOf.set(row, numberOf.size); });
  const rows = [...numberOf.keys()];
  return {
    tokens: rows.map((row) => tokens[row]!), parents: rows.map((row) => (row === 0 ? -1 : numberOf.get(parents[row]!) ?? -1)),
    accepted: path.map((row) => numberOf.get(row)!), next,
  };
}

