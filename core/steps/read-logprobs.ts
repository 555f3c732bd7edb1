import type { Forest } from '../forest.js';
import type { NativeTensor } from '../native/types.js';
import type { ChosenLogprob, LogprobStage, TokenLogprob } from '../logprobs.js';
import type { Verdict } from '../strategy.js';
import type { Part } from './pack.js';

/** Where the log-probabilities of one stage will stand among the values read. */
interface Places {
  readonly chosen: number;
  readonly ids: number;
  readonly values: number;
  /** Tokens listed per place: the most that any request wants. */
  readonly top: number;
}

/** Asks for what the requests of one forest want; of requests that want nothing, nothing is asked. */
export function askLogprobs(verdict: Verdict, forest: Forest, parts: readonly Part[], ask: (tensor: NativeTensor) => number): Map<LogprobStage, Places> {
  const places = new Map<LogprobStage, Places>();
  for (const stage of ['raw', 'processed'] as const) {
    const wanted = parts.flatMap(({ work }) => work.member.request.options.logprobs ?? []).filter((options) => options.stage === stage);
    if (wanted.length === 0) continue;
    const top = Math.max(...wanted.map((options) => options.top));
    const { chosen, ids, values } = forest.logprobs(verdict, stage, top);
    places.set(stage, { chosen: ask(chosen), ids: ask(ids), values: ask(values), top });
  }
  return places;
}

/**
 * Those of one sequence.
 *
 * @param tokens the token after each row of its path
 * @param depth places per sequence
 */
export function logprobsOf(
  { work }: Part, sequence: number, tokens: readonly number[], depth: number, places: ReadonlyMap<LogprobStage, Places>, values: readonly (Float32Array | Int32Array)[],
): ChosenLogprob[] | undefined {
  const options = work.member.request.options.logprobs;
  const place = options && places.get(options.stage);
  if (options === undefined || place === undefined) return undefined;
  return tokens.map((token, i) => {
    const at = sequence * depth + i;
    const top: TokenLogprob[] = [];
    for (let rank = at * place.top; rank < at * place.top + options.top && values[place.ids]![rank]! >= 0; rank++) {
      top.push({ token: values[place.ids]![rank]!, logprob: values[place.values]![rank]! });
    }
    return { token, logprob: values[place.chosen]![at]!, top };
  });
}
