import type { StrategyInstance } from '../strategy-instance.js';
import type { Pass } from './pack.js';

/** Frees what the strategies' callbacks made in this iteration and nobody kept, while the device is at work: what it was told to do holds what it needs. */
export function freeDrafts(pass: Pass): void {
  const strategies = new Set<StrategyInstance>();
  for (const { work: { member } } of pass.parts) if (member.strategy !== undefined) strategies.add(member.strategy);
  for (const strategy of strategies) strategy.endIteration();
}
