/**
 * Drafts without a draft model: beside the text a window of guessed futures runs through the target, one Jacobi iteration per pass. What it
 * settles on becomes n-grams, and those that begin with the pending token are verified as drafts. No weights and no memory on the device,
 * but many rows per pass: it pays where rows are nearly free.
 *
 * @see Fu et al. 2024, Break the Sequential Dependency of LLM Inference Using Lookahead Decoding, arXiv:2402.02057
 * @module
 */
import { z } from 'zod';
import { type DraftProposer, defineStrategy, type Plan, type Refusal } from '../../core/strategy.js';
import { Lookahead } from './proposer.js';
import { Window } from './window.js';

const optionsSchema = z.strictObject({
  window: z.int().min(1).max(128).default(4).meta({ description: 'Columns of the window (W): n-grams found per pass.' }),
  ngram: z.int().min(1).max(32).default(3).meta({ description: 'Length of the n-grams (N), their first token included; 1 drafts nothing.' }),
  guesses: z.int().min(0).max(128).default(4).meta({ description: 'N-grams verified per pass (G).' }),
  poolFromPrompt: z.boolean().default(true).meta({ description: 'Whether n-grams of the prompt and of the output are guesses too.' }),
  stored: z.int().min(0).max(4096).optional().meta({ description: 'N-grams kept per first token. Default: as many as are verified.' }),
  refresh: z.boolean().default(true).meta({ description: 'Whether an n-gram found again counts as new.' }),
  guessInWarmUp: z.boolean().default(true).meta({ description: 'Whether guesses are verified before the window is full.' }),
  acceptWindow: z.boolean().default(false).meta({ description: 'Whether the window itself may be accepted, as if it were guesses.' }),
  shift: z.enum(['iteration', 'token']).default('iteration').meta({ description: 'Whether the window moves on once per pass or once per token.' }),
  avoid: z.array(z.int().min(0)).default([]).meta({ description: 'Tokens that the window replaces by one of the prompt, such as end tokens.' }),
}).meta({ description: 'Verifies n-grams that a window of guessed futures finds; needs no draft model.' });

/** Options of lookahead. */
export type LookaheadOptions = z.input<typeof optionsSchema>;

export default defineStrategy({
  name: 'lookahead',
  version: '1.0.0',
  api: 1,
  options: optionsSchema,

  plan({ window, ngram, guesses, acceptWindow }): Plan | Refusal {
    if (ngram === 1 && (window > 1 || guesses > 0)) {
      return { refused: [{ path: 'ngram', message: 'n-grams of one token hold nothing to verify', remedy: 'set ngram to 2 or more, or window to 1 and guesses to 0 for plain decoding' }] };
    }
    const extent = ngram === 1 ? { rows: 0, depth: 0 } : Window.extent(window, ngram - 1);
    return {
      maxNodes: extent.rows + guesses * (ngram - 1),
      maxDepth: Math.max(extent.depth, ngram - 1),
      maxWidth: Math.max(1, guesses + (acceptWindow ? 2 : 0)),
      budget: 'fixed',   // half a window finds nothing
      drawn: 'deterministic',
      needs: { hidden: 'none', choices: true, gap: 'start-late' },
      bytes: { weights: 0, perToken: 0, perSequence: 0 },
    };
  },

  async create(_host, { window, ngram, guesses, stored, refresh, avoid, ...rest }): Promise<DraftProposer> {
    return new Lookahead({ ...rest, window, ngram, guesses, stored: stored ?? guesses, refreshes: refresh, avoid: new Set(avoid) });
  },
});
