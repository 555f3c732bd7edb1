import type { Commit, DraftBatch, DraftBuilder, DraftProposer, Observed, Sequence } from '../../core/strategy.js';
import { NgramPool } from './ngram-pool.js';
import { Window } from './window.js';

export interface LookaheadSettings {
  /** W. */
  readonly window: number;
  /** N, the key included. */
  readonly ngram: number;
  /** G: n-grams tried per pass. */
  readonly guesses: number;
  /** N-grams kept per key. */
  readonly stored: number;
  readonly poolFromPrompt: boolean;
  readonly refreshes: boolean;
  readonly guessInWarmUp: boolean;
  readonly acceptWindow: boolean;
  readonly shift: 'iteration' | 'token';
  /** Tokens that the window gives up for one of the prompt. */
  readonly avoid: ReadonlySet<number>;
  /** The first level; default: tokens of the prompt at random. */
  readonly firstWindow?: (sequence: Sequence, length: number) => readonly number[];
}

/** What is held for one running text. */
interface Text {
  readonly window: Window;
  readonly pool: NgramPool;
  readonly random: () => number;
  /** Tokens of the text whose n-grams are in the pool. */
  indexed: number;
  /** Rows of the window's last level in the pass under way, and the root of that pass. */
  drafted: { readonly rows: readonly number[]; readonly root: number } | undefined;
}

/** Drafts stored n-grams as chains and runs the window beside them as rows that only the proposer looks at. */
export class Lookahead implements DraftProposer {
  private readonly texts = new Map<number, Text>();

  constructor(private readonly settings: LookaheadSettings) {}

  observe({ sequences, commits }: Observed): void {
    sequences.forEach((sequence, i) => {
      const commit = commits[i];
      const text = this.textOf(sequence);
      if (commit !== undefined) this.advance(text, commit, sequence);
      this.index(text, sequence.tokens);
      text.drafted = undefined;
    });
  }

  propose({ sequences }: DraftBatch, draft: DraftBuilder): void {
    for (const sequence of sequences) {
      const text = this.textOf(sequence);
      this.index(text, sequence.tokens);
      const root = sequence.tokens.at(-1)!;   // a text has at least one token
      const { window } = text;
      // Half a window yields nothing, and one that reaches past the end of the text would guess what nobody emits.
      const fits = window.rowCount <= sequence.budget && window.pathLength <= sequence.maxDepth;
      const add = this.settings.acceptWindow ? draft.node : draft.probe;
      text.drafted = fits ? { rows: window.addTo((token, parent) => add.call(draft, sequence, token, parent)), root } : undefined;
      if (this.settings.guessInWarmUp || window.isFull) this.guess(text, root, sequence, draft);
    }
  }

  forked(from: Sequence, to: readonly Sequence[]): void {
    const text = this.texts.get(from.id);
    if (text === undefined) return;
    for (const { id } of to) this.texts.set(id, { ...text, window: text.window.clone(), pool: text.pool.clone() });
  }

  left({ id }: Sequence): void {
    this.texts.delete(id);
  }

  /** What is held for a text. */
  textOf(sequence: Sequence): Text {
    let text = this.texts.get(sequence.id);
    if (text === undefined) {
      const { window, ngram, stored, refreshes, firstWindow } = this.settings;
      const random = generator(sequence.sampling.seed);
      const length = Window.firstLength(window, ngram - 1);
      const first = firstWindow?.(sequence, length) ?? Array.from({ length }, () => promptToken(sequence, random));
      text = { window: new Window(window, ngram - 1, first), pool: new NgramPool(stored, refreshes), random, indexed: 0, drafted: undefined };
      this.texts.set(sequence.id, text);
    }
    return text;
  }

  /** The newest first: of more than fit, they are the likelier ones. `node` gives back what is there already, so guesses share what they agree on. */
  private guess({ pool }: Text, root: number, sequence: Sequence, draft: DraftBuilder): void {
    const { guesses } = this.settings;
    for (const ngram of guesses === 0 ? [] : pool.after(root).slice(-guesses).reverse()) {
      let parent = 0;
      for (const token of ngram.slice(0, sequence.maxDepth)) parent = draft.node(sequence, token, parent);
    }
  }

  private advance(text: Text, { choices, tokens }: Commit, sequence: Sequence): void {
    const { drafted, window, pool } = text;
    // A draft may have been given up for want of memory: then nothing was chosen after its rows.
    if (drafted === undefined || choices === undefined || drafted.rows.some((row) => row >= choices.length || choices[row]! < 0)) return;
    const fresh = drafted.rows.map((row) => (this.settings.avoid.has(choices[row]!) ? promptToken(sequence, text.random) : choices[row]!));
    window.advance(fresh, drafted.root, pool);
    if (this.settings.shift === 'token') for (let i = 1; i < tokens.length; i++) window.skip();
  }

  /** Puts the n-grams of the text itself into the pool, each once. */
  private index(text: Text, tokens: Int32Array): void {
    if (!this.settings.poolFromPrompt) return;
    const { ngram } = this.settings;
    for (; text.indexed + ngram <= tokens.length; text.indexed++) {
      text.pool.insert(tokens[text.indexed]!, Array.from(tokens.subarray(text.indexed + 1, text.indexed + ngram)));
    }
  }
}

function promptToken({ tokens, promptLength }: Sequence, random: () => number): number {
  return tokens[Math.floor(random() * promptLength)]!;   // a prompt has at least one token
}

/** Uniforms in [0, 1) from a seed (mulberry32): the same request drafts the same, run after run. */
function generator(seed: bigint): () => number {
  let state = Number(BigInt.asIntN(32, seed ^ (seed >> 32n)));
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
