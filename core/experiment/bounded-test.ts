/** Stakes of the bettors: shares of what may be staked at most. A mixture of them does nearly as well as the best. */
const STAKES = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8];

/**
 * Evidence, at every moment, that values in [0, 1] have a mean above `limit`. Bettors stake a share of what they own on each value being
 * above the limit; as long as the mean is at most the limit nobody can expect to gain, so a fortune of `1 / alpha` comes about with
 * probability alpha at most, however long the game goes on and however often one looks. Nothing is assumed about the values' distribution.
 *
 * @see Waudby-Smith, Ramdas 2023, Estimating means of bounded random variables by betting, arXiv:2010.09686
 */
export class BoundedMeanTest {
  private readonly fortunes = STAKES.map(() => 1);

  /** @param limit in (0, 1) */
  constructor(private readonly limit: number) {}

  /** @param value in [0, 1] */
  add(value: number): void {
    STAKES.forEach((stake, i) => { this.fortunes[i]! *= 1 + (stake / this.limit) * (value - this.limit); });
  }

  /** What the mixture owns; it began with 1. */
  get evidence(): number {
    return this.fortunes.reduce((sum, fortune) => sum + fortune, 0) / STAKES.length;
  }
}
