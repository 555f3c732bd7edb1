// Models that do not fit their files, and files that do not fit their models: native code must refuse, or run, and never read outside of a range.
// Meant for the sanitizers too.
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelDescription } from '../../core/description.js';
import { ForetokenError } from '../../core/errors.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeRuntime, NativeTensorSource } from '../../core/native/types.js';
import { Random } from './random.js';
import { ODD, writeRandomModel } from './random-model.js';

const SMALL: ModelDescription = {
  ...ODD, layers: 2, vocabSize: 23, maxPositions: 64, experts: { count: 3, perToken: 2, size: 9, shareWhole: true }, longFrom: 8,
  ropes: [{ inverseFrequencies: [1, 0.3], scale: 1, longInverseFrequencies: [0.5, 0.1] }],
  layer: [{ rope: 0, slidingWindow: 0, experts: true }, { rope: -1, slidingWindow: 3 }],
};
const ROUNDS = 1500;
const EXTREMES: readonly unknown[] = [0, 1, -1, 2, 3, 7, 31, 32, 33, 4096, 65_536, 2 ** 24, 2 ** 24 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -(2 ** 31), 0.5, NaN, Infinity, 1e-30, '1', null, undefined, true, [], {}];

describe('loading a model', () => {
  let runtime: NativeRuntime;
  let folder: string;
  beforeAll(() => {
    runtime = loadNative().createRuntime({ threads: 2 });
    folder = mkdtempSync(join(tmpdir(), 'foretoken-loader-'));
  });
  afterAll(() => {
    runtime.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it(`of ${ROUNDS} damaged descriptions, tables and files ends in an error that says why, or in a model that runs`, async () => {
    const whole = join(folder, 'whole.bin');
    const { tensors } = writeRandomModel(whole, SMALL);
    const bytes = readFileSync(whole);
    const random = new Random(99);
    const codes: Record<string, number> = {};
    let ran = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const file = join(folder, 'damaged.bin');
      writeFileSync(file, bytes);
      const description = structuredClone(SMALL) as unknown as Record<string, unknown>;
      const table = Object.fromEntries(Object.entries(tensors).map(([name, source]) => [name, { ...source, file } as Record<string, unknown>]));
      for (let i = random.integer(1, 2); i > 0; i--) damage(description, table, file, bytes.length, random);
      try {
        const model = await runtime.loadModel(description as unknown as ModelDescription, table as unknown as Record<string, NativeTensorSource>, random.next() < 0.5 ? 'f32' : 'bf16');
        const session = model.createSession({ maxSequences: 2, maxTokens: 16, pages: 4, kvDtype: 'f32' });
        const tokens = Int32Array.of(1, 22, 5);
        const { hidden } = session.forward({ sequences: new Int32Array(3).fill(session.open()), tokens, known: Uint8Array.of(1, 1, 1) });
        await runtime.read([hidden]);
        session.dispose();
        model.dispose();
        ran++;
      } catch (error) {
        if (!ForetokenError.isInstance(error) && !(error instanceof TypeError || error instanceof RangeError)) throw error;
        expect((error as Error).message.length, 'a message').toBeGreaterThan(10);
        const code = ForetokenError.isInstance(error) ? error.code : (error as Error).name;
        codes[code] = (codes[code] ?? 0) + 1;
      }
    }
    console.log(`loader: ${ROUNDS} damaged models, ${ran} ran, ${JSON.stringify(codes)}`);
    expect(ran).toBeGreaterThan(0);
    expect(codes['SHAPE']).toBeGreaterThan(0);
    expect(codes['CHECKPOINT']).toBeGreaterThan(0);
    expect(codes['DEVICE'], 'the device was lost').toBeUndefined();
  });
});

function damage(description: Record<string, unknown>, table: Record<string, Record<string, unknown>>, file: string, size: number, random: Random): void {
  const extreme = (): unknown => EXTREMES[random.integer(0, EXTREMES.length - 1)];
  const pick = <T>(from: readonly T[]): T => from[random.integer(0, from.length - 1)]!;
  switch (random.integer(0, 7)) {
    case 0: description[pick(Object.keys(description))] = extreme(); break;
    case 1: (description['experts'] as Record<string, unknown>)[pick(['count', 'perToken', 'size', 'shareWhole'])] = extreme(); break;
    case 2: (pick(description['layer'] as Record<string, unknown>[]))[pick(['rope', 'slidingWindow', 'joined', 'experts'])] = extreme(); break;
    case 3: (description['ropes'] as Record<string, unknown>[])[0]![pick(['inverseFrequencies', 'scale', 'longInverseFrequencies'])] = extreme(); break;
    case 4: table[pick(Object.keys(table))]![pick(['file', 'dtype', 'offset', 'shape'])] = pick([extreme(), [42, 42], [2 ** 31, 2 ** 31], 'bf16', 'f16', size - 1, size + 1, 2 ** 52]); break;
    case 5: delete table[pick(Object.keys(table))]; break;
    case 6: truncateSync(file, random.integer(0, size)); break;
    default: writeFileSync(file, random.integers(size >> 2, -(2 ** 31), 2 ** 31 - 1).subarray(0, size >> 2)); break;
  }
}
