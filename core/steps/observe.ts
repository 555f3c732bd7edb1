import type { Batch, Member } from '../batch.js';
import type { StrategyInstance } from '../strategy-instance.js';
import type { Observed, Tensor } from '../strategy.js';
import type { Target } from '../target.js';
import { byStrategy, guarded, leaveStrategy } from './faults.js';

/** Tells every strategy the text that became final in the last pass: prompt chunks, then what was kept. Each position arrives once, in order. */
export function observe(batch: Batch, target: Target): void {
  for (const [strategy, members] of byStrategy(batch.members.filter(({ unseen }) => unseen !== undefined))) {
    const observed = observedBy(strategy, members, target);
    for (const member of members) {
      member.isObserved = true;
      member.unseen = undefined;
    }
    if (!strategy.observes) continue;
    // What it was told is gone for good: a strategy that failed to take it in cannot go on with these texts.
    if (!guarded(strategy, members, target, () => strategy.observe(observed))) for (const member of members) leaveStrategy(member, target);
  }
}

function observedBy(strategy: StrategyInstance, members: readonly Member[], target: Target): Observed {
  const rowStart = new Int32Array(members.length + 1);
  const rows: number[] = [];
  members.forEach(({ unseen }, i) => {
    rows.push(...unseen!.rows);   // the caller passes only members that have something unseen
    rowStart[i + 1] = rows.length;
  });
  const { hidden, taps } = strategy.plan.needs;
  return {
    sequences: members.map(({ sequence }) => sequence),
    firstPosition: Int32Array.from(members, ({ unseen }) => unseen!.firstPosition),
    rowStart,
    commits: members.map(({ unseen }) => unseen!.commit),
    ...(hidden === 'all' ? { hidden: hiddenRows(rows, taps, target) } : {}),
  };
}

/** Rows of the last pass: final hidden states `[rows, hidden]`, or the taps asked for side by side `[rows, taps * hidden]`. */
export function hiddenRows(rows: readonly number[], taps: readonly number[] | undefined, target: Target): Tensor {
  const last = target.lastForward!;   // unseen rows exist only after a pass
  const ops = target.deviceOps;
  const index = Int32Array.from(rows);
  if (taps === undefined) return ops.gather(last.hidden, index, 0);
  const size = target.description.hiddenSize;
  const computed = target.lastTaps;
  const all = ops.gather(last.taps!, index, 0);
  if (computed.length === taps.length && taps.every((tap, i) => tap === computed[i])) return all;
  const columns = taps.map((tap) => computed.indexOf(tap));
  const table = Int32Array.from({ length: rows.length * taps.length }, (_, i) => columns[i % taps.length]!);
  const perTap = ops.reshape(all, [rows.length, computed.length, size]);
  const picked = ops.gather(perTap, target.deviceOps.fromArray(table, [rows.length, taps.length]), 1);
  return ops.reshape(picked, [rows.length, taps.length * size]);
}
