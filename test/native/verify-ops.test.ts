import { afterAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../core/native/binding.js';
import type { NativeRatioInputs, NativeTensor } from '../../core/native/types.js';
import { Random } from './random.js';

const runtime = loadNative().createRuntime({ threads: 2 });
const { ops } = runtime;
afterAll(() => runtime.dispose());

const f32 = (data: readonly number[], shape: readonly number[] = [data.length]) => ops.fromArray(Float32Array.from(data), shape);
const i32 = (data: readonly number[], shape: readonly number[] = [data.length]) => ops.fromArray(Int32Array.from(data), shape);
const read = async (tensor: NativeTensor) => Array.from((await runtime.read([tensor]))[0]!);
const readVerdict = async ({ path, length, next }: { path: NativeTensor; length: NativeTensor; next: NativeTensor }) => ({ path: await read(path), length: await read(length), next: await read(next) });

describe('log', () => {
  it('follows its formula, far ends included', async () => {
    const x = [1e-30, 1e-5, 0.3, 1, 2, 1e10, ...new Random(3).normals(500, 1).map((value) => Math.exp(value))];
    const out = await read(ops.log(f32(x)));
    out.forEach((value, i) => expect(Math.abs(value - Math.log(Math.fround(x[i]!)))).toBeLessThan(1e-6 * Math.max(1, Math.abs(value))));
    expect(await read(ops.log(f32([0, -0, Infinity, -1, Number.NaN])))).toEqual([-Infinity, -Infinity, Infinity, Number.NaN, Number.NaN]);
    expect(() => ops.log(i32([1]))).toThrow(/log: x/);
  });
});

describe('scatter', () => {
  it('spreads columns over places, and is undone by gather', async () => {
    expect(await read(ops.scatter(f32([1, 2, 3, 4, 5, 6], [2, 3]), Int32Array.of(4, 0, 2), 5))).toEqual([2, 0, 3, 0, 1, 5, 0, 6, 0, 4]);
    expect(await read(ops.scatter(i32([1, 2], [1, 2]), i32([1, 2]), 3))).toEqual([-1, 1, 2]);
    const random = new Random(9), x = Array.from(random.normals(7 * 300, 1)), places = Array.from({ length: 300 }, (_, i) => (i * 7) % 901);
    const wide = ops.scatter(f32(x, [7, 300]), Int32Array.from(places), 901);
    expect(await read(ops.gather(wide, Int32Array.from(places), 1))).toEqual(x.map(Math.fround));
  });

  it('leaves bad places out; of equal ones the last stands', async () => {
    expect(await read(ops.scatter(f32([1, 2, 3, 4]), Int32Array.of(-1, 9, 1, 1), 3))).toEqual([0, 4, 0]);
    expect(await read(ops.scatter(f32([], [2, 0]), new Int32Array(0), 2))).toEqual([0, 0, 0, 0]);
  });

  it('refuses what does not fit, by name', () => {
    expect(() => ops.scatter(f32([1, 2]), Int32Array.of(0), 3)).toThrow(/scatter: index/);
    expect(() => ops.scatter(f32([1, 2]), i32([0, 1], [1, 2]), 3)).toThrow(/scatter: index/);
  });
});

//        0
//      /   \
//     1     2
//    / \   / \
//   3   4 5   6
const TREE = { tokens: [9, 1, 2, 3, 4, 5, 6], parents: [-1, 0, 0, 1, 1, 2, 2] };

describe('acceptLongest', () => {
  const longest = (accepted: readonly number[], scores: readonly number[], { tokens, parents } = TREE, maxDepth = 3) =>
    ops.acceptLongest(i32(tokens), i32(parents), i32(accepted), f32(scores), i32(tokens.map((_, row) => 100 + row)), Int32Array.of(0, tokens.length), maxDepth);
  const none = new Array<number>(7).fill(0);

  it('takes the longest accepted path, then the likeliest, then the first', async () => {
    expect(await readVerdict(longest([0, 1, 1, 0, 0, 1, 0], none))).toEqual({ path: [0, 2, 5], length: [3], next: [105] });
    expect(await readVerdict(longest([0, 1, 1, 1, 0, 1, 1], [0, -1, -2, -3, 0, -1, -3]))).toEqual({ path: [0, 2, 5], length: [3], next: [105] });
    expect(await readVerdict(longest([0, 1, 1, 1, 1, 1, 1], none))).toEqual({ path: [0, 1, 3], length: [3], next: [103] });
  });

  it('passes through accepted rows with a token only', async () => {
    expect(await readVerdict(longest([1, 0, 0, 1, 1, 1, 1], none))).toEqual({ path: [0, -1, -1], length: [1], next: [100] });
    expect(await readVerdict(longest([1, 1, 1, 1, 1, 1, 1], none, { ...TREE, tokens: [9, -1, 2, 3, 4, -1, 6] }))).toEqual({ path: [0, 2, 6], length: [3], next: [106] });
    expect(await readVerdict(longest([1, 1, 1, 1, 1, 1, 1], none, TREE, 2))).toEqual({ path: [0, 1], length: [2], next: [101] });
  });

  it('keeps sequences apart', async () => {
    const verdict = ops.acceptLongest(i32([1, 2, 3, 4]), i32([-1, 0, -1, 1]), i32([0, 1, 0, 1]), f32([0, 0, 0, 0]), i32([5, 6, 7, 8]), Int32Array.of(0, 2, 2, 4), 2);
    expect(await readVerdict(verdict)).toEqual({ path: [0, 1, -1, -1, 0, -1], length: [2, 0, 1], next: [6, -1, 7] });
  });

  it('refuses what does not fit, by name', () => {
    expect(() => longest([0, 1], none)).toThrow(/acceptLongest: accepted/);
    expect(() => longest(none, [0])).toThrow(/acceptLongest: scores/);
    expect(() => ops.acceptLongest(i32([1]), i32([-1]), i32([0]), f32([0]), i32([0]), Int32Array.of(0, 2), 1)).toThrow(/acceptLongest: rowStart/);
  });
});

describe('acceptByRatio', () => {
  const VOCAB = 12;
  const inputsOf = (trees: readonly { tokens: number[]; parents: number[]; probs: number[]; draft: number[]; accept: number[]; next: number[] }[]): { inputs: NativeRatioInputs; rowStart: Int32Array } => {
    const starts = [0];
    for (const { tokens } of trees) starts.push(starts.at(-1)! + tokens.length);
    const rows = starts.at(-1)!;
    return {
      rowStart: Int32Array.from(starts),
      inputs: {
        tokens: i32(trees.flatMap(({ tokens }) => tokens)), parents: i32(trees.flatMap(({ parents }, i) => parents.map((parent) => (parent < 0 ? -1 : parent + starts[i]!)))),
        probs: f32(trees.flatMap(({ probs }) => probs), [rows, VOCAB]), draftProbs: f32(trees.flatMap(({ draft }) => draft), [rows, VOCAB]),
        accept: f32(trees.flatMap(({ accept }) => accept)), next: f32(trees.flatMap(({ next }) => next)),
      },
    };
  };
  const randomTree = (seed: number, rows: number) => {
    const random = new Random(seed);
    const uniforms = (count: number) => Array.from(random.normals(count, 1), (value) => 1 / (1 + Math.exp(-value)));
    const distributions = () => Array.from({ length: rows }, () => uniforms(VOCAB)).flatMap((row) => row.map((value) => value / row.reduce((a, b) => a + b, 0)));
    return {
      tokens: Array.from({ length: rows }, (_, row) => (row * 5 + seed) % VOCAB), parents: Array.from({ length: rows }, (_, row) => (row === 0 ? -1 : (row - 1) >> 1)),
      probs: distributions(), draft: distributions(), accept: uniforms(rows).map((value) => value / 8), next: uniforms(rows),
    };
  };

  it.each(['recursive', 'traversal'] as const)('%s judges every sequence by its own rows, whoever is packed beside it', async (rule) => {
    for (const drawn of ['deterministic', 'independent', 'without-replacement'] as const) {
      const trees = Array.from({ length: 9 }, (_, i) => randomTree(i + 1, 1 + 2 * i));
      const { inputs, rowStart } = inputsOf(trees);
      const depth = 6;
      const together = await readVerdict(ops.acceptByRatio(inputs, rowStart, depth, drawn, rule));
      for (const [i, tree] of trees.entries()) {
        const own = inputsOf([tree]);
        const alone = await readVerdict(ops.acceptByRatio(own.inputs, own.rowStart, depth, drawn, rule));
        expect(alone.path).toEqual(together.path.slice(i * depth, (i + 1) * depth));
        expect([alone.length[0], alone.next[0]]).toEqual([together.length[i], together.next[i]]);
      }
      expect(Math.max(...together.length)).toBeGreaterThan(1);
    }
  });

  it.each(['recursive', 'traversal'] as const)('%s never keeps what the target cannot say, nor absent rows, nor what hangs from them', async (rule) => {
    const tree = randomTree(4, 15);
    for (let row = 0; row < 15; row++) tree.probs[row * VOCAB + tree.tokens[3]!] = 0;
    tree.accept.fill(1e-7);
    tree.tokens[1] = -1;
    const { inputs, rowStart } = inputsOf([tree]);
    for (const drawn of ['deterministic', 'independent', 'without-replacement'] as const) {
      const { path, next } = await readVerdict(ops.acceptByRatio(inputs, rowStart, 15, drawn, rule));
      const kept = path.filter((row) => row > 0);
      expect(kept[0]).toBe(2);
      for (const row of kept) expect(tree.tokens[row]).not.toBe(tree.tokens[3]);
      expect(next[0]).not.toBe(tree.tokens[3]);
    }
  });

  it('stops at the depth it is given', async () => {
    const tree = { ...randomTree(5, 7), accept: new Array<number>(7).fill(1e-7) };
    const { inputs, rowStart } = inputsOf([tree]);
    for (const rule of ['recursive', 'traversal'] as const) {
      expect((await readVerdict(ops.acceptByRatio(inputs, rowStart, 2, 'deterministic', rule))).length[0]).toBe(2);
      expect((await readVerdict(ops.acceptByRatio(inputs, rowStart, 1, 'deterministic', rule))).length[0]).toBe(1);
    }
  });

  it('refuses what does not fit, by name', () => {
    const { inputs, rowStart } = inputsOf([randomTree(1, 3)]);
    expect(() => ops.acceptByRatio({ ...inputs, draftProbs: f32([1]) }, rowStart, 2, 'independent', 'recursive')).toThrow(/acceptByRatio: draftProbs/);
    expect(() => ops.acceptByRatio({ ...inputs, accept: f32([1]) }, rowStart, 2, 'deterministic', 'recursive')).toThrow(/acceptByRatio: accept/);
    expect(() => ops.acceptByRatio(inputs, rowStart, 2, 'sorted' as 'deterministic', 'recursive')).toThrow(/one of "deterministic", "independent", "without-replacement"/);
    const { draftProbs: _, ...rest } = inputs;
    expect(() => ops.acceptByRatio(rest, rowStart, 2, 'independent', 'recursive')).toThrow(/draftProbs/);
    expect(() => ops.acceptByRatio(rest, rowStart, 2, 'deterministic', 'recursive')).not.toThrow();
  });
});
