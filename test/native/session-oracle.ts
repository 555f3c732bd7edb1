// What a session means, in plain TypeScript: texts, tentative rows and page tables. It computes no numbers; a row's numbers are those of
// the text that its path spells.
export interface OracleRow {
  readonly token: number;
  readonly parent: number;
  readonly absent: boolean;
}

/** A page is an object: sequences share it, and who shares what can be counted. */
type Page = object;

export interface OracleSequence {
  text: number[];
  rows: OracleRow[];
  pages: Page[];
}

/** One row of a pass: known text, or a tentative row that hangs from `parent`. */
export interface OracleInput {
  readonly sequence: number;
  readonly known: boolean;
  readonly token: number;
  readonly parent: number;
}

/** What a pass must give for one row; no path: the row is absent. */
export interface Expected {
  readonly path?: readonly number[];
  readonly token: number;
  readonly position: number;
}

export const PAGE = 64;

export class SessionOracle {
  readonly sequences = new Map<number, OracleSequence>();

  constructor(private readonly vocabSize: number, private readonly totalPages: number) {}

  open(id: number): void {
    this.sequences.set(id, { text: [], rows: [], pages: [] });
  }

  fork(from: number, id: number): void {
    const { text, pages } = this.at(from);
    this.sequences.set(id, { text: [...text], rows: [], pages: pages.slice(0, pagesFor(text.length)) });
  }

  close(id: number): void {
    this.sequences.delete(id);
  }

  truncate(id: number, length: number): void {
    const sequence = this.at(id);
    sequence.text.length = length;
    sequence.rows = [];
    sequence.pages.length = Math.min(sequence.pages.length, pagesFor(length));
  }

  commit(id: number, path: readonly number[]): void {
    const sequence = this.at(id);
    for (const row of path) sequence.text.push(sequence.rows[row]!.token);
    this.truncate(id, sequence.text.length);
  }

  /** Applies a pass and says what it must give, or gives undefined, nothing changed, when the pages do not suffice. */
  forward(inputs: readonly OracleInput[]): { readonly expected: readonly Expected[]; readonly refused: number } | undefined {
    if (!this.reserve(inputs)) return undefined;
    const starts = new Map([...this.sequences].map(([id, { text }]) => [id, text.length]));
    for (const { sequence, known, token } of inputs) if (known) this.at(sequence).text.push(token);
    let refused = 0;
    const expected = inputs.map(({ sequence: id, known, token, parent }): Expected => {
      const { text, rows } = this.at(id);
      if (known) {
        const position = starts.get(id)!;
        starts.set(id, position + 1);
        return { path: text.slice(0, position + 1), token, position };
      }
      const bad = token < -1 || token >= this.vocabSize || parent < -1 || parent >= rows.length;
      if (bad && token !== -1) refused++;
      const absent = token === -1 || bad || (parent >= 0 && rows[parent]!.absent);
      rows.push({ token, parent, absent });
      if (absent) return { token: -1, position: -1 };
      const path = [...text, ...this.tail(id, rows.length - 1)];
      return { path, token, position: path.length - 1 };
    });
    return { expected, refused };
  }

  usedPages(): number {
    return new Set([...this.sequences.values()].flatMap(({ pages }) => pages)).size;
  }

  at(id: number): OracleSequence {
    return this.sequences.get(id)!;
  }

  private tail(id: number, row: number): number[] {
    const { rows } = this.at(id);
    const tokens: number[] = [];
    for (let at = row; at >= 0; at = rows[at]!.parent) tokens.push(rows[at]!.token);
    return tokens.reverse();
  }

  // In order of appearance, each sequence gets pages of its own from its first new place on.
  private reserve(inputs: readonly OracleInput[]): boolean {
    const tables = new Map([...this.sequences].map(([id, { pages }]) => [id, [...pages]]));
    const used = this.usedPages();
    let taken = 0;
    for (const id of new Set(inputs.map(({ sequence }) => sequence))) {
      const table = tables.get(id)!;
      const first = this.at(id).text.length + this.at(id).rows.length;
      const end = first + inputs.filter(({ sequence }) => sequence === id).length;
      for (let i = Math.floor(first / PAGE); i < pagesFor(end); i++) {
        const page = table[i];
        if (page !== undefined && [...tables.values()].filter((other) => other.includes(page)).length === 1) continue;
        table[i] = {};
        taken++;
      }
    }
    if (used + taken > this.totalPages) return false;
    for (const [id, table] of tables) this.at(id).pages = table;
    return true;
  }
}

export const pagesFor = (positions: number): number => Math.ceil(positions / PAGE);
