import type { BoundVerifier } from '../strategy-instance.js';
import { Forest, verifyOps } from '../forest.js';
import type { NativeForward } from '../native/types.js';
import type { RunningSequence } from '../sequence.js';
import type { Plan, Tensor, Verdict } from '../strategy.js';
import type { Target } from '../target.js';
import type { Part, Pass } from './pack.js';

/** What one verifier said of its members' trees; still on the device. */
export interface Judged {
  readonly parts: readonly Part[];
  readonly forest: Forest;
  readonly verdict: Verdict;
  /** Tokens of all rows, probes with theirs. */
  readonly tokens: Tensor;
}

/** Judges every tree of the pass; members with equal verifiers share a call. */
export function verify(pass: Pass, forward: NativeForward, plain: BoundVerifier, target: Target): Judged[] {
  const groups = new Map<string, { readonly bound: BoundVerifier; readonly drawn: Plan['drawn']; readonly parts: Part[] }>();
  for (const part of pass.parts) {
    if (part.root < 0) continue;
    const { strategy } = part.work.member;
    const bound = strategy?.verifier ?? plain;
    const drawn = part.treeRows > 1 ? strategy!.plan.drawn : 'deterministic';   // only strategies make nodes
    const key = `${bound.key} ${drawn}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { bound, drawn, parts: [part] });
    else group.parts.push(part);
  }
  return [...groups.values()].map(({ bound, drawn, parts }) => {
    const { forest, tokens } = forestOf(parts, pass, forward, drawn, target);
    const ops = Object.assign(Object.create(target.deviceOps), verifyOps(target));
    return { parts, forest, tokens, verdict: bound.verifier.verify(forest, ops, bound.options) };
  });
}

function forestOf(parts: readonly Part[], pass: Pass, forward: NativeForward, drawn: Plan['drawn'], target: Target): { forest: Forest; tokens: Tensor } {
  const ops = target.deviceOps;
  const rows: number[] = [];
  const owners: RunningSequence[] = [];
  const starts: number[] = [];   // of the owner of each row, in the forest
  const rowStart = new Int32Array(parts.length + 1);
  parts.forEach(({ root, treeRows, work }, i) => {
    for (let row = 0; row < treeRows; row++) {
      rows.push(root + row);
      owners.push(work.member.sequence);
      starts.push(rowStart[i]!);
    }
    rowStart[i + 1] = rows.length;
  });
  const isWhole = rows.length === pass.rows.sequences.length;   // then every row is a tree row, in order
  const pick = (tensor: Tensor): Tensor => (isWhole ? tensor : ops.gather(tensor, Int32Array.from(rows), 0));
  const tokens = pick(forward.tokens);
  const parents = parentsIn(pass, rows, starts, target);
  const treeRows = Math.max(...parts.map((part) => part.treeRows));
  const plans = parts.map(({ work }) => work.member.strategy?.plan);
  const maxWidth = Math.max(1, ...plans.map((plan) => Math.min(plan?.maxWidth ?? plan?.maxNodes ?? 1, treeRows)));
  const forest = new Forest(
    parts.map(({ work }) => work.member.sequence), rowStart, withoutProbes(tokens, parts, rowStart, target), parents, drawn, maxWidth, treeRows,
    pick(forward.hidden), pick(forward.positions), owners, tokens,
    parts.some(({ work }) => work.member.request.options.logprobs !== undefined), target, () => distributionsOf(parts, rowStart, target),
  );
  return { forest, tokens };
}

/** Parents as indices of the forest: row numbers of a sequence, moved to where its rows begin; -1 stays. */
function parentsIn(pass: Pass, rows: readonly number[], starts: readonly number[], target: Target): Tensor {
  const ops = target.deviceOps;
  const { parents } = pass.rows;
  if (parents instanceof Int32Array) {
    const moved = Int32Array.from(rows, (row, i) => (parents[row]! < 0 ? -1 : parents[row]! + starts[i]!));
    return ops.fromArray(moved, [rows.length]);
  }
  const own = ops.gather(parents!, Int32Array.from(rows), 0);
  return ops.where(ops.less(own, 0), -1, ops.add(own, ops.fromArray(Int32Array.from(starts), [rows.length])));
}

/** Probes are scored for their proposer and can never be accepted, nor what hangs from them. */
function withoutProbes(tokens: Tensor, parts: readonly Part[], rowStart: Int32Array, target: Target): Tensor {
  const isProbe = new Int32Array(rowStart.at(-1)!);
  parts.forEach(({ work: { draft } }, i) => {
    if (draft?.kind !== 'host') return;
    draft.nodes.forEach(({ probe }, node) => { if (probe) isProbe[rowStart[i]! + 1 + node] = 1; });
  });
  if (!isProbe.includes(1)) return tokens;
  const ops = target.deviceOps;
  return ops.where(ops.fromArray(isProbe, [isProbe.length]), -1, tokens);
}

/** What the nodes of drawn drafts were drawn from, `[rows, vocab]` in target ids; zeros in all other rows. Undefined where no draft came with it. */
function distributionsOf(parts: readonly Part[], rowStart: Int32Array, target: Target): Tensor | undefined {
  const ops = target.deviceOps;
  const sources = new Map<Tensor, { readonly vocabMap: Tensor | undefined; readonly places: Int32Array }>();
  parts.forEach(({ work: { draft } }, i) => {
    if (draft?.kind !== 'device' || draft.nodes.drawnFrom === undefined) return;
    const { row, width, count, drawnFrom: { distributions, vocabMap } } = draft.nodes;
    const source = sources.get(distributions) ?? { vocabMap, places: new Int32Array(rowStart.at(-1)!).fill(-1) };   // a bad place gives zeros
    for (let column = 0; column < count; column++) source.places[rowStart[i]! + 1 + column] = row * width + column;
    sources.set(distributions, source);
  });
  let all: Tensor | undefined;
  for (const [distributions, { vocabMap, places }] of sources) {
    const [n, k, columns] = distributions.shape as [number, number, number];   // checked when the draft was taken
    const own = ops.gather(ops.reshape(distributions, [n * k, columns]), places, 0);
    const spread = vocabMap === undefined ? own : ops.scatter(own, vocabMap, target.description.vocabSize);
    all = all === undefined ? spread : ops.add(all, spread);
  }
  return all;
}
