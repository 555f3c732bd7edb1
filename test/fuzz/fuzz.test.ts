import { afterAll, describe, it } from 'vitest';
import { properties } from './properties.js';

const { all, cleanUp } = properties();
afterAll(cleanUp);

describe('whatever comes in, only errors of ours come out', () => {
  it.each(all)('of $what', async ({ check }) => {
    await check({ numRuns: 300, ms: 2000, seed: 20_261_124 });
  });
});
