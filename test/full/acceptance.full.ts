import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../core/index.js';
import { DRAFTERS, lineOf, measure, openDemo, RECORDED, TOLERANCE } from '../acceptance/acceptance.js';

describe.each(Object.keys(RECORDED))('heads of the demo model are accepted as often as with the originals: %s', (set) => {
  let engine: Engine;
  let plain: readonly number[][];
  beforeAll(async () => {
    engine = await openDemo();
    plain = (await measure(engine, set, 'off')).texts;
  });
  afterAll(() => engine.dispose());

  it.each(Object.keys(DRAFTERS))('%s', async (drafter) => {
    const made = await measure(engine, set, DRAFTERS[drafter]!);
    const recorded = RECORDED[set]![drafter]!;
    console.log(lineOf(set, drafter, made));
    expect(made.texts).toEqual(plain);
    expect(Math.abs(made.acceptanceLength - recorded.acceptanceLength), 'difference of acceptance lengths').toBeLessThan(TOLERANCE);
    expect(made.iterations).toBe(recorded.iterations);
  }, 600_000);
});
