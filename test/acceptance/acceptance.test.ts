import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../core/index.js';
import { CHAINS, lineOf, measure, openDemo, RECORDED, TOLERANCE } from './acceptance.js';

/** The set with the shortest answers; test/full takes all five. */
const SET = 'sql (validation)';

describe('heads of the demo model are accepted as often as with the originals', () => {
  let engine: Engine;
  beforeAll(async () => { engine = await openDemo(); });
  afterAll(() => engine.dispose());

  it.each(Object.keys(CHAINS))('%s', async (drafter) => {
    const made = await measure(engine, SET, CHAINS[drafter]!);
    const recorded = RECORDED[SET]![drafter]!;
    console.log(lineOf(SET, drafter, made));
    expect(Math.abs(made.acceptanceLength - recorded.acceptanceLength), 'difference of acceptance lengths').toBeLessThan(TOLERANCE);
    expect(made.iterations).toBe(recorded.iterations);
  });
});
