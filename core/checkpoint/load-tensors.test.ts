import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CheckpointError } from '../errors.js';
import { loadNative } from '../native/binding.js';
import type { NativeRuntime } from '../native/types.js';
import { readCheckpoint } from './checkpoint.js';
import { loadTensors } from './load-tensors.js';
import { writeSafetensors } from './safetensors-writer.js';

let folder: string;
let runtime: NativeRuntime;
beforeAll(async () => {
  runtime = loadNative().createRuntime({ threads: 1 });
  folder = await mkdtemp(join(tmpdir(), 'foretoken-load-'));
  await writeFile(join(folder, 'config.json'), '{}');
  const bytes = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer);
  await writeSafetensors(join(folder, 'heads.safetensors'), [
    { name: 'half', dtype: 'F16', shape: [2], data: bytes(Uint16Array.of(0x3e00, 0xc000)) },
    { name: 'long', dtype: 'I64', shape: [1, 3], data: bytes(BigInt64Array.of(-1n, 7n, 2n ** 31n - 1n)) },
    { name: 'int', dtype: 'I32', shape: [2], data: bytes(Int32Array.of(-5, 5)) },
    { name: 'huge', dtype: 'I64', shape: [1], data: bytes(BigInt64Array.of(2n ** 31n)) },
    { name: 'flags', dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) },
    { name: 'byte', dtype: 'U8', shape: [], data: Uint8Array.of(200) },
    { name: 'double', dtype: 'F64', shape: [1], data: bytes(Float64Array.of(1)) },
  ]);
});
afterAll(async () => {
  runtime.dispose();
  await rm(folder, { recursive: true });
});

it('brings real numbers in the type that is asked for, and integers as i32', async () => {
  const checkpoint = await readCheckpoint(folder);
  const tensors = await loadTensors(runtime, checkpoint, 'bf16', ['half', 'long', 'int', 'flags', 'byte']);
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([['half', 'bf16', [2]], ['long', 'i32', [1, 3]], ['int', 'i32', [2]], ['flags', 'i32', [2]], ['byte', 'i32', []]]);
  const whole = await runtime.read(['long', 'int', 'flags', 'byte'].map((name) => tensors.get(name)!));
  expect(whole.map((values) => Array.from(values))).toEqual([[-1, 7, 2 ** 31 - 1], [-5, 5], [1, 0], [200]]);
  const wide = await loadTensors(runtime, checkpoint, 'f32', ['half']);
  expect(Array.from((await runtime.read([wide.get('half')!]))[0]!)).toEqual([1.5, -2]);
});

it('maps tensors of PyTorch files where they lie', async () => {
  const torch = await mkdtemp(join(tmpdir(), 'foretoken-load-'));
  await writeFile(join(torch, 'config.json'), '{}');
  await copyFile(join(import.meta.dirname, '../../test/fixtures/checkpoints/torch/pytorch_model.bin'), join(torch, 'pytorch_model.bin'));
  const tensors = await loadTensors(runtime, await readCheckpoint(torch), 'f32', ['fc.bias', 'embed_tokens.weight']);
  const [bias, embedding] = await runtime.read([tensors.get('fc.bias')!, tensors.get('embed_tokens.weight')!]);
  // As Python's zipfile and struct read them.
  expect(Array.from(bias!.subarray(0, 4))).toEqual([-0.17822265625, -0.059600830078125, -0.058380126953125, -0.0626220703125]);
  expect([embedding![0], embedding!.at(-1), embedding!.length]).toEqual([-0.001312255859375, -0.0177001953125, 260 * 64]);
  await rm(torch, { recursive: true });
});

it('says which tensor cannot be had, and why', async () => {
  const checkpoint = await readCheckpoint(folder);
  for (const [name, message] of [['none', /has no tensor "none"/], ['double', /"double" in .*heads.safetensors is stored as F64; tensors are read as F32/], ['huge', /"huge" in .* holds 2147483648/]] as const) {
    await expect(loadTensors(runtime, checkpoint, 'f32', [name])).rejects.toThrow(message);
    await expect(loadTensors(runtime, checkpoint, 'f32', [name])).rejects.toThrow(CheckpointError);
  }
});
