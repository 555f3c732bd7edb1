// Sessions of the native runtime: whatever is done to them, every row has the numbers of its path run as text, bit for bit.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeCheckpoint, readCheckpoint } from '../../core/checkpoint/checkpoint.js';
import type { ModelDescription } from '../../core/description.js';
import { CapacityError, ShapeError } from '../../core/errors.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeForward, NativeModel, NativeRuntime, NativeSession, NativeTensor } from '../../core/native/types.js';
import { Random } from './random.js';

const FIXTURES = join(import.meta.dirname, '../fixtures/golden');
const native = loadNative();

interface Loaded {
  readonly runtime: NativeRuntime;
  readonly model: NativeModel;
  readonly description: ModelDescription;
}

const runtimes: NativeRuntime[] = [];
afterAll(() => { for (const runtime of runtimes) runtime.dispose(); });

async function load(name: string, dtype: 'f32' | 'bf16' = 'f32', threads = 2): Promise<Loaded> {
  const runtime = native.createRuntime({ threads });
  runtimes.push(runtime);
  const { description, tensors } = describeCheckpoint(await readCheckpoint(join(FIXTURES, name)));
  return { runtime, description, model: await runtime.loadModel(description, tensors, dtype) };
}

const open = ({ model }: Loaded, pages = 32, maxTokens = 512, kvDtype: 'f32' | 'bf16' = 'f32'): NativeSession =>
  model.createSession({ maxSequences: 4, maxTokens, pages, kvDtype });

const text = (length: number, seed = 1): number[] => Array.from(new Random(seed).integers(length, 0, 250));

const known = (session: NativeSession, sequence: number, tokens: readonly number[], taps?: readonly number[]): NativeForward =>
  session.forward({ sequences: new Int32Array(tokens.length).fill(sequence), tokens: Int32Array.from(tokens), known: new Uint8Array(tokens.length).fill(1) }, taps);

const tree = (session: NativeSession, sequence: number, tokens: readonly number[], parents?: readonly number[]): NativeForward =>
  session.forward({
    sequences: new Int32Array(tokens.length).fill(sequence), tokens: Int32Array.from(tokens), ...(parents === undefined ? {} : { parents: Int32Array.from(parents) }),
  });

const read = async ({ runtime }: Loaded, ...tensors: NativeTensor[]): Promise<(Float32Array | Int32Array)[]> => runtime.read(tensors);

/** Rows of `[rows, width]`. */
async function hiddenRows(loaded: Loaded, { hidden }: NativeForward): Promise<number[][]> {
  const [values] = await read(loaded, hidden);
  const width = loaded.description.hiddenSize;
  return Array.from({ length: values!.length / width }, (_, row) => Array.from(values!.subarray(row * width, (row + 1) * width)));
}

/** The hidden row of the last token of a text, run in one pass in a session of its own. */
async function lastOf(loaded: Loaded, tokens: readonly number[], kvDtype: 'f32' | 'bf16' = 'f32'): Promise<number[]> {
  const session = open(loaded, 16, 512, kvDtype);
  const rows = await hiddenRows(loaded, known(session, session.open(), tokens));
  session.dispose();
  return rows.at(-1)!;
}

let llama: Loaded;
let sliding: Loaded;
beforeAll(async () => {
  llama = await load('llama-linear-bias');
  sliding = await load('mistral-sliding');
});

describe('rows of a pass', () => {
  it('grow a tree level by level from tokens and parents made on the device, and each equals its path as text', async () => {
    for (const loaded of [llama, sliding]) {
      const session = open(loaded);
      const id = session.open();
      const prompt = text(70);
      known(session, id, prompt);
      const { ops } = loaded.runtime;
      const levels = [[[7], [-1]], [[8, 9, 8], [0, 0, -1]], [[1, 2, 3, 4], [1, 2, 3, 1]], [[5, 6], [4, 7]]] as const;
      const tokens: number[] = [], parents: number[] = [], rows: number[][] = [];
      for (const [levelTokens, levelParents] of levels) {
        const count = levelTokens.length;
        rows.push(...await hiddenRows(loaded, session.forward({
          sequences: new Int32Array(count).fill(id), tokens: ops.fromArray(Int32Array.from(levelTokens), [1, count]), parents: ops.fromArray(Int32Array.from(levelParents), [count]),
        })));
        tokens.push(...levelTokens);
        parents.push(...levelParents);
      }
      for (const [row, hidden] of rows.entries()) {
        const path: number[] = [];
        for (let at = row; at >= 0; at = parents[at]!) path.unshift(tokens[at]!);
        expect(hidden, `row ${row}`).toEqual(await lastOf(loaded, [...prompt, ...path]));
      }
      session.dispose();
    }
  });

  it('see a sliding window of positions, also where a draft is longer than the window', async () => {
    const window = sliding.description.layer[0]!.slidingWindow;
    const session = open(sliding);
    const id = session.open();
    const prompt = text(30), chain = text(2 * window + 9, 2);
    known(session, id, prompt);
    const rows = await hiddenRows(sliding, tree(session, id, chain));
    for (const depth of [0, window - 1, window, 2 * window + 8]) {
      expect(rows[depth], `depth ${depth}`).toEqual(await lastOf(sliding, [...prompt, ...chain.slice(0, depth + 1)]));
    }
    session.dispose();
  });

  it('are absent for token -1, for a bad token or parent, and below an absent row; they keep their number and are zero', async () => {
    const session = open(llama);
    const id = session.open();
    const prompt = text(5);
    known(session, id, prompt);
    const vocab = llama.description.vocabSize;
    //           row:   0   1   2      3  4   5  6   7   8  9
    const tokens = [3, -1, 4, vocab, 5, -2, 6, 7, 8, 9];
    const parents = [-1, 0, 1, 0, 9, 0, -2, 0, 7, 5];
    const forward = tree(session, id, tokens, parents);
    const [outTokens, positions, refused] = await read(llama, forward.tokens, forward.positions, forward.refused);
    expect([...outTokens!]).toEqual([3, -1, -1, -1, -1, -1, -1, 7, 8, -1]);
    expect([...positions!]).toEqual([5, -1, -1, -1, -1, -1, -1, 6, 7, -1]);
    expect([...refused!], 'bad tokens and parents').toEqual([4]);
    const rows = await hiddenRows(llama, forward);
    for (const row of [1, 2, 3, 4, 5, 6, 9]) expect(rows[row]!.every((value) => value === 0), `row ${row}`).toBe(true);
    expect(rows[8]).toEqual(await lastOf(llama, [...prompt, 3, 7, 8]));
    session.commit(Int32Array.of(id), Int32Array.of(0, 7, 8));
    expect(await hiddenRows(llama, tree(session, id, [11]))).toEqual([await lastOf(llama, [...prompt, 3, 7, 8, 11])]);
    session.dispose();
  });

  it('known and tentative, of several sequences in any order: known text comes first', async () => {
    const session = open(llama);
    const [a, b] = [session.open(), session.open()];
    known(session, a, text(10));
    const forward = session.forward({
      sequences: Int32Array.of(a, b, b, a, b), tokens: Int32Array.of(1, 2, 3, 4, 5), parents: Int32Array.of(-1, 9, -1, 0, 9), known: Uint8Array.of(0, 1, 0, 0, 1),
    });
    const [positions] = await read(llama, forward.positions);
    expect([...positions!]).toEqual([10, 0, 2, 11, 1]);
    const expected = [[...text(10), 1], [2], [2, 5, 3], [...text(10), 1, 4], [2, 5]];
    expect(await hiddenRows(llama, forward)).toEqual(await Promise.all(expected.map((path) => lastOf(llama, path))));
    expect([session.length(a), session.length(b)]).toEqual([10, 2]);
    session.dispose();
  });

  it('a known token that does not exist is counted and stands for a zero embedding', async () => {
    const session = open(llama);
    const id = session.open();
    const forward = known(session, id, [4, 100_000, 5]);
    const [tokens, refused, hidden] = await read(llama, forward.tokens, forward.refused, forward.hidden);
    expect([[...tokens!], [...refused!], session.length(id)]).toEqual([[4, -1, 5], [1], 3]);
    expect(hidden!.every(Number.isFinite)).toBe(true);
    session.dispose();
  });

  it('no rows at all are a pass that gives nothing', async () => {
    const session = open(llama);
    const { hidden, refused } = session.forward({ sequences: new Int32Array(0), tokens: new Int32Array(0) });
    expect([hidden.shape, [...(await read(llama, refused))[0]!]]).toEqual([[0, llama.description.hiddenSize], [0]]);
    session.dispose();
  });

  it('give the residual streams asked for, in the order asked for', async () => {
    const session = open(llama);
    const width = llama.description.hiddenSize, prompt = text(6);
    const both = known(session, session.open(), prompt, [3, 0]).taps!;
    const first = known(session, session.open(), prompt, [0]).taps!;
    const [twice, once] = await read(llama, both, first);
    expect(both.shape).toEqual([6, 2 * width]);
    const [embedded] = await read(llama, llama.model.embed(Int32Array.from(prompt)));
    expect(once).toEqual(embedded);
    for (let row = 0; row < 6; row++) expect(twice!.subarray((2 * row + 1) * width, (2 * row + 2) * width)).toEqual(once!.subarray(row * width, (row + 1) * width));
    session.dispose();
  });
});

describe('numbers do not depend on', () => {
  it('threads, chunks, instruction sets or the company a sequence keeps, at any dtype of weights and cache', async () => {
    const prompt = text(150, 3), draft = text(40, 4), parents = draft.map((_, i) => Math.floor((i - 1) / 2));
    for (const dtype of ['f32', 'bf16'] as const) for (const kvDtype of ['f32', 'bf16'] as const) {
      const results: number[][][] = [];
      for (const [threads, chunk] of [[1, 150], [2, 7], [3, 64]] as const) {
        const loaded = await load('qwen3', dtype, threads);
        const session = open(loaded, 32, 512, kvDtype);
        const [id, other] = [session.open(), session.open()];
        for (let at = 0; at < prompt.length; at += chunk) {
          known(session, id, prompt.slice(at, at + chunk));
          if (chunk < 100) known(session, other, text(chunk, at));
        }
        results.push(await hiddenRows(loaded, tree(session, id, draft, parents)));
        loaded.runtime.dispose();
      }
      expect(results[1], `${dtype}, cache ${kvDtype}`).toEqual(results[0]);
      expect(results[2], `${dtype}, cache ${kvDtype}`).toEqual(results[0]);
    }
  });
});

describe('commit', () => {
  it('keeps the rows of a path in place and forgets the others', async () => {
    for (const loaded of [llama, sliding]) {
      const session = open(loaded);
      const [a, b] = [session.open(), session.open()];
      const prompt = text(60, 5);
      known(session, a, prompt);
      known(session, b, prompt.slice(0, 3));
      const draft = text(30, 6), parents = draft.map((_, i) => (i < 3 ? -1 : i - 3));
      tree(session, a, draft, parents);
      tree(session, b, [1, 2]);
      session.commit(Int32Array.of(a, b), Int32Array.of(1, 4, 7, 10, 13, 16, 0, -1, -1, -1, -1, -1));
      expect([session.length(a), session.length(b), session.pages().used]).toEqual([66, 4, 3]);
      const kept = [...prompt, ...[1, 4, 7, 10, 13, 16].map((row) => draft[row]!)];
      const next = session.forward({ sequences: Int32Array.of(a, b), tokens: Int32Array.of(9, 9) });
      expect(await hiddenRows(loaded, next)).toEqual([await lastOf(loaded, [...kept, 9]), await lastOf(loaded, [...prompt.slice(0, 3), 1, 9])]);
      session.commit(Int32Array.of(a));
      expect(session.length(a)).toBe(66);
      expect(await hiddenRows(loaded, tree(session, a, [8]))).toEqual([await lastOf(loaded, [...kept, 8])]);
      session.dispose();
    }
  });

  it('needs no read before it', async () => {
    const session = open(llama);
    const id = session.open();
    known(session, id, text(40));
    for (let i = 0; i < 20; i++) {
      tree(session, id, [i, i + 1, i + 2], [-1, 0, 0]);
      session.commit(Int32Array.of(id), Int32Array.of(0, i % 2 === 0 ? 1 : 2));
    }
    const all = [...text(40), ...Array.from({ length: 20 }, (_, i) => [i, i % 2 === 0 ? i + 1 : i + 2]).flat()];
    expect(await hiddenRows(llama, tree(session, id, [3]))).toEqual([await lastOf(llama, [...all, 3])]);
    session.dispose();
  });
});

describe('pages', () => {
  it('are taken for rows, shared by forks until one writes, and given back', async () => {
    const session = open(llama, 6);
    const a = session.open();
    const prompt = text(100, 7);
    known(session, a, prompt);
    expect(session.pages()).toEqual({ used: 2, total: 6 });
    tree(session, a, text(40, 8));  // places 100 to 139
    expect(session.pages().used).toBe(3);
    const b = session.fork(a);  // while rows of a wait
    expect(session.pages().used).toBe(3);
    const forked = tree(session, b, [5, 6]);
    expect(session.pages().used, 'b writes into a copy of its last page').toBe(4);
    session.commit(Int32Array.of(a), Int32Array.of(0, 1));
    expect(session.pages().used, 'pages that held rows only are given back').toBe(3);
    const after = session.forward({ sequences: Int32Array.of(a, b), tokens: Int32Array.of(9, 7) });
    const draft = text(40, 8);
    expect((await hiddenRows(llama, forked))[1]).toEqual(await lastOf(llama, [...prompt, 5, 6]));
    expect(await hiddenRows(llama, after)).toEqual([await lastOf(llama, [...prompt, draft[0]!, draft[1]!, 9]), await lastOf(llama, [...prompt, 5, 6, 7])]);
    session.close(a);
    expect(session.pages().used).toBe(2);
    session.truncate(b, 64);
    expect(session.pages().used).toBe(1);
    session.truncate(b, 0);
    session.close(b);
    expect(session.pages().used).toBe(0);
    session.dispose();
  });

  it('the last holder of a shared page needs no copy', () => {
    const session = open(llama, 3);
    const a = session.open();
    known(session, a, text(10));
    const [b, c] = [session.fork(a), session.fork(a)];
    session.forward({ sequences: Int32Array.of(a, b, c), tokens: Int32Array.of(1, 2, 3) });
    expect(session.pages()).toEqual({ used: 3, total: 3 });
    session.dispose();
  });

  it('that run out are an error before anything has changed, which says how many are missing', async () => {
    const session = open(llama, 3);
    const [a, b] = [session.open(), session.open()];
    known(session, a, text(100, 9));
    tree(session, a, [1, 2]);
    const pass = { sequences: new Int32Array(90).map((_, i) => (i < 80 ? b : a)), tokens: new Int32Array(90).fill(3) };
    expect(() => session.forward(pass)).toThrow(CapacityError);
    expect(() => session.forward(pass)).toThrow(/needs 2 more pages.*1 of 3 are free; retry/);
    expect([session.pages().used, session.length(a), session.length(b)]).toEqual([2, 100, 0]);
    const next = session.forward({ sequences: Int32Array.of(a, b), tokens: Int32Array.of(3, 4) });
    expect(await hiddenRows(llama, next)).toEqual([await lastOf(llama, [...text(100, 9), 1, 2, 3]), await lastOf(llama, [4])]);
    session.dispose();
  });
});

describe('misuse is refused before anything has changed', () => {
  const cases: [what: string, call: (session: NativeSession, id: number) => unknown, message: RegExp][] = [
    ['a sequence that was never opened', (s) => s.length(77), /length: sequence 77 is not open/],
    ['a closed sequence', (s) => { const gone = s.open(); s.close(gone); s.fork(gone); }, /fork: sequence \d+ is not open/],
    ['too few tokens', (s, id) => s.forward({ sequences: Int32Array.of(id, id), tokens: Int32Array.of(1) }), /tokens holds 1 values of i32, expected 2 of i32/],
    ['too many parents', (s, id) => s.forward({ sequences: Int32Array.of(id), tokens: Int32Array.of(1), parents: Int32Array.of(0, 0) }), /parents holds 2/],
    ['marks of known text of another length', (s, id) => s.forward({ sequences: Int32Array.of(id), tokens: Int32Array.of(1), known: Uint8Array.of(0, 0) }), /known is 2 long/],
    ['tokens that are no integers', (s, id) => s.forward({ sequences: Int32Array.of(id), tokens: llama.model.embed(Int32Array.of(1)) }), /of f32, expected 1 of i32/],
    ['known text while rows wait', (s, id) => known(s, id, [1]), /known rows while 3 tentative rows wait/],
    ['more text than a sequence may hold', (s) => known(s, s.open(), text(41)), /would hold 41 tokens, more than its limit of 40/],
    ['a tap past the last layer', (s, id) => s.forward({ sequences: Int32Array.of(id), tokens: Int32Array.of(1) }, [llama.description.layers + 1]), /tap 4, expected 0 to 3/],
    ['a path past the rows', (s, id) => s.commit(Int32Array.of(id), Int32Array.of(0, 3)), /no tentative row 3; 3 wait/],
    ['a path that goes back', (s, id) => s.commit(Int32Array.of(id), Int32Array.of(1, 0)), /row 0 follows row 1, expected ascending/],
    ['a path that goes on after its end', (s, id) => s.commit(Int32Array.of(id), Int32Array.of(-1, 1)), /row 1 follows the end/],
    ['a path over an absent row', (s, id) => s.commit(Int32Array.of(id), Int32Array.of(2)), /row 2 is absent/],
    ['a path of strangers', (s, id) => s.commit(Int32Array.of(id), Int32Array.of(1)), /row 1 does not hang from the row before/],
    ['one sequence twice', (s, id) => s.commit(Int32Array.of(id, id)), /occurs twice/],
    ['a path past the limit', (s, id) => s.commit(Int32Array.of(id), Int32Array.of(0, 1)), /would hold 41 tokens/],
    ['an end that does not exist', (s, id) => s.truncate(id, 40), /truncate: sequence \d+ to 40, expected 0 to 39/],
  ];
  it.each(cases)('%s', async (_, call, message) => {
    const session = open(llama, 8, 40);
    const id = session.open();
    known(session, id, text(39));
    tree(session, id, [1, 2, -1], [-1, 0, 1]);
    const before = session.pages();
    expect(() => call(session, id)).toThrow(ShapeError);
    expect(() => call(session, id)).toThrow(message);
    expect([session.length(id), session.pages()]).toEqual([39, before]);
    session.commit(Int32Array.of(id), Int32Array.of(0));
    session.truncate(id, 39);
    expect(await hiddenRows(llama, tree(session, id, [6]))).toEqual([await lastOf(llama, [...text(39), 6])]);
    session.dispose();
  });

  it('one sequence too many', () => {
    const session = open(llama);
    const first = session.open();
    for (let i = 1; i < 4; i++) session.open();
    expect(() => session.open()).toThrow(CapacityError);
    expect(() => session.fork(first)).toThrow(/all 4 sequences of the session are open/);
    session.close(first);
    expect(session.open(), 'numbers are not used again').not.toBe(first);
    session.dispose();
  });
});
