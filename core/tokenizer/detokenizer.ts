/** Turns a growing token sequence into text, block by block. One per text. */
export interface Detokenizer {
  /** Text that these tokens make final; an incomplete character is held back. */
  push(tokens: readonly number[]): string;
  /** The rest: an incomplete character becomes U+FFFD. */
  flush(): string;
}

/** For pieces that are bytes: exact, constant time per token, whatever the text. */
export class ByteDetokenizer implements Detokenizer {
  // The byte order mark is text here like any other character.
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** @param bytesOf bytes of a token, undefined for one that is not text */
  constructor(private readonly bytesOf: (token: number) => Uint8Array | undefined, after: ArrayLike<number>) {
    this.push(tail(after));   // its text is not ours, but its last character may be completed here
  }

  push(tokens: readonly number[]): string {
    let text = '';
    for (const token of tokens) {
      const bytes = this.bytesOf(token);
      if (bytes !== undefined) text += this.decoder.decode(bytes, { stream: true });
    }
    return text;
  }

  flush(): string {
    return this.decoder.decode();
  }
}

const REPLACEMENT = '\ufffd';

/**
 * For every other decoder: decodes a short window twice, without and with the new tokens; the difference is the new text. The window keeps the
 * tokens of the last block as context, because decoders treat the start of a text in their own way (a leading space is dropped). Of an
 * incomplete character a decoder makes one U+FFFD at the end: that one is held back.
 */
export class WindowDetokenizer implements Detokenizer {
  private context: number[] = [];
  private contextText = '';
  private pending: number[] = [];
  /** Length of the window's text that has been given out or is not ours. */
  private given = 0;

  /**
   * @param decode text of a whole sequence
   * @param isText whether a token is shown at all
   */
  constructor(private readonly decode: (tokens: readonly number[]) => string, private readonly isText: (token: number) => boolean, after: ArrayLike<number>) {
    this.setContext(tail(after).filter(isText));
    if (this.contextText.endsWith(REPLACEMENT)) this.given--;
  }

  push(tokens: readonly number[]): string {
    const added = tokens.filter(this.isText);
    if (added.length === 0) return '';
    this.pending.push(...added);
    const window = this.decode([...this.context, ...this.pending]);
    const end = window.endsWith(REPLACEMENT) ? window.length - 1 : window.length;
    const text = window.slice(this.given, end);
    this.given = Math.max(this.given, end);
    if (end === window.length) this.advance();
    return text;
  }

  flush(): string {
    return this.decode([...this.context, ...this.pending]).slice(this.given);
  }

  private advance(): void {
    // Tokens that are nothing but the dropped space would be no context for what follows.
    const alone = this.decode(this.pending) !== '';
    this.setContext(alone ? this.pending : tail([...this.context, ...this.pending]));
    this.pending = [];
  }

  private setContext(tokens: number[]): void {
    this.context = tokens;
    this.contextText = this.decode(tokens);
    this.given = this.contextText.length;
  }
}

/** Enough of a text's end to continue it: its last pieces, special tokens counted. */
function tail(tokens: ArrayLike<number>): number[] {
  const kept = 16;
  return Array.from({ length: Math.min(kept, tokens.length) }, (_, i) => tokens[tokens.length - Math.min(kept, tokens.length) + i] ?? -1);
}
