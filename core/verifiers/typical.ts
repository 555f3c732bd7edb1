import { z } from 'zod';
import { defineVerifier } from '../strategy.js';
import { tokenProbs } from './token-probs.js';

/** Added to probabilities before their logarithm is taken, as the authors do: it is part of where the limit lies. */
const TINY = 1e-5;

/**
 * Typical acceptance: a drafted token is kept when the target finds it plausible, p > min(threshold, alpha * exp(-H)) with H the entropy of
 * the target's distribution at that place; of all paths of kept tokens the longest is taken, of equally long ones the likeliest. Lossy: what
 * comes out has no law of its own. As in the original the token after the path is the likeliest one, so that nothing is random at all.
 *
 * @see Cai et al. 2024, arXiv:2401.10774, section 2.3.1
 */
export const typical = defineVerifier({
  name: 'typical',
  options: z.strictObject({
    posteriorThreshold: z.number().gt(0).max(1).default(0.09).meta({ description: 'Probability above which a token is always kept.' }),
    posteriorAlpha: z.number().gt(0).max(1).default(0.3).meta({ description: 'Share of exp(-entropy) above which a token is kept; about the root of the threshold.' }),
    next: z.enum(['likeliest', 'sampled']).default('likeliest').meta({ description: 'The token after the path: the likeliest, or one chosen as in plain decoding.' }),
  }),
  guarantee: 'lossy',
  accepts: ['deterministic', 'independent', 'without-replacement'],
  verify(scored, ops, { posteriorThreshold, posteriorAlpha, next }) {
    const probs = scored.probs();
    const rows = probs.shape[0]!;   // [rows, vocab]
    const certainty = ops.sum(ops.mul(probs, ops.log(ops.add(probs, TINY))));   // -H, [rows, 1]
    const limit = ops.reshape(ops.mul(ops.exp(certainty), posteriorAlpha), [rows]);
    const least = ops.where(ops.less(limit, posteriorThreshold), limit, posteriorThreshold);
    const own = tokenProbs(scored, ops);
    const accepted = ops.less(ops.gather(least, scored.parents, 0), own);
    const after = next === 'likeliest' ? ops.reshape(ops.topK(probs, 1).indices, [rows]) : scored.choices();
    return ops.acceptLongest(scored, accepted, ops.log(own), after);
  },
});
