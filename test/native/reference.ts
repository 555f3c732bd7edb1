// What the ops mean, in plain TypeScript over flat arrays.
export interface Array2 {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const widthOf = ({ shape }: Array2): number => shape[shape.length - 1]!;

/** Rows of the last axis as plain arrays. */
export function rowsOf(x: Array2): number[][] {
  const width = widthOf(x);
  return Array.from({ length: size(x.shape) / width }, (_, r) => Array.from(x.data.subarray(r * width, (r + 1) * width)));
}

/** The shape of aligned operands, and for each the flat index behind every element of the result. */
export function broadcast(shapes: readonly (readonly number[])[]): { shape: number[]; index: number[][] } {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const padded = shapes.map((s) => [...Array<number>(rank - s.length).fill(1), ...s]);
  const shape = Array.from({ length: rank }, (_, axis) => padded.map((s) => s[axis]!).find((length) => length !== 1) ?? 1);
  const index = padded.map((own) => Array.from({ length: size(shape) }, (_, flat) => {
    let rest = flat, at = 0, step = 1;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const coordinate = rest % shape[axis]!;
      rest = (rest - coordinate) / shape[axis]!;
      if (own[axis] !== 1) at += coordinate * step;
      step *= own[axis]!;
    }
    return at;
  }));
  return { shape, index };
}

/** Column numbers by descending value, ties to the lower. */
export function ranking(values: ArrayLike<number>): number[] {
  return Array.from(values, (_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
}

export function logSoftmax(x: readonly number[]): number[] {
  const most = Math.max(...x);
  const total = Math.log(x.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return x.map((value) => value - most - total);
}

const U64 = (1n << 64n) - 1n;

/** Word 0 of Philox4x32-10. */
export function philox(counter: readonly [number, number, number, number], seed: bigint): number {
  let [c0, c1, c2, c3] = counter.map((word) => BigInt(word >>> 0)) as [bigint, bigint, bigint, bigint];
  let k0 = seed & 0xffffffffn, k1 = (seed & U64) >> 32n;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0, p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & 0xffffffffn, (p0 >> 32n) ^ c3 ^ k1, p0 & 0xffffffffn];
    k0 = (k0 + 0x9e3779b9n) & 0xffffffffn;
    k1 = (k1 + 0xbb67ae85n) & 0xffffffffn;
  }
  return Number(c0);
}

/** In (0, 1), as f32. */
export function uniformOf(word: number): number {
  return Math.min(Math.fround((word + 0.5) / 4294967296), 1 - 2 ** -24);
}

export const gumbelOf = (word: number): number => -Math.log(-Math.log(uniformOf(word)));

export interface Filters { temperature: number; topK: number; topP: number; minP: number }

/** The processed distribution in f64; undefined in place of a probability: dropped. */
export function processed(logits: readonly number[], { temperature, topK, topP, minP }: Filters): (number | undefined)[] {
  let kept = logits.map((_, i) => i).filter((i) => logits[i]! > -Infinity);
  const descending = () => kept.slice().sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (topK > 0 && topK < kept.length) {
    const least = logits[descending()[topK - 1]!]!;
    kept = kept.filter((i) => logits[i]! >= least);
  }
  const most = Math.max(...kept.map((i) => logits[i]!));
  const weight = (i: number) => Math.exp((logits[i]! - most) / temperature);
  if (topP < 1) {
    const total = kept.reduce((sum, i) => sum + weight(i), 0);
    let cumulative = 0;
    const dropped = new Set(descending().reverse().filter((i) => (cumulative += weight(i)) <= (1 - topP) * total));
    dropped.delete(descending()[0]!);
    kept = kept.filter((i) => !dropped.has(i));
  }
  kept = kept.filter((i) => weight(i) >= minP);
  const total = kept.reduce((sum, i) => sum + weight(i), 0), set = new Set(kept);
  return logits.map((_, i) => (set.has(i) ? weight(i) / total : undefined));
}
