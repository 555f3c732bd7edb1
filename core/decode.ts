import type { Batch } from './batch.js';
import { cancel } from './steps/cancel.js';
import { IterationClock } from './steps/clock.js';
import { commit } from './steps/commit.js';
import { decide } from './steps/decide.js';
import { emit } from './steps/emit.js';
import { fork } from './steps/fork.js';
import { forwardPass } from './steps/forward-pass.js';
import { freeDrafts } from './steps/free-drafts.js';
import { join } from './steps/join.js';
import { move } from './steps/move.js';
import { observe } from './steps/observe.js';
import { propose } from './steps/propose.js';
import { read } from './steps/read.js';
import { schedule } from './steps/schedule.js';
import { verify } from './steps/verify.js';
import type { BoundVerifier } from './strategy-instance.js';
import type { Target } from './target.js';

/**
 * One iteration over the running sequences, whatever their strategies: every sequence that has its prompt in runs a tree, plain decoding a
 * tree of the root alone, and prompt chunks of joining sequences ride in the same pass. Everything but the read is enqueued, never awaited.
 *
 * The read comes before the commit: the host cuts each accepted block where its text ends and commits only what stays, so that no step has to
 * undo another.
 *
 * @param plain the verifier of sequences without a strategy
 */
export async function iterate(batch: Batch, plain: BoundVerifier, target: Target): Promise<void> {
  cancel(batch, target);                                        // those whose signal says so leave
  join(batch, target);                                          // those who wait take the free places
  move(batch, target);                                          // those whose strategy was set anew change to it
  target.beginIteration();
  const clock = new IterationClock(target);
  observe(batch, target);                                       // strategies hear what the last pass made final
  fork(batch, target);                                          // prompts that are in become their samples
  const work = schedule(batch, target);                         // who runs a prompt chunk, who a root
  const reports = propose(work, target);                        // strategies draft within each sequence's budget
  clock.mark();
  target.forgetLast();

  const pass = forwardPass(work, batch, target);                // one pass for every sequence and every tree
  if (pass === undefined) return;
  const judged = verify(pass, pass.forward, plain, target);     // a path and a next token per tree, on the device
  clock.mark();
  const reading = read(judged, pass.forward, reports, clock, target);
  freeDrafts(pass);                                             // while the device works
  const { outcomes, refused, times } = await reading;
  const commitStart = performance.now();

  const blocks = decide(outcomes, target);                      // cut at the first stop
  commit(blocks, pass, target);                                 // keep what stays, forget the rest
  target.events.tell('verified', { sequences: pass.parts.length, rows: pass.rows.sequences.length, refused, draftMs: times.draftMs, durationMs: times.verifyMs });
  emit(blocks, pass.parts.length, { ...times, commitMs: performance.now() - commitStart }, batch, target);
}
