import type { DraftBatch, DraftBuilder, DraftProposer, Sequence } from '../../core/strategy.js';
import { NgramIndex } from './ngram-index.js';

/** What is looked for and how much of it is copied. */
export interface LookupSettings {
  readonly minNgram: number;
  readonly maxNgram: number;
  /** Tokens per continuation. */
  readonly length: number;
  /** Continuations per draft. */
  readonly branches: number;
  /** Tokens that a continuation may have per token that agreed: long matches are right more often, and for longer. */
  readonly trust: number;
}

/** Copies continuations of earlier matches into a tree. Holds one index per text; a fork builds its own from its tokens. */
export class PromptLookup implements DraftProposer {
  private readonly indexes = new Map<number, NgramIndex>();

  constructor(private readonly settings: LookupSettings) {}

  propose({ sequences }: DraftBatch, draft: DraftBuilder): void {
    for (const sequence of sequences) {
      const { tokens } = sequence;
      for (const { start, length } of this.indexOf(sequence).matches(tokens, this.settings.branches)) {
        const depth = Math.min(this.settings.length, sequence.maxDepth, length * this.settings.trust);
        let parent = 0;   // `node` gives back the child that is there already: continuations share what they agree on
        for (let i = 0; i < depth && parent >= 0; i++) parent = draft.node(sequence, copied(tokens, start, i), parent);
      }
    }
  }

  left({ id }: Sequence): void {
    this.indexes.delete(id);
  }

  private indexOf({ id }: Sequence): NgramIndex {
    let index = this.indexes.get(id);
    if (index === undefined) {
      index = new NgramIndex(this.settings.minNgram, this.settings.maxNgram);
      this.indexes.set(id, index);
    }
    return index;
  }
}

/** Token `i` of the continuation at `start`. Where the text ends it goes on into the draft itself: text that repeats is taken to repeat on. */
function copied(tokens: Int32Array, start: number, i: number): number {
  return tokens[start + (i % (tokens.length - start))]!;   // start < length
}
