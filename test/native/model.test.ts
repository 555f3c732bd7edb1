// Models of the native runtime: what a description means, what is refused at loading, and the head.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelDescription } from '../../core/description.js';
import { CheckpointError, ShapeError } from '../../core/errors.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeAdjustments, NativeModel, NativeRuntime, NativeSampler, NativeTensor, NativeTensorSource } from '../../core/native/types.js';
import { Random } from './random.js';
import { ODD, type RandomModel, writeRandomModel } from './random-model.js';
import { decode } from './reference-decoder.js';

const native = loadNative();
let runtime: NativeRuntime;
let folder: string;
let files = 0;
beforeAll(() => {
  runtime = native.createRuntime({ threads: 2 });
  folder = mkdtempSync(join(tmpdir(), 'foretoken-model-'));
});
afterAll(() => {
  runtime.dispose();
  rmSync(folder, { recursive: true });
});

const random = (description: ModelDescription, biases: readonly string[] = []): RandomModel => writeRandomModel(join(folder, `${files++}.bin`), description, biases);

/** Hidden rows and logits of a text in one pass. */
async function run(on: NativeRuntime, model: NativeModel, tokens: readonly number[]): Promise<{ hidden: NativeTensor; values: Float32Array; logits: Float32Array }> {
  const session = model.createSession({ maxSequences: 1, maxTokens: 200, pages: 4, kvDtype: 'f32' });
  const { hidden } = session.forward({ sequences: new Int32Array(tokens.length).fill(session.open()), tokens: Int32Array.from(tokens), known: new Uint8Array(tokens.length).fill(1) });
  const [values, logits] = (await on.read([hidden, model.head(hidden)])) as [Float32Array, Float32Array];
  session.dispose();
  return { hidden, values, logits };
}

describe('a description means what the plain decoder makes of it', () => {
  const slides = [{ rope: 0, slidingWindow: 5 }, { rope: -1, slidingWindow: 0 }, { rope: 1, slidingWindow: 70 }];
  const ropes = [{ inverseFrequencies: [1, 0.1], scale: 1 }, { inverseFrequencies: [0.5, 0.2, 0.1, 0.05], scale: 1.3 }];
  const variants: [what: string, changes: Partial<ModelDescription>, biases?: string[]][] = [
    ['as it is', {}],
    ['biases on everything', {}, ['q', 'k', 'v', 'o', 'gate', 'up', 'down']],
    ['a bias on the values only', {}, ['v']],
    ['tied weights', { tied: true }],
    ['norms before and after, weights plus one, tanh gelu, soft caps, scaled embedding', {
      postNorm: true, normWeightOffset: 1, activation: 'geluTanh', attentionSoftCap: 2, logitSoftCap: 1.5, embeddingScale: 6.5,
    }],
    ['norms after only, q and k normed as a whole', { preNorm: false, postNorm: true, qkNorm: 'all' }],
    ['q and k normed per head, weights plus one', { qkNorm: 'head', normWeightOffset: 1 }],
    ['windows, no positions, partial and scaled rotation by layer', { layer: slides, ropes }],
    ['scaled residuals and logits, no final norm, exact gelu', { residualScale: 0.22, logitScale: 0.125, finalNorm: false, activation: 'gelu', attentionScale: 0.05 }],
    ['experts in some layers, shares of the chosen', { experts: { count: 5, perToken: 2, size: 33, shareWhole: true }, layer: [false, true, true].map((experts) => ({ rope: 0, slidingWindow: 0, experts })) }],
    ['experts in all layers, shares among all, norms after', { postNorm: true, experts: { count: 40, perToken: 7, size: 9, shareWhole: false }, layer: Array.from({ length: 3 }, () => ({ rope: 0, slidingWindow: 0, experts: true })) }],
    ['one head', { heads: 1, kvHeads: 1, headDim: 12 }],
  ];
  it.each(variants)('%s', async (_, changes, biases) => {
    const description = { ...ODD, ...changes };
    const { weights, tensors } = random(description, biases);
    const model = await runtime.loadModel(description, tensors, 'f32');
    const tokens = Array.from(new Random(7).integers(90, 0, description.vocabSize - 1));
    const { values, logits } = await run(runtime, model, tokens);
    const expected = decode(description, weights, tokens);
    expectClose(values, expected.hidden.flat());
    expectClose(logits, expected.logits.flat());
    model.dispose();
  });

  function expectClose(got: Float32Array, expected: readonly number[]): void {
    const size = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / expected.length);
    expect(got.length).toBe(expected.length);
    expect(Math.max(...expected.map((x, i) => Math.abs(x - got[i]!))) / size, 'largest error, relative to the root mean square').toBeLessThan(2e-5);
  }
});

describe('embed', () => {
  it('gives rows of the table as they are stored, zeros for tokens that do not exist', async () => {
    const { weights, tensors } = random({ ...ODD, embeddingScale: 3 });
    const model = await runtime.loadModel({ ...ODD, embeddingScale: 3 }, tensors, 'f32');
    const [rows] = await runtime.read([model.embed(Int32Array.of(100, -1, 101, 0))]);
    const table = weights.get('embedding')!, width = ODD.hiddenSize;
    expect(Array.from(rows!)).toEqual([...table.subarray(100 * width), ...new Float32Array(2 * width), ...table.subarray(0, width)]);
    model.dispose();
  });
});

describe('choose', () => {
  const sampler = (changes: Partial<NativeSampler>): NativeSampler => ({ temperature: 0.9, topK: 0, topP: 1, minP: 0, seed: 11n, sample: 0, stream: 0, ...changes });
  const adjustments: NativeAdjustments = {
    repetitionPenalty: 1.7, presencePenalty: 0.6, frequencyPenalty: 0.4, seen: Int32Array.from({ length: 40 }, (_, i) => 7 * i), counts: Int32Array.from({ length: 40 }, (_, i) => i % 4),
    biasIds: Int32Array.of(1002, 3, 500), biases: Float32Array.of(2, -Infinity, 3), banned: Int32Array.of(17, 900), bannedBefore: 100,
  };
  const samplers = [sampler({ temperature: 0 }), sampler({}), sampler({ topK: 9 }), sampler({ topP: 0.8, temperature: 1.4 }), sampler({ minP: 0.1, seed: 5n }), sampler({ stream: 3 }), sampler({ temperature: 0, adjustments }), sampler({ topP: 0.8, adjustments }), sampler({ adjustments })];

  /** 150 rows in branches of three from 50 roots. */
  const tree = (own: NativeRuntime) => ({
    tokens: own.ops.fromArray(new Random(5).integers(150, 0, 1002), [150]),
    parents: own.ops.fromArray(Int32Array.from({ length: 150 }, (_, i) => (i % 3 === 0 ? -1 : i - i % 3 + (i % 2) * (i % 3 - 1))), [150]),
  });

  it('is what the logits would give, whatever the neighbours ask for, at any number of rows and threads', async () => {
    const description = { ...ODD, vocabSize: 1003, logitSoftCap: 4, logitScale: 1.7 };
    const { tensors } = random(description);
    for (const threads of [1, 2, 3]) {
      const own = native.createRuntime({ threads });
      const model = await own.loadModel(description, tensors, 'bf16');
      const { hidden } = await run(own, model, Array.from(new Random(3).integers(150, 0, 1002)));
      const choice = { samplers, rowSampler: new Random(4).integers(150, 0, samplers.length - 1), positions: Int32Array.from({ length: 150 }, (_, i) => i), positionOffset: 1, tree: tree(own) };
      const [fused, plain] = await own.read([model.choose(hidden, choice), own.ops.choose(model.head(hidden), choice)]);
      expect(Array.from(fused!), `${threads} threads`).toEqual(Array.from(plain!));
      expect(new Set(fused).size).toBeGreaterThan(20);
      own.dispose();
    }
  });

  it('gives -1 for rows at a negative position and leaves the others alone', async () => {
    const { tensors } = random(ODD);
    const model = await runtime.loadModel(ODD, tensors, 'f32');
    const { hidden } = await run(runtime, model, [1, 2, 3, 4]);
    const choice = (positions: number[]) => ({ samplers, rowSampler: Int32Array.of(0, 1, 2, 3), positions: Int32Array.from(positions), positionOffset: 1 });
    const [all, some] = await runtime.read([model.choose(hidden, choice([0, 1, 2, 3])), model.choose(hidden, choice([-1, 1, -1, 3]))]);
    expect(Array.from(some!)).toEqual([-1, all![1], -1, all![3]]);
    model.dispose();
  });
});

describe('measure', () => {
  it('gives milliseconds for each row count', async () => {
    const { tensors } = random(ODD);
    const model = await runtime.loadModel(ODD, tensors, 'f32');
    const times = await model.measure([1, 4, 256]);
    expect(times).toHaveLength(3);
    for (const time of times) expect(time).toBeGreaterThan(0);
    expect(times[2]).toBeGreaterThan(times[0]!);
    await expect(Promise.resolve().then(() => model.measure([0]))).rejects.toThrow(/measure: 0 rows|rowCounts/);
    expect(Array.from((await runtime.read([model.embed(Int32Array.of(-1))]))[0]!), 'the runtime is whole').toHaveLength(ODD.hiddenSize);
    model.dispose();
  });
});

describe('loading refuses', () => {
  const load = async (change: (tensors: Record<string, NativeTensorSource>) => void, description: ModelDescription = ODD): Promise<unknown> => {
    const { tensors } = random(ODD);
    change(tensors);
    return runtime.loadModel(description, tensors, 'f32');
  };
  const broken: [what: string, change: (tensors: Record<string, NativeTensorSource>) => void, message: RegExp][] = [
    ['a missing tensor', (t) => { delete t['layers.1.up']; }, /tensor "layers\.1\.up" \[75, 42\] is missing/],
    ['a wrong shape', (t) => { t['layers.2.o'] = { ...t['layers.2.o']!, shape: [60, 42] }; }, /tensor "layers\.2\.o" in .*\.bin has shape \[60, 42\], expected \[42, 60\]/],
    ['a wrong bias', (t) => { t['layers.0.q.bias'] = { ...t.finalNorm! }; }, /tensor "layers\.0\.q\.bias" in .* has shape \[42\], expected \[60\]/],
    ['a tensor past the end of its file', (t) => { t.head = { ...t.head!, offset: 1e6 }; }, /tensor "head" needs 16968 bytes at offset 1000000, but .* ends at/],
    ['a file that is not there', (t) => { t.head = { ...t.head!, file: join(folder, 'nowhere') }; }, /nowhere: cannot be opened: No such file/],
    ['a folder', (t) => { t.head = { ...t.head!, file: folder }; }, /not a regular file/],
    ['an empty file', (t) => { writeFileSync(join(folder, 'empty'), ''); t.head = { ...t.head!, file: join(folder, 'empty'), offset: 0 }; }, /but .*empty ends at 0/],
    ['a tensor without a place', (t) => { t['layers.0.qNorm'] = { ...t.finalNorm! }; }, /tensor "layers\.0\.qNorm" in .* has no place in this model/],
  ];
  it.each(broken)('%s', async (_, change, message) => {
    const refusal = await load(change).then(() => undefined, (error: unknown) => error);
    expect(refusal).toBeInstanceOf(CheckpointError);
    expect(String(refusal)).toMatch(message);
  });

  const nonsense: [changes: Partial<ModelDescription>, message: RegExp][] = [
    [{ kvHeads: 4 }, /heads.*6.*kvHeads.*4/],
    [{ layers: 0, layer: [] }, /layers/],
    [{ vocabSize: 2 ** 31 - 1 }, /vocabSize/],
    [{ layer: ODD.layer.slice(1) }, /layer.*2/],
    [{ layer: ODD.layer.map(() => ({ rope: 1, slidingWindow: 0 })) }, /layer\[0\].rope/],
    [{ layer: ODD.layer.map(() => ({ rope: 0, slidingWindow: -1 })) }, /layer\[0\].slidingWindow/],
    [{ ropes: [{ inverseFrequencies: [1, 1, 1, 1, 1, 1], scale: 1 }] }, /ropes\[0\].inverseFrequencies.*6/],
    [{ ropes: [{ inverseFrequencies: [Infinity], scale: 1 }] }, /ropes\[0\].inverseFrequencies/],
    [{ attentionSoftCap: -1 }, /attentionSoftCap/],
    [{ normEps: Number.NaN }, /normEps/],
  ];
  it.each(nonsense)('%j in a description', async (changes, message) => {
    const refusal = await load(() => undefined, { ...ODD, ...changes }).then(() => undefined, (error: unknown) => error);
    expect(refusal).toBeInstanceOf(ShapeError);
    expect(String(refusal)).toMatch(message);
  });

  it('and the runtime is whole afterwards', async () => {
    const { tensors } = random(ODD);
    const model = await runtime.loadModel(ODD, tensors, 'bf16');
    expect(model.bytes).toBeGreaterThan(0);
    model.dispose();
  });
});
