import { z } from 'zod';
import { defineVerifier } from '../strategy.js';

/**
 * Walks from the root to the child whose token is the target's own choice, as far as there is one; the choice after the last row follows.
 * Every emitted token is the target's choice after the true prefix, so the text is plain decoding's for any draft whatsoever.
 *
 * @see Miao et al. 2023 (SpecInfer), arXiv:2305.09781
 */
export const exact = defineVerifier({
  name: 'exact',
  options: z.strictObject({}),
  guarantee: 'identical',
  accepts: ['deterministic', 'independent', 'without-replacement'],
  verify: (scored, ops) => ops.acceptChosen(scored),
});
