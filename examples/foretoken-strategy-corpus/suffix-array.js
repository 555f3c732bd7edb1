/** Every place of a token sequence, sorted by the tokens that follow; equal runs lie side by side. */
export class SuffixArray {
  /** @param {Int32Array} tokens */
  constructor(tokens) {
    this.tokens = tokens;
    this.places = Int32Array.from(tokens.keys()).sort((a, b) => this.#compare(a, b));
  }

  /**
   * Places right after an occurrence of a run of tokens, at most `most`, spread over all of them.
   *
   * @param {Int32Array} run
   * @param {number} most
   */
  after(run, most) {
    const first = this.#bound(run, 0);
    const count = this.#bound(run, 1) - first;
    const found = Math.min(count, most);
    return Array.from({ length: found }, (_, i) => this.places[first + Math.floor((i * count) / found)] + run.length);
  }

  /** Number of places that sort before a run, or (`side` 1) before what begins with more than it. */
  #bound(run, side) {
    let [low, high] = [0, this.places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compareRun(this.places[middle], run) < side) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compareRun(place, run) {
    for (let i = 0; i < run.length; i++) {
      const token = this.tokens[place + i] ?? -1;   // the end sorts first
      if (token !== run[i]) return token < run[i] ? -1 : 1;
    }
    return 0;
  }

  #compare(a, b) {
    const end = this.tokens.length - Math.max(a, b);
    for (let i = 0; i < end; i++) {
      const difference = this.tokens[a + i] - this.tokens[b + i];
      if (difference !== 0) return difference;
    }
    return b - a;
  }
}
