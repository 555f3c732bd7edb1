// Ways of asking that change logits or report them, and every strategy: for the identity of sampling.
import type { Choice, RequestCell } from './matrix.js';

export const STRATEGIES: readonly Choice[] = [
  { name: 'prompt-lookup', length: 6, branches: 2 },
  { name: 'draft-target', draft: 'models/demo/draft', length: 4 },
  { name: 'medusa', head: 'models/demo/medusa' },
  { name: 'redrafter', head: 'models/demo/redrafter', beams: 3, beamLength: 4 },
  { name: 'eagle', head: 'models/demo/eagle', depth: 3, topK: 4, maxNodes: 12 },
  { name: 'eagle', head: 'models/demo/eagle3', tree: 'chain', depth: 4 },
  { name: 'lookahead' },
];

/** Frequent tokens of the demo model's texts: biased, they are in most texts; as stop tokens they end them. */
const FREQUENT = [13, 262];

export const CELLS: readonly RequestCell[] = [
  { temperature: 0, repetitionPenalty: 1.2, logprobs: 3 },
  { temperature: 0.7, presencePenalty: 0.6, frequencyPenalty: 0.4, logprobs: 2, logprobStage: 'processed' },
  { temperature: 0.7, logitBias: { [FREQUENT[0]!]: 2, [FREQUENT[1]!]: -Infinity }, minTokens: 12, stopTokens: FREQUENT, logprobs: 0 },
  { temperature: 1, topP: 0.9, repetitionPenalty: 1.2, presencePenalty: 0.6, frequencyPenalty: 0.4, n: 3, logprobs: 1, logprobStage: 'processed' },
];

/** What a cell is called. */
export function labelOf(cell: RequestCell | Choice): string {
  return JSON.stringify(cell, (_, value: unknown) => (value === -Infinity ? '-Infinity' : value));
}
