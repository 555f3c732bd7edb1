import type { Ops, StrategyHost, Tensor } from '../../core/index.js';
import { type HeadLayout, tensorsOf } from './layout.js';

/** A linear layer whose output is activated and added to its input. */
interface Block {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/** The weights of the heads and what they make of a hidden state. Head h guesses the token at distance h + 2 from the state's own. */
export class Heads {
  private constructor(
    private readonly ops: Ops,
    private readonly target: StrategyHost['target'],
    private readonly blocks: readonly (readonly Block[])[],
    /** A matrix per head, one for all, or none where the target's own is used. */
    private readonly vocabulary: readonly Tensor[],
    /** Target ids of the rows of the vocabulary, where row i is not token i. */
    readonly tokenMap: Tensor | undefined,
    private readonly logitScale: number,
  ) {}

  /** Loads the first `count` heads of a checkpoint. The weights live as long as the strategy. */
  static async load(host: StrategyHost, checkpoint: string, layout: HeadLayout, count: number): Promise<Heads> {
    const tensors = await host.loadTensors(checkpoint, tensorsOf(layout, count));
    const heads = layout.heads.slice(0, count);
    const blocks = heads.map((head) => head.blocks.map(({ weight, bias }) => ({ weight: tensors.get(weight)!, bias: bias === undefined ? undefined : tensors.get(bias) })));
    const map = layout.tokenMap === undefined ? undefined : tensors.get(layout.tokenMap);
    const matrices = layout.shared === undefined ? heads.map(({ vocabulary }) => vocabulary) : [layout.shared];
    const vocabulary = matrices.filter((name) => name !== undefined).map((name) => trimmed(host, tensors.get(name)!, map));
    return new Heads(host.ops, host.target, blocks, vocabulary, map, layout.logitScale);
  }

  /**
   * Logits of the first `count` heads.
   *
   * @param hidden `[n, hidden]`, after the target's final norm
   * @returns `[n, count, rows]` f32
   */
  logits(hidden: Tensor, count: number): Tensor {
    const { ops, logitScale } = this;
    const states = this.blocks.slice(0, count).map((blocks) => blocks.reduce((state, { weight, bias }) => ops.add(state, ops.silu(ops.linear(state, weight, bias))), hidden));
    const parts = this.vocabulary.length > 1
      ? states.map((state, head) => alone(ops, ops.linear(state, this.vocabulary[head]!)))
      : [this.sharedLogits(states)];
    const logits = parts.length === 1 ? parts[0]! : ops.concat(parts, 1);
    return logitScale === 1 ? logits : ops.mul(logits, logitScale);
  }

  /** The tokens that rows of the vocabulary stand for, `rows` of any shape. */
  tokens(rows: Tensor): Tensor {
    return this.tokenMap === undefined ? rows : this.ops.gather(this.tokenMap, rows, 0);
  }

  /** One matrix for all heads is read once. */
  private sharedLogits(states: readonly Tensor[]): Tensor {
    const { ops } = this;
    const [n, width] = states[0]!.shape as [number, number];
    const all = ops.concat(states.map((state) => alone(ops, state)), 1);
    const [own] = this.vocabulary;
    const logits = own === undefined ? this.target.head(ops.reshape(all, [n * states.length, width])) : ops.linear(all, own);
    return ops.reshape(logits, [n, states.length, logits.shape.at(-1)!]);
  }
}

/** `[n, width]` as `[n, 1, width]`. */
function alone(ops: Ops, x: Tensor): Tensor {
  return ops.reshape(x, [x.shape[0]!, 1, x.shape[1]!]);
}

/** The rows that the target has ids for; with a map, the rows that it names. */
function trimmed(host: StrategyHost, matrix: Tensor, map: Tensor | undefined): Tensor {
  const rows = matrix.shape[0]!;
  const { vocabSize } = host.target.description;
  if (map === undefined ? rows <= vocabSize : rows === map.shape[0]) return matrix;
  const picked = host.ops.gather(matrix, map ?? Int32Array.from({ length: vocabSize }, (_, id) => id), 0);
  host.free(matrix);
  return picked;
}
