import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { op, pickle, tensor, torchZip, zip, type TorchTensorSpec } from '../../test/fixtures/torch-writer.js';
import { CheckpointError } from '../errors.js';
import { describeCheckpoint, readCheckpoint } from './checkpoint.js';
import { convertCheckpoint } from './convert.js';
import { readTorchTensors } from './pickle/torch-file.js';
import { readSafetensorsBlob } from './safetensors-blob.js';
import { readSafetensorsHeader, readTensorBytes, type StoredTensor } from './safetensors.js';
import type { TensorData } from './safetensors-writer.js';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/checkpoints');
const SINGLE = join(FIXTURES, 'valid/model-single');
const scratch = mkdtempSync(join(tmpdir(), 'foretoken-convert-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const emptyFolder = (): string => mkdtempSync(join(scratch, 'folder-'));

const NUMBERS = Buffer.from(Float32Array.from({ length: 24 }, (_, i) => i).buffer);
const SPEC: TorchTensorSpec = { storage: '0', type: 'Float', count: 24, shape: [4, 6], strides: [6, 1] };

/** A PyTorch file of these tensors, each in a storage of its own. */
function torchOf(tensors: readonly TensorData[]): Buffer {
  const types = { BF16: 'BFloat16', F32: 'Float', F16: 'Half' } as Record<string, string>;
  const entries = Object.fromEntries(tensors.map(({ name, dtype, shape }, i) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    return [name, tensor({ storage: String(i), type: types[dtype]!, count: shape.reduce((a, b) => a * b, 1), shape, strides })];
  }));
  return torchZip(pickle(op.dict(entries)), Object.fromEntries(tensors.map(({ data }, i) => [String(i), Buffer.from(data)])));
}

/** The one-layer model of the fixtures as PyTorch files. */
function torchModel(shards: number, withIndex = true): string {
  const folder = emptyFolder();
  cpSync(join(SINGLE, 'config.json'), join(folder, 'config.json'));
  const tensors = [...readSafetensorsBlob(readFileSync(join(SINGLE, 'model.safetensors'))).values()];
  const nameOf = (shard: number): string => (shards === 1 ? 'pytorch_model.bin' : `pytorch_model-${String(shard + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.bin`);
  for (let shard = 0; shard < shards; shard++) writeFileSync(join(folder, nameOf(shard)), torchOf(tensors.filter((_, i) => i % shards === shard)));
  if (shards > 1 && withIndex) writeFileSync(join(folder, 'pytorch_model.bin.index.json'), JSON.stringify({ weight_map: Object.fromEntries(tensors.map(({ name }, i) => [name, nameOf(i % shards)])) }));
  return folder;
}

async function bytesOf(tensors: ReadonlyMap<string, StoredTensor>): Promise<Record<string, string>> {
  const entries = await Promise.all([...tensors.values()].map(async (stored) => [stored.name, `${stored.dtype} ${stored.shape.join('x')} ${Buffer.from(await readTensorBytes(stored)).toString('hex')}`] as const));
  return Object.fromEntries(entries.sort());
}

describe('PyTorch folders', () => {
  it.each([['in one file', 1, true], ['in shards with an index', 3, true], ['in shards without', 3, false]] as const)('are the same model, %s', async (_, shards, withIndex) => {
    const original = await readCheckpoint(SINGLE);
    const checkpoint = await readCheckpoint(torchModel(shards, withIndex));
    expect(await bytesOf(checkpoint.tensors)).toEqual(await bytesOf(original.tensors));
    expect(checkpoint.files).toHaveLength(shards);
    expect(describeCheckpoint(checkpoint).description).toEqual(describeCheckpoint(original).description);
  });

  it('yield to safetensors beside them, and notes of a trainer are no weights', async () => {
    const folder = torchModel(1);
    cpSync(join(SINGLE, 'model.safetensors'), join(folder, 'model.safetensors'));
    expect((await readCheckpoint(folder)).files).toEqual([join(folder, 'model.safetensors')]);
    const heads = emptyFolder();
    writeFileSync(join(heads, 'config.json'), '{}');
    for (const name of ['heads.pt', 'training_args.bin', 'optimizer.pt', 'rng_state_0.pth', 'scheduler.pt']) writeFileSync(join(heads, name), torchZip(pickle(op.dict({ [name]: tensor(SPEC) })), { 0: NUMBERS }));
    expect([...(await readCheckpoint(heads)).tensors.keys()]).toEqual(['heads.pt']);
  });

  it('say what they lack', async () => {
    const missing = torchModel(3);
    rmSync(join(missing, 'pytorch_model-00002-of-00003.bin'));
    await expect(readCheckpoint(missing)).rejects.toThrow(/names the shard "pytorch_model-00002-of-00003.bin", which is not in the folder/);
    rmSync(join(missing, 'pytorch_model.bin.index.json'));
    await expect(readCheckpoint(missing)).rejects.toThrow(/holds 2 shards of 3/);
    const two = emptyFolder();
    for (const name of ['config.json', 'a.pt', 'b.pt']) writeFileSync(join(two, name), '{}');
    await expect(readCheckpoint(two)).rejects.toThrow(/several pytorch files \(a.pt, b.pt\)/);
    const outside = torchModel(1);
    rmSync(join(outside, 'pytorch_model.bin'));
    writeFileSync(join(outside, 'pytorch_model.bin.index.json'), '{"weight_map": {"a": "../evil.bin"}}');
    await expect(readCheckpoint(outside)).rejects.toThrow(/expected the name of a PyTorch file in the same folder/);
  });
});

describe('convertCheckpoint', () => {
  it.each([1, 3])('writes the same tensors as safetensors, with what belongs to them, from %i files', async (shards) => {
    const source = torchModel(shards);
    for (const name of ['tokenizer.json', 'tokenizer.model', 'merges.txt', 'LICENSE', 'modeling_own.py', 'optimizer.pt']) writeFileSync(join(source, name), '{}');
    mkdirSync(join(source, 'folder.json'));
    const target = join(emptyFolder(), 'new', 'folder');
    const result = await convertCheckpoint(source, target);
    const names = shards === 1 ? ['model.safetensors'] : ['model-00001-of-00003.safetensors', 'model-00002-of-00003.safetensors', 'model-00003-of-00003.safetensors', 'model.safetensors.index.json'];
    expect(result.written).toEqual(names.map((name) => join(target, name)));
    expect(result.copied.map((file) => file.slice(target.length + 1))).toEqual(['LICENSE', 'config.json', 'merges.txt', 'tokenizer.json', 'tokenizer.model']);
    expect(result.leftOut).toEqual(['modeling_own.py', 'optimizer.pt']);
    const original = await readCheckpoint(SINGLE);
    expect(await bytesOf((await readCheckpoint(target)).tensors)).toEqual(await bytesOf(original.tensors));
    expect([result.tensors, result.bytes]).toEqual([original.tensors.size, [...original.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0)]);
    expect(readdirSync(target).sort()).toEqual([...names, ...result.copied.map((file) => file.slice(target.length + 1))].sort());
  });

  it('writes a real file bit for bit', async () => {
    const target = emptyFolder();
    await convertCheckpoint(join(FIXTURES, 'torch/pytorch_model.bin'), target);
    expect(await bytesOf((await readSafetensorsHeader(join(target, 'model.safetensors'))).tensors)).toEqual(await bytesOf((await readTorchTensors(join(FIXTURES, 'torch/pytorch_model.bin'))).tensors));
  });

  it('rearranges strided tensors and decompresses storages', async () => {
    const source = join(emptyFolder(), 'heads.pt');
    const spec = { ...SPEC, type: 'Float' };
    const strided = op.dict({
      transposed: tensor({ ...spec, shape: [6, 4], strides: [1, 6] }), columns: tensor({ ...spec, offset: 1, shape: [4, 3], strides: [6, 2] }), cube: tensor({ ...spec, shape: [2, 3, 4], strides: [4, 8, 1] }),
      row: tensor({ ...spec, offset: 18, shape: [6], strides: [1] }), every: tensor({ ...spec, shape: [5], strides: [5] }), none: tensor({ ...spec, shape: [0, 3], strides: [9, 9] }),
    });
    for (const deflate of [false, true]) {
      writeFileSync(source, zip([{ name: 'a/data.pkl', data: pickle(strided), deflate }, { name: 'a/data/0', data: NUMBERS, deflate }]));
      const target = emptyFolder();
      expect((await convertCheckpoint(source, target)).written).toEqual([join(target, 'heads.safetensors')]);
      const { tensors } = await readSafetensorsHeader(join(target, 'heads.safetensors'));
      const values = async (name: string): Promise<number[]> => Array.from(new Float32Array((await readTensorBytes(tensors.get(name)!)).slice().buffer));
      expect(tensors.get('transposed')!.shape).toEqual([6, 4]);
      expect(await values('transposed')).toEqual(Array.from({ length: 24 }, (_, i) => (i % 4) * 6 + Math.floor(i / 4)));
      expect(await values('columns')).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
      expect(await values('cube')).toEqual([0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23]);
      expect(await values('row')).toEqual([18, 19, 20, 21, 22, 23]);
      expect(await values('every')).toEqual([0, 5, 10, 15, 20]);
      expect(await values('none')).toEqual([]);
    }
  });

  it('gathers tensors that are larger than its buffer', async () => {
    const source = join(emptyFolder(), 'big.pt');
    const rows = 700, columns = 900;
    const data = Buffer.from(Uint32Array.from({ length: rows * columns }, (_, i) => i).buffer);
    writeFileSync(source, torchZip(pickle(op.dict({ t: tensor({ storage: '0', type: 'Int', count: rows * columns, shape: [columns, rows], strides: [1, columns] }) })), { 0: data }));
    const target = emptyFolder();
    await convertCheckpoint(source, target);
    const { tensors } = await readSafetensorsHeader(join(target, 'big.safetensors'));
    const values = new Int32Array((await readTensorBytes(tensors.get('t')!)).slice().buffer);
    expect(values.findIndex((value, i) => value !== (i % rows) * columns + Math.floor(i / rows))).toBe(-1);
  });

  it('works in the folder itself, and overwrites nothing', async () => {
    const folder = torchModel(1);
    const result = await convertCheckpoint(folder, folder);
    expect(result).toMatchObject({ written: [join(folder, 'model.safetensors')], copied: [], leftOut: [] });
    await expect(convertCheckpoint(folder, folder)).rejects.toThrow(/holds safetensors already \(model.safetensors\)/);
    const other = torchModel(1);
    writeFileSync(join(other, 'target-marker'), '');
    const target = emptyFolder();
    writeFileSync(join(target, 'config.json'), 'mine');
    await expect(convertCheckpoint(other, target)).rejects.toThrow(/config.json exists already and is not overwritten/);
    expect(readFileSync(join(target, 'config.json'), 'utf8')).toBe('mine');
    expect(readdirSync(target)).toEqual(['config.json']);
  });

  it('leaves nothing behind after a fault in the middle', async () => {
    const source = join(emptyFolder(), 'a.pt');
    const deflated = zip([{ name: 'a/data.pkl', data: pickle(op.dict({ w: tensor(SPEC) })) }, { name: 'a/data/0', data: NUMBERS, deflate: true }]);
    const at = deflated.lastIndexOf('a/data/0', deflated.length - 60) + 'a/data/0'.length;
    deflated.fill(0xff, at, at + 8);
    writeFileSync(source, deflated);
    const target = emptyFolder();
    await expect(convertCheckpoint(source, target)).rejects.toThrow(/holds a storage that cannot be read|holds a storage that ends/);
    await expect(convertCheckpoint(source, target)).rejects.toThrow(CheckpointError);
    expect(readdirSync(target)).toEqual([]);
  });

  it('refuses what would grow without measure', async () => {
    const source = join(emptyFolder(), 'a.pt');
    const size = 1 << 20;
    writeFileSync(source, torchZip(pickle(op.dict({ w: tensor({ ...SPEC, shape: [2 ** 20, 2 ** 20], strides: [0, 0] }) })), { 0: NUMBERS }));
    await expect(convertCheckpoint(source, emptyFolder())).rejects.toThrow(/1099511627776 elements, but only 24 are stored: it is an expanded view/);
    writeFileSync(source, zip([{ name: 'a/data.pkl', data: pickle(op.dict({ w: tensor({ storage: '0', type: 'Byte', count: size, shape: [size], strides: [1] }), x: tensor({ storage: '0', type: 'Byte', count: size, shape: [size], strides: [1] }) })) }, { name: 'a/data/0', data: Buffer.alloc(size), deflate: true }]));
    await expect(convertCheckpoint(source, emptyFolder())).rejects.toThrow(/would become 2097152; no checkpoint is compressed that much/);
  });

  it('says what it cannot convert', async () => {
    await expect(convertCheckpoint(join(scratch, 'absent'), emptyFolder())).rejects.toThrow(/There is no checkpoint at/);
    await expect(convertCheckpoint(SINGLE, emptyFolder())).rejects.toThrow(/holds safetensors already/);
    await expect(convertCheckpoint(join(SINGLE, 'model.safetensors'), emptyFolder())).rejects.toThrow(/is a safetensors file already/);
    const wrong = torchModel(3);
    const index = JSON.parse(readFileSync(join(wrong, 'pytorch_model.bin.index.json'), 'utf8')) as { weight_map: Record<string, string> };
    index.weight_map['lm_head.weight'] = 'pytorch_model-00001-of-00003.bin';
    index.weight_map['model.norm.weight'] = 'pytorch_model-00001-of-00003.bin';
    index.weight_map['model.embed_tokens.weight'] = 'pytorch_model-00001-of-00003.bin';
    writeFileSync(join(wrong, 'pytorch_model.bin.index.json'), JSON.stringify(index));
    await expect(convertCheckpoint(wrong, emptyFolder())).rejects.toThrow(/is in pytorch_model-00001-of-00003.bin, but that file does not hold it/);
    const twice = torchModel(3);
    cpSync(join(twice, 'pytorch_model-00001-of-00003.bin'), join(twice, 'pytorch_model-00002-of-00003.bin'));
    await expect(convertCheckpoint(twice, emptyFolder())).rejects.toThrow(/both .* hold a tensor/);
  });
});
