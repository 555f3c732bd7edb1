// Builds and runs read-bandwidth.cpp.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

let isBuilt = false;

/** Read bandwidth in GB/s by working set size in bytes: `[{ bytes, best, median }]`. Needs the C++ compiler that builds the addon. */
export function readBandwidth(threads, sizes) {
  const folder = fileURLToPath(new URL('../build-bench', import.meta.url)), program = `${folder}/read-bandwidth`;
  mkdirSync(folder, { recursive: true });
  if (!isBuilt) execFileSync(process.env.CXX ?? 'c++', ['-O3', '-march=native', '-std=c++17', '-pthread', fileURLToPath(new URL('read-bandwidth.cpp', import.meta.url)), '-o', program]);
  isBuilt = true;
  const lines = execFileSync(program, [threads, ...sizes].map(String), { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => { const [bytes, best, median] = line.split(' ').map(Number); return { bytes, best, median }; });
}
