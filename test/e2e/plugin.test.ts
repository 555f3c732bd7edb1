import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

describe('a plugin of a stranger', () => {
  let folder: string;
  beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'foretoken-stranger-')); });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [resolve('dist/apps/cli/main.js'), ...args], { cwd: folder, encoding: 'utf8' });

  it('is written, certified, changed, chosen in a configuration, and told what is broken', () => {
    expect(run('plugin', 'new', 'foretoken-strategy-mine')).toMatchObject({ status: 0, stderr: '' });
    expect(run('plugin', 'new', 'foretoken-strategy-mine').stderr).toContain('is there already');
    const module = './foretoken-strategy-mine/index.js';
    const certified = run('plugin', 'certify', module, '--json', 'certificate.json');
    expect([certified.status, certified.stdout.match(/✗.*/g)]).toEqual([0, null]);
    expect(JSON.parse(readFileSync(join(folder, 'certificate.json'), 'utf8'))).toMatchObject({ strategy: 'foretoken-strategy-mine', failed: [] });

    writeFileSync(join(folder, 'foretoken.config.json'), JSON.stringify({ plugins: [module], strategies: { mine: { name: 'foretoken-strategy-mine', length: 6 } }, strategy: 'mine', request: { maxTokens: 16 }, experiments: { mine: { arms: { plain: 'off', mine: 'mine' }, repeats: 2 } } }));
    const generated = run('generate', 'Red apples are sweet. Green apples are sour. Red apples are', '--json');
    expect(JSON.parse(generated.stdout)).toMatchObject({ stats: { strategy: 'foretoken-strategy-mine' } });

    const compared = run('experiment', 'run', 'mine', '--count', '2', '--max-tokens', '12', '--json', 'experiment.json');
    expect(compared.status, compared.stderr).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, 'experiment.json'), 'utf8'))).toMatchObject({ record: { definition: { name: 'mine' } } });

    const file = join(folder, module);
    writeFileSync(file, readFileSync(file, 'utf8').replace('draft.node(sequence, token, parent)', 'draft.node(sequence, token, parent + 7)'));
    const broken = run('plugin', 'certify', module);
    expect(broken.status).toBe(1);
    expect(broken.stdout).toMatch(/✗ proposes valid trees, within its plan: .*names parent 7/);
  });
});
