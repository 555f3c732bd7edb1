import pico from 'picocolors';
import type { RunResult } from '../../core/index.js';

/** What a run was like, in one line. */
export function statsLine({ samples, usage, sampling }: RunResult, isTerminal: boolean): string {
  const { dim, bold } = pico.createColors(pico.isColorSupported && isTerminal);
  const drafted = sum(samples.map(({ stats }) => stats.drafted)), accepted = sum(samples.map(({ stats }) => stats.accepted));
  const iterations = sum(samples.map(({ stats }) => stats.iterations)), tokens = sum(samples.map((sample) => sample.tokens.length));
  const speed = sum(samples.map(({ stats }) => stats.tokensPerSecond));
  const [first] = samples;
  const parts = [
    `${usage.promptTokens} + ${tokens} tokens`,
    bold(`${speed.toFixed(1)} tok/s`),
    first?.stats.strategy ?? 'off',
    `acceptance length ${iterations === 0 ? '-' : (tokens / iterations).toFixed(2)}`,
    `accepted ${accepted} of ${drafted} drafted`,
    `ended by ${[...new Set(samples.map(({ finishReason }) => finishReason))].join(', ')}`,
    ...(sampling.fromModel.length === 0 ? [] : [`${sampling.fromModel.join(', ')} from generation_config.json`]),
    `seed ${first?.stats.seed ?? '-'}`,
  ];
  const faults = sum(samples.map(({ stats }) => stats.faults));
  if (faults > 0) parts.push(`${faults} faults of the strategy`);
  return parts.join(dim(' · '));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
