import type { NativeForward, NativeTensor } from '../native/types.js';
import type { ChosenLogprob } from '../logprobs.js';
import type { Member } from '../batch.js';
import type { Target } from '../target.js';
import { nativeTensor } from '../tensor-scope.js';
import { askLogprobs, logprobsOf } from './read-logprobs.js';
import { IterationClock, type Times } from './clock.js';
import type { Part } from './pack.js';
import type { Report } from './propose.js';
import type { Judged } from './verify.js';

/** What the pass brought for one tree. */
export interface Outcome {
  readonly part: Part;
  /** Row numbers of the accepted path, root first. */
  readonly path: Int32Array;
  /** The token after the path. */
  readonly next: number;
  /** Token of each row of the tree, -1 where absent. */
  readonly tokens: Int32Array;
  /** Row number of each row's parent, -1 for the root; only where the request is traced. */
  readonly parents: Int32Array | undefined;
  /** The target's choice after each row, if the strategy wants it or the request is traced. */
  readonly choices: Int32Array | undefined;
  /** Of the tokens after each row of the path, if the request wants them. */
  readonly logprobs: readonly ChosenLogprob[] | undefined;
  readonly reported: Readonly<Record<string, Float32Array | Int32Array>> | undefined;
}

/** What came back. */
export interface Read {
  readonly outcomes: readonly Outcome[];
  /** Nodes that the device refused, over all sequences of the pass. */
  readonly refused: number;
  readonly times: Times;
}

/** The one read of the iteration: resolves when the pass and all that was enqueued for it have run. */
export async function read(judged: readonly Judged[], forward: NativeForward, reports: readonly Report[], clock: IterationClock, target: Target): Promise<Read> {
  const wanted: NativeTensor[] = [forward.refused];
  const ask = (tensor: Parameters<typeof nativeTensor>[0]): number => wanted.push(nativeTensor(tensor)) - 1;
  const places = judged.map(({ verdict, tokens, forest, parts }) => ({
    path: ask(verdict.path), next: ask(verdict.next), tokens: ask(tokens),
    choices: parts.some(wantsChoices) ? ask(forest.choices()) : -1,
    parents: parts.some(isTraced) ? ask(forest.parents) : -1,
    logprobs: askLogprobs(verdict, forest, parts, ask),
    width: verdict.path.shape[1] ?? 0,
  }));
  const reportPlaces = reports.map(({ value }) => ask(value));
  const clockPlaces = clock.marks.map(ask);
  const values = await target.runtime.read(wanted);
  const reported = reportedBy(reports, reportPlaces.map((place) => values[place]!));
  const outcomes = judged.flatMap(({ parts, forest }, group) => {
    const { path, next, tokens, choices, parents, logprobs, width } = places[group]!;
    return parts.map((part, i): Outcome => {
      const row = values[path]!.subarray(i * width, (i + 1) * width) as Int32Array;   // verdicts are i32
      const end = row.indexOf(-1);
      const [from, to] = [forest.rowStart[i]!, forest.rowStart[i + 1]!];
      const kept = end < 0 ? row : row.subarray(0, end);
      const after = Array.from(kept, (_, at) => (at + 1 < kept.length ? values[tokens]![from + kept[at + 1]!]! : values[next]![i]!));
      return {
        part,
        path: kept,
        next: values[next]![i]!,
        logprobs: logprobsOf(part, i, after, width, logprobs, values),
        tokens: values[tokens]!.subarray(from, to) as Int32Array,
        parents: parents >= 0 && isTraced(part) ? Int32Array.from(values[parents]!.subarray(from, to), (parent) => (parent < 0 ? -1 : parent - from)) : undefined,
        choices: choices >= 0 && wantsChoices(part) ? values[choices]!.slice(from, to) as Int32Array : undefined,
        reported: reported.get(part.work.member),
      };
    });
  });
  return { outcomes, refused: values[0]![0]!, times: IterationClock.times(clockPlaces.map((place) => values[place]!)) };
}

function wantsChoices({ work }: Pick<Part, 'work'>): boolean {
  return work.member.strategy?.plan.needs.choices === true || isTraced({ work });
}

function isTraced({ work }: Pick<Part, 'work'>): boolean {
  return work.member.request.options.trace;
}

function reportedBy(reports: readonly Report[], values: readonly (Float32Array | Int32Array)[]): Map<Member, Record<string, Float32Array | Int32Array>> {
  const reported = new Map<Member, Record<string, Float32Array | Int32Array>>();
  reports.forEach(({ name, members }, r) => {
    const value = values[r]!;
    const size = value.length / members.length;
    members.forEach((member, i) => {
      const own = reported.get(member) ?? {};
      own[name] = value.slice(i * size, (i + 1) * size);
      reported.set(member, own);
    });
  });
  return reported;
}
