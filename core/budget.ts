/** What one pass of the target costs, measured on this machine at load time. */
export interface PassTime {
  readonly rows: number;
  readonly ms: number;
}

/** Row counts worth measuring: the ends of the flat part differ from machine to machine. */
export const MEASURED_ROWS = [1, 2, 4, 6, 8, 16, 32, 64] as const;

/**
 * The one place that says how many nodes a draft may have. More rows cost more time (how much is measured), and bring more tokens (how many
 * follows from what was accepted lately): the budget is where the ratio is best. It never changes a token, only the speed.
 */
export class NodeBudget {
  /** @param times rising row counts; empty: no measurement, every plan gets what it asks for */
  constructor(private readonly times: readonly PassTime[]) {}

  /**
   * Nodes per sequence that are worth drafting, 1 to `maxNodes`.
   *
   * @param acceptance probability that the next drafted node on a path is accepted, 0 to 1
   * @param sequences sequences that share the pass
   */
  nodes(maxNodes: number, acceptance: number, sequences: number): number {
    if (this.times.length === 0) return maxNodes;
    let best = 1;
    let bestRate = 0;
    let tokens = 1;
    let probability = 1;
    for (let nodes = 0; nodes <= maxNodes; nodes++) {
      const rate = tokens / this.passMs(sequences * (1 + nodes));
      if (rate > bestRate) [best, bestRate] = [nodes, rate];
      probability *= acceptance;
      tokens += probability;
    }
    return Math.max(1, best);   // one node always: without trying, nobody learns that text has become easier
  }

  /** Milliseconds of a pass, linear between what was measured and beyond. */
  passMs(rows: number): number {
    const above = this.times.findIndex((time) => time.rows >= rows);
    if (above === 0) return this.times[0]!.ms;
    const to = this.times[above < 0 ? this.times.length - 1 : above]!;
    const from = this.times[above < 0 ? this.times.length - 2 : above - 1] ?? { rows: 0, ms: 0 };
    return from.ms + ((to.ms - from.ms) * (rows - from.rows)) / (to.rows - from.rows);
  }
}

/** Running estimate of the chance that the next drafted node on a path is accepted. Recent iterations weigh more. */
export class Acceptance {
  private accepted = 2.4;   // starts hopeful, with the weight of about four nodes
  private tried = 4;

  get rate(): number {
    return this.accepted / this.tried;
  }

  /** @param proposedDepth deepest path proposed; the nodes after the first refused one were not tried */
  update(acceptedCount: number, proposedDepth: number): void {
    if (proposedDepth === 0) return;
    this.accepted = this.accepted * 0.85 + acceptedCount + 0.02;
    this.tried = this.tried * 0.85 + Math.min(acceptedCount + 1, proposedDepth) + 0.04;
  }
}
