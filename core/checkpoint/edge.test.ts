// Malformed and unusual files and folders. A handful travels with the repository; the whole collection is tried where it is at hand.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError } from '../errors.js';
import { describeCheckpoint, readCheckpoint } from './checkpoint.js';
import { readSafetensorsHeader, readTensorBytes, type StoredTensor } from './safetensors.js';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/checkpoints');
const SHARED = join(import.meta.dirname, '../../../shared/golden/models/edge');
const scratch = mkdtempSync(join(tmpdir(), 'foretoken-edge-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface InvalidManifest {
  readonly files: readonly { readonly file: string; readonly wrong: string; readonly optional?: string }[];
  readonly folders: readonly { readonly folder: string; readonly wrong: string; readonly optional?: string }[];
}
interface ValidFile {
  readonly file: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly tensors: Readonly<Record<string, { readonly dtype: string; readonly shape: number[]; readonly values?: unknown }>>;
}
interface ValidFolders {
  readonly folders: readonly { readonly folder: string }[];
}

const collections = [{ name: 'fixtures', at: FIXTURES }, { name: 'the whole collection', at: SHARED }];

for (const { name, at } of collections) {
  describe.skipIf(!existsSync(at))(`edge cases, ${name}`, () => {
    it('refuses every malformed file, naming the file and its fault', async () => {
      const { files } = manifest<InvalidManifest>('invalid/manifest.json');
      const wrong: string[] = [];
      for (const { file, optional } of files) {
        const path = join(at, 'invalid', file);
        const fault = await refusal(() => readSafetensorsHeader(path), path);
        if (fault !== undefined && optional === undefined) wrong.push(`${file}: ${fault}`);
      }
      console.log(`${files.length - wrong.length} of ${files.length} malformed files refused`);
      expect(files.length).toBeGreaterThan(0);
      expect(wrong).toEqual([]);
    });

    it('refuses a malformed file as a model by its own fault, not by a missing tensor', async () => {
      const { files } = manifest<InvalidManifest>('invalid/manifest.json');
      const wrong: string[] = [];
      for (const { file, optional } of files) {
        const folder = mkdtempSync(join(scratch, 'model-'));
        cpSync(join(FIXTURES, 'valid/model-single/config.json'), join(folder, 'config.json'));
        cpSync(join(at, 'invalid', file), join(folder, 'model.safetensors'));
        const fault = await refusal(() => load(folder), folder, /embed_tokens|lm_head|layers\.\d|model\.norm/);
        if (fault !== undefined && optional === undefined) wrong.push(`${file}: ${fault}`);
      }
      expect(wrong).toEqual([]);
    });

    it('refuses every malformed folder, naming the folder and its fault', async () => {
      const { folders } = manifest<InvalidManifest>('invalid/manifest.json');
      const wrong: string[] = [];
      for (const { folder, optional } of folders) {
        const path = join(at, 'invalid', folder);
        const fault = await refusal(() => load(path), path);
        if (fault !== undefined && optional === undefined) wrong.push(`${folder}: ${fault}`);
      }
      console.log(`${folders.length - wrong.length} of ${folders.length} malformed folders refused`);
      expect(folders.length).toBeGreaterThan(0);
      expect(wrong).toEqual([]);
    });

    it('accepts every well-formed file with its dtypes, shapes, metadata and values', async () => {
      const files = manifest<readonly ValidFile[]>('valid/manifest.json');
      let values = 0;
      for (const { file, metadata, tensors } of files) {
        const header = await readSafetensorsHeader(join(at, 'valid', file));
        expect(Object.fromEntries(header.metadata), file).toEqual(metadata ?? {});
        expect([...header.tensors.keys()].sort(), file).toEqual(Object.getOwnPropertyNames(tensors).sort());
        for (const tensor of header.tensors.values()) {
          const expected = Object.getOwnPropertyDescriptor(tensors, tensor.name)!.value as ValidFile['tensors'][string];
          expect({ dtype: tensor.dtype, shape: tensor.shape }, `${file} ${tensor.name}`).toEqual({ dtype: expected.dtype, shape: expected.shape });
          values += await compareValues(tensor, expected.values, file);
        }
      }
      console.log(`${files.length} of ${files.length} well-formed files accepted, ${values} values compared`);
      expect(files.length).toBeGreaterThan(0);
      expect(values).toBeGreaterThan(0);
    });

    it('accepts every well-formed folder with the same description', async () => {
      const { folders } = manifest<ValidFolders>('valid/folders.json');
      const descriptions = await Promise.all(folders.map(async ({ folder }) => (await load(join(at, 'valid', folder))).description));
      for (const description of descriptions) expect(description).toEqual(descriptions[0]);
      console.log(`${folders.length} of ${folders.length} well-formed folders accepted`);
      expect(folders.length).toBeGreaterThan(0);
    });

    function manifest<T>(file: string): T {
      return JSON.parse(readFileSync(join(at, file), 'utf8')) as T;
    }
  });
}

async function load(folder: string): Promise<ReturnType<typeof describeCheckpoint>> {
  return describeCheckpoint(await readCheckpoint(folder));
}

/** What is wrong with a refusal: nothing when it is a CheckpointError about this path and of its own fault. */
async function refusal(run: () => Promise<unknown>, path: string, notAbout?: RegExp): Promise<string | undefined> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof CheckpointError)) return `not a CheckpointError: ${String(error)}`;
    if (!error.message.includes(path)) return `does not name ${path}: ${error.message}`;
    return notAbout?.test(error.message) ? `its fault was not seen: ${error.message}` : undefined;
  }
  return 'accepted';
}

/** Compares the bytes of a tensor with the manifest's numbers, where it gives any; returns how many. */
async function compareValues(tensor: StoredTensor, values: unknown, file: string): Promise<number> {
  if (!Array.isArray(values)) return 0;
  const decode = DECODERS[tensor.dtype];
  if (decode === undefined) return 0;
  const bytes = await readTensorBytes(tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = bytes.length / values.length;
  const flat = values.flat(Infinity);
  flat.forEach((value, i) => expect(show(decode(view, i * size)), `${file} ${tensor.name}[${i}]`).toBe(typeof value === 'string' ? value : show(value as number)));
  return flat.length;
}

const DECODERS: Readonly<Record<string, (view: DataView, at: number) => number | bigint | boolean>> = {
  F64: (view, at) => view.getFloat64(at, true), F32: (view, at) => view.getFloat32(at, true),
  I64: (view, at) => view.getBigInt64(at, true), U64: (view, at) => view.getBigUint64(at, true),
  I32: (view, at) => view.getInt32(at, true), U32: (view, at) => view.getUint32(at, true),
  I16: (view, at) => view.getInt16(at, true), U16: (view, at) => view.getUint16(at, true),
  I8: (view, at) => view.getInt8(at), U8: (view, at) => view.getUint8(at), BOOL: (view, at) => view.getUint8(at) !== 0,
};

function show(value: number | bigint | boolean): string {
  if (Object.is(value, -0)) return '-0';
  if (value === Infinity || value === -Infinity) return value > 0 ? 'inf' : '-inf';
  return Number.isNaN(value) ? 'nan' : String(value);
}
