import { mean, sampleStandardDeviation } from 'simple-statistics';
import { describe, expect, it } from 'vitest';
import { independentEstimate, pairedEstimate, type Terms } from './effect.js';
import { fixedInterval, sequentialBound, sequentialInterval } from './intervals.js';
import { BoundedMeanTest } from './bounded-test.js';
import { planSize } from './plan-size.js';

const pair = (control: number, treatment: number) => ({ control: [control, 1] as Terms, treatment: [treatment, 1] as Terms });

describe('the effect of a ratio', () => {
  it('is the ratio of the ratios of sums, not the mean of ratios', () => {
    const pairs = [{ control: [10, 1] as Terms, treatment: [10, 0.5] as Terms }, { control: [100, 20] as Terms, treatment: [100, 20] as Terms }];
    expect(Math.exp(pairedEstimate(pairs)!.logRatio)).toBeCloseTo((110 / 20.5) / (110 / 21), 12);
  });

  it('has the standard error of a paired t test where denominators are one and differences are small', () => {
    const control = [100, 101, 99, 100.5, 99.5, 100.2];
    const difference = [0.1, 0.3, -0.1, 0.2, 0.15, 0.05];
    const estimate = pairedEstimate(control.map((value, i) => pair(value, value + difference[i]!)))!;
    expect(estimate.logRatio / estimate.standardError).toBeCloseTo(mean(difference) / (sampleStandardDeviation(difference) / Math.sqrt(6)), 1);
    expect(estimate.freedom).toBe(5);
  });

  it('forgets what both arms share: a slow prompt is slow for both', () => {
    const shared = [10, 1000, 20, 500, 3].map((value, i) => pair(value, value * 1.1 * (1 + (i % 2) / 1000)));
    expect(pairedEstimate(shared)!.standardError).toBeLessThan(0.001);
    const apart = independentEstimate(shared.map(({ control }) => control), shared.map(({ treatment }) => treatment))!;
    expect(apart.standardError).toBeGreaterThan(0.5);
    expect(apart.logRatio).toBeCloseTo(Math.log(1.1), 2);
  });

  it('is absent where there is nothing to divide by', () => {
    expect(pairedEstimate([pair(1, 2)])).toBeUndefined();
    expect(pairedEstimate([pair(0, 2), pair(0, 3)])).toBeUndefined();
    expect(independentEstimate([[1, 1]], [[1, 1], [2, 1]])).toBeUndefined();
  });
});

describe('intervals', () => {
  const estimate = { logRatio: Math.log(1.1), standardError: 0.02, freedom: 39, size: 40 };

  it('are the t interval for one look, and a wider one for many', () => {
    const { low, high } = fixedInterval(estimate, 0.95);
    expect([low, high]).toEqual([expect.closeTo(1.1 * Math.exp(-2.0226909 * 0.02) - 1, 8), expect.closeTo(1.1 * Math.exp(2.0226909 * 0.02) - 1, 8)]);
    const always = sequentialInterval(estimate, 0.95, 40);
    expect(always.low).toBeLessThan(low);
    expect(always.high).toBeGreaterThan(high);
  });

  it('approach the normal mixture boundary of Robbins as data grows', () => {
    const horizon = 1000;
    const alpha = 0.05;
    const variance = (-2 * Math.log(alpha) + Math.log(1 - 2 * Math.log(alpha))) / horizon;
    const spread = 1 + horizon * variance;
    const robbins = Math.sqrt((spread / (horizon * variance)) * Math.log(spread / alpha ** 2));
    expect(sequentialBound(horizon, horizon - 1, 0.95, horizon) / robbins).toBeCloseTo(1, 2);
    expect(sequentialBound(horizon, horizon - 1, 0.95, horizon)).toBeLessThan(sequentialBound(horizon, horizon - 1, 0.95, 20));
  });

  it('have no bound while there is next to no data', () => {
    expect(sequentialBound(2, 1, 0.95, 40)).toBe(Infinity);
    expect(sequentialInterval({ ...estimate, freedom: 1, size: 2 }, 0.95, 40)).toEqual({ low: -1, high: Infinity });
  });
});

describe('the planner', () => {
  it('agrees with the usual formula for one look', () => {
    const wanted = Math.log(1.05);
    expect(planSize({ deviation: 0.2, effect: 0.05, looks: 'once' })).toBeCloseTo(((1.959964 + 0.841621) * 0.2 / wanted) ** 2 + 2, -0.5);
  });

  it('asks for more for many looks, for a smaller effect, for more power, and for a small pilot', () => {
    const base = planSize({ deviation: 0.2, effect: 0.05 });
    expect(base).toBeGreaterThan(planSize({ deviation: 0.2, effect: 0.05, looks: 'once' }));
    expect(planSize({ deviation: 0.2, effect: 0.02 })).toBeGreaterThan(5 * base);
    expect(planSize({ deviation: 0.2, effect: 0.05, power: 0.95 })).toBeGreaterThan(base);
    expect(planSize({ deviation: 0.2, effect: 0.05, pilotSize: 20 })).toBeGreaterThan(base);
  });

  it('refuses what cannot be planned, with the remedy', () => {
    expect(() => planSize({ deviation: 0, effect: 0.05 })).toThrow(/Run a few prompts on both arms first/);
    expect(() => planSize({ deviation: 1, effect: 0 })).toThrow(/such as 0.05 for 5 %/);
    expect(() => planSize({ deviation: 1, effect: 1e-9 })).toThrow(/plan for a larger effect/);
  });
});

describe('the test of a bounded mean', () => {
  it('finds a rate above its limit soon, and holds its peace at the limit', () => {
    const above = new BoundedMeanTest(0.02);
    let needed = 0;
    while (above.evidence < 20 && needed < 1000) above.add(needed++ % 5 === 0 ? 1 : 0);   // 20 %
    expect(needed).toBeLessThan(60);
    const at = new BoundedMeanTest(0.02);
    let most = 0;
    for (let i = 0; i < 5000; i++) {
      at.add(i % 50 === 49 ? 1 : 0);
      most = Math.max(most, at.evidence);
    }
    expect(most).toBeLessThan(20);
  });
});
