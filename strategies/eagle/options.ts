import { z } from 'zod';
import { checkpoint } from '../../core/index.js';
import { CHOICES_NAMES } from './choices.js';

/** Levels of nodes that a draft may have, and nodes of a level that may be continued. */
const MOST_LEVELS = 32;
const MOST_BRANCHES = 64;
const MOST_NODES = 1000;

const choicesSchema = z.union([
  z.enum(CHOICES_NAMES),
  z.array(z.array(z.int().min(0).max(MOST_NODES)).min(1).max(MOST_LEVELS)).min(1),
]);

export const optionsSchema = z.strictObject({
  head: checkpoint('Folder of the draft layer. Default: it is in the model folder itself.').optional(),
  tree: z.enum(['dynamic', 'static', 'chain']).optional().meta({
    description: 'How nodes are placed: grown where the draft is most certain, at fixed ranks, or one after the other. Default: dynamic, or static where choices are given.',
  }),
  depth: z.int().min(1).max(MOST_LEVELS).optional().meta({ description: 'Levels of nodes of a dynamic tree, nodes of a chain. Default: 6 and 5, as far as they pay on this machine.' }),
  topK: z.int().min(1).max(MOST_BRANCHES).optional().meta({ description: 'Dynamic tree: nodes of a level that are continued, and tokens tried after each of them. Default: 10.' }),
  maxNodes: z.int().min(1).max(MOST_NODES).optional().meta({ description: 'Dynamic tree: nodes kept of those grown, the root not counted. Default: 59, as far as they pay on this machine.' }),
  choices: choicesSchema.optional().meta({
    description: 'Static tree: a published list by name, or a list of nodes by their ranks among their siblings (leaves are enough). Default: as much of eagle_25 as pays on this machine.',
  }),
  noise: z.boolean().default(true).meta({ description: 'At a temperature, rank with the noise of the request: more is accepted.' }),
  ropeTheta: z.number().positive().optional().meta({ description: 'Base of the rotary positions of the draft layer, where config.json names another than it was trained with.' }),
}).meta({ description: 'A layer on the hidden states of the target guesses the next ones, token by token, along a tree.' });

/** Options of eagle. */
export type EagleOptions = z.input<typeof optionsSchema>;
