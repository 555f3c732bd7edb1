import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from './run-cli.js';

describe('the configuration of commands', () => {
  let folder: string;
  let file: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'foretoken-config-'));
    file = join(folder, 'own.yaml');
    writeFileSync(file, 'strategies: { fast: { name: prompt-lookup, length: 5 } }\nrequest: { maxTokens: 7, temperature: 0.5, seed: 3 }\n');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('comes from the file, the environment and flags, and is printed with its origins', async () => {
    const { code, stdout } = await cli(['config', 'print', '--origins', '--config', file, '--seed', '4'], { env: { FORETOKEN_TEMPERATURE: '0.6' } });
    expect(code).toBe(0);
    const lines = Object.fromEntries(stdout.trim().split('\n').map((line) => line.split(/ {2,}/)).map(([path, ...rest]) => [path, rest]));
    expect(lines).toMatchObject({ 'request.maxTokens': ['7', file], 'request.temperature': ['0.6', 'env FORETOKEN_TEMPERATURE'], 'request.seed': ['4', 'flag --seed'], 'engine.measure': ['true', 'default'] });
  });

  it('gives --strategy its names, and requests their defaults', async () => {
    const { code, stdout, stderr } = await cli(['generate', 'Once upon a time', '--config', file, '--strategy', 'fast', '--json']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toMatchObject({ stats: { strategy: 'prompt-lookup', seed: 3 }, usage: { completionTokens: 7 } });
  });

  it('is refused in a line with the remedy', async () => {
    writeFileSync(join(folder, 'broken.yaml'), 'reqest: {}');
    const { code, stderr } = await cli(['generate', 'x', '--config', join(folder, 'broken.yaml')]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/Unknown option "reqest" for .*broken\.yaml; did you mean "request"\?/)]);
  });
});
