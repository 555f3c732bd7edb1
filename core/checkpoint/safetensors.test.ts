import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import library from 'safetensors';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError } from '../errors.js';
import { readSafetensorsBlob } from './safetensors-blob.js';
import { encodeSafetensors, writeSafetensors, type TensorData } from './safetensors-writer.js';
import { checkHeaderLength, parseSafetensorsHeader, readSafetensorsHeader, readTensorBytes } from './safetensors.js';

const scratch = mkdtempSync(join(tmpdir(), 'foretoken-safetensors-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const f32 = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const TENSORS: readonly TensorData[] = [
  { name: 'b', dtype: 'U8', shape: [3], data: bytes(7, 8, 9) },
  { name: 'weight', dtype: 'F32', shape: [2, 2], data: f32(1, 2, 3, 4) },
  { name: 'half', dtype: 'BF16', shape: [1, 3], data: bytes(1, 2, 3, 4, 5, 6) },
  { name: 'a "quoted" 重み', dtype: 'F32', shape: [], data: f32(0.5) },
  { name: 'none', dtype: 'F16', shape: [0, 4], data: bytes() },
  { name: '__proto__', dtype: 'I64', shape: [1], data: new Uint8Array(BigInt64Array.of(-2n).buffer) },
  { name: '17', dtype: 'BOOL', shape: [2], data: bytes(1, 0) },
];

describe('the writer', () => {
  it('writes what the reader reads back: the same tensors, bytes and metadata', async () => {
    const file = join(scratch, 'model.safetensors');
    await writeSafetensors(file, TENSORS, { format: 'pt', note: 'é "x"' });
    const header = await readSafetensorsHeader(file);
    expect(Object.fromEntries(header.metadata)).toEqual({ format: 'pt', note: 'é "x"' });
    expect(header.tensors.size).toBe(TENSORS.length);
    for (const { name, dtype, shape, data } of TENSORS) {
      const stored = header.tensors.get(name)!;
      expect(stored).toMatchObject({ name, dtype, shape, file, bytes: data.length });
      expect(await readTensorBytes(stored)).toEqual(data);
    }
  });

  it('writes what the safetensors package reads, where there is no metadata', () => {
    const parsed = new library.SafeTensor(encodeSafetensors(TENSORS));
    expect([...parsed.metadata.keys()].sort()).toEqual(TENSORS.map(({ name }) => name).sort());
    for (const { name, dtype, shape, data } of TENSORS) {
      expect(parsed.metadata.get(name)).toMatchObject({ dtype, shape });
      expect(parsed.getTensor(name)).toEqual(data);
    }
  });

  it('puts large elements first, then names in order, and pads the header, so that every tensor is aligned', () => {
    const file = encodeSafetensors(TENSORS, { padding: 'x' });
    const length = checkHeaderLength(file.subarray(0, 8), file.length, 'x');
    expect(length % 8).toBe(0);
    const tensors = [...parseSafetensorsHeader(file.subarray(8, 8 + length), file.length, 'x').tensors.values()];
    tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
    expect(tensors.map(({ name }) => name)).toEqual(['__proto__', 'a "quoted" 重み', 'weight', 'half', 'none', '17', 'b']);
    for (const { dtype, offset } of tensors) expect(offset % (dtype === 'F32' ? 4 : dtype === 'BF16' ? 2 : dtype === 'I64' ? 8 : 1)).toBe(0);
  });

  it('refuses names used twice, the reserved name, and data that do not fit', () => {
    const one: TensorData = { name: 'a', dtype: 'F32', shape: [1], data: f32(1) };
    expect(() => encodeSafetensors([one, one])).toThrow(/"a": the name is used twice/);
    expect(() => encodeSafetensors([{ ...one, name: '__metadata__' }])).toThrow(/reserved/);
    expect(() => encodeSafetensors([{ ...one, shape: [2] }])).toThrow(/4 bytes do not fit dtype F32 and shape \[2\]/);
  });
});

describe('the blob adapter', () => {
  it('reads files with metadata and from the middle of a buffer, which the package alone cannot', () => {
    const file = encodeSafetensors(TENSORS, { format: 'pt' });
    const pooled = new Uint8Array(file.length + 16);
    pooled.set(file, 5);
    const inside = pooled.subarray(5, 5 + file.length);
    expect(() => new library.SafeTensor(file)).toThrow(TypeError);
    const tensors = readSafetensorsBlob(inside, 'heads');
    pooled.fill(0);
    expect(tensors.size).toBe(TENSORS.length);
    for (const tensor of TENSORS) expect(tensors.get(tensor.name)).toEqual(tensor);
  });

  it('refuses malformed data by name', () => {
    expect(() => readSafetensorsBlob(bytes(1, 2, 3), 'heads')).toThrow(/heads is not a valid safetensors file: it has 3 bytes/);
    expect(() => readSafetensorsBlob(encodeSafetensors(TENSORS).subarray(0, -1), 'heads')).toThrow(CheckpointError);
  });
});

describe('the reader', () => {
  it('checks sizes of dtypes smaller than a byte', () => {
    const read = (dtype: string, shape: number[], end: number): unknown => {
      const header = new TextEncoder().encode(JSON.stringify({ a: { dtype, shape, data_offsets: [0, end] } }));
      return parseSafetensorsHeader(header, 8 + header.length + end, 'x.safetensors').tensors.get('a');
    };
    expect(read('F4', [3, 2], 3)).toMatchObject({ bytes: 3 });
    expect(read('F6_E2M3', [4], 3)).toMatchObject({ bytes: 3 });
    expect(() => read('F4', [3], 2)).toThrow(/no whole number of bytes/);
    expect(() => read('F32', Array(65).fill(1), 4)).toThrow(/65 dimensions/);
    expect(() => read('F32', [2 ** 40, 2 ** 40, 0], 0)).toThrow(/no size that can be/);
  });

  it('refuses what is no regular file, without waiting for it', async () => {
    await expect(readSafetensorsHeader(scratch)).rejects.toThrow(/is a folder/);
    await expect(readSafetensorsHeader('/dev/zero')).rejects.toThrow(/is no regular file/);
    await expect(readSafetensorsHeader(join(scratch, 'absent.safetensors'))).rejects.toThrow(CheckpointError);
    await expect(readSafetensorsHeader('a\0b')).rejects.toThrow(CheckpointError);
  });
});

describe('random mutations of a header', () => {
  it('give a CheckpointError or a table inside the file, and nothing else', async () => {
    const random = generator(20_240_607);
    const original = encodeSafetensors(TENSORS, { format: 'pt' });
    const file = join(scratch, 'mutated.safetensors');
    let refused = 0;
    let accepted = 0;
    for (let i = 0; i < 4000; i++) {
      const mutated = mutate(original, random);
      writeFileSync(file, mutated);
      try {
        const { tensors } = await readSafetensorsHeader(file);
        for (const { offset, bytes: count } of tensors.values()) expect(offset >= 8 && offset + count <= mutated.length).toBe(true);
        accepted++;
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw new Error(`mutation ${i}: ${String(error)}`, { cause: error });
        expect(error.message).toContain(file);
        refused++;
      }
    }
    console.log(`${refused} of 4000 mutated files refused, ${accepted} still well-formed`);
    expect(refused).toBeGreaterThan(2000);
    expect(accepted).toBeGreaterThan(50);
  });
});

const TOKENS = ['{', '}', '[', ']', ',', ':', '"', '\\', '\\u0000', '-', '0', '9', '18446744073709551616', '1e400', '1.5', 'null', 'true', 'F32', 'I4', '__metadata__', 'data_offsets', 'shape', '\ufeff', '\u0000', ' '];

/** One to three of: a byte changed, bytes removed, a piece of JSON put in, a piece repeated, the length changed, the file cut off. */
function mutate(original: Uint8Array, random: () => number): Uint8Array {
  let file = Array.from(original);
  for (let left = 1 + Math.floor(random() * 3); left > 0; left--) {
    const at = Math.floor(random() * Math.min(file.length, 600));
    switch (Math.floor(random() * 6)) {
      case 0: file[at] = Math.floor(random() * 256); break;
      case 1: file.splice(at, 1 + Math.floor(random() * 8)); break;
      case 2: file.splice(at, 0, ...new TextEncoder().encode(TOKENS[Math.floor(random() * TOKENS.length)]!)); break;
      case 3: file.splice(at, 0, ...file.slice(at, at + Math.floor(random() * 60))); break;
      case 4: file[Math.floor(random() * 3)] = Math.floor(random() * 256); break;
      default: if (random() < 0.3) file = file.slice(0, Math.floor(random() * file.length));
    }
  }
  return Uint8Array.from(file);
}

/** mulberry32: the same mutations on every run. */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), seed | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}
