import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createProgram } from './program.js';
import { bytesInWords, countInWords } from './quantities.js';

const SINGLE = 'test/fixtures/checkpoints/valid/model-single';
const TORCH = 'test/fixtures/checkpoints/torch/pytorch_model.bin';

/** What a command prints, and its exit code. */
async function run(...args: string[]): Promise<{ readonly out: string; readonly code: number | string | undefined }> {
  let out = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => { out += String(text); return true; });
  try {
    await createProgram().parseAsync(args, { from: 'user' });
  } finally {
    write.mockRestore();
  }
  const { exitCode: code } = process;
  process.exitCode = undefined;
  return { out, code: code ?? undefined };
}
afterEach(() => { process.exitCode = undefined; });

describe('inspect', () => {
  it('prints what the demo model is and takes', async () => {
    const { out, code } = await run('inspect', 'models/demo/target');
    expect(out).toMatch(/^models\/demo\/target: a llama model, 11\.0M parameters\n/);
    expect(out).toMatch(/6 layers of 384 values, vocabulary of 4096, head tied to the embedding/);
    expect(out).toMatch(/memory: bf16 \(as stored\): 24\.0 MiB of weights, 3\.0 KiB of keys and values a token/);
    expect(out).toMatch(/no problem found\n$/);
    expect(code).toBeUndefined();
  });

  it('names a draft head as such, and prints its tensors', async () => {
    const { out } = await run('inspect', 'models/demo/eagle');
    expect(out).toMatch(/no model on their own, such as a draft head/);
    expect(out).toMatch(/ {2}fc\.weight BF16 \[384, 768\]/);
    expect(out).toMatch(/name a model with --target/);
    expect((await run('inspect', 'models/demo/eagle', '--target', 'models/demo/target')).out).toMatch(/strategies that run with it on models\/demo\/target: .*eagle \(up to \d+ nodes\)/);
    expect((await run('inspect', 'models/demo/eagle', '--target', SINGLE)).out).toMatch(/strategies that run with it on .*: none\n {2}Strategy "/);
  });

  it('prints the same as JSON, and ends with 2 when there are problems', async () => {
    const good = JSON.parse((await run('inspect', SINGLE, '--json')).out) as Record<string, unknown>;
    expect(good).toMatchObject({ kind: 'model', model: { architecture: 'llama' }, weights: { tensors: { 'lm_head.weight': { dtype: 'BF16', shape: [32, 16] } } } });
    const { out, code } = await run('inspect', 'test/fixtures/checkpoints/invalid/tensor-missing');
    expect(out).toMatch(/1 problem:\n {2}.*has no tensor/);
    expect(code).toBe(2);
  });
});

describe('convert', () => {
  it('says what it has written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'foretoken-cli-convert-'));
    try {
      const { out } = await run('convert', TORCH, '--out', join(folder, 'new'));
      expect(out).toMatch(/^11 tensors, 129 KiB:\n.*new\/model\.safetensors\n$/);
      expect(readFileSync(join(folder, 'new/model.safetensors')).length).toBeGreaterThan(130_000);
      writeFileSync(join(folder, 'evil.pt'), '\u0080\u0002cos\nsystem\n.', 'latin1');
      await expect(run('convert', join(folder, 'evil.pt'), '--out', join(folder, 'other'))).rejects.toThrow(/wants the Python object "os.system"/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

it('says quantities as one says them', () => {
  expect([0, 1023, 1024, 150 * 1024, 1.5 * 2 ** 30].map(bytesInWords)).toEqual(['0 bytes', '1023 bytes', '1.0 KiB', '150 KiB', '1.5 GiB']);
  expect([7, 999, 1000, 134_515_008, 7_615_616_512].map(countInWords)).toEqual(['7', '999', '1.0k', '135M', '7.6B']);
});
