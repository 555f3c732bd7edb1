import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, DisposedError, NativeMissingError, ShapeError } from '../../core/errors.js';
import { candidates, loadAddon, loadNative, nativeError } from '../../core/native/binding.js';
import type { NativeChoice, NativeRuntime, NativeSampler, NativeTensorSource } from '../../core/native/types.js';
import { packageRoot } from '../../core/package-root.js';

const native = loadNative();
const ADDON = join(packageRoot(), 'build', 'Release', 'foretoken.node');
let runtime: NativeRuntime;
let folder: string;
beforeAll(() => {
  runtime = native.createRuntime({ threads: 2 });
  folder = mkdtempSync(join(tmpdir(), 'foretoken-addon-'));
});
afterAll(() => {
  runtime.dispose();
  rmSync(folder, { recursive: true });
});

const vector = (of: NativeRuntime = runtime, length = 3) => of.ops.fromArray(new Float32Array(length).fill(1), [length]);
const bad = (value: unknown) => value as never;
const SAMPLER: NativeSampler = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1n, sample: 0, stream: 0 };
const CHOICE: NativeChoice = { samplers: [SAMPLER], rowSampler: Int32Array.of(0), positions: Int32Array.of(0), positionOffset: 0 };
/** Runs a script in a process of its own, with the addon as `native`; gives what it printed. */
const script = (body: string, flags: string[] = []) =>
  execFileSync(process.execPath, [...flags, '-e', `const native = require(${JSON.stringify(ADDON)});\n${body}`], { encoding: 'utf8', timeout: 30_000 });

describe('loading', () => {
  it('names the kernel sets of this machine, best first, and creates a runtime for each', () => {
    expect(native.instructionSets.at(-1)).toBe('portable');
    expect(runtime.isa).toBe(native.instructionSets[0]);
    expect(runtime.threads).toBe(2);
    for (const isa of native.instructionSets) {
      const one = native.createRuntime({ threads: 1, isa });
      expect([one.isa, one.threads]).toEqual([isa, 1]);
      one.dispose();
    }
    expect(() => native.createRuntime({ threads: 1, isa: 'mmx' })).toThrow(/"mmx".*portable/);
  });

  it('an addon that is not there or does not load is one error that says what was tried and what to do', () => {
    const broken = join(folder, 'broken.node');
    writeFileSync(broken, 'no library');
    expect(() => loadAddon([join(folder, 'absent.node'), '@foretoken/native-none'])).toThrow(NativeMissingError);
    expect(() => loadAddon([join(folder, 'absent.node'), '@foretoken/native-none'])).toThrow(/absent\.node: not there\n.*native-none: not there\n.*npm run build:native/s);
    expect(() => loadAddon([broken, ADDON])).toThrow(/broken\.node: (?!not there)/);
    expect(loadAddon([join(folder, 'absent.node'), ADDON]).instructionSets).toEqual(native.instructionSets);
    expect([...candidates('/x')][1]).toMatch(new RegExp(`^@foretoken/native-${process.platform}-${process.arch}`));
  });

  it('maps every code of the addon to its class', () => {
    for (const code of ['SHAPE', 'CAPACITY', 'DISPOSED', 'DEVICE', 'CHECKPOINT']) expect(nativeError(code, 'why')).toMatchObject({ code, message: 'why' });
  });

  it('loads several times in worker threads, which may be ended in mid-work', async () => {
    const body = `const { parentPort } = require('node:worker_threads');
      const { ops, ...rest } = require(${JSON.stringify(ADDON)}).createRuntime({ threads: 2 }), runtime = { ops };
      const of = require(${JSON.stringify(ADDON)}).createRuntime({ threads: 1 });
      const x = of.ops.fromArray(new Float32Array(300 * 300).fill(1), [300, 300]);
      const spin = async () => { for (;;) { of.ops.linear(x, x); await of.read([x]); parentPort.postMessage('read'); } };
      spin();`;
    for (let round = 0; round < 3; round++) {
      const workers = [0, 1, 2].map(() => new Worker(body, { eval: true }));
      await Promise.all(workers.map((worker) => new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); })));
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  });

  it('holds the process open while a read is pending, and not otherwise', () => {
    expect(script('const r = native.createRuntime({ threads: 2 }); globalThis.keep = r; r.read([]).then(() => console.log("read"));')).toBe('read\n');
    expect(script('native.createRuntime({ threads: 2 }).ops.fromArray(new Float32Array(1), [1]);')).toBe('');
  });

  it('a process may exit with work in its queue', () => {
    expect(script(`const { ops, read } = native.createRuntime({ threads: 2 });
      const x = ops.fromArray(new Float32Array(500 * 500), [500, 500]);
      for (let i = 0; i < 50; i++) ops.linear(x, x);
      console.log('bye'); process.exit(0);`)).toBe('bye\n');
  });

  it('makes errors with a code where nobody hands it a factory', () => {
    expect(script('try { native.createRuntime({ threads: 0 }); } catch (e) { console.log(e instanceof Error, e.code); }')).toBe('true SHAPE\n');
  });
});

describe('arguments', () => {
  it('are refused by name with what came', () => {
    const { ops } = runtime, x = vector();
    const refusals: [() => unknown, RegExp][] = [
      [() => native.createRuntime(bad(undefined)), /createRuntime: options must be an object, got undefined/],
      [() => native.createRuntime({ threads: 1.5 }), /options\.threads must be an integer from 1 to 1024, got number 1\.5/],
      [() => native.createRuntime({ threads: 1, isa: bad(3) }), /options\.isa must be a string, got number 3/],
      [() => ops.silu(bad('x')), /silu: x must be a tensor, got string "x"/],
      [() => ops.silu(bad(runtime)), /silu: x must be a tensor, got an object/],
      [() => ops.silu(bad(Object.setPrototypeOf({}, Object.getPrototypeOf(x) as object))), /silu: x must be a tensor/],
      [() => ops.add(x, bad(null)), /add: b must be a tensor or a number, got null/],
      [() => ops.gather(x, bad([0]), 0), /gather: index must be a tensor or an Int32Array, got an array/],
      [() => ops.gather(x, bad(new Float32Array(1)), 0), /gather: index must be Int32Array, got Float32Array/],
      [() => ops.gather(x, Int32Array.of(0), bad(0.5)), /gather: axis must be an integer/],
      [() => ops.concat(bad(x), 0), /concat: parts must be an array/],
      [() => ops.concat([x, bad(1n)], 0), /concat: parts\[1\] must be a tensor, got a BigInt/],
      [() => ops.reshape(x, [-1]), /reshape: shape\[0\] must be an integer of at least 0, got number -1/],
      [() => ops.reshape(x, new Array<number>(9).fill(1)), /at most 8 axes/],
      [() => ops.fromArray(bad([1]), [1]), /fromArray: data must be an Int32Array or a Float32Array, got an array/],
      [() => ops.fromArray(new Float32Array(2), [3]), /data has 2 values, shape has 3/],
      [() => ops.uniform({ ...CHOICE, samplers: [{ ...SAMPLER, seed: bad(1) }] }), /uniform: choice\.samplers\[0\]\.seed must be a BigInt from 0 to 2\^64 - 1, got number 1/],
      [() => ops.uniform({ ...CHOICE, samplers: [{ ...SAMPLER, seed: 2n ** 64n }] }), /seed must be a BigInt/],
      [() => ops.uniform({ ...CHOICE, samplers: [{ ...SAMPLER, seed: -1n }] }), /seed must be a BigInt/],
      [() => ops.uniform({ ...CHOICE, samplers: [{ ...SAMPLER, temperature: -1 }] }), /temperature must be a finite number of at least 0/],
      [() => ops.uniform({ ...CHOICE, samplers: [{ ...SAMPLER, topP: 1.1 }] }), /topP must be a number from 0 to 1/],
      [() => ops.uniform({ ...CHOICE, rowSampler: Int32Array.of(1) }), /rowSampler\[0\] is 1, there are 1 samplers/],
      [() => ops.uniform({ ...CHOICE, positions: Int32Array.of(1, 2) }), /positions must be of 1 entries, got i32 \[2\]/],
      [() => ops.uniform(bad({})), /choice\.samplers must be an array, got undefined/],
      [() => void runtime.read(bad(x)), /read: tensors must be an array/],
      [() => void runtime.loadModel(bad({ layers: 'two' }), {}, 'f32'), /loadModel: description\.layers must be an integer from 0 to 65536, got string "two"/],
      [() => void runtime.loadTensors(bad({ x: { file: 'f', dtype: 'i8', offset: 0, shape: [] } })), /tensors\["x"\]\.dtype must be one of "f32", "bf16", "f16", got string "i8"/],
    ];
    for (const [call, message] of refusals) {
      expect(call).toThrow(message);
      expect(call).toThrow(ShapeError);
    }
  });

  it('a tensor of another runtime is refused', () => {
    const other = native.createRuntime({ threads: 1 });
    expect(() => runtime.ops.silu(vector(other))).toThrow(/x is a tensor of another runtime/);
    other.dispose();
  });

  it('objects cannot be made by hand, and methods refuse other receivers', () => {
    const x = vector();
    expect(() => new (x.constructor as new () => object)()).toThrow(/made by the runtime only/);
    expect(() => x.dispose.call(bad({}))).toThrow(TypeError);
  });

  it('typed arrays are copied when the call is made', async () => {
    const data = Float32Array.of(1, 2, 3), index = Int32Array.of(0, 2);
    const x = runtime.ops.fromArray(data, [3]), y = runtime.ops.gather(x, index, 0);
    data.fill(9);
    index.fill(1);
    expect((await runtime.read([x, y])).map((a) => Array.from(a))).toEqual([[1, 2, 3], [1, 3]]);
  });

  it('getters that dispose or throw in mid-call do no harm', () => {
    const own = native.createRuntime({ threads: 1 }), x = vector(own);
    expect(() => own.ops.uniform({ ...CHOICE, get samplers(): never { throw new RangeError('mine'); } })).toThrow(RangeError);
    expect(() => own.ops.topK(x, 1, { ...CHOICE, get positions() { own.dispose(); return Int32Array.of(0); } })).toThrow(DisposedError);
  });
});

describe('lifetimes', () => {
  it('a disposed tensor is refused, but commands enqueued with it keep what they need', async () => {
    const x = vector(), y = runtime.ops.add(x, 1), reading = runtime.read([x, y]);
    x.dispose();
    x.dispose();
    y.dispose();
    expect(x.shape).toEqual([3]);
    expect((await reading).map((a) => Array.from(a))).toEqual([[1, 1, 1], [2, 2, 2]]);
    expect(() => runtime.ops.silu(x)).toThrow(DisposedError);
    expect(() => void runtime.read([y])).toThrow(/tensors\[0\] has been disposed/);
  });

  it('reads resolve in order and nothing is lost when many wait', async () => {
    const x = vector(), order: number[] = [];
    await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      const [value] = await runtime.read([runtime.ops.add(x, i)]);
      expect(value![0]).toBe(i + 1);
      order.push(i);
    }));
    expect(order).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  it('dispose rejects what waits, twice is once, and every later call says so', async () => {
    const own = native.createRuntime({ threads: 2 }), { ops } = own, x = ops.fromArray(new Float32Array(400 * 400), [400, 400]);
    for (let i = 0; i < 20; i++) ops.linear(x, x);
    const waiting = [own.read([x]), own.loadTensors({}), own.read([])];
    const settled = Promise.allSettled(waiting);
    own.dispose();
    own.dispose();
    for (const result of await settled) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'DISPOSED' } });
    for (const call of [() => own.isa, () => own.threads, () => ops.silu(x), () => ops.fromArray(Int32Array.of(1), [1]), () => void own.read([]), () => void own.loadTensors({})]) {
      expect(call).toThrow(DisposedError);
    }
    x.dispose();
  });

  it('a runtime that only its promise knows stays until the promise is settled', () => {
    expect(script(`
      (() => { const r = native.createRuntime({ threads: 1 }), x = r.ops.fromArray(new Float32Array(600 * 600).fill(1), [600, 600]); for (let i = 0; i < 10; i++) r.ops.linear(x, x);
        r.read([x]).then(([a]) => console.log(a[0])); })();
      for (let i = 0; i < 5; i++) setImmediate(() => gc());
    `, ['--expose-gc'])).toBe('1\n');
  });

  it('tells the garbage collector of tensors, so that those that were dropped are freed before memory is full', () => {
    const mib = Number(script(`
      const { ops } = native.createRuntime({ threads: 1 }), data = new Float32Array(2 ** 22);
      let most = 0;
      (async () => {
        for (let i = 0; i < 128; i++) { ops.fromArray(data, [2 ** 22]); await new Promise(setImmediate); most = Math.max(most, process.memoryUsage().rss); }
        console.log(most / 2 ** 20);
      })();
    `));
    expect(mib).toBeLessThan(1000);  // 128 tensors of 16 MiB
  });

  it('creating and disposing many runtimes leaves no threads behind', () => {
    expect(script(`
      const threads = () => require('node:fs').readdirSync('/proc/self/task').length, before = threads();
      for (let i = 0; i < 50; i++) native.createRuntime({ threads: 3 }).dispose();
      console.log(threads() - before);
    `)).toBe('0\n');
  }, 30_000);
});

describe('tensors of a file', () => {
  const source = (file: string, dtype: NativeTensorSource['dtype'], offset: number, shape: number[]): NativeTensorSource => ({ file: join(folder, file), dtype, offset, shape });
  beforeAll(() => {
    // One byte of padding: nothing in a file need be aligned. Then 1.5 and -2 as f32, bf16 and f16, and the smallest f16 above zero.
    writeFileSync(join(folder, 'tensors.bin'), Buffer.concat([
      Buffer.from([0]), Buffer.from(Float32Array.of(1.5, -2).buffer), Buffer.from(Uint16Array.of(0x3fc0, 0xc000).buffer), Buffer.from(Uint16Array.of(0x3e00, 0xc000, 0x0001).buffer),
    ]));
  });

  it('arrive as stored, f16 as f32, at any alignment', async () => {
    const { a, b, c, none } = await runtime.loadTensors({
      a: source('tensors.bin', 'f32', 1, [2]), b: source('tensors.bin', 'bf16', 9, [2, 1]), c: source('tensors.bin', 'f16', 13, [3]), none: source('tensors.bin', 'f32', 0, [0]),
    });
    expect([a!, b!, c!, none!].map((t) => [t.dtype, t.shape])).toEqual([['f32', [2]], ['bf16', [2, 1]], ['f32', [3]], ['f32', [0]]]);
    const [x, z] = await runtime.read([a!, c!]);
    expect([Array.from(x!), Array.from(z!)]).toEqual([[1.5, -2], [1.5, -2, 2 ** -24]]);
    expect(() => void runtime.read([b!])).toThrow(/must be f32 or i32, got bf16/);
  });

  it('arrive in the number type that is asked for, rounded to nearest even', async () => {
    const sources = { a: source('tensors.bin', 'f32', 1, [2]), b: source('tensors.bin', 'bf16', 9, [2]), c: source('tensors.bin', 'f16', 13, [3]) };
    const wide = await runtime.loadTensors(sources, 'f32'), narrow = await runtime.loadTensors(sources, 'bf16');
    expect(Object.values(wide).map((t) => t.dtype)).toEqual(['f32', 'f32', 'f32']);
    expect(Object.values(narrow).map((t) => t.dtype)).toEqual(['bf16', 'bf16', 'bf16']);
    const values = [[1.5, -2], [1.5, -2], [1.5, -2, 2 ** -24]];
    expect((await runtime.read(Object.values(wide))).map((a) => Array.from(a))).toEqual(values);
    expect((await runtime.read(Object.values(narrow).map((t) => runtime.ops.add(t, 0)))).map((a) => Array.from(a))).toEqual(values);
    writeFileSync(join(folder, 'ties.bin'), Buffer.from(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20).buffer));
    const { t } = await runtime.loadTensors({ t: source('ties.bin', 'f32', 0, [3]) }, 'bf16');
    expect(Array.from((await runtime.read([runtime.ops.add(t!, 0)]))[0]!)).toEqual([1, 1 + 2 ** -6, 1 + 2 ** -7]);
    expect(() => void runtime.loadTensors(sources, bad('f16'))).toThrow(/dtype must be one of "f32", "bf16", got string "f16"/);
  });

  it('bf16 weights serve every op that reads f32, as they are', async () => {
    const { b } = await runtime.loadTensors({ b: source('tensors.bin', 'bf16', 9, [2, 1]) }), { ops } = runtime;
    const one = ops.fromArray(Float32Array.of(2), [1, 1]), pair = ops.reshape(b!, [2]);
    const outs = [ops.linear(one, b!), ops.linear(one, b!, pair), ops.add(pair, 1), ops.rmsNorm(ops.fromArray(Float32Array.of(3, 3), [2]), pair, 0), ops.sum(ops.gather(b!, Int32Array.of(1, 7), 0)), ops.topK(pair, 1).values];
    expect((await runtime.read(outs)).map((a) => Array.from(a))).toEqual([[3, -4], [4.5, -6], [2.5, -1], [1.5, -2], [-2, 0], [1.5]]);
    expect(ops.concat([pair, pair], 0)).toMatchObject({ dtype: 'bf16', shape: [4] });
  });

  it('a file that is absent or too short rejects and leaves the runtime whole', async () => {
    await expect(runtime.loadTensors({ a: source('nowhere.bin', 'f32', 0, [1]) })).rejects.toThrow(CheckpointError);
    await expect(runtime.loadTensors({ a: source('tensors.bin', 'f32', 4, [1000]) })).rejects.toThrow(/a: bytes 4 to 4004 lie outside .*tensors\.bin, which has 19/);
    await expect(runtime.loadTensors({ a: source('tensors.bin', 'f32', 2 ** 50, [1]) })).rejects.toThrow(CheckpointError);
    await expect(runtime.loadTensors({ a: source('tensors.bin', 'f32', 0, [2 ** 40, 2 ** 40]) })).rejects.toThrow(/too large/);
    expect(Array.from((await runtime.read([vector()]))[0]!)).toEqual([1, 1, 1]);
  });
});
