// Runs native tests with the addon built under sanitizers: `npm run test:sanitize`, or with `address` or `thread` for one of them.
// Further arguments are test files in place of the usual ones. Node itself is not instrumented: the sanitizer's library is loaded before it, in the processes that run tests,
// and a hook has every require of the addon get the instrumented one.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findToolchain } from './toolchain.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** What fills the memory and has half a minute for it, and all random sessions but one: they take minutes each here. */
const LEFT_OUT = '^(?!.*tells the garbage collector of tensors)(?!.*random sessions of (?!llama-linear-bias.*seed 1$))';
const TESTS = [
  'test/native/addon.test.ts', 'test/native/addon-models.test.ts', 'test/native/model.test.ts', 'test/native/session.test.ts', 'test/native/session-random.test.ts',
  'test/native/ops.test.ts', 'test/native/verify-ops.test.ts', 'test/native/sampling.test.ts', 'test/native/states.test.ts', 'test/native/loader-fuzz.test.ts',
  'test/core/long-texts.test.ts',
];

/** What each sanitizer is built with, loaded from and told. */
const SANITIZERS = {
  address: {
    flags: '-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined',
    library: 'libasan.so',
    // Leaks: V8 frees nothing at exit. Node takes faults of its own (WebAssembly), so the handlers stay with it.
    env: { ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1:abort_on_error=1:handle_segv=0', UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1' },
    command: [],
  },
  thread: {
    flags: '-fsanitize=thread',
    library: 'libtsan.so',
    env: { TSAN_OPTIONS: `halt_on_error=1:exitcode=66:report_signal_unsafe=0:suppressions=${join(root, 'scripts/sanitize-thread.supp')}` },
    // Its shadow memory wants the addresses that randomisation gives away.
    command: ['setarch', '-R'],
  },
};

const [which, ...files] = process.argv.slice(2);
const chosen = which in SANITIZERS ? [which] : Object.keys(SANITIZERS);
const tests = (which in SANITIZERS ? files : process.argv.slice(2));
for (const name of chosen) run(name, tests.length > 0 ? tests : TESTS.filter((file) => existsSync(join(root, file))));

function run(name, tests) {
  const { flags, library, env, command } = SANITIZERS[name];
  const { compiler, cmake, jobs } = findToolchain();
  const preload = execFileSync(compiler, [`-print-file-name=${library}`], { encoding: 'utf8' }).trim();
  if (!existsSync(preload)) throw new Error(`${compiler} has no ${library}; install the sanitizers of your compiler (GCC on Linux brings them)`);
  const folder = join(root, `build-sanitize-${name}`);
  mkdirSync(folder, { recursive: true });
  must(cmake, ['-S', root, '-B', folder, '-DCMAKE_BUILD_TYPE=None', `-DCMAKE_CXX_COMPILER=${compiler}`, `-DFORETOKEN_SANITIZE=${flags}`]);
  must(cmake, ['--build', folder, '--parallel', String(jobs)]);
  console.log(`\n${name}: ${tests.length} files\n`);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const [program, ...before] = [...command, process.execPath];
  must(program, [...before, vitest, 'run', '--no-file-parallelism', '--testTimeout=600000', '--hookTimeout=600000', '-t', LEFT_OUT, ...tests], {
    ...process.env, ...env,
    FORETOKEN_SANITIZE_PRELOAD: preload, FORETOKEN_SANITIZED_ADDON: join(folder, 'foretoken.node'),
    NODE_OPTIONS: `--require ${join(root, 'scripts/sanitize-hook.cjs')}`,
  });
}

function must(program, args, env = process.env) {
  const { status, signal } = spawnSync(program, args, { stdio: 'inherit', cwd: root, env });
  if (status === 0) return;
  console.error(`${program} ${args.slice(0, 3).join(' ')} … ended with ${signal ?? status}`);
  process.exit(1);
}
