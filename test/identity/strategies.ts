import type { Choice } from './matrix.js';

/** Host drafts and a second model: they need nothing of the target but its tokens. */
export const FROM_TOKENS: readonly Choice[] = [
  { name: 'prompt-lookup', length: 6, branches: 2 },
  { name: 'draft-target', draft: 'models/demo/draft', length: 4 },
];

/** Heads on hidden states, and probes: they need states or choices of the target. */
export const FROM_STATES: readonly Choice[] = [
  { name: 'medusa', head: 'models/demo/medusa', choices: 'mc_sim_7b_63' },
  { name: 'redrafter', head: 'models/demo/redrafter', beams: 3, beamLength: 4 },
  { name: 'eagle', head: 'models/demo/eagle', depth: 3, topK: 4, maxNodes: 12 },
  { name: 'eagle', head: 'models/demo/eagle3', tree: 'chain', depth: 4 },
  { name: 'lookahead' },
];

export const ALL: readonly Choice[] = [...FROM_TOKENS, ...FROM_STATES];
