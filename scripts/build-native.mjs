// Builds build/Release/foretoken.node with cmake-js.
import { execFileSync } from 'node:child_process';

execFileSync(process.execPath, ['node_modules/cmake-js/bin/cmake-js', 'compile', ...process.argv.slice(2)], { stdio: 'inherit' });
