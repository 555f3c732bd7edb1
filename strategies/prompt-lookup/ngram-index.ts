/** Candidates looked at per n-gram length, for one query: older ones are not worth their time. */
const MAX_WALK = 32;

/** Where an earlier occurrence of the text's last tokens went on. */
export interface Match {
  /** Position of the token that followed. */
  readonly start: number;
  /** Tokens that agree, at most the longest n-gram of the index. */
  readonly length: number;
}

/**
 * Finds earlier occurrences of the last n tokens of a growing text. Per n-gram length a hash leads to the latest place that the n-gram ended
 * at, and every place to the one before it. A token costs one entry per length, a query a bounded number of steps: neither depends on how long
 * the text is. Hashes may collide; candidates are compared with the text itself.
 */
export class NgramIndex {
  private readonly tables: readonly Table[];
  private indexed = 0;

  /** @param minNgram shortest n-gram that counts as a match, ≥ 1 @param maxNgram longest one tried, ≥ `minNgram` */
  constructor(private readonly minNgram: number, maxNgram: number) {
    this.tables = Array.from({ length: maxNgram - minNgram + 1 }, () => new Table());
  }

  /**
   * Takes in what is new, then gives up to `count` matches: the longest first, and of equal length the most recent first.
   *
   * @param tokens the whole text `[length]`; it has only grown since the last call
   */
  matches(tokens: Int32Array, count: number): Match[] {
    for (let end = this.indexed + 1; end <= tokens.length; end++) this.add(tokens, end);
    this.indexed = tokens.length;
    const found: Match[] = [];
    for (let i = this.tables.length - 1; i >= 0 && found.length < count; i--) this.collect(tokens, this.minNgram + i, count, found);
    return found;
  }

  private add(tokens: Int32Array, end: number): void {
    let hash = 0;
    for (let n = 1; n <= end && n < this.minNgram + this.tables.length; n++) {
      hash = Math.imul(hash ^ tokens[end - n]!, 0x9e3779b1);
      hash ^= hash >>> 15;
      if (n >= this.minNgram) this.tables[n - this.minNgram]!.add(hash, end);
    }
  }

  private collect(tokens: Int32Array, n: number, count: number, found: Match[]): void {
    const { previous } = this.tables[n - this.minNgram]!;
    let end = n < tokens.length ? previous[tokens.length]! : 0;
    for (let steps = 0; end > 0 && steps < MAX_WALK && found.length < count; steps++, end = previous[end]!) {
      const start = end;
      if (endsAlike(tokens, end, n) && !found.some((match) => match.start === start)) found.push({ start, length: n });
    }
  }
}

/** Places where n-grams of one length end, chained by hash, the latest first. */
class Table {
  /** By end position: the place before it with the same hash, 0: none. */
  previous = new Int32Array(256);
  private readonly latest = new Map<number, number>();

  add(hash: number, end: number): void {
    if (end >= this.previous.length) {
      const grown = new Int32Array(this.previous.length * 2);
      grown.set(this.previous);
      this.previous = grown;
    }
    this.previous[end] = this.latest.get(hash) ?? 0;
    this.latest.set(hash, end);
  }
}

/** Whether the n tokens before `end` are the last n of the text. */
function endsAlike(tokens: Int32Array, end: number, n: number): boolean {
  for (let k = 1; k <= n; k++) if (tokens[end - k] !== tokens[tokens.length - k]) return false;
  return true;
}
