import { describe, expect, it } from 'vitest';
import { chiSquareQuantile, chiSquareTail, studentQuantile, studentTail } from './distributions.js';

describe('the distributions behind intervals', () => {
  it('give the quantiles of Student\'s t as printed tables have them', () => {
    expect(studentQuantile(0.025, 1)).toBeCloseTo(12.7062047, 6);
    expect(studentQuantile(0.025, 10)).toBeCloseTo(2.2281389, 6);
    expect(studentQuantile(0.005, 30)).toBeCloseTo(2.7499957, 6);
    expect(studentQuantile(0.025, Infinity)).toBeCloseTo(1.9599640, 5);
  });

  it('give the tails of chi-square as printed tables have them', () => {
    expect(chiSquareTail(3.841459, 1)).toBeCloseTo(0.05, 6);
    expect(chiSquareTail(18.307038, 10)).toBeCloseTo(0.05, 6);
    expect(chiSquareQuantile(0.2, 39)).toBeCloseTo(31.441, 2);
  });

  it('invert one another', () => {
    for (const freedom of [2, 5.5, 39]) for (const tail of [0.001, 0.1, 0.4]) expect(studentTail(studentQuantile(tail, freedom), freedom)).toBeCloseTo(tail, 9);
    for (const share of [0.01, 0.5, 0.99]) expect(1 - chiSquareTail(chiSquareQuantile(share, 7), 7)).toBeCloseTo(share, 9);
  });
});
