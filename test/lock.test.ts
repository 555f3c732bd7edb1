import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { packageRoot } from '../core/package-root.js';

const folder = mkdtempSync(join(tmpdir(), 'foretoken-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));
const lock = join(folder, 'lock');

const run = (body: string) => new Promise<void>((resolve, reject) => {
  const script = `import { withLock } from ${JSON.stringify(pathToFileURL(join(packageRoot(), 'scripts', 'lock.mjs')).href)};\nimport { appendFileSync } from 'node:fs';\n${body}`;
  spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' }).on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code}`))));
});

it('processes that want the same lock run one after the other', async () => {
  const log = JSON.stringify(join(folder, 'log'));
  const one = `withLock(${JSON.stringify(lock)}, () => {
    appendFileSync(${log}, 'in ');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
    appendFileSync(${log}, 'out ');
  });`;
  await Promise.all([run(one), run(one), run(one)]);
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('in out in out in out ');
  expect(existsSync(lock)).toBe(false);
});

it('a lock whose process has died is taken over, and a failure gives it back', async () => {
  const dead = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => dead.on('exit', resolve));
  writeFileSync(lock, String(dead.pid));
  await run(`try { withLock(${JSON.stringify(lock)}, () => { throw new Error('mine'); }); } catch { process.exit(0); }\nprocess.exit(1);`);
  expect(existsSync(lock)).toBe(false);
});
