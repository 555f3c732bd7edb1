import type { Batch, Request } from '../batch.js';
import type { Target } from '../target.js';
import { abandon } from './emit.js';

/** Lets go of requests whose signal has been aborted: their pages are free when their result rejects. */
export function cancel(batch: Batch, target: Target): void {
  for (const request of batch.dropWaiting((waiting) => abortedSignal(waiting) !== undefined)) request.run.fail(abortedSignal(request)?.reason);
  for (const request of new Set(batch.members.map((member) => member.request))) {
    const signal = abortedSignal(request);
    if (signal === undefined) continue;
    abandon(batch.members.filter((member) => member.request === request), signal.reason, 'cancelled', batch, target);
  }
}

function abortedSignal({ signals }: Request): AbortSignal | undefined {
  return signals.find(({ aborted }) => aborted);
}
