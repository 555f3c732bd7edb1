import type { Noise, Ops, Tensor } from '../../core/index.js';
import type { Drafter } from './drafter.js';

/** One step of a beam search: the best paths of one length, best first. All `[n, width]`. */
export interface BeamStep {
  /** Their last tokens. */
  readonly tokens: Tensor;
  /** Log-probabilities of the whole paths. */
  readonly scores: Tensor;
  /** Which paths of the step before they go on from; undefined in the first step, where that is the root. */
  readonly from: Tensor | undefined;
}

/** A tree as a draft takes it from the device, `[n, nodes]` each. */
export interface DraftTree {
  readonly tokens: Tensor;
  readonly parents: Tensor;
  readonly scores: Tensor;
}

/** Where a search begins and how far it goes. */
export interface BeamStart {
  /** Roots `[n]`. */
  readonly pending: Tensor;
  /** The target's states before them `[n, hidden]`. */
  readonly hidden: Tensor;
  /** Paths followed, at most `drafter.width`. */
  readonly width: number;
  readonly length: number;
  /** The noise of the tokens of one step, for so many rows per root; undefined: none. */
  noise(step: number, rowsEach: number): Noise | undefined;
}

/** Follows the likeliest paths. Every step is enqueued, none is waited for. */
export function beamSearch(ops: Ops, drafter: Drafter, { pending, hidden, width, length, noise }: BeamStart): BeamStep[] {
  const [n, size] = hidden.shape as [number, number];
  const rows = n * width;
  const start = drafter.next(pending, undefined);
  const first = drafter.guess(hidden, start, noise(0, 1));
  const best = Int32Array.from({ length: width }, (_, rank) => rank);
  let last: BeamStep = { tokens: ops.gather(first.tokens, best, 1), scores: ops.gather(first.logProbs, best, 1), from: undefined };
  const steps = [last];
  const rowOf = Int32Array.from({ length: rows }, (_, beam) => Math.floor(beam / width));
  const context = length > 1 ? ops.gather(hidden, rowOf, 0) : hidden;
  for (let states = start; steps.length < length; ) {
    const before = last.from === undefined ? ops.gather(states, rowOf, 0) : ops.reshape(ops.gather(ops.reshape(states, [n, width, size]), last.from, 1), [rows, size]);
    states = drafter.next(ops.reshape(last.tokens, [rows]), before);
    const { tokens, logProbs } = drafter.guess(context, states, noise(steps.length, width));
    const paths = ops.add(logProbs, ops.reshape(last.scores, [rows, 1]));
    const { values, indices } = ops.topK(ops.reshape(paths, [n, width * drafter.width]), width);
    const [from] = ops.divMod(indices, drafter.width);
    last = { tokens: ops.gather(ops.reshape(tokens, [n, width * drafter.width]), indices, 1), scores: values, from };
    steps.push(last);
  }
  return steps;
}

/** The paths that were left at the end, with what they share taken once; what is taken by an earlier path is absent. */
export function finalPaths(ops: Ops, steps: readonly BeamStep[]): DraftTree {
  const [n, width] = steps[0]!.tokens.shape as [number, number];   // a search has a step
  const tokens: Tensor[] = [];
  const scores: Tensor[] = [];
  let at: Tensor | undefined;
  for (const step of steps.toReversed()) {
    const pick = (x: Tensor): Tensor => (at === undefined ? x : ops.gather(x, at, 1));
    tokens.unshift(ops.reshape(pick(step.tokens), [n, width, 1]));
    scores.unshift(ops.reshape(pick(step.scores), [n, width, 1]));
    at = step.from && pick(step.from);
  }
  const merged = ops.mergePrefixes(ops.concat(tokens, 2));
  return { tokens: merged.tokens, parents: merged.parents, scores: ops.reshape(ops.concat(scores, 2), [n, width * steps.length]) };
}

/** Every path that was ever among the best, as a tree: more to choose from than what is left at the end. */
export function visitedPaths(ops: Ops, steps: readonly BeamStep[]): DraftTree {
  const [n, width] = steps[0]!.tokens.shape as [number, number];   // a search has a step
  const parents = steps.map(({ from }, step) => (from === undefined ? ops.fromArray(new Int32Array(n * width), [n, width]) : ops.add(from, (step - 1) * width + 1)));
  return { tokens: ops.concat(steps.map((step) => step.tokens), 1), parents: ops.concat(parents, 1), scores: ops.concat(steps.map((step) => step.scores), 1) };
}
