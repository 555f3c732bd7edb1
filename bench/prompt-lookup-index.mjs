// What the index of prompt-lookup costs per token, by length of text: run `npm run build`, then `node bench/prompt-lookup-index.mjs`.
import { NgramIndex } from '../dist/strategies/prompt-lookup/ngram-index.js';

const VOCABULARY = 4096;
const LENGTHS = [1_000, 10_000, 100_000, 1_000_000];
/** Tokens that are timed one by one at the end of each text. */
const TIMED = 2_000;

for (const length of LENGTHS) {
  const text = textOf(length + TIMED);
  const index = new NgramIndex(1, 4);
  const start = performance.now();
  index.matches(text.subarray(0, length), 2);
  const prompt = performance.now() - start;
  const times = [];
  for (let end = length + 1; end <= text.length; end++) {
    const from = performance.now();
    index.matches(text.subarray(0, end), 2);
    times.push((performance.now() - from) * 1000);
  }
  times.sort((a, b) => a - b);
  console.log(`${String(length).padStart(9)} tokens: prompt ${(prompt * 1000 / length).toFixed(2)} µs a token; then median ${times[TIMED / 2].toFixed(1)} µs, p95 ${times[Math.floor(TIMED * 0.95)].toFixed(1)} µs a token`);
}

/** Zipf-like tokens, so that some n-grams are frequent and most are rare. */
function textOf(length) {
  let state = 1;
  return Int32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.floor(VOCABULARY ** ((state >>> 0) / 4294967296)) - 1;
  });
}
