// How many drafts of the demo model's heads are accepted, against what the originals' inference rules gave with the same files
// (models/demo/README.md): f32, greedy, all prompts of a set. There a text is at most 104 tokens long and passes are counted until only
// its last 8 are left, so that the end of a text cuts no draft; the first pass, which has no draft, counts too. By this rule the numbers
// are the same to the last pass.
import { readFileSync } from 'node:fs';
import { createEngine, type Engine, type SampleResult, type StrategyConfig } from '../../core/index.js';

const COUNTED = 96;
const MARGIN = 8;

/** What the acceptance lengths may differ by. */
export const TOLERANCE = 0.1;

const ranks = (count: number): number[] => Array.from({ length: count }, (_, rank) => rank);

/** Drafters by their names in `acceptance.json`. */
export const CHAINS: Readonly<Record<string, StrategyConfig>> = {
  'medusa chain': { name: 'medusa', head: 'models/demo/medusa', choices: [[0, 0, 0]] },
  'redrafter chain 5': { name: 'redrafter', head: 'models/demo/redrafter', beams: 1, beamLength: 6 },   // the known first token counts
  'eagle-1 chain 5': { name: 'eagle', head: 'models/demo/eagle', tree: 'chain', depth: 5 },
  'eagle-3 chain 5': { name: 'eagle', head: 'models/demo/eagle3', tree: 'chain', depth: 5 },
};
export const DRAFTERS: Readonly<Record<string, StrategyConfig>> = {
  ...CHAINS,
  'medusa tree 8x4x3': { name: 'medusa', head: 'models/demo/medusa', choices: ranks(8).flatMap((a) => ranks(4).flatMap((b) => ranks(3).map((c) => [a, b, c]))) },
};

interface Measured {
  readonly acceptanceLength: number;
  /** Share of the passes in which the draft at depth 1, 2, … was accepted. */
  readonly acceptedPerPosition: readonly number[];
  readonly iterations: number;
}

/** By set of prompts, then by drafter. */
export const RECORDED = JSON.parse(readFileSync('models/demo/acceptance.json', 'utf8')) as Readonly<Record<string, Readonly<Record<string, Measured>>>>;

export function openDemo(): Promise<Engine> {
  return createEngine({ model: 'models/demo/target', dtype: 'f32', kvDtype: 'f32', measure: false, proposeBudgetMs: 60_000, maxSequences: 10, maxTokensPerSequence: 512 });
}

/** Runs a drafter over all prompts of a set at once. */
export async function measure(engine: Engine, set: string, strategy: 'off' | StrategyConfig): Promise<Measured & { readonly texts: readonly number[][] }> {
  const prompts = readFileSync('models/demo/acceptance-prompts.jsonl', 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line) as { set: string; tokens: number[] });
  const runs = prompts.filter((prompt) => prompt.set === set).map(({ tokens }) => engine.generate({ promptTokens: tokens, maxTokens: COUNTED + MARGIN, temperature: 0, trace: true, strategy }).result);
  const results = await Promise.all(runs);
  const accepted = results.flatMap(acceptedCounts);
  const share = (depth: number): number => accepted.filter((count) => count >= depth).length / accepted.length;
  return {
    iterations: accepted.length, acceptanceLength: 1 + accepted.reduce((sum, count) => sum + count, 0) / accepted.length,
    acceptedPerPosition: Array.from({ length: Math.max(...accepted) }, (_, i) => share(i + 1)), texts: results.map(({ tokens }) => tokens),
  };
}

/** Of every pass that counts. */
function acceptedCounts({ tokens, trace }: SampleResult): number[] {
  const counts: number[] = [];
  for (let made = 0, i = 0; made < Math.min(COUNTED, tokens.length - MARGIN); i++) {
    const count = trace![i]!.accepted.length - 1;   // runs are traced, and passes make all tokens
    counts.push(count);
    made += count + 1;
  }
  return counts;
}

/** One line of a report. */
export function lineOf(set: string, drafter: string, made: Measured): string {
  const recorded = RECORDED[set]![drafter]!;
  const words = ({ acceptanceLength, acceptedPerPosition, iterations }: Measured): string =>
    `${acceptanceLength.toFixed(3)} (${acceptedPerPosition.map((value) => value.toFixed(2)).join(' ')}) in ${iterations} passes`;
  return `${set}, ${drafter}: ${words(made)}; recorded ${words(recorded)}`;
}
