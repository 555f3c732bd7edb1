// Random sessions against the oracle: texts, trees, forks, commits and faults in any order. Numbers are compared bit for bit with the path
// of every row run as text, pages with a plain model of page tables.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeCheckpoint, readCheckpoint } from '../../core/checkpoint/checkpoint.js';
import { CapacityError } from '../../core/errors.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeModel, NativeRuntime, NativeSession } from '../../core/native/types.js';
import { Random } from './random.js';
import { type Expected, type OracleInput, SessionOracle } from './session-oracle.js';

const FIXTURES = join(import.meta.dirname, '../fixtures/golden');
const MAX_SEQUENCES = 5, MAX_TOKENS = 150, PAGES = 8, STEPS = 150;
const TOKENS = 5;  // few, so that paths meet again
const counts = { rows: 0, tentative: 0, absent: 0, committed: 0, forks: 0, capacity: 0 };

let runtime: NativeRuntime;
beforeAll(() => { runtime = loadNative().createRuntime({ threads: 2 }); });
afterAll(() => {
  console.log(`random sessions: ${counts.rows} rows bit for bit (${counts.tentative} tentative), ${counts.absent} absent, ${counts.committed} rows committed, ${counts.forks} forks, ${counts.capacity} passes refused for want of pages`);
  runtime.dispose();
});

/** A text of one more token than its parent's, and its last hidden row. */
interface Text {
  readonly longer: Map<number, Text>;
  hidden?: Float32Array;
}

/** Hidden rows of texts, each computed once, as known text in one pass. */
class Reference {
  private readonly root: Text = { longer: new Map() };
  private readonly session: NativeSession;

  constructor(model: NativeModel, private readonly width: number) {
    this.session = model.createSession({ maxSequences: 1, maxTokens: 1024, pages: 16, kvDtype: 'f32' });
  }

  async of(path: readonly number[]): Promise<Float32Array> {
    const texts: Text[] = [];
    for (const token of path) texts.push(longer(texts.at(-1) ?? this.root, token));
    const last = texts.at(-1)!;
    if (last.hidden === undefined) {
      const values = await this.run(path);
      for (const [i, text] of texts.entries()) text.hidden = values.subarray(i * this.width, (i + 1) * this.width);
    }
    return last.hidden!;
  }

  private async run(path: readonly number[]): Promise<Float32Array> {
    const sequence = this.session.open();
    const { hidden } = this.session.forward({
      sequences: new Int32Array(path.length).fill(sequence), tokens: Int32Array.from(path), known: new Uint8Array(path.length).fill(1),
    });
    this.session.close(sequence);
    const [values] = await runtime.read([hidden]);
    return values as Float32Array;
  }
}

function longer(text: Text, token: number): Text {
  let next = text.longer.get(token);
  if (next === undefined) text.longer.set(token, (next = { longer: new Map() }));
  return next;
}

/** One session driven at random beside its oracle. */
class Walk {
  private readonly oracle: SessionOracle;
  private readonly session: NativeSession;

  constructor(private readonly random: Random, private readonly reference: Reference, private readonly vocabSize: number, private readonly width: number, model: NativeModel) {
    this.oracle = new SessionOracle(vocabSize, PAGES);
    this.session = model.createSession({ maxSequences: MAX_SEQUENCES, maxTokens: MAX_TOKENS, pages: PAGES, kvDtype: 'f32' });
  }

  async step(): Promise<void> {
    const ids = [...this.oracle.sequences.keys()];
    const id = ids[this.random.integer(0, ids.length - 1)];
    const dice = this.random.integer(0, 19);
    if (id === undefined || (dice === 0 && ids.length < MAX_SEQUENCES)) this.oracle.open(this.session.open());
    else if (dice === 1 && ids.length < MAX_SEQUENCES) this.fork(id);
    else if (dice === 2) this.close(id);
    else if (dice === 3) this.truncate(id);
    else if (dice < 8) this.commit(ids.filter((each) => each === id || this.random.next() < 0.5));
    else await this.forward(ids.filter((each) => each === id || this.random.next() < 0.3));
    expect(this.session.pages().used).toBe(this.oracle.usedPages());
    for (const [each, { text }] of this.oracle.sequences) expect(this.session.length(each)).toBe(text.length);
  }

  end(): void {
    for (const id of this.oracle.sequences.keys()) this.session.close(id);
    expect(this.session.pages()).toEqual({ used: 0, total: PAGES });
    this.session.dispose();
  }

  private fork(id: number): void {
    this.oracle.fork(id, this.session.fork(id));
    counts.forks++;
  }

  private close(id: number): void {
    this.session.close(id);
    this.oracle.close(id);
  }

  private truncate(id: number): void {
    const { text } = this.oracle.at(id);
    const length = this.random.next() < 0.7 ? Math.max(0, text.length - this.random.integer(0, 6)) : this.random.integer(0, text.length);
    this.session.truncate(id, length);
    this.oracle.truncate(id, length);
  }

  private commit(ids: readonly number[]): void {
    const depth = this.random.integer(1, 9);
    const paths = ids.map((id) => this.path(id, depth));
    if (paths.every((path) => path.length === 0)) this.session.commit(Int32Array.from(ids));
    else this.session.commit(Int32Array.from(ids), Int32Array.from(paths.flatMap((path) => Array.from({ length: depth }, (_, i) => path[i] ?? -1))));
    for (const [i, id] of ids.entries()) {
      this.oracle.commit(id, paths[i]!);
      counts.committed += paths[i]!.length;
    }
  }

  private path(id: number, depth: number): number[] {
    const { rows, text } = this.oracle.at(id);
    const path: number[] = [];
    for (let at = -1; path.length < depth && text.length + path.length < MAX_TOKENS; ) {
      const children = rows.flatMap(({ parent, absent }, row) => (parent === at && !absent ? [row] : []));
      if (children.length === 0 || this.random.next() < 0.1) break;
      at = children[this.random.integer(0, children.length - 1)]!;
      path.push(at);
    }
    return path;
  }

  private async forward(ids: readonly number[]): Promise<void> {
    const chain = this.random.next() < 0.25, clean = this.random.next() < 0.5;
    const queues = ids.map((id) => this.inputs(id, chain, clean));
    const inputs: OracleInput[] = [];
    for (let left = queues.filter((queue) => queue.length > 0); left.length > 0; left = left.filter((queue) => queue.length > 0)) {
      inputs.push(left[this.random.integer(0, left.length - 1)]!.shift()!);
    }
    const rows = {
      sequences: Int32Array.from(inputs, ({ sequence }) => sequence), tokens: Int32Array.from(inputs, ({ token }) => token), known: Uint8Array.from(inputs, ({ known }) => Number(known)),
      ...(chain ? {} : { parents: Int32Array.from(inputs, ({ parent }) => parent) }),
    };
    const outcome = this.oracle.forward(inputs);
    if (outcome === undefined) {
      counts.capacity++;
      expect(() => this.session.forward(rows)).toThrow(CapacityError);
      return this.close(ids[0]!);
    }
    const { hidden, tokens, positions, refused } = this.session.forward(rows);
    const [values, gotTokens, gotPositions, gotRefused] = await runtime.read([hidden, tokens, positions, refused]);
    expect([...gotTokens!]).toEqual(outcome.expected.map(({ token }) => token));
    expect([...gotPositions!]).toEqual(outcome.expected.map(({ position }) => position));
    expect([...gotRefused!]).toEqual([outcome.refused]);
    for (const [row, expected] of outcome.expected.entries()) {
      await this.compare(values!.subarray(row * this.width, (row + 1) * this.width) as Float32Array, expected);
      if (!inputs[row]!.known) counts.tentative++;
    }
  }

  private async compare(got: Float32Array, { path }: Expected): Promise<void> {
    const expected = path === undefined ? new Float32Array(this.width) : await this.reference.of(path);
    const differs = got.findIndex((value, i) => value !== expected[i]);
    if (differs >= 0) expect.fail(`${got[differs]} instead of ${expected[differs]} after ${path?.join() ?? 'an absent row'}`);
    if (path === undefined) counts.absent++;
    else counts.rows++;
  }

  // Known rows where none wait, then tentative ones; unless `clean`, some of them nonsense.
  private inputs(sequence: number, chain: boolean, clean: boolean): OracleInput[] {
    const { text, rows } = this.oracle.at(sequence);
    const nonsense = (chance: number): boolean => !clean && this.random.next() < chance;
    const knownCount = rows.length > 0 || this.random.next() < 0.4 ? 0 : Math.min(this.random.integer(1, this.random.next() < 0.3 ? 80 : 8), MAX_TOKENS - text.length);
    const inputs: OracleInput[] = [];
    for (let i = 0; i < knownCount; i++) inputs.push({ sequence, known: true, token: this.random.integer(0, TOKENS), parent: 99 });
    const tentativeCount = this.random.next() < 0.3 ? 0 : this.random.integer(1, this.random.next() < 0.1 ? 60 : 9);
    for (let i = 0; i < tentativeCount; i++) {
      const number = rows.length + i;
      let token = this.random.integer(0, TOKENS);
      if (nonsense(0.1)) token = -1;
      if (nonsense(0.05)) token = [this.vocabSize, -2, 2 ** 30][this.random.integer(0, 2)]!;
      let parent = chain || this.random.next() < 0.4 ? number - 1 : Math.max(-1, number - this.random.integer(1, 5));
      if (!chain && nonsense(0.05)) parent = [number, number + 1, -2][this.random.integer(0, 2)]!;
      inputs.push({ sequence, known: false, token, parent });
    }
    return inputs;
  }
}

describe.each(['llama-linear-bias', 'mistral-sliding', 'qwen3'])('random sessions of %s', (name) => {
  it.each([1, 2])('agree with the oracle, seed %i', async (seed) => {
    const { description, tensors } = describeCheckpoint(await readCheckpoint(join(FIXTURES, name)));
    const model = await runtime.loadModel(description, tensors, 'f32');
    const walk = new Walk(new Random(seed), new Reference(model, description.hiddenSize), description.vocabSize, description.hiddenSize, model);
    for (let i = 0; i < STEPS; i++) await walk.step();
    walk.end();
    model.dispose();
    expect(counts.forks * counts.committed * counts.absent * counts.tentative, 'everything was tried').toBeGreaterThan(0);
  });
});
