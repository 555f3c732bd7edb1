import { z } from 'zod';
import { defineVerifier } from '../strategy.js';

/**
 * Rejection sampling, node by node: a drafted token is kept with probability min(1, p/q), p what the target gives it and q what it was drawn
 * with; a refusal leaves norm((p - q)+) to the next sibling, and to the next token when no sibling is kept. On a chain this is the rule of
 * speculative sampling; on a tree, recursive rejection with or without replacement. A deterministic draft counts as drawn with certainty
 * (q = 1): it is kept with probability p and never drawn again, which keeps the law, as the verifier's noise is none that a draft has seen.
 *
 * @see Leviathan et al. 2022, arXiv:2211.17192; Chen et al. 2023, arXiv:2302.01318
 * @see Miao et al. 2023 (SpecInfer), arXiv:2305.09781; Chen et al. 2024 (Sequoia), arXiv:2402.12374
 */
export const rejection = defineVerifier({
  name: 'rejection',
  options: z.strictObject({}),
  guarantee: 'distribution',
  accepts: ['deterministic', 'independent', 'without-replacement'],
  needsDistributions: true,
  verify: (scored, ops) => ops.acceptByRatio(scored, 'recursive'),
});
