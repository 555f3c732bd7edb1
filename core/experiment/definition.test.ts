import { describe, expect, it } from 'vitest';
import { assignArm, pairedOrder, roundOrder } from './assignment.js';
import { defineExperiment, resolveExperiment } from './definition.js';

const arms = { plain: 'off', other: { name: 'x', length: 4 } };

describe('the definition of an experiment', () => {
  it('takes the first arm as the control and a metric that its design can tell', () => {
    expect(resolveExperiment({ name: 'a', arms })).toMatchObject({ control: 'plain', treatments: ['other'], design: 'paired', metric: 'tokensPerSecond', salt: 'a' });
    expect(resolveExperiment({ name: 'a', arms, design: 'request', control: 'other' })).toMatchObject({ treatments: ['plain'], metric: 'acceptanceLength' });
    expect(defineExperiment({ name: 'a', arms }).arms.other.length).toBe(4);
  });

  it('is refused with the reason and the remedy', () => {
    const refused = (definition: object) => expect(() => resolveExperiment({ name: 'a', arms, ...definition }));
    refused({ design: 'request', metric: 'tokensPerSecond' }).toThrow(/share the passes.*cannot be told apart.*Use the design "paired" or "switchback", or the metric acceptanceLength/);
    refused({ design: 'shadow', metric: 'timeToFirstTokenMs' }).toThrow(/only the control is served/);
    refused({ arms: { plain: 'off' } }).toThrow(/has 1 arm; a comparison needs two/);
    refused({ control: 'third' }).toThrow(/none of its arms: plain, other/);
    refused({ weights: { third: 2 } }).toThrow(/weight of "third"/);
    refused({ metric: 'acceptanceRate', design: 'request' }).toThrow(/drafts nothing/);
    refused({ design: 'switchback', sliceMs: 10, washOutMs: 10 }).toThrow(/leaves nothing of a slice/);
    refused({ desing: 'paired' }).toThrow(/Unknown option "desing" for an experiment; did you mean "design"/);
    refused({ guardrails: { fault: 0.1 } }).toThrow(/Unknown option "fault" in `guardrails`.*did you mean "faults"/);
    refused({ request: { maxTokens: 0 } }).toThrow(/Option `request.maxTokens` of an experiment/);
  });
});

describe('assignment', () => {
  const weights = new Map([['a', 3], ['b', 1]]);
  const units = Array.from({ length: 4000 }, (_, i) => `user-${i}`);

  it('gives a unit the same arm always, and in the shares of the weights', () => {
    const dealt = units.map((unit) => assignArm(weights, 'salt', unit));
    expect(units.map((unit) => assignArm(weights, 'salt', unit))).toEqual(dealt);
    expect(dealt.filter((arm) => arm === 'a').length / units.length).toBeCloseTo(0.75, 1.5);
    expect(assignArm(weights, 'salt', 'user-1'), 'fixed for good: a change would move every user').toBe('b');
  });

  it('deals anew with another salt, independently of the first', () => {
    const even = new Map([['a', 1], ['b', 1]]);
    const both = units.filter((unit) => assignArm(even, 'one', unit) === 'a' && assignArm(even, 'two', unit) === 'a');
    expect(both.length / units.length).toBeCloseTo(0.25, 1.5);
  });

  it('alternates in ABBA order and lets every arm be first equally often', () => {
    expect(pairedOrder(['a', 'b'], 0, 2)).toEqual(['a', 'b', 'b', 'a']);
    expect(pairedOrder(['a', 'b'], 1, 1)).toEqual(['b', 'a']);
    const firsts = Array.from({ length: 1000 }, (_, round) => roundOrder(['a', 'b'], 'salt', round)[0]);
    expect(firsts.filter((arm) => arm === 'a').length / 1000).toBeCloseTo(0.5, 1.3);
  });
});
