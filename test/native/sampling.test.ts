import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readSafetensorsHeader, readTensorBytes } from '../../core/checkpoint/safetensors.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeAdjustments, NativeChoice, NativeSampler, NativeTensor } from '../../core/native/types.js';
import { NO_ADJUSTMENTS } from './adjusted.js';
import { Random } from './random.js';
import { gumbelOf, philox, processed, ranking, uniformOf } from './reference.js';

const runtime = loadNative().createRuntime({ threads: 2 });
const { ops } = runtime;
afterAll(() => runtime.dispose());

const PLAIN: NativeSampler = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 0n, sample: 0, stream: 0 };
/** Row i uses sampler i (or the only one) and position i. */
const choice = (samplers: readonly NativeSampler[], rows: number, positionOffset = 0): NativeChoice => ({
  samplers, rowSampler: Int32Array.from({ length: rows }, (_, i) => Math.min(i, samplers.length - 1)), positions: Int32Array.from({ length: rows }, (_, i) => i), positionOffset,
});
const read = async (tensor: NativeTensor) => Array.from((await runtime.read([tensor]))[0]!);
const matrix = (rows: readonly ArrayLike<number>[]) => ops.fromArray(Float32Array.from(rows.flatMap((row) => Array.from(row))), [rows.length, rows[0]!.length]);
const probsOf = async (logits: ArrayLike<number>, sampler: Partial<NativeSampler>) => read(ops.probs(matrix([logits]), choice([{ ...PLAIN, ...sampler }], 1)));

describe('noise', () => {
  it('the reference Philox gives the published words', () => {
    expect(philox([0, 0, 0, 0], 0n)).toBe(0x6627e8d5);
    expect(philox([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], 0xffffffffffffffffn)).toBe(0x408f276d);
    expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], 0x299f31d0a4093822n)).toBe(0xd16cfe09);
  });

  it('uniforms are keyed by seed, position, sample and stream', async () => {
    const random = new Random(1);
    const samplers = Array.from({ length: 64 }, () => ({ ...PLAIN, seed: BigInt(random.integer(0, 2 ** 32 - 1)) << 32n | BigInt(random.integer(0, 2 ** 32 - 1)), sample: random.integer(0, 3), stream: random.integer(0, 2 ** 32 - 1) }));
    expect(await read(ops.uniform(choice(samplers, 64, 5)))).toEqual(samplers.map(({ seed, sample, stream }, i) => uniformOf(philox([i + 5, 0, sample, stream], seed))));
    const [edge] = await read(ops.uniform(choice([{ ...PLAIN, seed: 2n ** 64n - 1n, sample: 2 ** 32 - 1, stream: 2 ** 32 - 1 }], 1, -1)));
    expect(edge).toBe(uniformOf(philox([-1, 0, -1, -1], 2n ** 64n - 1n)));
  });

  it('topK with noise ranks logit / temperature + Gumbel of the index', async () => {
    const random = new Random(2), width = 300;
    for (const temperature of [0.3, 1, 2.5]) {
      const sampler = { ...PLAIN, temperature, seed: 77n, stream: 3 }, logits = random.normals(width, 2);
      const scores = Array.from(logits, (x, i) => x / Math.fround(temperature) + gumbelOf(philox([9, i, 0, 3], 77n)));
      const { values, indices, scores: ranked } = ops.topK(matrix([logits]), 20, choice([sampler], 1, 9));
      const order = await read(indices);
      expect(order).toEqual(ranking(scores).slice(0, 20));
      expect(await read(values)).toEqual(order.map((i) => logits[i]));
      (await read(ranked)).forEach((score, i) => expect(score).toBeCloseTo(scores[order[i]!]!, 3));
    }
  });
});

describe('choose', () => {
  const SCALES = [0.001, 1, 4, 30];
  const TEMPERATURES = [0, 1e-42, 1.2e-38, 1e-6, 0.05, 0.7, 1, 1.3, 5, 1e6];

  it('skips what cannot win without changing what wins, over many rows and temperatures', async () => {
    // topK of one scores every token; choose skips nearly all of them.
    const random = new Random(3);
    let compared = 0;
    for (const width of [1, 5, 16, 17, 320, 5003]) for (const scale of SCALES) {
      const rows = TEMPERATURES.length * 4;
      const samplers = Array.from({ length: rows }, (_, i) => ({ ...PLAIN, temperature: TEMPERATURES[i % TEMPERATURES.length]!, seed: BigInt(random.integer(0, 1e9)) }));
      const logits = Array.from({ length: rows }, () => random.normals(width, scale).map((x) => (random.next() < 0.2 ? Math.round(x) : random.next() < 0.02 ? -Infinity : x)));
      for (const row of logits) if (!row.some((x) => x > -Infinity)) row[0] = 0;
      const spec = choice(samplers, rows), x = matrix(logits);
      const expected = await read(ops.topK(x, 1, spec).indices);
      expect(await read(ops.choose(x, spec))).toEqual(expected);
      compared += rows;
    }
    expect(compared).toBe(6 * 4 * 40);
  });

  it('filters that keep everything change nothing', async () => {
    const random = new Random(4);
    for (const width of [1, 33, 2000]) for (const temperature of TEMPERATURES.filter((t) => t > 0)) {
      const logits = Array.from({ length: 16 }, () => random.normals(width, 5)), x = matrix(logits);
      const plain = await read(ops.choose(x, choice([{ ...PLAIN, temperature, seed: 5n }], 16)));
      expect(await read(ops.choose(x, choice([{ ...PLAIN, temperature, seed: 5n, topK: width }], 16)))).toEqual(plain);
      expect(await read(ops.choose(x, choice([{ ...PLAIN, temperature, seed: 5n, minP: 1e-45 }], 16)))).toEqual(plain);
    }
  });

  it('with filters it is the winner of plain scores among the kept', async () => {
    const random = new Random(5);
    for (let round = 0; round < 60; round++) {
      const width = random.integer(2, 200), logits = Array.from(random.normals(width, 3));
      const filters = { temperature: Math.fround(0.3 + random.next() * 2), topK: random.integer(0, width), topP: 0.2 + random.next() * 0.8, minP: random.next() * 0.2 };
      const probs = await probsOf(logits, filters);
      const scores = logits.map((x, i) => (probs[i]! > 0 ? x / filters.temperature + gumbelOf(philox([0, i, 0, 0], 99n)) : -Infinity));
      expect(await read(ops.choose(matrix([logits]), choice([{ ...PLAIN, ...filters, seed: 99n }], 1)))).toEqual([ranking(scores)[0]]);
    }
  });

  it('at temperature 0 takes the largest, ties to the lowest id, whatever the filters', async () => {
    const logits = [1, 3, 3, 2, NaN];
    for (const filters of [{}, { topK: 1 }, { topP: 0.1 }, { minP: 1 }]) {
      expect(await read(ops.choose(matrix([logits]), choice([{ ...PLAIN, temperature: 0, ...filters }], 1)))).toEqual([1]);
      expect(await probsOf(logits, { temperature: 0, ...filters })).toEqual([0, 1, 0, 0, 0]);
    }
  });

  it('NaN and -Infinity never win; a row of nothing else has no choice', async () => {
    for (const temperature of [0, 0.7]) for (const filters of [{}, { topP: 0.9 }, { topK: 2, minP: 0.1 }]) {
      const spec = choice([{ ...PLAIN, temperature, ...filters }], 1);
      expect(await read(ops.choose(matrix([[NaN, -Infinity, -1e30, NaN]]), spec))).toEqual([2]);
      expect(await read(ops.choose(matrix([[NaN, -Infinity, -Infinity]]), spec))).toEqual([-1]);
      expect(await read(ops.choose(matrix([[5, Infinity, NaN, Infinity]]), spec)).then(([t]) => [1, 3].includes(t!))).toBe(true);
      expect(await probsOf([NaN, -Infinity, 4], { temperature, ...filters })).toEqual([0, 0, 1]);
      expect(await probsOf([NaN, -Infinity], { temperature, ...filters })).toEqual([0, 0]);
    }
  });

  it('a row at a negative position is absent', async () => {
    const spec = { ...choice([PLAIN, { ...PLAIN, temperature: 0, topK: 1 }], 3), positions: Int32Array.of(-1, 4, -1), positionOffset: 1 };
    expect(await read(ops.choose(matrix([[1], [1], [1]]), spec))).toEqual([-1, 0, -1]);
  });

  it('draws each token as often as its probability says', async () => {
    // Chi-square over 8 tokens, 7 degrees of freedom: 24.3 is passed by 99.9 % of honest generators, and the seed is fixed.
    const logits = [0, 1, -1, 2, 0.5, -2, 1.5, 0.2], rows = 20000;
    for (const filters of [{}, { topP: 0.8 }, { topK: 4 }]) {
      const expected = processed(logits, { temperature: 1.3, topK: 0, topP: 1, minP: 0, ...filters });
      const drawn = await read(ops.choose(matrix(Array.from({ length: rows }, () => logits)), choice([{ ...PLAIN, temperature: 1.3, seed: 4242n, ...filters }], rows)));
      const statistic = expected.reduce<number>((sum, p, i) => {
        const count = drawn.filter((t) => t === i).length;
        if (p === undefined) expect(count).toBe(0);
        return p === undefined ? sum : sum + (count - p * rows) ** 2 / (p * rows);
      }, 0);
      expect(statistic).toBeLessThan(24.3);
    }
  });
});

describe('sample', () => {
  it('inverts the cumulative weights, which need no normalising', async () => {
    const weights = matrix([[2, 0, 6], [0, 0, 0], [0, NaN, 1], [1, -5, 1]]);
    const at = async (u: number) => read(ops.sample(weights, ops.fromArray(Float32Array.of(u, u, u, u), [4])));
    expect(await at(0.2)).toEqual([0, -1, 2, 0]);
    expect(await at(0.26)).toEqual([2, -1, 2, 0]);
    expect(await at(0.9999999)).toEqual([2, -1, 2, 2]);
  });
});

interface Case { readonly name: string; readonly temperature: number; readonly top_k: number; readonly top_p: number; readonly min_p: number | null; readonly fp32_error: number }

/** Same kept set and probabilities within what float32 allows; what float32 cannot hold counts as dropped. */
async function expectProbs(logits: ArrayLike<number>, one: Case, expected: ArrayLike<number>, adjustments?: NativeAdjustments): Promise<void> {
  const actual = await probsOf(logits, { temperature: one.temperature, topK: one.top_k, topP: one.top_p, minP: one.min_p ?? 0, ...(adjustments === undefined ? {} : { adjustments }) });
  const tolerance = Math.max(1e-6, 4 * one.fp32_error);
  actual.forEach((p, i) => {
    expect(Math.abs(p - expected[i]!), `${one.name}, token ${i}`).toBeLessThanOrEqual(tolerance);
    if (expected[i] === 0 || expected[i]! > 1e-30) expect(p > 0, `${one.name} keeps ${i}`).toBe(expected[i]! > 0);
  });
}

describe('filters as transformers applies them', () => {
  const fixture = JSON.parse(readFileSync(fileURLToPath(new URL('../fixtures/sampling/cases.json', import.meta.url)), 'utf8')) as {
    logits: Record<string, (number | null)[]>; cases: (Case & { logits: string; ids: number[]; probs: number[] })[];
  };
  it.each(fixture.cases)('$name: temperature $temperature, top-k $top_k, top-p $top_p, min-p $min_p', async (one) => {
    const logits = fixture.logits[one.logits]!.map((x) => x ?? -Infinity), expected = new Float64Array(logits.length);
    one.ids.forEach((id, i) => { expected[id] = one.probs[i]!; });
    await expectProbs(logits, one, expected);
  });

  const folder = fileURLToPath(new URL('../../../shared/golden/models/sampling/', import.meta.url));
  it.skipIf(!existsSync(folder))('all cases of the shared data, repetition penalty among them', async () => {
    const { cases } = JSON.parse(readFileSync(`${folder}sampling.json`, 'utf8')) as { cases: (Case & { logits: string; history: number[]; repetition_penalty: number })[] };
    const header = await readSafetensorsHeader(`${folder}sampling.safetensors`);
    const bytes = async (name: string) => new Uint8Array(await readTensorBytes(header.tensors.get(name)!)).buffer;
    for (const one of cases) {
      const logits = new Float32Array(await bytes(one.logits));
      const seen = Int32Array.from(new Set(one.history));
      const adjustments = { ...NO_ADJUSTMENTS, repetitionPenalty: one.repetition_penalty, seen, counts: new Int32Array(seen.length) };
      await expectProbs(logits, one, new Float64Array(await bytes(`${one.name}.probs`)), adjustments);
    }
    console.log(`sampling goldens: ${cases.length} of ${cases.length}, ${cases.filter((one) => one.repetition_penalty !== 1).length} with a repetition penalty; no exceptions`);
    expect(cases.length).toBeGreaterThan(50);
  });

  it('agrees with a plain implementation on random rows', async () => {
    const random = new Random(6);
    for (let round = 0; round < 150; round++) {
      const width = random.integer(1, 300), logits = Array.from(random.normals(width, 1 + random.next() * 5), (x) => (random.next() < 0.1 ? -Infinity : Math.fround(x)));
      logits[0] = 0;
      const filters = { temperature: Math.fround(0.2 + random.next() * 2), topK: random.integer(0, 50), topP: Math.fround(0.05 + random.next() * 0.95), minP: Math.fround(random.next() * 0.3) };
      const expected = processed(logits, filters), actual = await probsOf(logits, filters);
      actual.forEach((p, i) => expect(Math.abs(p - (expected[i] ?? 0))).toBeLessThan(2e-6));
      expect(actual.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    }
  });
});
