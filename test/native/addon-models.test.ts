import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeCheckpoint, readCheckpoint } from '../../core/checkpoint/checkpoint.js';
import { CapacityError, CheckpointError, DisposedError, ShapeError } from '../../core/errors.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeChoice, NativeModel, NativeRuntime } from '../../core/native/types.js';
import { packageRoot } from '../../core/package-root.js';

const native = loadNative();
const { description, tensors } = describeCheckpoint(await readCheckpoint(join(packageRoot(), 'models', 'demo', 'draft')));
let runtime: NativeRuntime;
let model: NativeModel;
beforeAll(async () => {
  runtime = native.createRuntime({ threads: 2 });
  model = await runtime.loadModel(description, tensors, 'f32');
});
afterAll(() => runtime.dispose());

const SIZES = { maxSequences: 2, maxTokens: 100, pages: 8, kvDtype: 'f32' } as const;
const bad = (value: unknown) => value as never;
const greedy = (rows: number, positions: Int32Array): NativeChoice => ({
  samplers: [{ temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0n, sample: 0, stream: 0 }], rowSampler: new Int32Array(rows), positions, positionOffset: 1,
});

describe('models and sessions across the boundary', () => {
  it('a pass, a tree, a commit and a truncation are counted alike on both sides', async () => {
    const session = model.createSession(SIZES), sequence = session.open();
    const known = session.forward({ sequences: new Int32Array(3).fill(sequence), tokens: Int32Array.of(1, 2, 3), known: Uint8Array.of(1, 1, 1) });
    expect(session.length(sequence)).toBe(3);
    const tree = session.forward({ sequences: new Int32Array(4).fill(sequence), tokens: runtime.ops.fromArray(Int32Array.of(4, 5, 6, 999999), [4]), parents: Int32Array.of(-1, 0, 0, 1) }, [0, description.layers]);
    expect([known.hidden.shape, tree.hidden.shape, tree.taps?.shape]).toEqual([[3, description.hiddenSize], [4, description.hiddenSize], [4, 2 * description.hiddenSize]]);
    const [tokens, positions, refused] = await runtime.read([tree.tokens, tree.positions, tree.refused]);
    expect([tokens, positions, refused].map((a) => Array.from(a!))).toEqual([[4, 5, 6, -1], [3, 4, 4, -1], [1]]);
    session.commit(Int32Array.of(sequence), Int32Array.of(0, 2, -1));
    expect(session.length(sequence)).toBe(5);
    session.truncate(sequence, 4);
    const fork = session.fork(sequence);
    expect([session.length(fork), session.pages().used > 0, session.pages().total]).toEqual([4, true, SIZES.pages]);
    session.close(sequence);
    session.close(fork);
    expect(session.pages().used).toBe(0);
    session.dispose();
  });

  it('choose is what the ops choose from the head\'s logits', async () => {
    const hidden = runtime.ops.fromArray(Float32Array.from({ length: 5 * description.hiddenSize }, (_, i) => Math.sin(i)), [5, description.hiddenSize]);
    const samplers = [0, 0.5, 1, 1.5, 1].map((temperature, i) => ({ temperature, topK: i === 3 ? 7 : 0, topP: i === 4 ? 0.8 : 1, minP: 0, seed: BigInt(i) << 60n, sample: i, stream: 0 }));
    const choice = { samplers, rowSampler: Int32Array.of(0, 1, 2, 3, 4), positions: Int32Array.of(5, 6, 7, 8, 9), positionOffset: 0 };
    const [fused, plain] = await runtime.read([model.choose(hidden, choice), runtime.ops.choose(model.head(hidden), choice)]);
    expect(Array.from(fused!)).toEqual(Array.from(plain!));
  });

  it('measure gives a time for every row count', async () => {
    const times = await model.measure([1, 4]);
    expect(times.length).toBe(2);
    for (const time of times) expect(time).toBeGreaterThan(0);
    expect(() => void model.measure([0])).toThrow(/rowCounts\[0\] must be an integer from 1/);
  });

  it('arguments are refused by name', () => {
    const session = model.createSession(SIZES), sequence = session.open();
    const refusals: [() => unknown, RegExp][] = [
      [() => model.createSession({ ...SIZES, pages: 0 }), /createSession: options\.pages must be an integer from 1/],
      [() => model.createSession({ ...SIZES, kvDtype: bad('f16') }), /options\.kvDtype must be one of "f32", "bf16", got string "f16"/],
      [() => model.embed(bad(new Uint8Array(1))), /embed: tokens must be Int32Array, got Uint8Array/],
      [() => model.head(bad(undefined)), /head: hidden must be a tensor, got undefined/],
      [() => model.head(runtime.ops.fromArray(new Float32Array(3), [1, 3])), /head/],
      [() => model.choose(runtime.ops.fromArray(new Float32Array(description.hiddenSize), [1, description.hiddenSize]), greedy(2, Int32Array.of(0, 1))), /choose/],
      [() => session.forward(bad(undefined)), /forward: rows must be an object/],
      [() => session.forward({ sequences: Int32Array.of(sequence), tokens: bad([1]) }), /forward: rows\.tokens must be a tensor or an Int32Array, got an array/],
      [() => session.forward({ sequences: Int32Array.of(sequence), tokens: Int32Array.of(1, 2) }), /forward/],
      [() => session.forward({ sequences: Int32Array.of(7), tokens: Int32Array.of(1) }), /7/],
      [() => session.forward({ sequences: Int32Array.of(sequence), tokens: Int32Array.of(1), known: bad([1]) }), /forward: rows\.known must be Uint8Array, got an array/],
      [() => session.forward({ sequences: Int32Array.of(sequence), tokens: Int32Array.of(1) }, [99]), /99/],
      [() => session.commit(bad([sequence])), /commit: sequences must be Int32Array, got an array/],
      [() => session.commit(Int32Array.of(sequence, sequence), Int32Array.of(0, 1, 2)), /commit: paths has 3 entries, not a multiple of the 2 sequences/],
      [() => session.truncate(sequence, -1), /truncate: length must be an integer of at least 0, got number -1/],
      [() => session.length(0.5), /length: sequence must be an integer/],
    ];
    for (const [call, message] of refusals) {
      expect(call).toThrow(message);
      expect(call).toThrow(ShapeError);
    }
    session.open();
    expect(() => session.open()).toThrow(CapacityError);
    session.dispose();
  });

  it('a description or weights that do not fit reject, and the runtime lives on', async () => {
    const load = (over: object, sources: typeof tensors = tensors) => runtime.loadModel({ ...description, ...over }, sources, 'f32');
    expect(() => void load({ activation: 'relu' })).toThrow(/description\.activation must be one of "silu", "gelu", "geluTanh", got string "relu"/);
    expect(() => void load({ layer: [] })).toThrow(/description\.layer has 0 entries for/);
    expect(() => void load({ layer: description.layer.map((layer) => ({ ...layer, rope: 5 })) })).toThrow(/layer\[0\]\.rope/);
    expect(() => void load({ normEps: Number.NaN })).toThrow(/normEps must be a finite number/);
    await expect(load({}, {})).rejects.toThrow(CheckpointError);
    const [name, source] = Object.entries(tensors)[0]!;
    await expect(load({}, { ...tensors, [name]: { ...source, file: '/nowhere/x' } })).rejects.toThrow(/nowhere/);
    await expect(load({}, { ...tensors, [name]: { ...source, offset: 2 ** 45 } })).rejects.toThrow(CheckpointError);
    const embedded = runtime.ops.reshape(model.embed(Int32Array.of(0, -5, 1 << 30)), [3, description.hiddenSize]);
    expect((await runtime.read([embedded]))[0]!.subarray(description.hiddenSize).every((x) => x === 0)).toBe(true);
  });

  it('sessions outlive their model\'s handle; disposed handles say so', async () => {
    const own = await runtime.loadModel(description, tensors, 'bf16'), session = own.createSession({ ...SIZES, kvDtype: 'bf16' });
    expect(own.bytes).toBeGreaterThan(0);
    own.dispose();
    own.dispose();
    const { hidden } = session.forward({ sequences: Int32Array.of(session.open()), tokens: Int32Array.of(1) });
    session.dispose();
    session.dispose();
    expect((await runtime.read([hidden]))[0]!.some((x) => x !== 0)).toBe(true);
    for (const call of [() => own.bytes, () => own.embed(Int32Array.of(1)), () => own.createSession(SIZES), () => void own.measure([1]), () => session.open(), () => session.pages(), () => session.commit(Int32Array.of(0))]) {
      expect(call).toThrow(DisposedError);
    }
  });

  it('disposing the runtime in the middle of loading, measuring and running rejects and ends', async () => {
    const own = native.createRuntime({ threads: 2 }), small = await own.loadModel(description, tensors, 'f32'), session = small.createSession(SIZES);
    const sequences = new Int32Array(40).fill(session.open());
    const { hidden } = session.forward({ sequences, tokens: new Int32Array(40).fill(1), known: new Uint8Array(40).fill(1) });
    const waiting = Promise.allSettled([small.measure([1, 8, 16]), own.loadModel(description, tensors, 'bf16'), own.read([small.choose(hidden, greedy(40, new Int32Array(40)))])]);
    own.dispose();
    for (const result of await waiting) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'DISPOSED' } });
    for (const call of [() => session.open(), () => small.bytes, () => small.head(hidden)]) expect(call).toThrow(DisposedError);
    session.dispose();
    small.dispose();
    hidden.dispose();
  });
});
