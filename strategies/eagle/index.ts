/**
 * One decoder layer guesses the target's next hidden states: it reads the state after each token beside the embedding of the next, and feeds on
 * its own output where the target has not been yet. Its best continuations make a tree that the target verifies in one pass.
 *
 * @see Li et al. 2024 (EAGLE), arXiv:2401.15077; Li et al. 2024 (EAGLE-2), arXiv:2406.16858; Li et al. 2025 (EAGLE-3), arXiv:2503.01840
 * @module
 */
import { type CheckpointSummary, type DraftProposer, defineStrategy, type Plan, type Refusal, type TargetDescription } from '../../core/index.js';
import { DraftLayer } from './draft-layer.js';
import { type Layout, layoutOf } from './layout.js';
import { optionsSchema } from './options.js';
import { EagleProposer } from './proposer.js';
import { sizeOf, type TreeShape, treeShapeOf } from './tree-shape.js';

export type { EagleOptions } from './options.js';

/** Problems told at once: one mistake tends to break every tensor. */
const MOST_PROBLEMS = 3;

/** What `plan` found out and `create` goes by. */
interface EaglePlan extends Plan {
  readonly layout: Layout;
  readonly shape: TreeShape;
}

export default defineStrategy({
  name: 'eagle',
  version: '1.0.0',
  api: 1,
  options: optionsSchema,

  plan(options, target, checkpoints): EaglePlan | Refusal {
    const path = options.head ?? target.path;
    const summary = checkpoints.get(path);
    if (summary === undefined) return { refused: [{ path: 'head', message: `${path} was not read.`, remedy: 'Name an existing checkpoint folder.' }] };
    const layout = layoutOf(summary, target, options.ropeTheta);
    if (!('format' in layout)) return { refused: layout.slice(0, MOST_PROBLEMS).map((problem) => ({ path: 'head', ...problem })) };
    const shape = treeShapeOf(options, layout.description.headSize || target.model.vocabSize);
    if ('refused' in shape) return shape;
    return {
      ...sizeOf(shape),
      budget: shape.isFixed ? 'fixed' : 'measured',
      drawn: 'deterministic',
      needs: { hidden: 'all', choices: false, gap: 'start-late', ...(layout.taps === undefined ? {} : { taps: layout.taps }) },
      bytes: { weights: bytesOf(summary, layout), perToken: bytesPerToken(layout, target), perSequence: 0 },
      layout, shape,
    };
  },

  async create(host, { noise }, plan): Promise<DraftProposer> {
    const { layout, shape } = plan as EaglePlan;   // core hands back what `plan` returned
    return new EagleProposer(host, await DraftLayer.load(host, layout), shape, noise);
  },
});

/** Weights as they are stored. */
function bytesOf({ tensors }: CheckpointSummary, layout: Layout): number {
  const { features, outputNorm } = layout;
  const names = [...layout.tensors.values(), features?.projection, features?.norm, ...(features?.partNorms ?? []), outputNorm];
  return names.reduce((sum, name) => {
    const tensor = tensors.get(name ?? '');
    return tensor === undefined ? sum : sum + tensor.shape.reduce((product, size) => product * size, tensor.dtype === 'F32' ? 4 : 2);
  }, 0);
}

function bytesPerToken({ description: { layers, kvHeads, headDim } }: Layout, { kvDtype }: TargetDescription): number {
  return 2 * layers * kvHeads * headDim * (kvDtype === 'f32' ? 4 : 2);
}
