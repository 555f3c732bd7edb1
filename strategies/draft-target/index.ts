/**
 * A second, smaller model with the same tokenizer drafts a chain; the target verifies it in one pass. The draft chooses with the target's own
 * noise, so that the two agree at any temperature as often as their distributions allow.
 *
 * @see Leviathan et al. 2022, arXiv:2211.17192; Chen et al. 2023, arXiv:2302.01318
 * @module
 */
import { z } from 'zod';
import { checkpoint } from '../../core/checkpoint-option.js';
import { type DraftProposer, defineStrategy, type Plan, type Refusal } from '../../core/strategy.js';
import { memoryOf, modelProblem, vocabularyProblem } from './compatibility.js';
import { DraftTarget } from './proposer.js';

/** Longest chain when the user names no length; the length in use follows from what is accepted. */
const DEFAULT_LENGTH = 8;

const optionsSchema = z.strictObject({
  draft: checkpoint('Folder of the draft model: config.json, safetensors and the tokenizer of the target.'),
  draw: z.boolean().default(false).meta({ description: "Draws the chain with noise of its own, for verifiers that judge by probability; otherwise it shares the target's noise." }),
  length: z.int().min(1).max(64).optional().meta({ description: 'Tokens drafted per iteration. Default: follows from what is accepted.' }),
}).meta({ description: 'Drafts a chain with a second, smaller model that has the same tokenizer.' });

/** Options of draft-target. */
export type DraftTargetOptions = z.input<typeof optionsSchema>;

export default defineStrategy({
  name: 'draft-target',
  version: '1.0.0',
  api: 1,
  options: optionsSchema,

  plan({ draft, length, draw }, target, checkpoints): Plan | Refusal {
    const summary = checkpoints.get(draft);
    if (summary === undefined) return { refused: [{ path: 'draft', message: `${draft} was not read.`, remedy: 'Name an existing checkpoint folder.' }] };
    const problem = modelProblem(summary) ?? vocabularyProblem(summary, target);
    if (problem !== undefined) return { refused: [{ path: 'draft', ...problem }] };
    const maxDepth = length ?? DEFAULT_LENGTH;
    return {
      maxNodes: maxDepth, maxDepth, maxWidth: 1,
      budget: length === undefined ? 'measured' : 'fixed',
      drawn: draw ? 'independent' : 'deterministic',
      needs: { hidden: 'none', choices: false, gap: 'start-late' },
      bytes: memoryOf(summary, target),
    };
  },

  async create(host, { draft, length, draw }, plan): Promise<DraftProposer> {
    return new DraftTarget(host, await host.loadModel(draft), { maxLength: plan.maxDepth, isAdaptive: length === undefined, isDrawn: draw });
  },
});
