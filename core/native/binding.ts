// Finds and loads the addon: the only importer of the .node file.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CapacityError, CheckpointError, DeviceError, DisposedError, type ForetokenError, NativeMissingError, ShapeError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type { NativeBinding, NativeRuntime } from './types.js';

/** What the addon exports: it makes the errors of one runtime with the factory that it is given. */
interface Addon {
  readonly instructionSets: readonly string[];
  createRuntime(options: Parameters<NativeBinding['createRuntime']>[0], errorFactory: (code: string, message: string) => Error): NativeRuntime;
}

/**
 * Loads the native runtime: the build of this checkout if there is one, else the package of this platform.
 *
 * @throws NativeMissingError naming the platform, what was tried and what to do
 */
export function loadNative(): NativeBinding {
  const { createRuntime, instructionSets } = loadAddon(candidates(packageRoot()));
  return { instructionSets, createRuntime: (options) => createRuntime(options, nativeError) };
}

/** @internal Loads the first of `places` that there is; a file that does not load ends the search, for the next would hide what is wrong. */
export function loadAddon(places: Iterable<string>): Addon {
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const place of places) {
    try {
      return require(place) as Addon;
    } catch (cause) {
      const absent = place.endsWith('.node') ? !existsSync(place) : (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
      if (!absent) throw missing([...tried, `${place}: ${firstLine(cause)}`], cause);
      tried.push(`${place}: not there`);
    }
  }
  throw missing(tried, undefined);
}

/** @internal Where the addon may be, best first. */
export function* candidates(root: string): Iterable<string> {
  yield join(root, 'build', 'Release', 'foretoken.node');
  yield `@foretoken/native-${platformName()}`;
}

/** @internal `linux-x64-gnu`, `darwin-arm64`: the last part of a platform package's name. */
export function platformName(): string {
  const libc = process.platform === 'linux' ? (isGlibc() ? '-gnu' : '-musl') : '';
  return `${process.platform}-${process.arch}${libc}`;
}

/** The error of core/errors.ts for a code of the addon. */
export function nativeError(code: string, message: string): ForetokenError {
  switch (code) {
    case 'SHAPE': return new ShapeError(message);
    case 'CAPACITY': return new CapacityError(message);
    case 'DISPOSED': return new DisposedError(message);
    case 'CHECKPOINT': return new CheckpointError(message);
    default: return new DeviceError(message);
  }
}

function missing(tried: readonly string[], cause: unknown): NativeMissingError {
  return new NativeMissingError(
    `The native addon does not load on ${platformName()} (Node ${process.version}). Tried:\n${tried.map((line) => `  ${line}`).join('\n')}\n`
      + 'In a checkout, build it with `npm run build:native`; it needs a C++17 compiler. Installed as a package, reinstall without `--omit=optional`.',
    cause === undefined ? undefined : { cause },
  );
}

function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0] ?? '';
}

function isGlibc(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime !== undefined;
}
