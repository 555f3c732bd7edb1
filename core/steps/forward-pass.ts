import type { Batch } from '../batch.js';
import { CapacityError } from '../errors.js';
import type { NativeForward } from '../native/types.js';
import type { Target } from '../target.js';
import { abandon } from './emit.js';
import { pack, type Pass } from './pack.js';
import type { Work } from './schedule.js';

/**
 * Packs and enqueues the pass. When pages run out, drafts are given up first; then the sequence that joined last is refused, so that the
 * others can go on.
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
      const last = running.at(-1)!.member.request;   // the loop's condition: there is one
      abandon(batch.members.filter(({ request }) => request === last), error, 'failed', batch, target);
      running = running.filter(({ member }) => member.request !== last);
    }
  }
  return undefined;
}
