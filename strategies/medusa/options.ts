import { z } from 'zod';
import { checkpoint } from '../../core/index.js';
import { CHOICES_NAMES, publishedChoices } from './choices.js';
import { searchTree } from './search.js';

/** Ranks per head, as the published trees take them. */
const DEFAULT_RANKS = 10;

/** The tree when the user names none; core takes as much of it as pays on this machine. */
const DEFAULT_CHOICES = 'mc_sim_7b_63';

const MOST_HEADS = 64;
const MOST_NODES = 1000;

const share = z.number().min(0).max(1);

const choicesSchema = z.union([
  z.enum(CHOICES_NAMES),
  z.array(z.array(z.int().min(0).max(MOST_NODES)).min(1).max(MOST_HEADS)).min(1),
  z.strictObject({
    accuracies: z.array(z.array(share).min(1)).min(1).meta({ description: 'How often rank r of head h was right: [heads][ranks].' }),
    nodes: z.int().min(1).max(MOST_NODES).meta({ description: 'Nodes of the tree, the root not counted.' }),
  }),
]);

export const optionsSchema = z.strictObject({
  head: checkpoint('Folder of the heads. Default: they are in the model folder itself.').optional(),
  heads: z.int().min(1).max(MOST_HEADS).optional().meta({ description: 'Heads used, the first ones. Default: all that the checkpoint has.' }),
  choices: choicesSchema.optional().meta({
    description: 'The tree: a published list by name, a list of nodes by their ranks per head (leaves are enough), or { accuracies, nodes } to search one. '
      + `Default: as much of ${DEFAULT_CHOICES} as pays on this machine.`,
  }),
  topK: z.int().min(1).max(MOST_NODES).default(DEFAULT_RANKS).meta({ description: 'Ranks of a head that a tree may use.' }),
  noise: z.boolean().default(true).meta({ description: 'At a temperature, rank with the noise of the request: more is accepted.' }),
}).meta({ description: 'Heads on the last hidden state guess the next tokens; their best ranks make a tree.' });

/** Options of medusa. */
export type MedusaOptions = z.input<typeof optionsSchema>;

/** The choices that options mean, and whether they may be cut to the heads there are: lists of one's own are meant as they are. */
export function choicesOf({ choices = DEFAULT_CHOICES }: Pick<MedusaOptions, 'choices'>): { list: readonly (readonly number[])[]; canBeCut: boolean } {
  if (typeof choices === 'string') return { list: publishedChoices(choices), canBeCut: true };
  if ('accuracies' in choices) return { list: searchTree(choices.accuracies, choices.nodes), canBeCut: false };
  return { list: choices, canBeCut: false };
}
