import type { Batch } from '../batch.js';
import type { Target } from '../target.js';

/** Lets waiting requests in. */
export function join(batch: Batch, target: Target): void {
  for (const { id, prompt, strategy } of batch.join()) {
    target.events.tell('started', { request: id, strategy: strategy?.name ?? 'off', promptTokens: prompt.length });
  }
}
