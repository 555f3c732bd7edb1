import { afterAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../core/native/binding.js';
import type { NativeChoice, NativeSampler, NativeTensor } from '../../core/native/types.js';
import { adjusted, adjustmentsOf, type Asked, NO_ADJUSTMENTS } from './adjusted.js';
import { Random } from './random.js';
import { logSoftmax, processed, ranking } from './reference.js';

const runtime = loadNative().createRuntime({ threads: 2 });
const { ops } = runtime;
afterAll(() => runtime.dispose());

const GREEDY: NativeSampler = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0n, sample: 0, stream: 0 };
const read = async (tensor: NativeTensor) => Array.from((await runtime.read([tensor]))[0]!);
const integers = (values: readonly number[]) => ops.fromArray(Int32Array.from(values), [values.length]);
const matrix = (rows: readonly ArrayLike<number>[]) => ops.fromArray(Float32Array.from(rows.flatMap((row) => Array.from(row))), [rows.length, rows[0]!.length]);

/** Two trees: of the first text a root with two branches, of the second a chain. Tokens of roots are the texts' last. */
//  0 ─ 1 ─ 3      5 ─ 6 ─ 7
//    └ 2 ─ 4
const PARENTS = [-1, 0, 0, 1, 2, -1, 5, 6];
const OWNER = [0, 0, 0, 0, 0, 1, 1, 1];

function pathOf(row: number, tokens: readonly number[]): number[] {
  const parent = PARENTS[row]!;
  return parent < 0 ? [] : [...pathOf(parent, tokens), tokens[row]!];
}

function randomCase(random: Random, width: number): { asked: Asked[]; outputs: number[][]; tokens: number[]; logits: number[][] } {
  const text = (least: number) => Array.from(random.integers(random.integer(least, 12), 0, width - 1));
  const asked = [0, 1].map((): Asked => ({
    prompt: text(1), repetitionPenalty: random.next() < 0.3 ? 1 : 0.5 + random.next() * 1.5, presencePenalty: random.next() * 2 - 1, frequencyPenalty: random.next() < 0.3 ? 0 : random.next(),
    bias: new Map(text(0).map((token, i) => [token, i === 3 ? -Infinity : random.next() * 6 - 3])), ends: text(0).slice(0, 3), minTokens: random.integer(0, 14),
  }));
  const outputs = asked.map(() => text(0));
  const tokens = PARENTS.map(() => random.integer(0, width - 1));
  return { asked, outputs, tokens, logits: PARENTS.map(() => Array.from(random.normals(width, 3))) };
}

function choiceOf({ asked, outputs, tokens }: ReturnType<typeof randomCase>, sampler: Partial<NativeSampler>): NativeChoice {
  const depth = PARENTS.map((_, row) => pathOf(row, tokens).length);
  return {
    samplers: asked.map((each, i) => ({ ...GREEDY, ...sampler, adjustments: adjustmentsOf(each, outputs[i]!) })), rowSampler: Int32Array.from(OWNER),
    positions: Int32Array.from(OWNER, (i, row) => asked[i]!.prompt.length + outputs[i]!.length - 1 + depth[row]!), positionOffset: 1,
    tree: { tokens: integers(tokens), parents: integers(PARENTS) },
  };
}

describe('adjustments', () => {
  it('treat every row of a tree as if its path were text', async () => {
    const random = new Random(31);
    for (let round = 0; round < 80; round++) {
      const one = randomCase(random, random.integer(1, 60));
      const expected = PARENTS.map((_, row) => adjusted(one.logits[row]!, one.asked[OWNER[row]!]!, [...one.outputs[OWNER[row]!]!, ...pathOf(row, one.tokens)]));
      const choices = await read(ops.choose(matrix(one.logits), choiceOf(one, {})));
      expect(choices).toEqual(expected.map((row) => (row.some((x) => x > -Infinity) ? ranking(row)[0] : -1)));
      const filters = { temperature: Math.fround(0.5 + random.next()), topK: random.integer(0, 20), topP: Math.fround(0.5 + random.next() / 2), minP: 0 };
      const probs = await read(ops.probs(matrix(one.logits), choiceOf(one, filters)));
      const want = expected.flatMap((row) => processed(row, filters).map((p) => (Number.isNaN(p) ? 0 : p ?? 0)));
      probs.forEach((p, i) => expect(Math.abs(p - want[i]!)).toBeLessThan(3e-6));
    }
  });

  it('come in the order repetition, frequency and presence, bias, ban', async () => {
    const asked: Asked = { prompt: [0, 1], repetitionPenalty: 2, presencePenalty: 0.5, frequencyPenalty: 0.25, bias: new Map([[1, 3], [2, 1]]), ends: [3], minTokens: 2 };
    const adjustments = adjustmentsOf(asked, [1, 1]);
    const at = async (position: number) => read(ops.probs(matrix([[4, 4, 4, 4]]), { samplers: [{ ...GREEDY, temperature: 1, adjustments }], rowSampler: Int32Array.of(0), positions: Int32Array.of(position), positionOffset: 0 }));
    const weights = (logits: number[]) => logits.map((x) => Math.exp(x) / logits.reduce((sum, y) => sum + Math.exp(y), 0));
    (await at(4)).forEach((p, i) => expect(p).toBeCloseTo(weights([2, 2 - 0.5 - 0.5 + 3, 5, 4])[i]!, 6));
    (await at(3)).forEach((p, i) => expect(p).toBeCloseTo(weights([2, 4, 5, -Infinity])[i]!, 6));
  });

  it('the published example: a frequency penalty of 1 after one of four equal tokens leaves it 0.1092', async () => {
    const sampler = { ...GREEDY, temperature: 1, adjustments: { ...NO_ADJUSTMENTS, frequencyPenalty: 1 } };
    const probs = await read(ops.probs(matrix([[0, 0, 0, 0], [0, 0, 0, 0]]), {
      samplers: [sampler], rowSampler: Int32Array.of(0, 0), positions: Int32Array.of(5, 6), positionOffset: 1, tree: { tokens: integers([3, 0]), parents: integers([-1, 0]) },
    }));
    expect(probs[0]).toBe(0.25);
    expect(probs[4]).toBeCloseTo(Math.exp(-1) / (3 + Math.exp(-1)), 6);
    expect(probs[4]).toBeCloseTo(0.1092, 4);
  });

  it('tokens beyond the columns, and absent rows with any parent, do no harm', async () => {
    const adjustments = { ...adjustmentsOf({ prompt: [500, 2], repetitionPenalty: 3, bias: new Map([[900, 5]]) }, [1]), banned: Int32Array.of(800), bannedBefore: 100 };
    const choice = { samplers: [{ ...GREEDY, adjustments }], rowSampler: Int32Array.of(0, 0, 0), positions: Int32Array.of(3, -1, -1), positionOffset: 1, tree: { tokens: integers([2, -1, 7]), parents: integers([-1, 99, 1]) } };
    expect(await read(ops.choose(matrix([[1, 2, 3, 2.5], [1, 2, 3, 0], [0, 0, 0, 0]]), choice))).toEqual([3, -1, -1]);
  });

  it.each([
    [{ repetitionPenalty: 0 }, /adjustments\.repetitionPenalty must be a number above 0/],
    [{ presencePenalty: Number.NaN }, /presencePenalty must be a finite number/],
    [{ counts: Int32Array.of(1) }, /counts has 1 entries for 0 tokens/],
    [{ biasIds: Int32Array.of(1) }, /biases has 0 entries for 1 tokens/],
    [{ bannedBefore: -1 }, /bannedBefore must be an integer/],
  ])('refuse %o', (bad, message) => {
    const adjustments = { ...NO_ADJUSTMENTS, ...bad };
    expect(() => ops.uniform({ samplers: [{ ...GREEDY, adjustments }], rowSampler: Int32Array.of(0), positions: Int32Array.of(0), positionOffset: 0 })).toThrow(message);
  });

  it('refuse a tree of another size', () => {
    const choice = { samplers: [GREEDY], rowSampler: Int32Array.of(0), positions: Int32Array.of(0), positionOffset: 0, tree: { tokens: integers([1, 2]), parents: integers([-1]) } };
    expect(() => ops.uniform(choice)).toThrow(/tree\.tokens must be of 1 entries/);
  });
});

describe('logprobs', () => {
  // Paths 0 → 2 → 4 and 5 → 6: sequences of five and three rows.
  const path = ops.fromArray(Int32Array.of(0, 2, 4, 0, 1, -1), [2, 3]), next = integers([7, 9]), rowStart = Int32Array.of(0, 5, 8);
  const tokens = [5, 1, 2, 3, 4, 5, 6, 7];
  /** Row and the token after it, by place. */
  const PLACES = [[0, 2], [2, 4], [4, 7], [5, 6], [6, 9]] as const;

  it('are those of the rows that produced the tokens, and of the likeliest in their places', async () => {
    const random = new Random(41);
    const logits = tokens.map(() => Array.from(random.normals(12, 4), Math.round));
    const made = ops.logprobs(matrix(logits), 'logits', integers(tokens), path, next, rowStart, 4);
    const [chosen, ids, values] = [await read(made.chosen), await read(made.ids), await read(made.values)];
    PLACES.forEach(([row, token], i) => {
      const want = logSoftmax(logits[row]!);
      expect(chosen[i]).toBeCloseTo(want[token]!, 5);
      expect(ids.slice(4 * i, 4 * i + 4)).toEqual(ranking(logits[row]!).slice(0, 4));
      values.slice(4 * i, 4 * i + 4).forEach((value, rank) => expect(value).toBeCloseTo(want[ids[4 * i + rank]!]!, 5));
    });
    expect({ chosen: chosen[5], ids: ids.slice(20), values: values.slice(20) }).toEqual({ chosen: -Infinity, ids: [-1, -1, -1, -1], values: [-Infinity, -Infinity, -Infinity, -Infinity] });
  });

  it('of probabilities list no token without one', async () => {
    const probs = tokens.map(() => [0, 0, 0.5, 0, 0.125, 0, 0.375, 0, 0, 0]);
    const made = ops.logprobs(matrix(probs), 'probs', integers(tokens), path, next, rowStart, 5);
    expect((await read(made.ids)).slice(0, 5)).toEqual([2, 6, 4, -1, -1]);
    expect((await read(made.chosen))[0]).toBeCloseTo(Math.log(0.5), 6);
    expect((await read(made.chosen))[4]).toBe(-Infinity);
  });
});
