import { describe, expect, it } from 'vitest';
import { Acceptance, NodeBudget } from './budget.js';

const wide = new NodeBudget([{ rows: 1, ms: 10 }, { rows: 8, ms: 10.5 }, { rows: 16, ms: 11 }, { rows: 32, ms: 12 }, { rows: 64, ms: 15 }]);
const narrow = new NodeBudget([{ rows: 1, ms: 10 }, { rows: 2, ms: 11 }, { rows: 4, ms: 11 }, { rows: 8, ms: 18 }, { rows: 16, ms: 34 }]);

describe('NodeBudget', () => {
  it('gives wide drafts where rows are nearly free and short ones where they are not', () => {
    expect(wide.nodes(60, 0.8, 1)).toBeGreaterThan(7);
    expect(narrow.nodes(60, 0.8, 1)).toBeGreaterThanOrEqual(3);
    expect(narrow.nodes(60, 0.8, 1)).toBeLessThanOrEqual(6);
  });

  it('shrinks with the acceptance and with the number of neighbours, but never below one', () => {
    expect(wide.nodes(60, 0.1, 1)).toBeLessThan(wide.nodes(60, 0.9, 1));
    expect(narrow.nodes(60, 0.8, 8)).toBe(1);
    expect(narrow.nodes(60, 0, 1)).toBe(1);
  });

  it('interpolates between measured passes and extends the last slope', () => {
    expect(narrow.passMs(6)).toBeCloseTo(14.5);
    expect(narrow.passMs(32)).toBeCloseTo(66);
    expect(narrow.passMs(1)).toBe(10);
  });

  it('gives a plan all it asks for when nothing was measured', () => {
    expect(new NodeBudget([]).nodes(60, 0.1, 8)).toBe(60);
  });
});

describe('Acceptance', () => {
  it('approaches the share of tried nodes that were accepted', () => {
    const acceptance = new Acceptance();
    for (let i = 0; i < 100; i++) acceptance.update(3, 4);   // three accepted, the fourth tried and refused
    expect(acceptance.rate).toBeCloseTo(0.75, 1);
    for (let i = 0; i < 100; i++) acceptance.update(0, 4);
    expect(acceptance.rate).toBeLessThan(0.1);
  });
});
