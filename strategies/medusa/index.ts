/**
 * Heads of one or two layers read the target's last hidden state and guess the tokens after the next one, each at its own distance. The best
 * ranks of every head, combined along a fixed tree, are verified in one pass. Nothing runs between two passes but the heads.
 *
 * @see Cai et al. 2024, arXiv:2401.10774
 * @module
 */
import { type CheckpointSummary, type DraftProposer, defineStrategy, type Plan, type Refusal, type TargetDescription } from '../../core/index.js';
import { Heads } from './heads.js';
import { type HeadLayout, layoutOf, tensorsOf } from './layout.js';
import { fileOf, layoutProblems, noHeads, rowsOf, statedHeads } from './layout-problems.js';
import { namingOf } from './naming.js';
import { choicesOf, type MedusaOptions, optionsSchema } from './options.js';
import { MedusaProposer } from './proposer.js';
import { cutTree, type RankTree, rankTree, widthOf } from './tree.js';

export type { ChoicesName } from './choices.js';
export type { MedusaOptions } from './options.js';
export { expectedLength, searchTree } from './search.js';

/** Problems told at once: one mistake tends to break every tensor. */
const MOST_PROBLEMS = 3;

/** What `plan` found out and `create` goes by. */
interface MedusaPlan extends Plan {
  readonly checkpoint: string;
  readonly layout: HeadLayout;
  readonly tree: RankTree;
}

export default defineStrategy({
  name: 'medusa',
  version: '1.0.0',
  api: 1,
  options: optionsSchema,

  plan(options, target, checkpoints): MedusaPlan | Refusal {
    const summary = checkpoints.get(options.head ?? target.path);
    if (summary === undefined) return refusal('head', `${options.head ?? target.path} was not read.`, 'Name an existing checkpoint folder.');
    const layout = usableLayout(summary, target, options.heads);
    if ('refused' in layout) return layout;
    const tree = treeOf(options, layout, summary, target);
    if ('refused' in tree) return tree;
    const depth = Math.max(...tree.depths);
    return {
      maxNodes: tree.parents.length, maxDepth: depth, maxWidth: widthOf(tree),
      budget: options.choices === undefined ? 'measured' : 'fixed',
      drawn: 'deterministic',
      needs: { hidden: 'last', choices: false, gap: 'start-late' },
      bytes: { weights: bytesOf(summary, tensorsOf(layout, depth)), perToken: 0, perSequence: 0 },
      checkpoint: summary.path, layout, tree,
    };
  },

  async create(host, { noise }, plan): Promise<DraftProposer> {
    const { checkpoint, layout, tree } = plan as MedusaPlan;   // core hands back what `plan` returned
    return new MedusaProposer(host, await Heads.load(host, checkpoint, layout, Math.max(...tree.depths)), tree, noise);
  },
});

/** The layout of the checkpoint, with the heads that are wanted. */
function usableLayout(summary: CheckpointSummary, target: TargetDescription, wanted: number | undefined): HeadLayout | Refusal {
  const naming = namingOf(summary.tensors.keys());
  if (naming === undefined) return { refused: [{ path: 'head', ...noHeads(summary) }] };
  const layout = layoutOf(summary, naming);
  const refused: Refusal['refused'][number][] = [];
  for (const problem of layoutProblems(summary, naming, layout, target.model)) {
    if (refused.push({ path: 'head', ...problem }) === MOST_PROBLEMS) break;
  }
  if (refused.length > 0) return { refused };
  if (summary.vocabulary !== undefined && target.vocabulary !== '' && summary.vocabulary !== target.vocabulary) {
    return refusal('head', `The heads at ${summary.path} lie beside another tokenizer than the target's.`, 'Choose heads that were trained on this target: token ids must mean the same text.');
  }
  const count = layout.heads.length;
  const stated = statedHeads(summary, naming);
  if (wanted === undefined && stated !== undefined && stated > count) {
    return refusal('head', `${summary.path}/config.json states ${stated} heads; ${fileOf(summary)} holds ${count}.`, `Copy the whole checkpoint again, or set \`heads\` to ${count} to use what is there.`);
  }
  if (wanted !== undefined && wanted > count) {
    return refusal('heads', `${wanted} heads are wanted; ${fileOf(summary)} holds ${count}.`, `Set \`heads\` to ${count} or less.`);
  }
  return { ...layout, heads: layout.heads.slice(0, wanted) };
}

/** The tree that options and heads make. */
function treeOf({ choices, topK }: { choices?: MedusaOptions['choices']; topK: number }, layout: HeadLayout, summary: CheckpointSummary, target: TargetDescription): RankTree | Refusal {
  const { heads } = layout;
  const { list, canBeCut } = choicesOf({ choices });
  const deep = list.find((choice) => choice.length > heads.length);
  if (deep !== undefined && !canBeCut) {
    return refusal('choices', `The choice [${deep.join(', ')}] needs ${deep.length} heads; ${heads.length} of those in ${fileOf(summary)} are used.`, 'Leave out what is deeper.');
  }
  const tree = cutTree(rankTree(list), heads.length);
  const rank = Math.max(...tree.ranks);
  const rows = rowsOf(summary, layout) ?? target.model.vocabSize;
  if (rank >= rows) return refusal('choices', `The tree uses rank ${rank}; the vocabulary of the heads in ${fileOf(summary)} has ${rows} tokens.`, 'Leave such choices out.');
  if (rank >= topK) return refusal('topK', `The tree uses rank ${rank}, and heads are asked for ${topK} ranks, 0 to ${topK - 1}.`, `Set \`topK\` to ${rank + 1}, or leave such choices out.`);
  return tree;
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
