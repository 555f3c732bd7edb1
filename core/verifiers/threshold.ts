import { z } from 'zod';
import { defineVerifier } from '../strategy.js';
import { tokenProbs } from './token-probs.js';

/**
 * Keeps a drafted token when the target gives it more than a fixed probability; of all paths of kept tokens the longest is taken, of equally
 * long ones the likeliest. The token after the path is chosen as in plain decoding. Lossy: likely drafts come out more often than they
 * should. A constant instead of a uniform in the ratio rule, as the `draft_acceptance_threshold` of TensorRT-LLM.
 */
export const threshold = defineVerifier({
  name: 'threshold',
  options: z.strictObject({
    probability: z.number().min(0).lt(1).default(0.3).meta({ description: 'Drafted tokens with more than this probability are kept.' }),
  }),
  guarantee: 'lossy',
  accepts: ['deterministic', 'independent', 'without-replacement'],
  verify(scored, ops, { probability }) {
    const own = tokenProbs(scored, ops);
    return ops.acceptLongest(scored, ops.less(probability, own), ops.log(own), scored.choices());
  },
});
