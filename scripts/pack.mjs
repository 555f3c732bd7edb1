// Lays out what is published: `foretoken` without install scripts, and this platform's addon in a package of its own (see npm/README.md).
// Usage: node scripts/pack.mjs [--out folder]
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** Name of the package with the addon for a platform, without its scope. */
export const nativeName = ({ os, cpu, libc }) => `native-${os}-${cpu}${libc === 'glibc' ? '-gnu' : ''}`;

/** Manifest of a platform's package: npm installs it only where `os`, `cpu` and `libc` fit. */
export function nativeManifest(platform, { version, license, engines }) {
  const { os, cpu, libc } = platform;
  return {
    name: `@foretoken/${nativeName(platform)}`, version, license, engines,
    description: `The native runtime of foretoken for ${os} ${cpu}.`,
    os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }),
    main: 'foretoken.node', files: ['foretoken.node', 'LICENSE'],
  };
}

/**
 * Manifest of the main package: what only a checkout needs is gone (scripts, tools, the build programs that are its optional dependencies),
 * and every platform's addon is an optional dependency of this very version.
 */
export function mainManifest({ scripts: _scripts, devDependencies: _dev, optionalDependencies: _tools, binary: _binary, ...manifest }, platforms) {
  return { ...manifest, optionalDependencies: Object.fromEntries(platforms.map((platform) => [`@foretoken/${nativeName(platform)}`, manifest.version])) };
}

/** Writes `<out>/foretoken` and `<out>/native-…` of this platform. */
export function pack(out) {
  const manifest = readJson('package.json');
  const platforms = readJson('npm/platforms.json');
  stage(join(out, 'foretoken'), mainManifest(manifest, platforms), ['dist', 'models/demo', 'docs', 'foretoken.schema.json', 'LICENSE', 'README.md']);
  const here = platforms.find(({ os, cpu }) => os === process.platform && cpu === process.arch);
  if (here === undefined) throw new Error(`npm/platforms.json has no ${process.platform}-${process.arch}`);
  const folder = join(out, nativeName(here));
  stage(folder, nativeManifest(here, manifest), ['LICENSE']);
  cpSync(join(root, 'build', 'Release', 'foretoken.node'), join(folder, 'foretoken.node'));
}

function stage(folder, manifest, paths) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const path of paths) {
    if (!existsSync(join(root, path))) throw new Error(`${path} is missing; build first: npm ci`);
    cpSync(join(root, path), join(folder, path), { recursive: true, filter: (source) => !source.includes(join('docs', 'api')) });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'npm', 'out') } } });
  pack(resolve(values.out));
}
