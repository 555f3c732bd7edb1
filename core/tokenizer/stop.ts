import type { Detokenizer } from './detokenizer.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * The text of one sample, token by token, up to the first stop string. The tokens of a result include the one that completed a stop string;
 * its text ends before that string. Of several stop strings the one that is complete first counts, and of those that end with the same
 * character the longest: so the text does not depend on how it is cut into tokens.
 */
export class TextStream {
  private readonly detokenizer: Detokenizer;
  private readonly matchers: readonly StopMatcher[];
  /** Final text that may be the beginning of a stop string. */
  private held = '';
  private stopped = false;

  /**
   * @param stops stop strings, none empty
   * @param after tokens before the text, see {@link Tokenizer.detokenizer}
   */
  constructor(tokenizer: Pick<Tokenizer, 'detokenizer'>, stops: readonly string[] = [], after: ArrayLike<number> = []) {
    this.detokenizer = tokenizer.detokenizer(after);
    this.matchers = stops.map((stop) => new StopMatcher(stop));
  }

  /**
   * @param mayStop false at the beginning of a text that must not end yet: its characters belong to no stop string
   * @returns text: what may be shown now; stopped: whether this token completed a stop string, after which nothing more is taken
   */
  push(token: number, mayStop = true): { readonly text: string; readonly stopped: boolean } {
    if (this.stopped) return { text: '', stopped: true };
    if (!mayStop) return { text: this.detokenizer.push([token]), stopped: false };
    return { text: this.take(this.detokenizer.push([token])), stopped: this.stopped };
  }

  /** The text still held back, once no more tokens come. */
  flush(): string {
    if (this.stopped) return '';
    const text = this.take(this.detokenizer.flush());
    if (this.stopped) return text;
    const rest = this.held;
    this.held = '';
    return text + rest;
  }

  private take(added: string): string {
    const text = this.held + added;
    for (let i = this.held.length; i < text.length; i++) {
      const length = longestMatch(this.matchers, text.charCodeAt(i));
      if (length === 0) continue;
      this.stopped = true;
      this.held = '';
      return text.slice(0, i + 1 - length);
    }
    const partial = this.matchers.reduce((longest, matcher) => Math.max(longest, matcher.matched), 0);
    this.held = text.slice(text.length - partial);
    return text.slice(0, text.length - partial);
  }
}

/** Feeds every matcher; the length of the longest stop string that the character completes, 0 for none. */
function longestMatch(matchers: readonly StopMatcher[], code: number): number {
  return matchers.reduce((longest, matcher) => Math.max(longest, matcher.feed(code)), 0);
}

/** Knuth–Morris–Pratt over UTF-16 units: how much of the stop string the text so far ends with, in constant time per character. */
class StopMatcher {
  matched = 0;
  /** For each prefix, the length of the longest shorter prefix that it ends with. */
  private readonly border: number[] = [0];

  constructor(private readonly stop: string) {
    for (let i = 1, k = 0; i < stop.length; i++) {
      while (k > 0 && stop[i] !== stop[k]) k = this.border[k - 1] ?? 0;
      if (stop[i] === stop[k]) k++;
      this.border.push(k);
    }
  }

  /** @returns the stop string's length when `code` completes it, else 0 */
  feed(code: number): number {
    while (this.matched > 0 && code !== this.stop.charCodeAt(this.matched)) this.matched = this.border[this.matched - 1] ?? 0;
    if (code === this.stop.charCodeAt(this.matched)) this.matched++;
    return this.matched === this.stop.length ? this.matched : 0;
  }
}
