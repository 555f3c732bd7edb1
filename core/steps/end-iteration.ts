import type { StrategyInstance } from '../strategy-instance.js';
import type { Target } from '../target.js';
import type { Times } from './clock.js';
import type { Pass } from './pack.js';

/** Tells what the pass cost, and frees what the strategies' callbacks made and nobody kept. */
export function endIteration(pass: Pass, refused: number, { draftMs, verifyMs }: Times, target: Target): void {
  target.events.tell('verified', { sequences: pass.parts.length, rows: pass.rows.sequences.length, refused, draftMs, durationMs: verifyMs });
  const strategies = new Set<StrategyInstance>();
  for (const { work: { member } } of pass.parts) if (member.strategy !== undefined) strategies.add(member.strategy);
  for (const strategy of strategies) strategy.endIteration();
}
