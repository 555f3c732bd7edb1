import type { CheckpointSummary } from '../../core/index.js';
import type { LayoutName, Naming } from './naming.js';

/** Where the weights of the heads lie in a checkpoint: names of tensors. */
export interface HeadLayout {
  readonly layout: LayoutName;
  readonly heads: readonly HeadTensors[];
  /** The one vocabulary matrix of all heads. Where neither it nor their own are there, heads use the target's. */
  readonly shared?: string;
  /** Token ids of the rows of the vocabulary matrices, where row i is not token i. */
  readonly tokenMap?: string;
  /** Multiplies logits; > 0. */
  readonly logitScale: number;
}

/** The tensors of one head. */
export interface HeadTensors {
  /** `[hidden, hidden]` and `[hidden]` */
  readonly blocks: readonly { readonly weight: string; readonly bias?: string }[];
  /** `[rows, hidden]` */
  readonly vocabulary?: string;
}

/**
 * The tensors that a checkpoint with such names must hold. Heads and blocks are counted by their tensors: published configurations are known
 * to state fewer heads than the file has. Where one head has a vocabulary matrix or a bias, every head is to have it.
 */
export function layoutOf({ tensors, config }: CheckpointSummary, naming: Naming): HeadLayout {
  const names = [...tensors.keys()];
  const count = (pattern: RegExp, group: number): number =>
    // A number beyond the number of tensors is a gap; so many are enough to find it.
    Math.min(names.length, names.reduce((most, name) => Math.max(most, 1 + Number(pattern.exec(name)?.[group] ?? -1)), 0));
  const headCount = count(naming.head, 1);
  const blockCount = count(naming.block, 2);
  const some = (nameOf: (h: number, b: number) => string): boolean =>
    Array.from({ length: headCount }, (_, h) => h).some((h) => Array.from({ length: blockCount }, (_, b) => b).some((b) => tensors.has(nameOf(h, b))));
  const hasBiases = !naming.biasIsOptional || some(naming.bias);
  const matrix = (h: number): string => naming.vocabulary(h, blockCount);
  const isShared = naming.shared !== undefined && (tensors.has(naming.shared) || config['original_lm_head'] === true);
  const shared = isShared ? [naming.shared, matrix(0)].find((name) => tensors.has(name!)) : undefined;
  const hasOwn = !isShared && some(matrix);
  const scale = naming.layout === 'vllm' ? config['logit_scale'] : undefined;
  return {
    layout: naming.layout,
    heads: Array.from({ length: headCount }, (_, h) => ({
      blocks: Array.from({ length: blockCount }, (_, b) => ({ weight: naming.weight(h, b), ...(hasBiases ? { bias: naming.bias(h, b) } : {}) })),
      ...(hasOwn ? { vocabulary: matrix(h) } : {}),
    })),
    ...(shared === undefined ? {} : { shared }),
    ...(naming.tokenMap !== undefined && tensors.has(naming.tokenMap) ? { tokenMap: naming.tokenMap } : {}),
    logitScale: typeof scale === 'number' && scale > 0 ? scale : 1,
  };
}

/** Names of all tensors of the first `count` heads. */
export function tensorsOf({ heads, shared, tokenMap }: HeadLayout, count: number): string[] {
  const own = heads.slice(0, count).flatMap(({ blocks, vocabulary }) => [...blocks.flatMap(({ weight, bias }) => [weight, bias]), vocabulary]);
  return [...own, shared, tokenMap].filter((name) => name !== undefined);
}
