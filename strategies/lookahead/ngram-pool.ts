/** Tokens that followed a key; the key itself is left out. */
export type Ngram = readonly number[];

/** N-grams of one text by their first token, oldest first. */
export class NgramPool {
  private readonly ngrams = new Map<number, Ngram[]>();

  /**
   * @param capacity n-grams kept per key; the oldest goes
   * @param refreshes whether an n-gram that comes again becomes the newest, or stays where it is
   */
  constructor(private readonly capacity: number, private readonly refreshes: boolean) {}

  insert(key: number, ngram: Ngram): void {
    if (this.capacity === 0) return;
    const known = this.ngrams.get(key);
    if (known === undefined) {
      this.ngrams.set(key, [ngram]);
      return;
    }
    const at = known.findIndex((one) => one.every((token, i) => token === ngram[i]));   // all of one pool are of one length
    if (at >= 0 && !this.refreshes) return;
    if (at >= 0) known.splice(at, 1);
    else if (known.length >= this.capacity) known.shift();
    known.push(ngram);
  }

  /** What is known to follow a token, oldest first. */
  after(key: number): readonly Ngram[] {
    return this.ngrams.get(key) ?? [];
  }

  clone(): NgramPool {
    const copy = new NgramPool(this.capacity, this.refreshes);
    for (const [key, ngrams] of this.ngrams) copy.ngrams.set(key, [...ngrams]);
    return copy;
  }
}
