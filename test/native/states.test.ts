import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelDescription } from '../../core/description.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeModel, NativeRuntime, NativeSession, NativeTensor } from '../../core/native/types.js';
import { Random } from './random.js';
import { referenceLayer, type Row, type Weights } from './states-reference.js';

const HIDDEN = 40;
const VOCAB = 50;
const plain: ModelDescription = {
  layers: 1, hiddenSize: HIDDEN, headDim: 8, heads: 4, kvHeads: 2, intermediateSize: 72, vocabSize: VOCAB, maxPositions: 512, normEps: 1e-5, normWeightOffset: 0,
  activation: 'silu', attentionScale: 8 ** -0.5, attentionSoftCap: 0, logitSoftCap: 0, embeddingScale: 1, residualScale: 1, logitScale: 1,
  preNorm: true, postNorm: false, qkNorm: 'none', finalNorm: false, ropes: [{ inverseFrequencies: [1, 0.1, 0.01, 0.001], scale: 1 }],
  layer: [{ rope: 0, slidingWindow: 0 }], tied: false, headSize: 0,
};
const joined: ModelDescription = { ...plain, inputs: 'state', layer: [{ rope: 0, slidingWindow: 0, joined: true }] };

const kinds: readonly { readonly name: string; readonly description: ModelDescription; readonly biases: readonly string[] }[] = [
  { name: 'a pair projected with a bias, no norm before attention', description: { ...plain, inputs: 'pair', inputNorm: false }, biases: ['inputProjection'] },
  { name: 'a pair of normed halves, normed again, with biased projections and a final norm',
    description: { ...plain, inputs: 'pair', embeddingNorm: true, stateNorm: true, finalNorm: true }, biases: ['layers.0.q', 'layers.0.k', 'layers.0.v'] },
  { name: 'a joined layer', description: joined, biases: [] },
  { name: 'a joined layer whose stream goes on from its norm', description: { ...joined, normedResidual: true, finalNorm: true }, biases: [] },
];

let runtime: NativeRuntime;
beforeAll(() => { runtime = loadNative().createRuntime({ threads: 2 }); });
afterAll(() => runtime.dispose());

function weightsOf(d: ModelDescription, biases: readonly string[], seed: number): Map<string, { data: Float32Array; shape: number[] }> {
  const random = new Random(seed);
  const weights = new Map<string, { data: Float32Array; shape: number[] }>();
  const add = (name: string, shape: number[], scale: number, mean = 0): void => {
    weights.set(name, { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => mean + scale * random.normal()) });
  };
  const isJoined = d.layer[0]?.joined === true;
  const width = isJoined ? 2 * HIDDEN : HIDDEN;
  add('embedding', [VOCAB, HIDDEN], 1);
  if (d.inputs === 'pair') add('inputProjection', [HIDDEN, 2 * HIDDEN], 0.15);
  for (const name of ['embeddingNorm', 'stateNorm'] as const) {
    if (d[name]) add(name, [HIDDEN], 0.2, 1);
    if (isJoined) add(`layers.0.${name}`, [HIDDEN], 0.2, 1);
  }
  if (!isJoined && d.inputNorm !== false) add('layers.0.attentionNorm', [HIDDEN], 0.2, 1);
  add('layers.0.q', [32, width], 0.2);
  add('layers.0.k', [16, width], 0.2);
  add('layers.0.v', [16, width], 0.2);
  add('layers.0.o', [HIDDEN, 32], 0.2);
  add('layers.0.mlpNorm', [HIDDEN], 0.2, 1);
  add('layers.0.gate', [72, HIDDEN], 0.2);
  add('layers.0.up', [72, HIDDEN], 0.2);
  add('layers.0.down', [HIDDEN, 72], 0.15);
  if (d.finalNorm) add('finalNorm', [HIDDEN], 0.2, 1);
  for (const name of biases) add(`${name}.bias`, [weights.get(name)!.shape[0]!], 0.3);
  return weights;
}

function upload(weights: Weights): Record<string, NativeTensor> {
  return Object.fromEntries([...weights].map(([name, { data, shape }]) => [name, runtime.ops.fromArray(data, shape)]));
}

/** A text of 70 rows, then a tree that hangs from its end: [parent, …] by index of all rows. */
function rowsOf(seed: number): Row[] {
  const random = new Random(seed);
  const tree = [69, 69, 70, 71, 70, 74, 73];
  const parents = [...Array.from({ length: 70 }, (_, i) => i - 1), ...tree];
  return parents.map((parent, i) => ({ parent, token: (i * 7) % VOCAB, state: random.normals(HIDDEN) }));
}

const TEXT = 70;
const open = (model: NativeModel): NativeSession => model.createSession({ maxSequences: 3, maxTokens: 256, pages: 24, kvDtype: 'f32' });
const statesOf = (rows: readonly Row[]): NativeTensor => {
  const data = new Float32Array(rows.length * HIDDEN);
  rows.forEach(({ state }, i) => data.set(state, i * HIDDEN));
  return runtime.ops.fromArray(data, [rows.length, HIDDEN]);
};
const read = async (tensor: NativeTensor): Promise<Float32Array> => (await runtime.read([tensor]))[0] as Float32Array;

/** Feeds the text in chunks, then the tree in the given parts. */
async function run(session: NativeSession, rows: readonly Row[], chunk: number, parts: readonly number[]): Promise<Float32Array> {
  const id = session.open();
  const out: Float32Array[] = [];
  const feed = async (from: number, to: number, known: boolean): Promise<void> => {
    const some = rows.slice(from, to);
    out.push(await read(session.forward({
      sequences: new Int32Array(some.length).fill(id), tokens: Int32Array.from(some, ({ token }) => token), states: statesOf(some),
      ...(known ? { known: new Uint8Array(some.length).fill(1) } : { parents: Int32Array.from(some, ({ parent }) => Math.max(-1, parent - TEXT)) }),
    }).hidden));
  };
  for (let from = 0; from < TEXT; from += chunk) await feed(from, Math.min(TEXT, from + chunk), true);
  for (let at = TEXT, i = 0; at < rows.length; i++) {
    const to = Math.min(rows.length, at + (parts[i] ?? rows.length));
    await feed(at, to, false);
    at = to;
  }
  session.close(id);
  return Float32Array.from(out.flatMap((part) => [...part]));
}

describe.each(kinds)('a model that takes states: $name', ({ description, biases }) => {
  const weights = weightsOf(description, biases, 11);
  let model: NativeModel;
  beforeAll(() => { model = runtime.createModel(description, upload(weights), 'f32'); });
  afterAll(() => model.dispose());

  it('computes what the definitions say, text and tree', async () => {
    const rows = rowsOf(3);
    const expected = referenceLayer(description, weights, rows).flat();
    const actual = await run(open(model), rows, TEXT, []);
    const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
    expect(worst).toBeLessThan(2e-5);
  });

  it('gives the same bits for any chunks, any levels and any kernels', async () => {
    const rows = rowsOf(4);
    const whole = await run(open(model), rows, TEXT, []);
    expect(await run(open(model), rows, 1, [1, 1, 1, 1, 1, 1, 1])).toEqual(whole);
    expect(await run(open(model), rows, 33, [2, 3])).toEqual(whole);
    const own = loadNative().createRuntime({ threads: 1, isa: 'portable' });
    const before = runtime;
    runtime = own;
    try {
      expect(await run(open(own.createModel(description, upload(weights), 'f32')), rows, 16, [4])).toEqual(whole);
    } finally {
      runtime = before;
      own.dispose();
    }
  });

  it('keeps a path of the tree, and goes on as if it had been text', async () => {
    const rows = rowsOf(5);
    const session = open(model);
    const id = session.open();
    const feed = (some: readonly Row[], more: object) => session.forward({ sequences: new Int32Array(some.length).fill(id), tokens: Int32Array.from(some, ({ token }) => token), states: statesOf(some), ...more }).hidden;
    const text = rows.slice(0, TEXT);
    feed(text, { known: new Uint8Array(TEXT).fill(1) });
    feed(rows.slice(TEXT), { parents: Int32Array.from(rows.slice(TEXT), ({ parent }) => Math.max(-1, parent - TEXT)) });
    session.commit(Int32Array.of(id), Int32Array.of(0, 2));   // rows 70 and 72
    const last = { ...rows[3]!, token: 9 };
    const got = await read(feed([last], { known: Uint8Array.of(1) }));
    const straight = [...text, rows[70]!, rows[72]!, last].map((row, i) => ({ ...row, parent: i - 1 }));
    const other = open(model);
    const again = other.open();
    const whole = await read(other.forward({ sequences: new Int32Array(straight.length).fill(again), tokens: Int32Array.from(straight, ({ token }) => token), states: statesOf(straight), known: new Uint8Array(straight.length).fill(1) }).hidden);
    expect(got).toEqual(whole.slice(-HIDDEN));
  });

  it('reads the embedding of another model without copying it', async () => {
    const { embedding, ...rest } = upload(weights);
    const owner = runtime.createModel({ ...plain, finalNorm: false }, upload(weightsOf(plain, [], 11)), 'f32');
    const rows = rowsOf(6);
    const sharing = runtime.createModel(description, rest, 'f32', owner);
    expect(sharing.bytes).toBe(model.bytes - VOCAB * HIDDEN * 4);
    const shared = await run(open(sharing), rows, TEXT, []);
    owner.dispose();
    expect(await run(open(sharing), rows, TEXT, [])).toEqual(shared);
    const own = runtime.createModel(description, { ...rest, embedding: runtime.ops.fromArray(weightsOf(plain, [], 11).get('embedding')!.data, [VOCAB, HIDDEN]) }, 'f32');
    expect(await run(open(own), rows, TEXT, [])).toEqual(shared);
    embedding!.dispose();
  });
});

describe('misuse of models that take states is refused by name', () => {
  const weights = () => upload(weightsOf(joined, [], 1));

  it('missing, superfluous and misshapen tensors', () => {
    const { 'layers.0.stateNorm': norm, ...rest } = weights();
    expect(() => runtime.createModel(joined, rest, 'f32')).toThrow(/"layers\.0\.stateNorm" \[40\] is missing/);
    expect(() => runtime.createModel(joined, { ...rest, 'layers.0.stateNorm': norm!, extra: norm! }, 'f32')).toThrow(/"extra" \[40\] has no place/);
    expect(() => runtime.createModel(joined, { ...rest, 'layers.0.stateNorm': rest['layers.0.q']! }, 'f32')).toThrow(/"layers\.0\.stateNorm" is f32 \[32, 80\], expected f32 or bf16 \[40\]/);
  });

  it('a shared embedding of another size, and a description that contradicts itself', () => {
    const { embedding: _own, ...rest } = weights();
    const narrow = { ...plain, vocabSize: 20 };
    const other = runtime.createModel(narrow, { ...upload(weightsOf(plain, [], 1)), embedding: runtime.ops.fromArray(new Float32Array(20 * HIDDEN), [20, HIDDEN]) }, 'f32');
    expect(() => runtime.createModel(joined, rest, 'f32', other)).toThrow(/embedding to share holds 20 tokens of 40 values, expected 50 of 40/);
    expect(() => runtime.createModel({ ...joined, inputs: 'pair' }, weights(), 'f32')).toThrow(/layer\[0\]\.joined/);
    expect(() => runtime.createModel({ ...joined, stateNorm: true }, weights(), 'f32')).toThrow(/inputs/);
  });

  it('states that are missing, of the wrong shape, or given to a model of tokens', () => {
    const session = open(runtime.createModel(joined, weights(), 'f32'));
    const id = session.open();
    const rows = { sequences: Int32Array.of(id), tokens: Int32Array.of(1) };
    expect(() => session.forward(rows)).toThrow(/states are missing, expected f32 \[1, 40\]/);
    expect(() => session.forward({ ...rows, states: runtime.ops.fromArray(new Float32Array(80), [2, 40]) })).toThrow(/states holds 2 rows of 40 values of f32, expected/);
    const tokens = open(runtime.createModel(plain, upload(weightsOf(plain, [], 2)), 'f32'));
    expect(() => tokens.forward({ sequences: Int32Array.of(tokens.open()), tokens: Int32Array.of(1), states: runtime.ops.fromArray(new Float32Array(40), [1, 40]) })).toThrow(/tokens alone/);
  });

  it('the logits of a model without a head', () => {
    const model = runtime.createModel(joined, weights(), 'f32');
    expect(() => model.head(runtime.ops.fromArray(new Float32Array(40), [1, 40]))).toThrow(/no head/);
  });
});
