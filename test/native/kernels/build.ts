// Compiles the kernel checks with the flags of CMakeLists.txt, each object once per content: the cache is build-kernels/.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../../', import.meta.url));
const kernels = join(root, 'native/src/cpu');
const checks = join(root, 'test/native/kernels');
const include = join(root, 'native/include');
const cache = join(root, 'build-kernels');
const compiler = process.env['CXX'] ?? 'c++';
const cmake = readFileSync(join(root, 'CMakeLists.txt'), 'utf8');

const common = ['-std=c++17', ...optionsOf(/target_compile_options\(foretoken PRIVATE ([^)]*)\)/), '-I', include];
// SIMDe's headers raise warnings of their own; and GCC 12 crashes on these sources without -fno-tree-sra.
const emulated = [
  '-std=c++17', '-O1', '-fno-tree-sra', '-fno-tree-loop-optimize', '-w', '-ffp-contract=off', '-fno-math-errno',
  '-mavx2', '-mfma', '-mf16c', '-DFORETOKEN_EMULATED', '-I', join(checks, 'emulated'), '-I', include,
];

export type InstructionSet = 'avx2' | 'avx512' | 'amx';
export const instructionSets: readonly InstructionSet[] = ['avx2', 'avx512', 'amx'];

/** Whether SIMDe's headers are there to emulate AVX-512 with. */
export async function hasSimde(): Promise<boolean> {
  const probe = run(compiler, ['-fsyntax-only', '-x', 'c++', '-include', 'simde/x86/avx512.h', '/dev/null']);
  return probe.then(() => true, () => false);
}

/** @returns the object of one set's kernels, compiled for hardware that has the instructions */
export function setObject(set: InstructionSet): Promise<string> {
  const flags = process.arch === 'x64' ? optionsOf(new RegExp(`kernels_${set}\\.cc PROPERTIES COMPILE_OPTIONS\\s+"([^"]*)"`)) : [];
  return object(join(kernels, `kernels_${set}.cc`), [...common, ...flags]);
}

/** @returns the check program; the sets in `emulate` are built over emulated intrinsics */
export async function checkProgram(emulate: readonly InstructionSet[]): Promise<string> {
  const sources = [
    ...['kernels_portable', 'pack', 'math', 'dispatch'].map((name) => join(kernels, `${name}.cc`)),
    ...readdirSync(checks).filter((name) => name.endsWith('.cc')).map((name) => join(checks, name)),
  ];
  const jobs = [
    ...instructionSets.map((set) => () => (emulate.includes(set) ? object(join(kernels, `kernels_${set}.cc`), emulated) : setObject(set))),
    ...sources.map((source) => () => object(source, common)),
  ];
  const objects = await inTurn(jobs, 2);
  const program = join(cache, `checks-${hash(objects)}`);
  if (!existsSync(program)) await compile(['-o', program, ...objects, '-pthread'], program);
  return program;
}

/** Runs the program; a failing run's output becomes the error. */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(program, [...args])).stdout;
  } catch (cause) {
    throw new Error(`${basename(program)} ${args.join(' ')} failed:\n${(cause as { stdout?: string }).stdout ?? ''}`, { cause });
  }
}

/** @returns the weak symbols of an object, as `nm` prints them */
export async function weakSymbols(path: string): Promise<string[]> {
  const { stdout } = await run('nm', ['-C', path]);
  return stdout.split('\n').filter((line) => / [WVu] /.test(line));
}

async function object(source: string, flags: readonly string[]): Promise<string> {
  const path = join(cache, `${basename(source, '.cc')}-${hash([compiler, ...flags, readFileSync(source, 'utf8'), headers()])}.o`);
  if (!existsSync(path)) await compile(['-c', source, '-o', path, ...flags], path);
  return path;
}

/** Compiles to a temporary name first, so that an interrupted run leaves no broken object in the cache. */
async function compile(args: readonly string[], path: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await run(compiler, args.map((arg) => (arg === path ? temporary : arg)));
  renameSync(temporary, path);
}

let allHeaders: string | undefined;
function headers(): string {
  allHeaders ??= [kernels, include, checks, join(checks, 'emulated')]
    .flatMap((folder) => readdirSync(folder).filter((name) => /\.(h|inl)$/.test(name)).map((name) => readFileSync(join(folder, name), 'utf8')))
    .join('\0');
  return allHeaders;
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}

function optionsOf(pattern: RegExp): string[] {
  const match = pattern.exec(cmake)?.[1];
  if (match === undefined) throw new Error(`CMakeLists.txt has nothing that looks like ${pattern.source}`);
  return match.split(/[;\s]+/).filter((option) => option !== '');
}

/** Runs the jobs with at most `width` at a time; results in the order of the jobs. */
async function inTurn<T>(jobs: readonly (() => Promise<T>)[], width: number): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < jobs.length; index = next++) results[index] = await jobs[index]!();
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
