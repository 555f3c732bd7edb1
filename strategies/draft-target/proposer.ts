import type { DraftBatch, DraftBuilder, DraftProposer, Model, Observed, Sequence, Session, StrategyHost, Tensor } from '../../core/strategy.js';

/** Known tokens fed per sequence and call. After a long gap the draft model catches up over several iterations, and drafts when it has. */
const CATCH_UP = 256;

/** Length of an adaptive chain before anything is known. */
const FIRST_LENGTH = 3;

export interface ChainSettings {
  readonly maxLength: number;
  /** Whether the length follows from what was accepted. */
  readonly isAdaptive: boolean;
  /** Whether tokens are drawn with noise of their own, and come with what they were drawn from. */
  readonly isDrawn: boolean;
}

/** A running text in the draft model's own session. */
interface Draftee {
  readonly slot: number;
  length: number;
}

/** A text that is in the draft model up to its pending token, and how far it may be drafted. */
interface Ready {
  readonly sequence: Sequence;
  readonly slot: number;
  /** Row of this pass that holds the pending token's state. */
  readonly row: number;
  readonly length: number;
}

/**
 * Drafts a chain per text with the draft model. Its session holds final text only: each call forgets the last draft and feeds whatever is
 * missing, the pending token included, so that no path taken by the target can leave a hole or a stale row.
 */
export class DraftTarget implements DraftProposer {
  private readonly session: Session;
  private readonly draftees = new Map<number, Draftee>();
  /** Positions that the draft model has; texts longer than that decode plainly. */
  private readonly maxTokens: number;
  /** Target ids of the draft model's tokens, where there are fewer of them. */
  private readonly vocabMap: Tensor | undefined;

  constructor(private readonly host: StrategyHost, private readonly model: Model, private readonly settings: ChainSettings) {
    this.maxTokens = Math.min(host.maxTokens, model.description.maxPositions);
    this.session = model.createSession({ maxSequences: host.maxSequences, maxTokens: this.maxTokens });
    const { vocabSize } = model.description;
    if (vocabSize < host.target.description.vocabSize) this.vocabMap = host.ops.fromArray(Int32Array.from({ length: vocabSize }, (_, token) => token), [vocabSize]);
  }

  /** An accepted chain may grow, a refused one shrinks: a step costs time whether or not its token is kept. */
  observe({ sequences, commits }: Observed): void {
    if (!this.settings.isAdaptive) return;
    commits.forEach((commit, i) => {
      if (commit === undefined || commit.proposed === 0) return;
      const draftee = this.drafteeOf(sequences[i]!);   // one commit per sequence
      const isAllKept = commit.path.length - 1 === commit.proposed;
      draftee.length = Math.max(1, Math.min(this.settings.maxLength, draftee.length + (isAllKept ? 2 : -1)));
    });
  }

  propose({ sequences }: DraftBatch, draft: DraftBuilder): void {
    const fitting = sequences.filter(({ tokens }) => tokens.length <= this.maxTokens);
    if (fitting.length === 0) return;
    const { hidden, ready } = this.catchUp(fitting);
    if (ready.length === 0) return;
    const { ops } = this.host;
    const { tokens, distributions } = this.chain(hidden, ready);
    const parents = Int32Array.from({ length: tokens.length }, (_, i) => i);
    draft.tensors(ready.map(({ sequence }) => sequence), {
      tokens: ops.concat(tokens, 1),
      parents: ops.fromArray(parents, [1, parents.length]),
      ...(this.settings.isDrawn ? { distributions: ops.concat(distributions, 1) } : {}),
      ...(this.settings.isDrawn && this.vocabMap !== undefined ? { vocabMap: this.vocabMap } : {}),
    });
  }

  forked(from: Sequence, to: readonly Sequence[]): void {
    const draftee = this.draftees.get(from.id);
    if (draftee === undefined) return;
    for (const { id } of to) this.draftees.set(id, { slot: this.session.fork(draftee.slot), length: draftee.length });
  }

  left({ id }: Sequence): void {
    const draftee = this.draftees.get(id);
    if (draftee === undefined) return;
    this.draftees.delete(id);
    this.session.close(draftee.slot);
  }

  private drafteeOf({ id }: Sequence): Draftee {
    let draftee = this.draftees.get(id);
    if (draftee === undefined) {
      draftee = { slot: this.session.open(), length: this.settings.isAdaptive ? Math.min(FIRST_LENGTH, this.settings.maxLength) : this.settings.maxLength };
      this.draftees.set(id, draftee);
    }
    return draftee;
  }

  /** Feeds final text that the session lacks, a bounded part of it, in one pass. */
  private catchUp(sequences: readonly Sequence[]): { hidden: Tensor; ready: Ready[] } {
    const slots: number[] = [];
    const tokens: number[] = [];
    const ready: Ready[] = [];
    for (const sequence of sequences) {
      const draftee = this.drafteeOf(sequence);
      const { slot } = draftee;
      this.session.truncate(slot, Math.min(this.session.length(slot), sequence.tokens.length - 1));
      const from = this.session.length(slot);
      const to = Math.min(sequence.tokens.length, from + CATCH_UP);
      for (const token of sequence.tokens.subarray(from, to)) {
        slots.push(slot);
        tokens.push(this.known(token));
      }
      const length = Math.min(draftee.length, sequence.budget, sequence.maxDepth, this.maxTokens - sequence.tokens.length + 1);
      if (to === sequence.tokens.length && length > 0) ready.push({ sequence, slot, row: tokens.length - 1, length });
    }
    const { hidden } = this.session.forward({ sequences: Int32Array.from(slots), tokens: Int32Array.from(tokens), known: new Uint8Array(tokens.length).fill(1) });
    return { hidden, ready };
  }

  /** One token per step and text, `[ready, 1]` each, enqueued without a read. Texts whose chain is shorter are absent in the later steps. */
  private chain(hidden: Tensor, ready: readonly Ready[]): { tokens: Tensor[]; distributions: Tensor[] } {
    const { ops } = this.host;
    const n = ready.length;
    const sequences = ready.map(({ sequence }) => sequence);
    const slots = Int32Array.from(ready, ({ slot }) => slot);
    const longest = Math.max(...ready.map(({ length }) => length));
    const chain: Tensor[] = [];
    const distributions: Tensor[] = [];
    let state = ops.gather(hidden, Int32Array.from(ready, ({ row }) => row), 0);
    for (let step = 0; step < longest; step++) {
      const positions = Int32Array.from(sequences, ({ tokens }) => tokens.length + step);
      let tokens = this.settings.isDrawn ? this.draw(state, sequences, positions, distributions) : this.choose(state, sequences, positions);
      if (ready.some(({ length }) => length <= step)) {
        tokens = ops.where(ops.fromArray(Int32Array.from(ready, ({ length }) => Number(step < length)), [n]), tokens, -1);
      }
      chain.push(ops.reshape(tokens, [n, 1]));
      if (step + 1 < longest) state = this.session.forward({ sequences: slots, tokens }).hidden;
    }
    return { tokens: chain, distributions };
  }

  /** The draft model's own choice, with the target's noise. */
  private choose(state: Tensor, sequences: readonly Sequence[], positions: Int32Array): Tensor {
    const { ops, target } = this.host;
    const tokens = this.model.choose(state, { sequences, positions });
    if (this.model.description.vocabSize <= target.description.vocabSize) return tokens;
    return ops.where(ops.less(tokens, target.description.vocabSize), tokens, -1);
  }

  /** A token of each text from what the request's sampling makes of the draft model, which is noted `[texts, 1, columns]`. Tokens that the target does not have are left out beforehand. */
  private draw(state: Tensor, sequences: readonly Sequence[], positions: Int32Array, distributions: Tensor[]): Tensor {
    const { ops, target } = this.host;
    const columns = Math.min(this.model.description.vocabSize, target.description.vocabSize);
    const all = this.model.head(state);
    const logits = columns === this.model.description.vocabSize ? all : ops.gather(all, Int32Array.from({ length: columns }, (_, token) => token), 1);
    const noise = { sequences, positions, stream: 'chain' };
    distributions.push(ops.reshape(ops.probs(logits, noise), [sequences.length, 1, columns]));
    return ops.choose(logits, noise);
  }

  /** A token that the draft model has no row for stands as token 0: it costs drafts, never output. */
  private known(token: number): number {
    return token < this.model.description.vocabSize ? token : 0;
  }
}
