// Runs on `npm ci` in a checkout: builds the native addon, then the TypeScript. A published package ships both and never runs this.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

run(join(root, 'scripts', 'build-native.mjs'));
rmSync(join(root, 'dist'), { recursive: true, force: true });
run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json');

/** What a step has to say it has said; its exit status becomes ours, without a stack trace of this script. */
function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit', cwd: root });
  if (status !== 0) process.exit(status ?? 1);
}
