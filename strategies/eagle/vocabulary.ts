import type { Found, VocabularyMap } from './layout.js';
import { COPY_AGAIN, OTHER_TARGET } from './problem.js';

/** Rows of vocabularies of one tokenizer differ by padding to a multiple of one of these, or by a few tokens that fine-tuning added. */
const PADDINGS = [32, 64, 128];
const ADDED_TOKENS = 16;

/** What turns a draft's output into tokens of the target. */
export interface Vocabulary {
  /** Stored name of the draft's own head; undefined: the target's serves. */
  readonly head: string | undefined;
  /** Tokens that the draft tells apart. */
  readonly size: number;
  readonly map: VocabularyMap | undefined;
}

export function isSameVocabulary(size: number, other: number): boolean {
  const [smaller, larger] = [Math.min(size, other), Math.max(size, other)];
  return larger - smaller <= ADDED_TOKENS || PADDINGS.some((padding) => Math.ceil(smaller / padding) * padding === larger);
}

/** The head of an EAGLE-3 draft and its table of offsets. A draft without a head uses the target's. */
export function ownVocabulary({ summary, check, target, layers }: Found): Vocabulary {
  const { vocabSize } = target.model;
  const stated = summary.config['draft_vocab_size'];
  const isReduced = typeof stated === 'number' && stated < vocabSize;
  const hasHead = check.has('lm_head.weight');
  const head = hasHead || isReduced ? check.real('lm_head.weight', [isReduced ? stated : -1, layers.hiddenSize], 'draft_vocab_size × hidden_size') : undefined;
  const size = check.shape('lm_head.weight')?.[0] ?? (isReduced ? stated : vocabSize);
  if (head === undefined && layers.hiddenSize !== target.model.hiddenSize) {
    check.real('lm_head.weight', [size, layers.hiddenSize], 'as the target\'s head does not fit a draft of another width');
  }
  checkMembership({ check, target });
  if (size > vocabSize && !isSameVocabulary(size, vocabSize)) {
    check.add(`Tensor "lm_head.weight" in ${check.file} has ${size} rows; expected at most ${vocabSize}, the target's vocabulary.`, OTHER_TARGET);
  }
  const needsMap = size < vocabSize && (isReduced || !isSameVocabulary(size, vocabSize));
  if (!needsMap && !check.has('d2t')) return { head, size, map: undefined };
  if (!check.has('d2t')) {
    check.add(`${check.file} has no tensor "d2t"; expected I64 [${size}]: "lm_head.weight" has ${size} rows for a target of ${vocabSize} tokens, and only this table says which they are.`, COPY_AGAIN);
    return { head, size, map: undefined };
  }
  return { head, size, map: { name: check.ids('d2t', [size], 'one offset for each token of the draft'), holds: 'offsets' } };
}

/** The mask of target tokens that the draft knows says nothing new, but its length tells whose tokens they are. */
function checkMembership({ check, target }: Pick<Found, 'check' | 'target'>): void {
  check.ignore('t2d');
  const length = check.shape('t2d')?.[0];
  if (length === undefined || isSameVocabulary(length, target.model.vocabSize)) return;
  check.add(`Tensor "t2d" in ${check.file} has ${length} entries; expected ${target.model.vocabSize}, the target's vocabulary.`, OTHER_TARGET);
}
