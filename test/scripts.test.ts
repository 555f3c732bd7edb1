import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'foretoken-scripts-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A PATH with nothing but these programs, as scripts of one line. */
function pathWith(name: string, programs: Readonly<Record<string, string>>): string {
  const bin = join(folder, name);
  mkdirSync(bin);
  for (const [program, body] of Object.entries(programs)) {
    writeFileSync(join(bin, program), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, program), 0o755);
  }
  return bin;
}

const buildNative = (PATH: string, env: Readonly<Record<string, string>> = {}, args: readonly string[] = []) =>
  spawnSync(process.execPath, [join(root, 'scripts/build-native.mjs'), ...args], { encoding: 'utf8', env: { PATH, ...env } });

describe.skipIf(process.platform === 'win32')('the native build', () => {
  it('says in one message what to install when there is no compiler', () => {
    const { status, stderr } = buildNative(pathWith('nothing', {}));
    expect(status).toBe(1);
    expect(stderr).toMatch(/No C\+\+17 compiler was found \(tried c\+\+, g\+\+, clang\+\+\)/);
    expect(stderr).toMatch(process.platform === 'darwin' ? /xcode-select/ : /apt-get install g\+\+/);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('says why a compiler that is there does not do', () => {
    const { status, stderr } = buildNative(pathWith('old', { 'g++': 'echo "unrecognised option -std=c++17" >&2; exit 1' }));
    expect(status).toBe(1);
    expect(stderr).toContain('g++ does not compile C++17: unrecognised option -std=c++17');
  });

  it('asks the compiler that CXX names, and no other', () => {
    const { stderr } = buildNative(pathWith('ignored', { 'g++': 'exit 0' }), { CXX: 'my-compiler' });
    expect(stderr).toContain('(tried my-compiler)');
  });

  const packaged = (name: string): string | undefined => {
    try {
      return createRequire(import.meta.url).resolve(`${name}-runtime-${process.platform}-${process.arch}`);
    } catch {
      return undefined;
    }
  };

  it.skipIf(packaged('cmake') === undefined || packaged('ninja') === undefined)('takes CMake and Ninja from npm where the system has none, or an old one', () => {
    const compiler = { 'g++': 'exit 0' };
    for (const bin of [pathWith('bare', compiler), pathWith('aged', { ...compiler, cmake: 'echo "cmake version 3.16.3"' })]) {
      const { status, stdout } = buildNative(bin, {}, ['--explain']);
      expect(status).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        compiler: 'g++', cmake: join(dirname(packaged('cmake')!), 'bin', 'cmake'), ninja: join(dirname(packaged('ninja')!), 'bin', 'ninja'),
      });
    }
  });

  it('prefers what the system has', () => {
    const bin = pathWith('complete', { 'c++': 'exit 0', cmake: 'echo "cmake version 3.28.1"', make: 'exit 0' });
    expect(JSON.parse(buildNative(bin, { CMAKE_BUILD_PARALLEL_LEVEL: '3' }, ['--explain']).stdout)).toEqual({ compiler: 'c++', cmake: 'cmake', jobs: 3 });
  });
});

interface Platform { readonly os: string; readonly cpu: string; readonly libc?: string }
interface Pack {
  nativeManifest(platform: Platform, manifest: object): Record<string, unknown>;
  mainManifest(manifest: object, platforms: readonly Platform[]): Record<string, unknown>;
  pack(out: string): void;
}

describe('the published packages', async () => {
  const { mainManifest, nativeManifest, pack } = await import(pathToFileURL(join(root, 'scripts/pack.mjs')).href) as Pack;
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string; dependencies: Record<string, string> };
  const platforms = JSON.parse(readFileSync(join(root, 'npm/platforms.json'), 'utf8')) as Platform[];

  it('are told apart by system, processor and C library', () => {
    expect(nativeManifest({ os: 'linux', cpu: 'arm64', libc: 'glibc' }, manifest))
      .toMatchObject({ name: '@foretoken/native-linux-arm64-gnu', version: manifest.version, os: ['linux'], cpu: ['arm64'], libc: ['glibc'] });
    expect(nativeManifest({ os: 'darwin', cpu: 'arm64' }, manifest)).not.toHaveProperty('libc');
  });

  it('run nothing on install, and pin every platform to the same version', () => {
    const main = mainManifest(manifest, platforms);
    expect(main).not.toHaveProperty('scripts');
    expect(main).not.toHaveProperty('devDependencies');
    expect(Object.entries(main['optionalDependencies'] as object)).toEqual(
      platforms.map((platform) => [nativeManifest(platform, manifest)['name'], manifest.version]));
  });

  const isBuilt = existsSync(join(root, 'build/Release/foretoken.node')) && existsSync(join(root, 'dist/core/index.js'));
  const isListed = platforms.some(({ os, cpu }) => os === process.platform && cpu === process.arch);

  it.skipIf(!isBuilt || !isListed)('work when installed beside each other, without a checkout', () => {
    const out = join(folder, 'packed');
    pack(out);
    const modules = join(folder, 'consumer', 'node_modules');
    mkdirSync(join(modules, '@foretoken'), { recursive: true });
    symlinkDependencies(join(out, 'foretoken', 'node_modules'));
    const here = platforms.find(({ os, cpu }) => os === process.platform && cpu === process.arch)!;
    const native = String(nativeManifest(here, manifest)['name']);
    symlinkSync(join(out, 'foretoken'), join(modules, 'foretoken'));
    mkdirSync(join(out, 'foretoken', 'node_modules', '@foretoken'));
    symlinkSync(join(out, native.replace('@foretoken/', '')), join(out, 'foretoken', 'node_modules', native));
    const cli = spawnSync(process.execPath, [join(modules, 'foretoken', 'dist/apps/cli/main.js'), 'generate', 'Once upon a time', '--max-tokens', '8'], { cwd: folder, encoding: 'utf8' });
    expect({ status: cli.status, stderr: cli.status === 0 ? '' : cli.stderr }).toEqual({ status: 0, stderr: '' });
    expect(cli.stdout.length).toBeGreaterThan(8);
  });

  function symlinkDependencies(to: string): void {
    for (const name of Object.keys(manifest.dependencies)) {
      mkdirSync(dirname(join(to, name)), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), join(to, name));
    }
  }
});
