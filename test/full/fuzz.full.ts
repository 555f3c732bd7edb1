import { afterAll, describe, it } from 'vitest';
import { properties } from '../fuzz/properties.js';

/** Per property; the seed is new in every run, and told. */
const MINUTES = 1;
const seed = Date.now() % 2 ** 31;
const { all, cleanUp } = properties();
afterAll(() => {
  cleanUp();
  console.log(`fuzzing: ${all.length} properties, ${MINUTES} min each, seed ${seed}`);
});

describe('whatever comes in, only errors of ours come out', () => {
  it.each(all)('of $what', async ({ check }) => {
    await check({ numRuns: 100_000_000, ms: MINUTES * 60_000, seed });
  }, (MINUTES + 2) * 60_000);
});
