// Builds build/Release/foretoken.node with cmake-js. Further arguments go to cmake-js (`--debug`, `--cc`, `--CD…`);
// `--explain` prints the tools that would be used, as JSON, and builds nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { ToolchainError, findToolchain } from './toolchain.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);

try {
  const toolchain = findToolchain();
  if (args.includes('--explain')) console.log(JSON.stringify(toolchain));
  else withLock(join(root, '.build-native.lock'), () => build(toolchain), (pid) => console.error(`foretoken: waiting for another build of this folder (process ${pid}) …`));
} catch (error) {
  if (!(error instanceof ToolchainError)) throw error;
  console.error(`\nforetoken: ${error.message}\n`);
  process.exitCode = 1;
}

function build({ compiler, cmake, ninja, jobs }) {
  const cmakeJs = cmakeJsProgram();
  const command = isConfiguredHere() ? 'build' : 'rebuild';
  const options = ['--directory', root, '--parallel', String(jobs)];
  if (cmake !== 'cmake') options.push('--cmake-path', cmake);
  // cmake-js looks for g++ and clang++ only, unless it is told both compilers; ours needs no C compiler.
  if (compiler && command === 'rebuild') options.push('--cxx', compiler, '--cc', compiler);
  if (ninja) options.push('--generator', 'Ninja');
  const PATH = ninja ? `${dirname(ninja)}${delimiter}${process.env.PATH ?? ''}` : process.env.PATH;
  const run = spawnSync(process.execPath, [cmakeJs, command, ...options, ...args], { stdio: 'inherit', cwd: root, env: { ...process.env, PATH } });
  if (run.status !== 0) throw new ToolchainError('The native build failed; the first error of the compiler above says why.');
}

/** A build folder that was configured for another place or another compiler cannot be continued. */
function isConfiguredHere() {
  const cache = join(root, 'build', 'CMakeCache.txt');
  if (!existsSync(cache)) return false;
  return readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`);
}

function cmakeJsProgram() {
  try {
    return createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  } catch {
    throw new ToolchainError('cmake-js is not installed. A checkout builds with its development dependencies: run npm ci without --omit=dev.');
  }
}
