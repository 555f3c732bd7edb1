import { readFile } from 'node:fs/promises';
import { defineStrategy } from 'foretoken';
import { z } from 'zod';
import { SuffixArray } from './suffix-array.js';

/**
 * Drafts what followed the longest run of last tokens in a corpus of one's own, as a tree of several places.
 *
 * @see He et al. 2023, REST: Retrieval-Based Speculative Decoding, arXiv:2311.08252
 */
export default defineStrategy({
  name: 'foretoken-strategy-corpus',
  version: '1.0.0',
  api: 1,
  options: z.strictObject({
    corpus: z.string().min(1).meta({ description: 'File of token ids: 32-bit little-endian integers.' }),
    length: z.int().min(1).max(32).default(6).meta({ description: 'Tokens drafted per place found.' }),
    branches: z.int().min(1).max(8).default(3).meta({ description: 'Places drafted from at once.' }),
    maxMatch: z.int().min(1).max(64).default(8).meta({ description: 'Longest run of last tokens that is looked for.' }),
  }).meta({ description: 'Drafts what followed the last tokens in a corpus of your own.' }),

  plan: ({ length, branches }) => ({
    maxNodes: length * branches, maxDepth: length, maxWidth: branches, drawn: 'deterministic',
    needs: { hidden: 'none', choices: false, gap: 'start-late' },
    bytes: { weights: 0, perToken: 0, perSequence: 0 },
  }),

  async create(_host, { corpus, length, branches, maxMatch }) {
    const bytes = await readFile(corpus);
    const tokens = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => bytes.readInt32LE(4 * i));
    const index = new SuffixArray(tokens);
    return {
      propose({ sequences }, draft) {
        for (const sequence of sequences) {
          for (const place of placesFor(sequence.tokens, index, maxMatch, branches)) {
            let parent = 0;
            for (const token of tokens.subarray(place, place + length)) parent = draft.node(sequence, token, parent);
          }
        }
      },
    };
  },
});

/** Places after the longest run of last tokens that the corpus has. */
function placesFor(text, index, maxMatch, branches) {
  for (let run = Math.min(maxMatch, text.length); run > 0; run--) {
    const places = index.after(text.subarray(text.length - run), branches);
    if (places.length > 0) return places;
  }
  return [];
}
