import type { CheckpointSummary } from '../../core/index.js';
import { type DrafterLayout, type Naming, numberIn, tensorsOf } from './layout.js';

/** What is wrong with a checkpoint, and what to do. */
export interface LayoutProblem {
  readonly message: string;
  readonly remedy: string;
}

/** What a drafter must fit. */
export interface TargetSize {
  readonly hiddenSize: number;
  readonly vocabSize: number;
}

/** Rows of vocabularies of one tokenizer differ by padding to a multiple of this at most, or by a few tokens that fine-tuning added. */
const PADDING = 128;
const ADDED_TOKENS = 16;

const COPY_AGAIN = 'Copy the whole checkpoint again; does config.json belong to it?';
const OTHER_TARGET = 'A drafter fits the model that it was trained on, and no other: choose that target, or another drafter.';

/** Stored beside the weights by some trainers and applied by none. */
const UNUSED = ['emb_norm.weight'];

/** A checkpoint whose names are of no family. */
export function noDrafter({ path, tensors }: CheckpointSummary): LayoutProblem {
  const [first = 'no tensor at all'] = tensors.keys();
  return {
    message: `The checkpoint at ${path} holds no recurrent drafter: expected tensors such as "lm_head.0.linear.weight" or "drafter.layers.0.linear.weight", found ${tensors.size}, the first "${first}".`,
    remedy: 'Name the folder of the drafter in `head`.',
  };
}

/** Every tensor of the layout that is missing or does not fit the target, and every other one that claims to belong to the drafter; lazily. */
export function* layoutProblems(summary: CheckpointSummary, naming: Naming, layout: DrafterLayout, { hiddenSize, vocabSize }: TargetSize): Generator<LayoutProblem> {
  const stated = numberIn(summary.config, 'redrafter_hidden_size', 'hidden_size');
  if (stated !== undefined && stated !== hiddenSize) {
    yield { message: `${summary.path}/config.json says that the target has a hidden size of ${stated}; expected ${hiddenSize}.`, remedy: OTHER_TARGET };
  }
  const rows = summary.tensors.get(layout.vocabulary)?.shape[0] ?? vocabSize;
  const expected = tensorsOf(layout, hiddenSize, rows);
  for (const [name, shape] of expected) yield* tensorProblems(summary, name, shape);
  if (Math.abs(rows - vocabSize) > ADDED_TOKENS && Math.ceil(rows / PADDING) !== Math.ceil(vocabSize / PADDING)) {
    yield { message: `Tensor "${layout.vocabulary}" in ${fileOf(summary)} has ${rows} rows; expected ${vocabSize}, the target's vocabulary.`, remedy: OTHER_TARGET };
  }
  const known = new Set([...expected.keys(), ...UNUSED.map((name) => naming.prefix + name)]);
  for (const [name, { file }] of summary.tensors) {
    if (!name.startsWith(naming.prefix) || known.has(name)) continue;
    yield { message: `${file ?? summary.path} holds "${name}", which a drafter with this config.json does not have.`, remedy: 'Without it the drafter may not be what was trained: correct config.json, or take the tensor out.' };
  }
}

/** The file of the drafter, or the folder where it lies in several. */
export function fileOf({ path, tensors }: CheckpointSummary): string {
  const files = new Set([...tensors.values()].map(({ file }) => file));
  const [file] = files;
  return files.size === 1 && file !== undefined ? file : path;
}

function* tensorProblems(summary: CheckpointSummary, name: string, expected: readonly number[]): Generator<LayoutProblem> {
  const stored = summary.tensors.get(name);
  if (stored === undefined) return yield { message: `${fileOf(summary)} has no tensor "${name}" [${expected.join(', ')}].`, remedy: COPY_AGAIN };
  const { dtype, shape, file } = stored;
  const found = `Tensor "${name}" in ${file ?? summary.path}`;
  if (shape.length !== expected.length || shape.some((size, axis) => size !== expected[axis])) {
    yield { message: `${found} has shape [${shape.join(', ')}]; expected [${expected.join(', ')}].`, remedy: OTHER_TARGET };
  }
  if (!['F32', 'F16', 'BF16'].includes(dtype)) yield { message: `${found} is stored as ${dtype}; expected F32, F16 or BF16.`, remedy: 'Take a drafter that is not quantised.' };
}
