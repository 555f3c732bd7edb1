import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ShapeError } from '../../core/errors.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeTensor } from '../../core/native/types.js';
import { Random } from './random.js';
import { broadcast, logSoftmax, ranking, rowsOf, size, type Array2 } from './reference.js';

const native = loadNative();
const runtime = native.createRuntime({ threads: 2 });
const { ops } = runtime;
afterAll(() => runtime.dispose());

const f32 = (data: readonly number[], shape: readonly number[] = [data.length]) => ops.fromArray(Float32Array.from(data), shape);
const i32 = (data: readonly number[], shape: readonly number[] = [data.length]) => ops.fromArray(Int32Array.from(data), shape);
const upload = ({ data, shape }: Array2) => ops.fromArray(data, shape);
const read = async (tensor: NativeTensor) => Array.from((await runtime.read([tensor]))[0]!);
const reads = async (tensors: Record<string, NativeTensor>) => {
  const values = await runtime.read(Object.values(tensors));
  return Object.fromEntries(Object.keys(tensors).map((name, i) => [name, Array.from(values[i]!)]));
};
const near = (actual: readonly number[], expected: readonly number[], tolerance = 1e-5) => {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => expect(Math.abs(value - expected[i]!), `element ${i}`).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(expected[i]!))));
};
const reals = (random: Random, shape: readonly number[], scale = 1): Array2 => ({ shape, data: random.normals(size(shape), scale) });

const SHAPES: readonly (readonly (readonly number[])[])[] = [
  [[1], [1]], [[], [3]], [[3], []], [[5], [5]], [[2, 3], [3]], [[2, 3], [2, 1]], [[1, 7], [5, 1]], [[2, 1, 3], [4, 1]], [[3, 4, 5], [3, 4, 5]],
  [[4, 1, 1], [1, 2, 33]], [[0, 3], [1, 3]], [[67, 129], [67, 1]], [[1, 1], [130, 257]],
];

describe('elementwise ops', () => {
  const binary = {
    add: (a: number, b: number) => a + b, mul: (a: number, b: number) => a * b, div: (a: number, b: number) => a / b, less: (a: number, b: number) => Number(a < b),
  };
  for (const [name, apply] of Object.entries(binary)) {
    it(`${name} aligns shapes on the right, on f32 and i32`, async () => {
      const random = new Random(name.length);
      for (const [left, right] of SHAPES) {
        const a = reals(random, left!), b = reals(random, right!), { shape, index } = broadcast([left!, right!]);
        const out = ops[name as 'add'](upload(a), upload(b));
        expect(out.shape).toEqual(shape);
        expect(await read(out)).toEqual(index[0]!.map((x, i) => Math.fround(apply(a.data[x]!, b.data[index[1]![i]!]!))));
        if (name === 'div') continue;
        const c = { shape: left!, data: random.integers(size(left!), -9, 9) }, d = { shape: right!, data: random.integers(size(right!), -9, 9) };
        const integers = ops[name as 'add'](upload(c), upload(d));
        expect(integers.dtype).toBe('i32');
        expect(await read(integers)).toEqual(index[0]!.map((x, i) => apply(c.data[x]!, d.data[index[1]![i]!]!) | 0));
      }
    });
  }

  it('takes numbers on either side', async () => {
    expect(await read(ops.add(f32([1, 2]), 0.5))).toEqual([1.5, 2.5]);
    expect(await read(ops.div(1, f32([2, 4])))).toEqual([0.5, 0.25]);
    expect(await read(ops.less(3, i32([2, 3, 4])))).toEqual([0, 0, 1]);
    expect(await read(ops.mul(i32([3, -1]), 7))).toEqual([21, -7]);
    expect(await read(ops.add(i32([2147483647]), 16777217))).toEqual([(2147483647 + 16777217) | 0]);
  });

  it('where takes the dtype of its branches and broadcasts all three', async () => {
    const out = ops.where(i32([1, 0], [2, 1]), f32([1, 2, 3]), -1);
    expect([out.dtype, out.shape]).toEqual(['f32', [2, 3]]);
    expect(await read(out)).toEqual([1, 2, 3, -1, -1, -1]);
    expect(await read(ops.where(i32([5, 0]), -1, i32([7, 8])))).toEqual([-1, 8]);
    expect(await read(ops.where(i32([0, 1]), -Infinity, f32([7, 8])))).toEqual([7, -Infinity]);
  });

  it('silu and exp follow their formulas to f32 precision, far ends included', async () => {
    const x = [-100, -20, -1, -0, 0, 1e-3, 1, 20, 80, ...new Random(4).normals(1000, 4)];
    near(await read(ops.silu(f32(x))), x.map((v) => v / (1 + Math.exp(-v))), 1e-6);
    near(await read(ops.exp(f32(x.slice(2)))), x.slice(2).map((v) => Math.exp(Math.fround(v))), 1e-6);
    expect(await read(ops.exp(f32([-Infinity, Infinity])))).toEqual([0, Infinity]);
  });

  it('refuses what does not fit, by name', () => {
    expect(() => ops.add(f32([1, 2]), f32([1, 2, 3]))).toThrow(/add: shapes \[2\] and \[3\] do not align/);
    expect(() => ops.add(f32([1]), i32([1]))).toThrow(/f32 \[1\] and i32 \[1\] differ in dtype/);
    expect(() => ops.mul(i32([1]), 0.5)).toThrow(/i32 integer, got 0.5/);
    expect(() => ops.div(i32([4]), 2)).toThrow(/divMod/);
    expect(() => ops.where(f32([1]), 1, 2)).toThrow(/mask must be i32/);
    expect(() => ops.silu(i32([1]))).toThrow(ShapeError);
  });
});

describe('ops over the last axis', () => {
  const shapes = [[1], [1, 1], [3, 5], [2, 2, 17], [7, 64], [1, 1000], [33, 333], [4, 5001]];
  it('sum keeps the axis', async () => {
    const random = new Random(1);
    for (const shape of shapes) {
      const x = reals(random, shape), out = ops.sum(upload(x));
      expect(out.shape).toEqual([...shape.slice(0, -1), 1]);
      near(await read(out), rowsOf(x).map((row) => row.reduce((a, b) => a + b, 0)), 1e-4);
    }
    expect(await read(ops.sum(f32([], [2, 0])))).toEqual([0, 0]);
  });

  it('rmsNorm divides by the root mean square', async () => {
    const random = new Random(2);
    for (const shape of shapes) {
      const x = reals(random, shape, 3), weight = reals(random, shape.slice(-1));
      const expected = rowsOf(x).flatMap((row) => {
        const rms = Math.sqrt(row.reduce((a, b) => a + b * b, 0) / row.length + 1e-5);
        return row.map((value, i) => (value / rms) * weight.data[i]!);
      });
      near(await read(ops.rmsNorm(upload(x), upload(weight), 1e-5)), expected);
    }
  });

  it('logSoftmax is finite for large logits and keeps -Infinity', async () => {
    const random = new Random(3);
    for (const shape of shapes) {
      const x = reals(random, shape, 20);
      near(await read(ops.logSoftmax(upload(x))), rowsOf(x).flatMap(logSoftmax), 2e-6);
    }
    near(await read(ops.logSoftmax(f32([1e30, 1e30]))), [Math.log(0.5), Math.log(0.5)]);
    expect(await read(ops.logSoftmax(f32([0, -Infinity])))).toEqual([0, -Infinity]);
  });

  it('topK ranks ties by index and NaN last', async () => {
    const random = new Random(5);
    for (const [rows, width, k] of [[1, 1, 1], [3, 7, 7], [2, 100, 1], [5, 333, 10], [1, 5000, 40]] as const) {
      const x: Array2 = { shape: [rows, width], data: Float32Array.from(random.integers(rows * width, -20, 20)) };
      const { values, indices, scores } = ops.topK(upload(x), k);
      const expected = rowsOf(x).map((row) => ranking(row).slice(0, k));
      expect(indices.shape).toEqual([rows, k]);
      expect(await read(indices)).toEqual(expected.flat());
      expect(await read(values)).toEqual(expected.flatMap((order, r) => order.map((i) => x.data[r * width + i]!)));
      expect(await read(scores)).toEqual(await read(values));
    }
    expect(await read(ops.topK(f32([NaN, -Infinity, 2, NaN, 2]), 5).indices)).toEqual([2, 4, 1, 0, 3]);
    const late = new Array<number>(64).fill(NaN).concat([-Infinity, 1, -Infinity, 1]);   // past the first numbers looked at at once
    expect(await read(ops.topK(f32(late), 3).indices)).toEqual([65, 67, 64]);
    expect(await read(ops.topK(f32(new Array<number>(80).fill(3)), 2).indices)).toEqual([0, 1]);
    expect(() => ops.topK(f32([1, 2]), 3)).toThrow(/topK: k must lie from 1/);
  });
});

describe('linear', () => {
  it('multiplies by the transposed weight and adds the bias, at any size', async () => {
    const random = new Random(6);
    for (const [rows, k, n] of [[1, 1, 1], [1, 33, 31], [3, 32, 32], [5, 17, 65], [2, 100, 7], [17, 64, 96], [4, 129, 257]] as const) {
      const x = reals(random, [rows, k]), w = reals(random, [n, k]), b = reals(random, [n]);
      const expected = rowsOf(x).flatMap((row) => rowsOf(w).map((column, c) => row.reduce((sum, value, j) => sum + value * column[j]!, b.data[c]!)));
      near(await read(ops.linear(upload(x), upload(w), upload(b))), expected, 2e-5);
      near(await read(ops.linear(upload(x), upload(w))), expected.map((value, i) => value - b.data[i % n]!), 2e-5);
    }
  });

  it('keeps the leading axes and packs a reshaped weight anew', async () => {
    const weight = f32([1, 2, 3, 4, 5, 6], [2, 3]), other = ops.reshape(weight, [3, 2]);
    const out = ops.linear(f32([1, 0, 0, 0, 1, 0], [2, 1, 3]), weight);
    expect(out.shape).toEqual([2, 1, 2]);
    expect(await read(out)).toEqual([1, 4, 2, 5]);
    expect(await read(ops.linear(f32([1, 1], [1, 2]), other))).toEqual([3, 7, 11]);
    expect(await read(ops.linear(f32([0, 0, 1], [1, 3]), weight))).toEqual([3, 6]);
  });

  it('gives a row the same bits alone and among others, on any number of threads and any instruction set', async () => {
    const random = new Random(7), x = reals(random, [9, 130]), w = reals(random, [75, 130]);
    const expected = await read(ops.linear(upload(x), upload(w)));
    for (const isa of native.instructionSets) for (const threads of [1, 3]) {
      const other = native.createRuntime({ threads, isa });
      const weight = other.ops.fromArray(w.data, w.shape);
      const together = other.ops.linear(other.ops.fromArray(x.data, x.shape), weight);
      const alone = Array.from({ length: 9 }, (_, r) => other.ops.linear(other.ops.fromArray(x.data.subarray(r * 130, (r + 1) * 130) as Float32Array, [1, 130]), weight));
      const [all, ...each] = await other.read([together, ...alone]);
      expect(Array.from(all!)).toEqual(expected);
      expect(each.flatMap((row) => Array.from(row))).toEqual(expected);
      other.dispose();
    }
  });

  it('refuses weights of another width', () => {
    expect(() => ops.linear(f32([1, 2]), f32([1, 2, 3], [1, 3]))).toThrow(/linear: weight must be of shape \[any, 2\], got f32 \[1, 3\]/);
    expect(() => ops.linear(f32([1, 2]), f32([1, 2], [1, 2]), f32([1, 2]))).toThrow(/bias/);
  });
});

describe('ops that arrange', () => {
  it('concat joins along any axis', async () => {
    const random = new Random(8);
    for (const axis of [0, 1, 2]) {
      const lengths = [1, 3, 0, 2], parts = lengths.map((length) => { const shape = [2, 3, 4]; shape[axis] = length; return reals(random, shape); });
      const out = ops.concat(parts.map(upload), axis);
      const outer = size([2, 3, 4].slice(0, axis)), expected: number[] = [];
      for (let o = 0; o < outer; o++) for (const part of parts) { const w = part.data.length / outer; expected.push(...part.data.subarray(o * w, (o + 1) * w)); }
      expect(out.shape[axis]).toBe(6);
      expect(await read(out)).toEqual(expected);
    }
    expect(() => ops.concat([f32([1]), i32([1])], 0)).toThrow(/concat: i32 \[1\] does not fit f32 \[1\]/);
    expect(() => ops.concat([], 0)).toThrow(/empty/);
  });

  it('reshape shares values and refuses another count', async () => {
    const x = f32([1, 2, 3, 4]), y = ops.reshape(x, [2, 2]);
    x.dispose();
    expect(await read(y)).toEqual([1, 2, 3, 4]);
    expect(() => ops.reshape(y, [3])).toThrow(ShapeError);
    expect(() => ops.reshape(y, [2 ** 40, 2 ** 40])).toThrow(ShapeError);
  });

  it('gather picks a table on axis 0, lists on other axes, and per row', async () => {
    const table = f32([1, 2, 3, 4, 5, 6], [3, 2]);
    const grid = ops.gather(table, i32([2, 0, -1, 3], [2, 2]), 0);
    expect(grid.shape).toEqual([2, 2, 2]);
    expect(await read(grid)).toEqual([5, 6, 1, 2, 0, 0, 0, 0]);
    expect(await read(ops.gather(table, Int32Array.of(1, 1), 1))).toEqual([2, 2, 4, 4, 6, 6]);
    const perRow = ops.gather(i32([1, 2, 3, 4, 5, 6], [2, 3]), i32([2, -1, 9, 0], [2, 2]), 1);
    expect(perRow.shape).toEqual([2, 2]);
    expect(await read(perRow)).toEqual([3, -1, -1, 4]);
    expect(await read(ops.gather(f32([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]), i32([1, 0], [2, 1]), 1))).toEqual([3, 4, 5, 6]);
    expect(() => ops.gather(table, i32([0, 0], [1, 2]), 1)).toThrow(/of 3 rows/);
    expect(() => ops.gather(table, f32([0]), 0)).toThrow(/index must be i32/);
    expect(() => ops.gather(table, Int32Array.of(0), 2)).toThrow(/no axis 2/);
  });

  it('divMod splits flat indices; absent ones stay absent', async () => {
    const [quotient, remainder] = ops.divMod(i32([0, 6, 7, 20, -1]), 7);
    expect([await read(quotient), await read(remainder)]).toEqual([[0, 0, 1, 2, -1], [0, 6, 0, 6, -1]]);
    expect(() => ops.divMod(i32([1]), 0)).toThrow(/by must be an integer/);
  });
});

describe('trees made on the device', () => {
  it('mergePrefixes shares common prefixes', async () => {
    //  beams: 5 6 7 / 5 6 8 / 5 9 -    →    5(1) ─ 6(2) ─ 7(3) and 8(6);  5 ─ 9(8)
    const merged = ops.mergePrefixes(i32([5, 6, 7, 5, 6, 8, 5, 9, -1], [1, 3, 3]));
    expect(await reads({ ...merged })).toEqual({
      tokens: [5, 6, 7, -1, -1, 8, -1, 9, -1],
      parents: [0, 1, 2, -1, -1, 2, -1, 1, -1],
      nodeOf: [1, 2, 3, 1, 2, 6, 1, 8, -1],
    });
  });

  it('selectTree keeps ancestors: a node counts for no more than its parent', async () => {
    // parents 0 0 1 1 2 3; scores -1 -2 -0.5 -9 -3 -4: node 3 counts -1, as its parent
    const tree = { tokens: i32([10, 11, 12, 13, 14, -1], [1, 6]), parents: i32([0, 0, 1, 1, 2, 3], [1, 6]), scores: f32([-1, -2, -0.5, -9, -3, -4], [1, 6]) };
    const selected = ops.selectTree(tree.tokens, tree.parents, tree.scores, Int32Array.of(4));
    expect(await reads({ ...selected })).toEqual({ tokens: [10, 11, 12, 14], parents: [0, 0, 1, 2], scores: [-1, -2, -0.5, -3], index: [0, 1, 2, 4] });
    const few = ops.selectTree(tree.tokens, tree.parents, tree.scores, Int32Array.of(0));
    expect(few.tokens.shape).toEqual([1, 1]);
    expect(await read(few.tokens)).toEqual([-1]);
    const more = ops.selectTree(tree.tokens, tree.parents, tree.scores, Int32Array.of(8));
    expect(await read(more.index)).toEqual([0, 1, 2, 3, 4, -1, -1, -1]);
    expect(() => ops.selectTree(tree.tokens, tree.parents, tree.scores, Int32Array.of(1, 2))).toThrow(ShapeError);
  });

  const toy = fileURLToPath(new URL('../../../shared/design/toy/runtime.ts', import.meta.url));
  it.skipIf(!existsSync(toy))('agrees with the design\'s executable meaning on random trees and beams, bad ones included', async () => {
    const { ops: meaning, data } = await import(toy);
    const random = new Random(9), bad = (least: number, most: number) => random.integer(least - 1, most + 1);
    for (let round = 0; round < 150; round++) {
      const n = random.integer(1, 3), nodes = random.integer(1, 12), shared = random.next() < 0.3;
      const tokens = { shape: [n, nodes], data: random.integers(n * nodes, -1, 4) };
      const parents = { shape: [shared ? 1 : n, nodes], data: Int32Array.from({ length: (shared ? 1 : n) * nodes }, (_, k) => bad(0, k % nodes)) };
      const scores = { shape: [n, nodes], data: Float32Array.from(random.integers(n * nodes, -6, 0)) };
      const counts = random.integers(n, 0, nodes + 2);
      const asToy = (x: Array2) => meaning.fromArray(x.data, x.shape);
      const expected = meaning.selectTree({ tokens: asToy(tokens), parents: asToy(parents), scores: asToy(scores) }, counts);
      const actual = await reads({ ...ops.selectTree(upload(tokens), upload(parents), upload(scores), counts) });
      for (const name of ['tokens', 'parents', 'scores', 'index']) expect(actual[name], `${name} of round ${round}`).toEqual(Array.from(data(expected[name])));
      const shape = [n, random.integer(1, 5), random.integer(1, 4)], beams = { shape, data: random.integers(size(shape), -1, 2) };
      const merged = meaning.mergePrefixes(asToy(beams)), mine = await reads({ ...ops.mergePrefixes(upload(beams)) });
      for (const name of ['tokens', 'parents', 'nodeOf']) expect(mine[name], `${name} of round ${round}`).toEqual(Array.from(data(merged[name])));
    }
  });
});

describe('walks over a packed forest', () => {
  //  sequence 0: root 0 (choice 7) ── 1: token 7 (choice 8) ── 3: token 8 (choice 4)
  //                                └─ 2: token 9              └ 4: token 8, a later twin
  //  sequence 1: root 5 (choice 1), 6: token 2
  const tokens = [3, 7, 9, 8, 8, 3, 2], parents = [-1, 0, 0, 1, 1, -1, 5], choices = [7, 8, 0, 4, 5, 1, 0], rowStart = Int32Array.of(0, 5, 7);

  it('acceptChosen follows the choices and stops at the depth', async () => {
    expect(await reads({ ...ops.acceptChosen(i32(tokens), i32(parents), i32(choices), rowStart, 4) }))
      .toEqual({ path: [0, 1, 3, -1, 0, -1, -1, -1], length: [3, 1], next: [4, 1] });
    expect(await reads({ ...ops.acceptChosen(i32(tokens), i32(parents), i32(choices), rowStart, 2) })).toEqual({ path: [0, 1, 0, -1], length: [2, 1], next: [8, 1] });
  });

  it('a bad parent, an absent row and an absent choice end the walk, and a cycle cannot hang it', async () => {
    const accept = (t: number[], p: number[], c: number[]) => reads({ ...ops.acceptChosen(i32(t), i32(p), i32(c), Int32Array.of(0, t.length), 4) });
    expect(await accept([3, 7], [-1, 9], [7, 7])).toEqual({ path: [0, -1, -1, -1], length: [1], next: [7] });
    expect(await accept([3, 7], [-1, 1], [7, 7])).toEqual({ path: [0, -1, -1, -1], length: [1], next: [7] });
    expect(await accept([3, -1], [-1, 0], [-1, -1])).toEqual({ path: [0, -1, -1, -1], length: [1], next: [-1] });
    expect(await accept([3, 7, 7], [-1, 2, 1], [7, 7, 7])).toEqual({ path: [0, -1, -1, -1], length: [1], next: [7] });
    const walk = (child: number[]) => reads({ ...ops.walk(i32(child), i32([10, 11, 12]), Int32Array.of(0, 2, 3), 3) });
    expect(await walk([1, 0, -1])).toEqual({ path: [0, 1, -1, 0, -1, -1], length: [2, 1], next: [11, 12] });
    expect(await walk([2, -1, 99])).toEqual({ path: [0, -1, -1, 0, -1, -1], length: [1, 1], next: [10, 12] });
  });

  it('a sequence without rows has an empty path', async () => {
    expect(await reads({ ...ops.walk(i32([-1]), i32([4]), Int32Array.of(0, 0, 1), 1) })).toEqual({ path: [-1, 0], length: [0, 1], next: [-1, 4] });
    expect(() => ops.walk(i32([-1]), i32([4]), Int32Array.of(0, 2), 1)).toThrow(/rowStart must end with the 1 rows/);
    expect(() => ops.walk(i32([-1]), i32([4]), Int32Array.of(0, 3, 1), 1)).toThrow(/rowStart must not fall/);
  });

  it('children lists the present ones in row order', async () => {
    expect(await read(ops.children(i32([3, 7, -1, 8, 9, 4]), i32([-1, 0, 0, 0, 9, 0]), 2)))
      .toEqual([1, 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1]);
  });

  it('random forests give the path that a plain walk gives', async () => {
    const random = new Random(10);
    for (let round = 0; round < 100; round++) {
      const rows = random.integer(1, 30), t = random.integers(rows, -1, 3), c = random.integers(rows, -1, 3);
      const p = Int32Array.from({ length: rows }, (_, r) => random.integer(-1, r === 0 ? -1 : r)), depth = random.integer(1, 6);
      const path = [0];
      for (let at = 0; path.length < depth;) {
        const child = Array.from(t.keys()).find((r) => r > at && p[r] === at && t[r]! >= 0 && t[r] === c[at]);
        if (child === undefined) break;
        path.push(child);
        at = child;
      }
      const verdict = await reads({ ...ops.acceptChosen(i32([...t]), i32([...p]), i32([...c]), Int32Array.of(0, rows), depth) });
      expect(verdict).toEqual({ path: [...path, ...Array<number>(depth - path.length).fill(-1)], length: [path.length], next: [c[path.at(-1)!]!] });
    }
  });
});
