import type { Batch } from '../batch.js';
import { CapacityError } from '../errors.js';
import type { NativeForward } from '../native/types.js';
import type { Target } from '../target.js';
import { abandon } from './emit.js';
import { pack, type Pass } from './pack.js';
import { pause } from './room.js';
import type { Work } from './schedule.js';

/**
 * Packs and enqueues the pass. When pages run out, drafts are given up first; then the sequence that joined last waits, so that the others can
 * go on. One that does not even fit alone fails.
 *
 * @returns undefined when nobody is left
 */
export function forwardPass(work: readonly Work[], batch: Batch, target: Target): (Pass & { readonly forward: NativeForward }) | undefined {
  let running = work;
  while (running.length > 0) {
    const pass = pack(running, target);
    try {
      const forward = target.forward(pass.rows, pass.taps);
      const now = performance.now();
      for (const { work: { member } } of pass.parts) member.stats.firstPassAt ||= now;
      return { ...pass, forward };
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error;
      if (running.some(({ draft }) => draft !== undefined)) {
        for (const one of running) one.draft = undefined;
        continue;
      }
      const { member: first } = running[0]!;   // the loop's condition: there is one
      const last = batch.members.filter((member) => member !== first && !member.isPaused).at(-1);
      if (last !== undefined) pause(last, target);
      else abandon(batch.members.filter(({ request }) => request === first.request), error, 'failed', batch, target);
      running = last === undefined ? [] : running.filter(({ member }) => member !== last);
    }
  }
  return undefined;
}
