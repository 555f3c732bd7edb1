import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../core/index.js';

describe('an example package, packed and installed in a folder of its own', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'foretoken-example-'));
    const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: 'examples/foretoken-strategy-corpus', encoding: 'utf8' })) as [{ filename: string }];
    const place = join(folder, 'node_modules', 'foretoken-strategy-corpus');
    mkdirSync(place, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, filename), '-C', place, '--strip-components=1']);
    symlinkSync(resolve('.'), join(folder, 'node_modules', 'foretoken'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [resolve('dist/apps/cli/main.js'), ...args], { cwd: folder, encoding: 'utf8' });

  it('keeps the contract', () => {
    const cycles = Int32Array.from({ length: 960 }, (_, i) => 7 * (Math.floor(i / 21) % 13) + (i % 7));   // the usual successors of the tiny model
    writeFileSync(join(folder, 'cycles.bin'), cycles);
    const { status, stdout } = run('plugin', 'certify', 'foretoken-strategy-corpus', '--options', JSON.stringify({ corpus: join(folder, 'cycles.bin') }));
    expect([status, stdout.match(/✗.*/g)]).toEqual([0, null]);
  });

  it('drafts from a corpus of the user, who chooses it by its name', async () => {
    await using engine = await createEngine({ model: 'models/demo/target', measure: false });
    const { tokens } = await engine.generate({ prompt: 'Once upon a time', maxTokens: 40 }).result;
    writeFileSync(join(folder, 'corpus.bin'), Int32Array.from([...engine.encode('Once upon a time'), ...tokens]));
    writeFileSync(join(folder, 'foretoken.config.json'), JSON.stringify({ strategy: { name: 'foretoken-strategy-corpus', corpus: './corpus.bin' } }));
    const { stdout } = run('generate', 'Once upon a time', '--max-tokens', '40', '--json');
    const result = JSON.parse(stdout) as { tokens: number[]; stats: { acceptanceLength: number } };
    expect(result.tokens).toEqual(tokens);
    expect(result.stats.acceptanceLength).toBeGreaterThan(3);
  });
});
