import { z } from 'zod';
import { defineVerifier } from '../strategy.js';

/**
 * Block verification: whole paths are tried from their ends, and what an unlikely token costs may be paid back by likely ones behind it. It
 * keeps the target's law and never keeps less than node-by-node rejection; with deterministic drafts it keeps the same. On a chain this is
 * block verification, on a tree traversal verification.
 *
 * A path's end decides on its beginning, so that a refusal says something of draws behind it: the noise of drawn drafts is new in every
 * iteration for this reason.
 *
 * @see Sun et al. 2024, Block Verification Accelerates Speculative Decoding, arXiv:2403.10444
 * @see Weng et al. 2025, Traversal Verification for Speculative Tree Decoding, arXiv:2505.12398
 */
export const block = defineVerifier({
  name: 'block',
  options: z.strictObject({}),
  guarantee: 'distribution',
  accepts: ['deterministic', 'independent', 'without-replacement'],
  needsDistributions: true,
  verify: (scored, ops) => ops.acceptByRatio(scored, 'traversal'),
});
