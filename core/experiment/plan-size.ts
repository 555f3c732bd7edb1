import { ConfigError } from '../errors.js';
import { chiSquareQuantile, studentQuantile } from './distributions.js';
import { sequentialBound } from './intervals.js';

/** What the planner is asked. */
export interface SizeQuestion {
  /** Standard deviation of the logarithm of the ratio over clusters (prompts, pairs of slices), from a pilot. */
  readonly deviation: number;
  /** Clusters of the pilot. Its deviation is itself uncertain: the planner takes the upper end of what it may be, so that the power is reached in 90 % of pilots and not in half. Default: the deviation is known. */
  readonly pilotSize?: number;
  /** Relative effect to be found: 0.05 is 5 %. */
  readonly effect: number;
  /** Probability to find it. Default 0.8. */
  readonly power?: number;
  /** Default 0.95. */
  readonly confidence?: number;
  /** `'any'` (default): looking at every moment with the sequential interval. `'once'`: looking only at the end, with the fixed one. */
  readonly looks?: 'any' | 'once';
}

const ASSURANCE = 0.9;
const MOST = 10_000_000;

/**
 * Clusters (prompts in `paired`, pairs of slices in `switchback`) needed to find an effect. Take the answer as the `horizon` of the experiment:
 * the sequential interval is then tightest there.
 *
 * @throws ConfigError where a number is out of range, or no size suffices
 */
export function planSize(question: SizeQuestion): number {
  const { effect, power = 0.8, confidence = 0.95, looks = 'any', pilotSize } = question;
  const wanted = Math.abs(Math.log1p(effect));
  if (!(effect > -1) || wanted === 0) throw new ConfigError(`Planning needs a relative effect above -1 that is not 0, such as 0.05 for 5 %; got ${effect}.`);
  if (!(power > 0 && power < 1) || !(confidence > 0 && confidence < 1)) throw new ConfigError(`Planning needs power and confidence between 0 and 1; got ${power} and ${confidence}.`);
  if (!(question.deviation > 0)) throw new ConfigError(`Planning needs the deviation of a pilot, above 0; got ${question.deviation}. Run a few prompts on both arms first.`);
  const deviation = question.deviation * inflation(pilotSize);
  const suffices = (size: number): boolean => {
    const bound = looks === 'any' ? sequentialBound(size, size - 1, confidence, size) : studentQuantile((1 - confidence) / 2, size - 1);
    const reserve = power === 0.5 ? 0 : Math.sign(power - 0.5) * studentQuantile(Math.min(power, 1 - power), size - 1);
    return (wanted * Math.sqrt(size)) / deviation >= bound + reserve;
  };
  let high = 2;
  while (!suffices(high)) if ((high *= 2) > MOST) throw new ConfigError(`An effect of ${effect} would need more than ${MOST} clusters at a deviation of ${question.deviation}; plan for a larger effect.`);
  let low = high / 2;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (suffices(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Upper bound of a standard deviation ÷ its estimate. */
function inflation(pilotSize: number | undefined): number {
  if (pilotSize === undefined) return 1;
  if (!(pilotSize >= 2)) throw new ConfigError(`A pilot needs two clusters at least; got ${pilotSize}.`);
  return Math.sqrt((pilotSize - 1) / chiSquareQuantile(1 - ASSURANCE, pilotSize - 1));
}
