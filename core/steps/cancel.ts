import type { Batch } from '../batch.js';
import type { Target } from '../target.js';
import { abandon } from './emit.js';

/** Lets go of requests whose signal has been aborted: their pages are free when their result rejects. */
export function cancel(batch: Batch, target: Target): void {
  for (const { run, signal } of batch.dropWaiting((request) => request.signal.aborted)) run.fail(signal.reason);
  for (const request of new Set(batch.members.map((member) => member.request))) {
    if (!request.signal.aborted) continue;
    abandon(batch.members.filter((member) => member.request === request), request.signal.reason, 'cancelled', batch, target);
  }
}
