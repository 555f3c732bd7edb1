import type { DraftBatch, DraftBuilder, DraftProposer, Observed, Sequence, Session, StrategyHost, Tensor } from '../../core/index.js';
import type { DraftLayer } from './draft-layer.js';
import { growDynamic } from './dynamic-growth.js';
import type { Growth, Grown, Roots } from './growth.js';
import { Ranking } from './ranking.js';
import { growStatic } from './static-growth.js';
import type { TreeShape } from './tree-shape.js';

/** A running text in the draft's session. */
interface Draftee {
  readonly slot: number;
  /** Which call of `observe` saw its newest row, and where that row stands in what came of it. */
  observed: number;
  row: number;
  /** Whether rows of a draft are in the session. */
  isDrafted: boolean;
}

/**
 * Drafts with one layer that goes on from the target's own hidden states. Its session holds pairs of a true state and the token after it, and
 * nothing else: rows of a draft are forgotten before the text that came of it is fed, so that no guessed state ever stands for a true one.
 */
export class EagleProposer implements DraftProposer {
  private readonly session: Session;
  private readonly growth: Growth;
  private readonly draftees = new Map<number, Draftee>();
  /** What the layer said of the rows of the last `observe`. */
  private out: Tensor | undefined;
  private calls = 0;

  /** @param usesNoise whether texts at a temperature are drafted with their own noise */
  constructor(private readonly host: StrategyHost, private readonly draft: DraftLayer, private readonly shape: TreeShape, usesNoise: boolean) {
    this.session = draft.model.createSession({ maxSequences: host.maxSequences, maxTokens: host.maxTokens });
    this.growth = { host, draft, session: this.session, ranking: new Ranking(host, draft, usesNoise) };
  }

  observe({ sequences, rowStart, firstPosition, hidden }: Observed): void {
    const rows = rowStart.at(-1)!;   // one more than there are sequences
    const slots = new Int32Array(rows);
    const tokens = new Int32Array(rows);
    this.calls++;
    this.forgetDrafts(sequences);
    sequences.forEach((sequence, i) => {
      const [from, to] = [rowStart[i]!, rowStart[i + 1]!];
      const draftee = this.drafteeOf(sequence);
      Object.assign(draftee, { observed: this.calls, row: to - 1 });
      slots.fill(draftee.slot, from, to);
      // Beside the state after token t stands token t + 1, which is there even for the last row: it is pending.
      const next = firstPosition[i]! + 1;
      tokens.set(sequence.tokens.subarray(next, next + to - from), from);
    });
    const states = this.draft.features(hidden!);   // the plan asks for it
    const out = this.host.keep(this.session.forward({ sequences: slots, tokens, states, known: new Uint8Array(rows).fill(1) }).hidden);
    if (this.out !== undefined) this.host.free(this.out);
    this.out = out;
  }

  propose({ sequences }: DraftBatch, draft: DraftBuilder): void {
    const ready = sequences.filter(({ id }) => this.draftees.get(id)?.observed === this.calls);
    if (ready.length === 0) return;
    this.forgetDrafts(ready);
    const draftees = ready.map(({ id }) => this.draftees.get(id)!);
    for (const draftee of draftees) draftee.isDrafted = true;
    const roots: Roots = {
      sequences: ready, slots: Int32Array.from(draftees, ({ slot }) => slot),
      out: this.host.ops.gather(this.out!, Int32Array.from(draftees, ({ row }) => row), 0),
    };
    draft.tensors(ready, this.grow(roots));
  }

  forked(from: Sequence, to: readonly Sequence[]): void {
    const draftee = this.draftees.get(from.id);
    if (draftee === undefined) return;
    for (const { id } of to) this.draftees.set(id, { ...draftee, slot: this.session.fork(draftee.slot), isDrafted: false });
  }

  left({ id }: Sequence): void {
    const draftee = this.draftees.get(id);
    if (draftee === undefined) return;
    this.draftees.delete(id);
    this.session.close(draftee.slot);
  }

  /** No path leads deeper than a text is allowed nodes, or than can still be emitted; and of `budget` nodes, no level keeps more. */
  private grow(roots: Roots): Grown {
    const { shape } = this;
    const budget = Math.max(...roots.sequences.map((sequence) => sequence.budget));
    const deepest = Math.max(...roots.sequences.map((sequence) => Math.min(sequence.maxDepth, sequence.budget)));
    if (shape.kind === 'static') return growStatic(this.growth, roots, shape.tree, Math.min(shape.tree.levels.length, deepest));
    return growDynamic(this.growth, roots, { levels: Math.min(shape.levels, deepest), width: Math.min(shape.width, budget) });
  }

  private drafteeOf({ id }: Sequence): Draftee {
    let draftee = this.draftees.get(id);
    if (draftee === undefined) {
      draftee = { slot: this.session.open(), observed: 0, row: 0, isDrafted: false };
      this.draftees.set(id, draftee);
    }
    return draftee;
  }

  private forgetDrafts(sequences: readonly Sequence[]): void {
    const drafted = sequences.flatMap(({ id }) => this.draftees.get(id) ?? []).filter(({ isDrafted }) => isDrafted);
    if (drafted.length === 0) return;
    this.session.commit(Int32Array.from(drafted, ({ slot }) => slot));
    for (const draftee of drafted) draftee.isDrafted = false;
  }
}
