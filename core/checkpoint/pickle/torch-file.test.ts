// PyTorch files: what real ones hold, and that no other does harm.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { op, pickle, storageId, tensor, torchLegacy, torchZip, zip, type TorchTensorSpec, type ZipPart } from '../../../test/fixtures/torch-writer.js';
import { CheckpointError } from '../../errors.js';
import { readTensorBytes } from '../safetensors.js';
import { readTorchTensors } from './torch-file.js';

const FIXTURE = join(import.meta.dirname, '../../../test/fixtures/checkpoints/torch/pytorch_model.bin');
const SHARED = join(import.meta.dirname, '../../../../shared/golden/strategies');
const scratch = mkdtempSync(join(tmpdir(), 'foretoken-torch-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let files = 0;
function written(bytes: Uint8Array, name = 'file.pt'): string {
  const file = join(scratch, `${files++}-${name}`);
  writeFileSync(file, bytes);
  return file;
}
const table = async (bytes: Uint8Array): Promise<Awaited<ReturnType<typeof readTorchTensors>>['tensors']> => (await readTorchTensors(written(bytes))).tensors;
const floats = async (bytes: Uint8Array, name: string): Promise<number[]> => {
  const stored = (await table(bytes)).get(name)!;
  return Array.from(new Float32Array((await readTensorBytes(stored)).slice().buffer));
};

const NUMBERS = Buffer.from(Float32Array.from({ length: 12 }, (_, i) => i).buffer);
const SPEC: TorchTensorSpec = { storage: '0', type: 'Float', count: 12, shape: [3, 4], strides: [4, 1] };
const one = (value: Buffer): Buffer => pickle(op.dict({ w: value }));
const good = (): Buffer => torchZip(one(tensor(SPEC)), { 0: NUMBERS });

describe('real files', () => {
  const sha = async (file: string, names?: readonly string[]): Promise<string> => {
    const { tensors } = await readTorchTensors(file);
    const hash = createHash('sha256');
    for (const name of names ?? tensors.keys()) hash.update(await readTensorBytes(tensors.get(name)!));
    return hash.digest('hex').slice(0, 16);
  };

  // The sums were taken of the storages as Python's zipfile reads them.
  it('give names, dtypes, shapes and the very bytes', async () => {
    const { tensors } = await readTorchTensors(FIXTURE);
    expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['embed_tokens.weight', 'F16', [260, 64]],
      ...['q', 'k', 'v', 'o'].map((part) => [`layers.0.self_attn.${part}_proj.weight`, 'F16', [64, 64]]),
      ['layers.0.mlp.gate_proj.weight', 'F16', [128, 64]], ['layers.0.mlp.up_proj.weight', 'F16', [128, 64]], ['layers.0.mlp.down_proj.weight', 'F16', [64, 128]],
      ['layers.0.post_attention_layernorm.weight', 'F16', [64]], ['fc.weight', 'F16', [64, 128]], ['fc.bias', 'F16', [64]],
    ]);
    expect([await sha(FIXTURE, ['embed_tokens.weight']), await sha(FIXTURE, ['fc.weight']), await sha(FIXTURE, ['fc.bias'])]).toEqual(['9346dd2e1d45498c', '67291abfae8c2911', '420c6c00e17a7151']);
  });

  it.skipIf(!existsSync(SHARED))('of the whole collection too', async () => {
    expect(await sha(join(SHARED, 'medusa/checkpoints/heads-pt/medusa_lm_head.pt'))).toBe('479a936d58232d46');
    expect(await sha(join(SHARED, 'eagle/checkpoints/eagle3-llama-a8-fullvocab/pytorch_model.bin'))).toBe('491230f599e2fd81');
  });
});

describe('well-formed files', () => {
  it('share storages, begin inside them, and are ordered dicts, parameters and module notes', async () => {
    const entries = op.dict({
      'a.weight': tensor(SPEC), tied: tensor(SPEC), row: tensor({ ...SPEC, offset: 8, shape: [4], strides: [1] }),
      parameter: op.call(op.global('torch._utils', '_rebuild_parameter'), op.tuple(tensor({ ...SPEC, offset: 11, shape: [], strides: [] }), op.true, op.none)),
      empty: tensor({ ...SPEC, offset: 12, shape: [0, 4], strides: [4, 1] }), strideless: tensor({ ...SPEC, shape: [1, 4], strides: [999, 1] }),
    });
    const filled = entries.subarray(1);   // what `(…u` does to the dict under it
    const file = torchZip(pickle(op.global('collections', 'OrderedDict'), op.raw(')R'), filled, op.dict({ _metadata: op.dict({ '': op.dict({ version: op.int(1) }) }) }), op.raw('b')), { 0: NUMBERS });
    expect([...(await table(file)).values()].map(({ name, shape, bytes }) => [name, shape, bytes])).toEqual([
      ['a.weight', [3, 4], 48], ['tied', [3, 4], 48], ['row', [4], 16], ['parameter', [], 4], ['empty', [0, 4], 0], ['strideless', [1, 4], 16],
    ]);
    expect(await floats(file, 'row')).toEqual([8, 9, 10, 11]);
    expect(await floats(file, 'parameter')).toEqual([11]);
    expect((await table(file)).get('tied')!.offset).toBe((await table(file)).get('a.weight')!.offset);
  });

  it('of the form before PyTorch 1.6', async () => {
    const file = torchLegacy(op.dict({ w: tensor(SPEC, { id: [op.none] }), b: tensor({ storage: 'x', type: 'Long', count: 1, shape: [1], strides: [1] }, { id: [op.none] }) }), [
      { key: 'x', count: 1, data: Buffer.alloc(8) }, { key: '0', count: 12, data: NUMBERS },
    ]);
    expect(await floats(file, 'w')).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect((await table(file)).get('b')).toMatchObject({ dtype: 'I64', shape: [1], bytes: 8 });
  });

  it.each([['Double', 'F64', 8], ['Float', 'F32', 4], ['Half', 'F16', 2], ['BFloat16', 'BF16', 2], ['Long', 'I64', 8], ['Int', 'I32', 4], ['Short', 'I16', 2], ['Char', 'I8', 1], ['Byte', 'U8', 1], ['Bool', 'BOOL', 1]] as const)('hold %s numbers', async (type, dtype, size) => {
    expect((await table(torchZip(one(tensor({ storage: 'k', type, count: 3, shape: [3], strides: [1] })), { k: Buffer.alloc(3 * size) }))).get('w')).toMatchObject({ dtype, bytes: 3 * size });
  });

  it('are wrapped by training scripts', async () => {
    expect([...(await table(torchZip(pickle(op.dict({ epoch: op.int(3), state_dict: op.dict({ w: tensor(SPEC) }) })), { 0: NUMBERS }))).keys()]).toEqual(['w']);
  });

  it('of pickle protocol 4', async () => {
    const short = (text: string): Buffer => Buffer.concat([Buffer.from([0x8c, text.length]), Buffer.from(text), Buffer.from([0x94])]);
    const id = Buffer.concat([op.raw('('), short('storage'), short('torch'), short('FloatStorage'), Buffer.from([0x93]), short('0'), short('cpu'), op.int(12), op.raw('tQ')]);
    const call = Buffer.concat([short('torch._utils'), short('_rebuild_tensor_v2'), Buffer.from([0x93, 0x94]), op.raw('('), id, op.int(0), op.int(12), Buffer.from([0x85]), op.int(1), Buffer.from([0x85, 0x89]), op.none, op.raw('tR')]);
    const file = Buffer.concat([Buffer.from([0x80, 4, 0x95]), Buffer.alloc(8), op.raw('}'), short('w'), call, op.raw('s.')]);
    expect(await floats(torchZip(file, { 0: NUMBERS }), 'w')).toHaveLength(12);
  });
});

describe('code in pickles', () => {
  it.each<[string, Buffer, string]>([
    ['os.system', op.call(op.global('os', 'system'), op.tuple(op.text('touch pwned'))), 'os.system'],
    ['posix.system by its module', op.call(op.global('posix', 'system'), op.tuple(op.text('id'))), 'posix.system'],
    ['eval inside a list inside a dict', op.dict({ deep: Buffer.concat([op.raw(']'), op.global('builtins', 'eval'), op.raw('a')]) }), 'builtins.eval'],
    ['a global made of texts', Buffer.concat([Buffer.from([0x80, 4]), op.text('subprocess'), op.text('Popen'), Buffer.from([0x93])]), 'subprocess.Popen'],
    ['getattr on an allowed name', op.call(op.global('builtins', 'getattr'), op.tuple(op.global('torch', 'FloatStorage'), op.text('__init__'))), 'builtins.getattr'],
    ['a dotted name under an allowed module', op.global('torch._utils', '_rebuild_tensor_v2.__globals__'), 'torch._utils._rebuild_tensor_v2.__globals__'],
    ['torch.load itself', op.global('torch', 'load'), 'torch.load'],
    ['an instance of protocol 0', op.raw('(ios\nsystem\n'), 'os.system'],
    ['a whole module', op.call(op.global('transformers.models.llama', 'LlamaForCausalLM'), op.tuple()), 'transformers.models.llama.LlamaForCausalLM'],
    ['numpy', op.global('numpy.core.multiarray', '_reconstruct'), 'numpy.core.multiarray._reconstruct'],
    ['a name with control characters', op.global('a\u0001b', 'x"y'), 'a\\u0001b.x\\"y'],
  ])('is refused by name: %s', async (_, value, name) => {
    for (const bytes of [torchZip(pickle(op.dict({ w: tensor(SPEC), bad: value })), { 0: NUMBERS }), pickle(value)]) {
      await expect(table(bytes)).rejects.toThrow(`wants the Python object "${name}", which is no part of a tensor; nothing that a pickle asks for is executed`);
      await expect(table(bytes)).rejects.toThrow(CheckpointError);
    }
  });

  it.each<[string, Buffer, RegExp]>([
    ['calling what a call gave', op.call(tensor(SPEC), op.tuple()), /it calls a tensor/],
    ['calling a storage type', op.call(op.global('torch', 'FloatStorage'), op.tuple()), /it calls the type "torch.FloatStorage"/],
    ['making an instance', Buffer.concat([op.global('collections', 'OrderedDict'), op.raw(')'), Buffer.from([0x81])]), /the opcode NEWOBJ, which is not read/],
    ['setting the state of a tensor', Buffer.concat([tensor(SPEC), op.dict({ x: op.none }), op.raw('b')]), /it sets the state of a tensor/],
    ['an extension code', Buffer.from([0x82, 1]), /the opcode EXT1/],
    ['bytes out of band', Buffer.from([0x97]), /the opcode NEXT_BUFFER/],
    ['an unknown opcode', Buffer.from([0xff]), /there is no opcode 0xff/],
  ])('is refused: %s', async (_, value, message) => {
    await expect(table(torchZip(pickle(op.dict({ w: value })), { 0: NUMBERS }))).rejects.toThrow(message);
  });
});

describe('faulty tensors', () => {
  it.each<[string, Buffer, RegExp]>([
    ['outside the storage', tensor({ ...SPEC, offset: 1 }), /offset 1 of storage "0", which has only 12 elements/],
    ['of huge size', tensor({ ...SPEC, shape: [2 ** 40, 2 ** 40] }), /no size that can be/],
    ['of huge size without memory behind it', tensor({ ...SPEC, shape: [2 ** 20, 2 ** 20], strides: [0, 2 ** 40] }), /has only 12 elements/],
    ['of a negative size', tensor({ ...SPEC, shape: [-1, 4] }), /-1 in its shape/],
    ['of a fraction', tensor({ ...SPEC, shape: [3, 4], strides: [4] }), /shape \[3, 4\] and strides \[4\]/],
    ['of endless rank', tensor({ ...SPEC, shape: Array(65).fill(1), strides: Array(65).fill(1) }), /65 dimensions; at most 64/],
    ['that are conjugated views', tensor(SPEC, { args: [op.dict({ conj: op.true })] }), /more to it than its numbers/],
    ['of no storage', op.call(op.global('torch._utils', '_rebuild_tensor_v2'), op.tuple(op.int(0))), /makes a tensor of 0; expected a storage/],
    ['of an unknown kind of storage', op.raw('Nctorch\nQUInt8Storage\n'), /"torch.QUInt8Storage"/],
    ['of a storage that is not there', tensor({ ...SPEC, storage: '7' }), /no entry "archive\/data\/7", which its tensors need: it is incomplete/],
    ['of a storage outside the archive', tensor({ ...SPEC, storage: '../../etc/passwd' }), /no entry "archive\/data\/..\/..\/etc\/passwd"/],
    ['of a storage with another length', tensor({ ...SPEC, count: 11, shape: [11], strides: [1] }), /48 bytes in "archive\/data\/0"; 11 elements of F32 need 44/],
    ['of a storage longer than any', Buffer.concat([op.tuple(op.text('storage'), op.global('torch', 'FloatStorage'), op.text('0'), op.text('cpu'), op.long(2n ** 62n)), op.raw('Q')]), /a storage of 4611686018427387904 elements/],
    ['that are no tensors', op.int(3), /its entry "w" is 3; expected a tensor/],
    ['of a module reference', Buffer.concat([op.tuple(op.text('module'), op.none), op.raw('Q')]), /refers to "module"; only storages/],
    ['stored transposed', tensor({ ...SPEC, shape: [4, 3], strides: [1, 4] }), /tensor "w" in .* is stored with strides \[1, 4\] and cannot be read in place; rewrite the checkpoint with `foretoken convert`/],
    ['expanded', tensor({ ...SPEC, shape: [12, 4], strides: [1, 0] }), /is stored with strides \[1, 0\]/],
  ])('are refused: %s', async (_, value, message) => {
    await expect(table(torchZip(one(value), { 0: NUMBERS }))).rejects.toThrow(message);
    await expect(table(torchZip(one(value), { 0: NUMBERS }))).rejects.toThrow(CheckpointError);
  });

  it.each<[string, Buffer, RegExp]>([
    ['a list', pickle(op.raw(']')), /holds a list of 0; expected a dict/],
    ['a key that is no text', pickle(op.raw('}'), op.int(1), tensor(SPEC), op.raw('s')), /an entry called 1/],
    ['a name twice', pickle(op.raw('}('), op.text('w'), tensor(SPEC), op.text('w'), tensor(SPEC), op.raw('u')), /the key "w" twice/],
    ['a dict as a key', pickle(op.raw('}}Ns')), /a dict with a dict of 0 as a key/],
    ['an empty stack', pickle(op.raw('0')), /a value that is not there/],
    ['no mark', pickle(op.raw('t')), /a mark that is not there/],
    ['a memory that is empty', pickle(op.raw('h\u0005')), /value number 5, which it has not remembered/],
    ['protocol 0', Buffer.from('\u0080\u0000.', 'latin1'), /protocol 0; 2 to 5/],
    ['half a character', pickle(Buffer.from([0x58, 1, 0, 0, 0, 0xc3])), /not valid UTF-8/],
  ])('in a pickle with %s', async (_, data, message) => {
    await expect(table(torchZip(data, { 0: NUMBERS }))).rejects.toThrow(message);
  });
});

describe('bombs', () => {
  const within = async (bytes: Uint8Array, message: RegExp): Promise<void> => {
    const before = process.memoryUsage().rss;
    const start = performance.now();
    await expect(table(bytes)).rejects.toThrow(message);
    expect(performance.now() - start, 'ms').toBeLessThan(10_000);
    expect(process.memoryUsage().rss - before, 'bytes').toBeLessThan(1 << 30);
  };
  const many = (part: Buffer, count: number): Buffer => Buffer.alloc(part.length * count, part);

  it('of a million laughs: lists of lists of one list', async () => {
    const level = (n: number): Buffer => Buffer.concat([op.raw(']('), many(Buffer.from([0x68, n - 1]), 200), op.raw('e'), Buffer.from([0x71, n])]);
    await within(torchZip(pickle(op.raw(']q\u0000'), ...Array.from({ length: 200 }, (_, i) => level(i + 1)))), /holds a list of 200/);
  });

  it('of objects, values, marks and memories without number', async () => {
    await within(torchZip(pickle(many(op.raw(']0'), 3_000_000))), /makes more than 1048576 objects/);
    await within(torchZip(pickle(many(op.raw('N'), 3_000_000))), /piles up more than 1048576 values/);
    await within(torchZip(pickle(many(op.raw('('), 3_000_000))), /piles up more than 1048576 values/);
    await within(torchZip(pickle(op.raw('Nr\u00ff\u00ff\u00ff\u00ff'))), /remembers a value under the number 4294967295/);
  });

  it('of nested tuples, as deep as they like', async () => {
    await within(torchZip(pickle(op.raw(')'), many(Buffer.from([0x85]), 500_000))), /holds a tuple of 1/);
    await within(torchZip(pickle(op.dict({ w: op.raw(']q\u0000h\u0000a') }))), /its entry "w" is a list of 1/);   // of itself
  });

  it('of lengths that nothing backs', async () => {
    await within(torchZip(pickle(Buffer.from([0x58, 0xff, 0xff, 0xff, 0xff]))), /ends in the middle/);
    await within(torchZip(pickle(Buffer.from([0x8d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))), /a length of 18446744073709551615/);
    await within(torchZip(pickle(Buffer.from([0x8b, 0xff, 0xff, 0xff, 0x7f]))), /an integer of 2147483647 bytes/);
    await within(torchZip(pickle(op.raw(`c${'a'.repeat(5000)}\nx\n`))), /endless name/);
  });

  it('of deflated zeros', async () => {
    await within(zip([{ name: 'a/data.pkl', data: Buffer.alloc(64 * 1024 * 1024), deflate: true }]), /67108864 bytes in "a\/data.pkl"; at most 33554432/);
    await within(zip([{ name: 'a/data.pkl', data: Buffer.alloc(16 * 1024 * 1024), deflate: true, claims: { size: 1000, stored: 16_000 } }]), /not a valid zip|cannot be decompressed/);
  });
});

describe('archives', () => {
  const parts = (...more: ZipPart[]): ZipPart[] => [{ name: 'a/data.pkl', data: one(tensor(SPEC)) }, ...more];
  const storage: ZipPart = { name: 'a/data/0', data: NUMBERS };

  it.each<[string, Buffer, RegExp]>([
    ['a name that leaves the folder', zip(parts(storage, { name: '../../evil', data: NUMBERS })), /invalid relative path: ..\/..\/evil/],
    ['an absolute name', zip(parts(storage, { name: '/etc/passwd', data: NUMBERS })), /absolute path: \/etc\/passwd/],
    ['a name with backslashes', zip(parts(storage, { name: '..\\evil', data: NUMBERS })), /invalid characters in fileName/],
    ['two entries of one name', zip(parts(storage, storage)), /two entries called "a\/data\/0"/],
    ['two pickles', zip(parts(storage, { name: 'b/data.pkl', data: one(tensor(SPEC)) })), /2 entries "data.pkl"/],
    ['no pickle', zip([storage]), /0 entries "data.pkl"/],
    ['a name that its own header does not have', zip(parts({ ...storage, claims: { name: 'a/data/1' } })), /another name in its own header/],
    ['a size beyond the file', zip(parts({ ...storage, claims: { size: 1 << 30 } })), /overflows file bounds/],
    ['a place beyond the file', zip(parts({ ...storage, claims: { offset: 0x7fffffff } })), /points at byte 2147483647/],
    ['entries that overlap', zip(parts(storage, { name: 'a/data/1', data: NUMBERS, claims: { offset: 0, name: 'a/data.pkl' } })), /two entries called|overlap/],
    ['a stored size that is another', zip(parts({ ...storage, claims: { size: 48, stored: 40 } })), /size mismatch/],
    ['an unknown compression', zip(parts({ ...storage, claims: { method: 12 } })), /another compression/],
    ['encryption', zip(parts({ ...storage, claims: { flags: 1, size: 48, stored: 60 } })), /encrypted|overflows|mismatch/],
    ['more entries than there are', zip(parts(storage), { entries: 60_000 }), /not a valid zip archive/],
    ['a directory elsewhere', zip(parts(storage), { directory: 3 }), /invalid central directory/],
    ['a TorchScript program', zip(parts(storage, { name: 'a/constants.pkl', data: NUMBERS })), /is a TorchScript program/],
    ['big-endian numbers', zip(parts(storage, { name: 'a/byteorder', data: Buffer.from('big') })), /byte order "big"; expected "little"/],
    ['a compressed storage', zip(parts({ ...storage, deflate: true })), /tensor "w" in .* is compressed and cannot be read in place; rewrite the checkpoint with `foretoken convert`/],
  ])('are refused with %s', async (_, bytes, message) => {
    await expect(table(bytes)).rejects.toThrow(message);
    await expect(table(bytes)).rejects.toThrow(CheckpointError);
  });

  it.each<[string, Buffer, RegExp]>([
    ['an empty file', Buffer.alloc(0), /begins neither like a zip archive nor like a pickle/],
    ['a text', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /Git LFS pointer/],
    ['a pickle of something else', pickle(op.int(1)), /no magic number/],
  ])('and %s is none', async (_, bytes, message) => expect(table(bytes)).rejects.toThrow(message));

  it('cut off at any byte are refused, of either form', async () => {
    const legacy = torchLegacy(op.dict({ w: tensor(SPEC, { id: [op.none] }) }), [{ key: '0', count: 12, data: NUMBERS }]);
    for (const whole of [good(), legacy]) {
      for (let length = 0; length < whole.length; length++) await expect(table(whole.subarray(0, length)), `${length} bytes`).rejects.toThrow(CheckpointError);
    }
    await expect(table(Buffer.concat([legacy, Buffer.from([0])]))).rejects.toThrow(/1 bytes behind its last storage/);
  });

  it('of the old form say what they lack', async () => {
    const value = op.dict({ w: tensor(SPEC, { id: [op.none] }) });
    await expect(table(torchLegacy(value, []))).rejects.toThrow(/does not hold storage "0"/);
    await expect(table(torchLegacy(value, [{ key: '0', count: 11, data: NUMBERS }]))).rejects.toThrow(/11 elements in storage "0"; its tensors need 12/);
    await expect(table(torchLegacy(value, [{ key: '0', count: 12, data: NUMBERS }, { key: '0', count: 12, data: NUMBERS }]))).rejects.toThrow(/lists "0" among its storages/);
    await expect(table(torchLegacy(op.dict({ w: storageId(SPEC, op.tuple(op.text('v'), op.int(0), op.int(1))) }), []))).rejects.toThrow(/storages inside storages/);
  });
});

describe('mutated files', () => {
  /** mulberry32 */
  const random = (seed: number) => (): number => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  it('are read or refused, never anything else', async () => {
    const seeds = [good(), torchZip(one(tensor(SPEC)), { 0: NUMBERS }, [{ name: 'archive/data/1', data: NUMBERS, deflate: true }]), torchLegacy(op.dict({ w: tensor(SPEC, { id: [op.none] }) }), [{ key: '0', count: 12, data: NUMBERS }])];
    const next = random(20_261_124);
    const pick = (below: number): number => Math.floor(next() * below);
    let read = 0, refused = 0;
    for (let round = 0; round < 2500; round++) {
      const bytes = Buffer.from(seeds[round % seeds.length]!);
      for (let change = pick(4); change >= 0; change--) {
        const at = pick(bytes.length);
        const kind = pick(4);
        if (kind === 0) bytes[at] = pick(256);
        else if (kind === 1) bytes[at]! ^= 1 << pick(8);
        else if (kind === 2) bytes.copyWithin(at, pick(bytes.length), pick(bytes.length));
        else bytes.fill([0, 0xff, 0x7f][pick(3)]!, at, Math.min(bytes.length, at + 1 + pick(8)));
      }
      const file = written(bytes, 'mutant.pt');
      try {
        const { tensors } = await readTorchTensors(file);
        for (const stored of tensors.values()) expect(stored.offset + stored.bytes).toBeLessThanOrEqual(readFileSync(file).length);
        read++;
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        refused++;
      }
      rmSync(file);
    }
    console.log(`${read} mutants read, ${refused} refused`);
    expect(read).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(1000);
  });
});
