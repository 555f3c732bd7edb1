/**
 * A small recurrent head drafts: from the target's last hidden state and the tokens so far it guesses the next one, again and again, along the
 * best paths of a beam search. What the paths share is verified once.
 *
 * @see Cheng et al. 2024, arXiv:2403.09919
 * @module
 */
import { z } from 'zod';
import { type CheckpointSummary, checkpoint, type DraftProposer, defineStrategy, type Plan, type Refusal, type TargetDescription } from '../../core/index.js';
import { Drafter } from './drafter.js';
import { type DrafterLayout, layoutOf, namingOf, tensorsOf } from './layout.js';
import { layoutProblems, noDrafter } from './layout-problems.js';
import { ReDrafterProposer } from './proposer.js';

/** The search when the user names none; core takes as many of its nodes as pay on this machine. */
const DEFAULT_BEAMS = 4;
const DEFAULT_LENGTH = 5;

/** A step ranks this many tokens, so more beams could not all go on from the first. */
const MOST_BEAMS = 50;
const MOST_NODES = 1000;

/** Problems told at once: one mistake tends to break every tensor. */
const MOST_PROBLEMS = 3;

const optionsSchema = z.strictObject({
  head: checkpoint('Folder of the drafter. Default: it is in the model folder itself.').optional(),
  beams: z.int().min(1).max(MOST_BEAMS).optional().meta({ description: `Paths followed; 1: greedy. Default: up to ${DEFAULT_BEAMS}, as pays on this machine.` }),
  beamLength: z.int().min(2).max(64).optional().meta({ description: `Tokens of a path, the known first one counted. Default: up to ${DEFAULT_LENGTH}, as pays on this machine.` }),
  cell: z.enum(['silu', 'linear']).default('silu').meta({ description: 'The recurrent cell: "silu" as Apple trains and runs it, "linear" as TensorRT-LLM runs it.' }),
  noise: z.boolean().default(true).meta({ description: 'At a temperature, rank with the noise of the request: more is accepted.' }),
}).meta({ description: 'A recurrent head on the last hidden state drafts with a beam search.' });

/** Options of redrafter. */
export type ReDrafterOptions = z.input<typeof optionsSchema>;

/** What `plan` found out and `create` goes by. */
interface ReDrafterPlan extends Plan {
  readonly checkpoint: string;
  readonly layout: DrafterLayout;
}

export default defineStrategy({
  name: 'redrafter',
  version: '1.0.0',
  api: 1,
  options: optionsSchema,

  plan({ head, beams, beamLength }, target, checkpoints): ReDrafterPlan | Refusal {
    const summary = checkpoints.get(head ?? target.path);
    if (summary === undefined) return refusal('head', `${head ?? target.path} was not read.`, 'Name an existing checkpoint folder.');
    const layout = usableLayout(summary, target);
    if ('refused' in layout) return layout;
    const width = beams ?? DEFAULT_BEAMS;
    const maxDepth = (beamLength ?? DEFAULT_LENGTH) - 1;
    if (width * maxDepth > MOST_NODES) return refusal('beams', `${width} paths of ${maxDepth} drafted tokens are up to ${width * maxDepth} nodes; expected at most ${MOST_NODES}.`, 'Choose fewer or shorter beams.');
    const rows = summary.tensors.get(layout.vocabulary)!.shape[0]!;   // checked
    if (width > Math.min(rows, target.model.vocabSize)) return refusal('beams', `${width} paths cannot begin with ${rows} tokens.`, 'Choose fewer beams.');
    return {
      maxNodes: width * maxDepth, maxDepth, maxWidth: width,
      budget: beams === undefined && beamLength === undefined ? 'measured' : 'fixed',
      drawn: 'deterministic',
      needs: { hidden: 'last', choices: false, gap: 'start-late' },
      bytes: { weights: bytesOf(summary, [...tensorsOf(layout, target.model.hiddenSize, rows).keys()]), perToken: 0, perSequence: 0 },
      checkpoint: summary.path, layout,
    };
  },

  async create(host, { cell, beams, beamLength, noise }, plan): Promise<DraftProposer> {
    const { checkpoint: path, layout, maxDepth } = plan as ReDrafterPlan;   // core hands back what `plan` returned
    const settings = { width: beams ?? DEFAULT_BEAMS, length: maxDepth, isFixed: beams !== undefined || beamLength !== undefined, usesNoise: noise };
    return new ReDrafterProposer(host, await Drafter.load(host, path, layout, cell), settings);
  },
});

function usableLayout(summary: CheckpointSummary, target: TargetDescription): DrafterLayout | Refusal {
  const naming = namingOf(summary);
  if (naming === undefined) return { refused: [{ path: 'head', ...noDrafter(summary) }] };
  const layout = layoutOf(summary, naming, target.model.hiddenSize);
  const refused: Refusal['refused'][number][] = [];
  for (const problem of layoutProblems(summary, naming, layout, target.model)) {
    if (refused.push({ path: 'head', ...problem }) === MOST_PROBLEMS) break;
  }
  if (refused.length > 0) return { refused };
  if (summary.vocabulary !== undefined && target.vocabulary !== '' && summary.vocabulary !== target.vocabulary) {
    return refusal('head', `The drafter at ${summary.path} lies beside another tokenizer than the target's.`, 'Choose a drafter that was trained on this target: token ids must mean the same text.');
  }
  return layout;
}

function bytesOf({ tensors }: CheckpointSummary, names: readonly string[]): number {
  return names.reduce((sum, name) => {
    const { dtype, shape } = tensors.get(name)!;   // the layout's tensors were checked
    return sum + shape.reduce((product, size) => product * size, dtype === 'F32' ? 4 : 2);
  }, 0);
}

function refusal(path: string, message: string, remedy: string): Refusal {
  return { refused: [{ path, message, remedy }] };
}
