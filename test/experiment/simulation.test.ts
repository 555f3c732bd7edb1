import { describe, expect, it } from 'vitest';
import { planSize } from '../../core/index.js';
import { estimateSpeed, everRejects, excludesZero, Simulation } from './simulate.js';

describe('experiments drawn from recorded runs', () => {
  it('of an arm against itself, looked at after every prompt, call an effect in at most 6.5 % of 1000', () => {
    const simulation = new Simulation(20261124);
    let rejections = 0;
    for (let i = 0; i < 1000; i++) if (everRejects(simulation.pairs(40), 40)) rejections++;
    console.log(`A/A with peeking: ${rejections} of 1000 experiments call an effect at the 5 % level`);
    expect(rejections).toBeLessThanOrEqual(65);
  });

  it('would be called far more often by the interval of one look: peeking is what the sequential one is for', () => {
    const simulation = new Simulation(7);
    let rejections = 0;
    for (let i = 0; i < 300; i++) {
      const pairs = simulation.pairs(40);
      for (let n = 5; n <= 40; n++) {
        const estimate = estimateSpeed(pairs.slice(0, n))!;   // more than two pairs
        if (Math.abs(estimate.logRatio) > 1.96 * estimate.standardError) { rejections++; break; }
      }
    }
    expect(rejections / 300).toBeGreaterThan(0.13);
  });

  it('with a planted effect of 5 % find it in at least 80 % at the size that the planner asks for', () => {
    const simulation = new Simulation(5);
    const sizes: number[] = [];
    let found = 0;
    for (let i = 0; i < 200; i++) {
      const pilot = estimateSpeed(simulation.pairs(40))!;   // more than two pairs
      const size = planSize({ deviation: pilot.standardError * Math.sqrt(pilot.size), pilotSize: 40, effect: 0.05 });
      sizes.push(size);
      if (excludesZero(simulation.pairs(size, 0.05), size)) found++;
    }
    sizes.sort((a, b) => a - b);
    console.log(`planted 5 %: found in ${found} of 200 experiments of ${sizes[20]} to ${sizes[180]} prompts (middle 80 %)`);
    expect(found).toBeGreaterThanOrEqual(160);
  });
});
