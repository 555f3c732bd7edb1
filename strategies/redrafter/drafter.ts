import type { Noise, Ops, StrategyHost, Tensor } from '../../core/index.js';
import { type DrafterLayout, type LinearNames, tensorsOf } from './layout.js';

/** How the state takes in the next token: as the first implementation does, or as TensorRT-LLM does. */
export type Cell = 'silu' | 'linear';

interface Linear {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** Log-probabilities below this many likeliest tokens count as none, as in training. */
const KEPT_TOKENS = 50;

/** The weights of the drafter: a recurrent cell over token embeddings, and residual blocks that read the state beside the target's hidden state. */
export class Drafter {
  private readonly ops: Ops;

  private constructor(
    private readonly host: StrategyHost,
    private readonly cellKind: Cell,
    private readonly projection: Linear | undefined,
    private readonly blocks: readonly Linear[],
    private readonly vocabulary: Tensor,
    private readonly cell: { readonly input: Tensor; readonly state: Linear } | undefined,
  ) {
    this.ops = host.ops;
  }

  /** Loads the weights, which live as long as the strategy. */
  static async load(host: StrategyHost, checkpoint: string, layout: DrafterLayout, cellKind: Cell): Promise<Drafter> {
    const { hiddenSize, vocabSize } = host.target.description;
    const tensors = await host.loadTensors(checkpoint, [...tensorsOf(layout, hiddenSize, vocabSize).keys()]);
    const at = (name: string): Tensor => tensors.get(name)!;   // every name was asked for
    const linear = ({ weight, bias }: LinearNames): Linear => ({ weight: at(weight), bias: at(bias) });
    const { projection, blocks, vocabulary, cell } = layout;
    return new Drafter(
      host, cellKind, projection && linear(projection), blocks.map(linear), trimmed(host, at(vocabulary)),
      cell && { input: at(cell.input), state: linear(cell.state) },
    );
  }

  /** Tokens that `guess` ranks per row. */
  get width(): number {
    return Math.min(KEPT_TOKENS, this.vocabulary.shape[0]!);
  }

  /**
   * The state after a token.
   *
   * @param tokens `[rows]` i32 @param state `[rows, hidden]` before it; undefined at the start
   */
  next(tokens: Tensor, state: Tensor | undefined): Tensor {
    const { ops, cell } = this;
    const embedded = this.host.target.embed(tokens);
    if (cell === undefined) return state === undefined ? embedded : ops.add(embedded, state);
    if (this.cellKind === 'silu') {
      // The bias counts at the start too, where the state is zero.
      const input = ops.linear(embedded, cell.input, cell.state.bias);
      return ops.silu(state === undefined ? input : ops.add(input, ops.linear(state, cell.state.weight)));
    }
    const input = ops.linear(embedded, cell.input);
    return state === undefined ? input : ops.add(input, ops.linear(state, cell.state.weight, cell.state.bias));
  }

  /**
   * The likeliest next tokens with their log-probabilities among these, best first.
   *
   * @param hidden `[rows, hidden]` of the target @param state `[rows, hidden]` @param noise joins the logits before they are ranked
   * @returns both `[rows, width]`
   */
  guess(hidden: Tensor, state: Tensor, noise: Noise | undefined): { tokens: Tensor; logProbs: Tensor } {
    const { ops } = this;
    const joined = ops.concat([hidden, state], 1);
    const projected = this.projection === undefined ? joined : ops.linear(joined, this.projection.weight, this.projection.bias);
    const read = this.blocks.reduce((x, { weight, bias }) => ops.add(x, ops.silu(ops.linear(x, weight, bias))), projected);
    const { indices, scores } = ops.topK(ops.linear(read, this.vocabulary), this.width, noise);
    return { tokens: indices, logProbs: ops.logSoftmax(scores) };
  }
}

/** The rows that the target has ids for. */
function trimmed(host: StrategyHost, matrix: Tensor): Tensor {
  const { vocabSize } = host.target.description;
  if (matrix.shape[0]! <= vocabSize) return matrix;
  const kept = host.ops.gather(matrix, Int32Array.from({ length: vocabSize }, (_, id) => id), 0);
  host.free(matrix);
  return kept;
}
