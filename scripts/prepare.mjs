// Runs on `npm ci` in a checkout: builds the native addon, then the TypeScript. A published package ships both and never runs this.
import { execFileSync } from 'node:child_process';

const run = (command, args) => execFileSync(command, args, { stdio: 'inherit' });
run(process.execPath, ['scripts/build-native.mjs']);
run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
