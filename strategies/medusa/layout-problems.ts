import type { CheckpointSummary } from '../../core/index.js';
import type { HeadLayout } from './layout.js';
import { LAYOUT_NAMES, type Naming } from './naming.js';

/** What is wrong with a checkpoint, and what to do. */
export interface LayoutProblem {
  readonly message: string;
  readonly remedy: string;
}

/** What heads must fit. */
export interface TargetSize {
  readonly hiddenSize: number;
  readonly vocabSize: number;
}

/** Rows of vocabularies of one tokenizer differ by padding to a multiple of this at most, or by a few tokens that fine-tuning added. */
const PADDING = 128;
const ADDED_TOKENS = 16;

const COPY_AGAIN = 'Copy the whole checkpoint again.';
const OTHER_TARGET = 'Heads fit the model that they were trained on, and no other: choose that target, or other heads.';

type Stored = CheckpointSummary['tensors'] extends ReadonlyMap<string, infer T> ? T : never;

/** A checkpoint whose names are of no layout. */
export function noHeads({ path, tensors }: CheckpointSummary): LayoutProblem {
  const [first = 'no tensor at all'] = tensors.keys();
  return {
    message: `The checkpoint at ${path} holds no heads: expected tensors such as "0.0.linear.weight" or "medusa_head.0.0.linear.weight" (known layouts: ${LAYOUT_NAMES.join(', ')}), found ${tensors.size}, the first "${first}".`,
    remedy: 'Name the folder of the heads in `head`.',
  };
}

/** Every tensor of the layout that is missing or does not fit the target, and every other one that claims to belong to the heads; lazily. */
export function* layoutProblems(summary: CheckpointSummary, naming: Naming, layout: HeadLayout, target: TargetSize): Generator<LayoutProblem> {
  const known = new Set<string>();
  const expect = function* (name: string, shape: readonly number[], what: string): Generator<LayoutProblem> {
    known.add(name);
    const stored = summary.tensors.get(name);
    if (stored === undefined) yield { message: `${fileOf(summary)} has no tensor "${name}" [${shape.join(', ')}], ${what}.`, remedy: COPY_AGAIN };
    else yield* tensorProblems(name, stored, shape);
  };
  const { hiddenSize } = target;
  const rows = rowsOf(summary, layout) ?? target.vocabSize;
  if (layout.shared !== undefined) yield* expect(layout.shared, [rows, hiddenSize], 'the vocabulary matrix of all heads');
  for (const [h, { blocks, vocabulary }] of layout.heads.entries()) {
    for (const [b, { weight, bias }] of blocks.entries()) {
      yield* expect(weight, [hiddenSize, hiddenSize], `the weight of residual block ${b} of head ${h}`);
      if (bias !== undefined) yield* expect(bias, [hiddenSize], `the bias of residual block ${b} of head ${h}`);
    }
    if (vocabulary !== undefined) yield* expect(vocabulary, [rows, hiddenSize], `the vocabulary matrix of head ${h}, which other heads have`);
  }
  yield* layout.tokenMap === undefined ? vocabularyProblems(summary, rows, target) : tokenMapProblems(layout.tokenMap, summary, rows);
  if (layout.tokenMap !== undefined) known.add(layout.tokenMap);
  for (const [name, { file }] of summary.tensors) {
    if (!name.startsWith(naming.prefix) || known.has(name)) continue;
    yield { message: `${file ?? summary.path} holds "${name}", which the heads of this layout (${naming.layout}) do not have.`, remedy: 'Without it they may not be what was trained: rename it, or take it out.' };
  }
}

/** Rows of the vocabulary matrices; undefined where heads use the target's. */
export function rowsOf({ tensors }: CheckpointSummary, { shared, heads }: HeadLayout): number | undefined {
  const matrices = [shared, ...heads.map(({ vocabulary }) => vocabulary)];
  return matrices.map((name) => tensors.get(name ?? '')?.shape[0]).find((rows) => rows !== undefined);
}

/** Heads that config.json speaks of; undefined where it does not. */
export function statedHeads({ config }: CheckpointSummary, { layout }: Naming): number | undefined {
  const nested = config['medusa'];
  const fields = typeof nested === 'object' && nested !== null ? { ...config, ...nested } : config;
  // `num_heads` alone means the heads of attention in every other layout.
  const stated = ['medusa_num_heads', 'num_medusa_heads', ...(layout === 'vllm' ? ['num_heads'] : [])].map((name) => (fields as Record<string, unknown>)[name]);
  return stated.find((value) => typeof value === 'number');
}

/** The file of the heads, or the folder where they lie in several. */
export function fileOf({ path, tensors }: CheckpointSummary): string {
  const files = new Set([...tensors.values()].map(({ file }) => file));
  const [file] = files;
  return files.size === 1 && file !== undefined ? file : path;
}

function* tensorProblems(name: string, { dtype, shape, file }: Stored, expected: readonly number[]): Generator<LayoutProblem> {
  const found = `Tensor "${name}" in ${file ?? 'the checkpoint'}`;
  if (shape.length !== expected.length || shape.some((size, axis) => size !== expected[axis])) {
    yield { message: `${found} has shape [${shape.join(', ')}]; expected [${expected.join(', ')}].`, remedy: OTHER_TARGET };
  }
  if (!['F32', 'F16', 'BF16'].includes(dtype)) {
    yield { message: `${found} is stored as ${dtype}; expected F32, F16 or BF16.`, remedy: 'Take heads that are not quantised.' };
  }
}

function* vocabularyProblems(summary: CheckpointSummary, rows: number, { vocabSize }: TargetSize): Generator<LayoutProblem> {
  const isSame = Math.abs(rows - vocabSize) <= ADDED_TOKENS || Math.ceil(rows / PADDING) === Math.ceil(vocabSize / PADDING);
  if (!isSame) yield { message: `The vocabulary matrices of the heads in ${fileOf(summary)} have ${rows} rows; expected ${vocabSize}, the target's vocabulary.`, remedy: OTHER_TARGET };
}

function* tokenMapProblems(name: string, { tensors }: CheckpointSummary, rows: number): Generator<LayoutProblem> {
  const { dtype, shape, file } = tensors.get(name)!;   // layouts name it only where it is there
  if (/^I(32|64)$/.test(dtype) && shape.length === 1 && shape[0]! <= rows) return;
  yield { message: `Tensor "${name}" in ${file ?? 'the checkpoint'} is ${dtype} [${shape.join(', ')}]; expected I64 or I32 [${rows}], the token ids of the vocabulary's rows.`, remedy: COPY_AGAIN };
}
