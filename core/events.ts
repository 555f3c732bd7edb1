import { EventEmitter } from 'eventemitter3';

/** What happened, with one frozen payload per event. Listeners are told, never asked: nothing they do changes a result. */
export interface EngineEvents {
  /** A request has joined the running batch. */
  started: (event: { readonly request: number; readonly strategy: string; readonly promptTokens: number }) => void;
  /** A strategy has drafted for its sequences; `nodes` counts the rows taken besides the roots, `refused` bad nodes and those past the budget. */
  drafted: (event: { readonly strategy: string; readonly sequences: number; readonly nodes: number; readonly refused: number; readonly durationMs: number }) => void;
  /**
   * One pass of the target. `rows` counts prompt rows, roots and nodes; `refused` the nodes made on the device that were bad; `draftMs` is
   * what strategies took of the device before it, their callbacks included, and `durationMs` the pass itself with its verdict.
   */
  verified: (event: { readonly sequences: number; readonly rows: number; readonly refused: number; readonly draftMs: number; readonly durationMs: number }) => void;
  /** A sequence has grown by `tokens`, of which `accepted` were drafted. */
  committed: (event: { readonly request: number; readonly sample: number; readonly strategy: string; readonly tokens: number; readonly accepted: number; readonly proposed: number }) => void;
  /** A strategy failed for these requests, which decode plainly: for this iteration, or (`benched`) from now on. */
  faulted: (event: { readonly strategy: string; readonly requests: readonly number[]; readonly reason: unknown; readonly benched: boolean }) => void;
  /** A request has ended. */
  finished: (event: { readonly request: number; readonly sample: number; readonly reason: 'eos' | 'stop' | 'length' | 'cancelled' | 'failed'; readonly tokens: number; readonly durationMs: number }) => void;
}

/** Emits {@link EngineEvents}. A listener that throws is the listener's fault: it neither ends nor changes a run. */
export class EngineEmitter extends EventEmitter<EngineEvents> {
  /** @internal */
  tell<E extends keyof EngineEvents>(event: E, payload: Parameters<EngineEvents[E]>[0]): void {
    if (this.listenerCount(event) === 0) return;
    try {
      // eventemitter3 cannot see that the payload of a generic event matches its listeners; the signature above says so.
      (this.emit as (event: E, payload: unknown) => boolean).call(this, event, Object.freeze(payload));
    } catch (error) {
      process.emitWarning(`A listener of "${event}" threw: ${error instanceof Error ? error.message : String(error)}`, 'ForetokenWarning');
    }
  }
}
