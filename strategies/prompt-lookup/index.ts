/**
 * Drafts by copying: what followed an earlier occurrence of the last tokens, in prompt or output, often follows again. No weights, no memory
 * on the device. Best where output repeats its input: summaries, edits, code, questions about a document.
 *
 * @see Saxena 2023, Prompt Lookup Decoding, https://github.com/apoorvumang/prompt-lookup-decoding
 * @module
 */
import { z } from 'zod';
import { type DraftProposer, defineStrategy, type Plan, type Refusal } from '../../core/strategy.js';
import { PromptLookup } from './proposer.js';

/** Most that is copied when the user names nothing; core takes of it as much as pays on this machine. */
const DEFAULT_LENGTH = 16;
const DEFAULT_BRANCHES = 2;

/** Tokens that a match is trusted with, per token that agreed, when the user names no length. */
const TRUST = 3;

/** Longest n-gram that is worth an index of its own. */
const NGRAM_LIMIT = 32;

const optionsSchema = z.strictObject({
  minNgram: z.int().min(1).max(NGRAM_LIMIT).default(1).meta({ description: 'Shortest run of last tokens that counts as a match.' }),
  maxNgram: z.int().min(1).max(NGRAM_LIMIT).default(4).meta({ description: 'Longest run of last tokens that is looked for; longer matches come first.' }),
  length: z.int().min(1).max(256).optional().meta({ description: 'Tokens copied per match. Default: up to three per token that agreed, as far as they pay on this machine.' }),
  branches: z.int().min(1).max(32).optional().meta({ description: 'Matches copied at once, as a tree. Default: 2, or 1 where a length is named.' }),
}).meta({ description: 'Copies what followed an earlier occurrence of the last tokens, in prompt or output.' });

/** Options of prompt lookup. */
export type PromptLookupOptions = z.input<typeof optionsSchema>;

export default defineStrategy({
  name: 'prompt-lookup',
  version: '1.0.0',
  api: 1,
  options: optionsSchema,

  plan({ minNgram, maxNgram, length, branches }): Plan | Refusal {
    if (minNgram > maxNgram) {
      return { refused: [{ path: 'minNgram', message: `minNgram ${minNgram} is more than maxNgram ${maxNgram}`, remedy: 'set minNgram to maxNgram or less' }] };
    }
    const isFixed = length !== undefined || branches !== undefined;
    const maxDepth = length ?? DEFAULT_LENGTH;
    const maxWidth = branches ?? (isFixed ? 1 : DEFAULT_BRANCHES);
    return {
      maxNodes: maxDepth * maxWidth, maxDepth, maxWidth,
      budget: isFixed ? 'fixed' : 'measured',
      drawn: 'deterministic',
      needs: { hidden: 'none', choices: false, gap: 'start-late' },
      bytes: { weights: 0, perToken: 0, perSequence: 0 },
    };
  },

  async create(_host, { minNgram, maxNgram }, { maxDepth, maxNodes, budget }): Promise<DraftProposer> {
    return new PromptLookup({ minNgram, maxNgram, length: maxDepth, branches: maxNodes / maxDepth, trust: budget === 'fixed' ? Infinity : TRUST });
  },
});
