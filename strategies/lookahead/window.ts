import type { NgramPool } from './ngram-pool.js';

/** Adds one row under a parent and gives its number; the root is row 0. */
export type AddRow = (token: number, parent: number) => number;

/**
 * Guessed futures of one text, advanced by one Jacobi iteration per pass. Column c of level 0 stands c places behind the pending token, the
 * levels below it one place further each: level l of column c at place c + l. Column 0 of level 0 is the pending token itself; what is
 * stored there is only its successor's leftover.
 *
 * It starts with level 0 alone, longer than the rest will be, and gets one level per pass; when there are `depth` levels, all of them have
 * `columns` tokens and every pass yields one n-gram per column.
 */
export class Window {
  private levels: number[][];

  /**
   * @param columns W, at least 1
   * @param depth levels when full: N - 1
   * @param first `firstLength(columns, depth)` tokens to begin with
   */
  constructor(private readonly columns: number, private readonly depth: number, first: readonly number[]) {
    this.levels = [[-1, ...first]];
  }

  /** Tokens that a window begins with. */
  static firstLength(columns: number, depth: number): number {
    return columns + depth - 2;
  }

  /** Most rows and the longest path that a window ever has, from its first pass on. */
  static extent(columns: number, depth: number): { readonly rows: number; readonly depth: number } {
    let rows = 0;
    for (let levels = 1; levels <= depth; levels++) {
      const length = columns + depth - levels;   // of every level
      rows = Math.max(rows, levels * length - 1);
    }
    return { rows, depth: Math.max(0, Window.firstLength(columns, depth)) };
  }

  get isFull(): boolean {
    return this.levels.length === this.depth;
  }

  /** Rows that it needs besides the root. */
  get rowCount(): number {
    return this.levels.length * this.levels[0]!.length - 1;   // there is always a level 0
  }

  /** Longest path from the root. */
  get pathLength(): number {
    return this.levels[0]!.length - 1 + this.levels.length - 1;
  }

  /** Tokens by level without column 0 of level 0. */
  tokens(): number[][] {
    return this.levels.map((level, l) => (l === 0 ? level.slice(1) : [...level]));
  }

  /** Adds its rows; returns the numbers of the last level's, column 0 first. What the target chooses after them is the next level. */
  addTo(add: AddRow): number[] {
    let above = this.levels[0]!.map(() => 0);
    for (let column = 1; column < above.length; column++) above[column] = add(this.levels[0]![column]!, above[column - 1]!);
    for (const level of this.levels.slice(1)) above = level.map((token, column) => add(token, above[column]!));
    return above;
  }

  /**
   * Takes what the target chose after the last level's rows. A full window puts one n-gram per column into the pool and moves up.
   *
   * @param pending the token that was the root
   */
  advance(fresh: readonly number[], pending: number, pool: NgramPool): void {
    if (!this.isFull) {
      this.levels = [...this.levels, [...fresh]].map((level) => level.slice(1));
      return;
    }
    const [keys, ...rest] = [...this.levels, [...fresh]];
    keys!.forEach((key, column) => pool.insert(column === 0 ? pending : key, rest.map((level) => level[column]!)));   // levels are of one length
    this.levels = rest;
  }

  /** Moves up without anything new; the last level repeats the first. */
  skip(): void {
    if (this.isFull) this.levels = [...this.levels.slice(1), this.levels[0]!];
  }

  clone(): Window {
    const copy = new Window(this.columns, this.depth, []);
    copy.levels = this.levels.map((level) => [...level]);
    return copy;
  }
}
