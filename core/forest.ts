import type { NativeChoice, NativeRatioInputs, NativeTensor, NativeVerdict } from './native/types.js';
import type { LogprobStage } from './logprobs.js';
import { choiceOf } from './sampling.js';
import type { RunningSequence } from './sequence.js';
import type { Plan, ScoredForest, Tensor, Verdict, VerifyOps } from './strategy.js';
import type { Target } from './target.js';
import { nativeTensor } from './tensor-scope.js';

/** Trees with what the target says of every row, for the verifiers of one call. What nobody asks for is not computed. */
export class Forest implements ScoredForest {
  private cache: { logits?: NativeTensor; children?: Tensor; choices?: Tensor; probs?: Tensor; distributions?: Tensor | undefined } = {};

  /**
   * @param hidden `[rows, hidden]` after the final norm
   * @param tokens `[rows]`, -1 for absent rows and probes
   * @param parents `[rows]` indices of the pack, -1 for roots
   * @param positions `[rows]` of the rows' own tokens
   * @param owners the sequence of each row
   * @param textTokens `[rows]`, probes with theirs: what their descendants' text holds
   * @param keepsLogits whether the logits will be wanted anyway: then choices are made from them, the same ones
   * @param makeDistributions what the rows were drawn from, `[rows, vocab]`
   */
  constructor(
    readonly sequences: readonly RunningSequence[],
    readonly rowStart: Int32Array,
    readonly tokens: Tensor,
    readonly parents: Tensor,
    readonly drawn: Plan['drawn'],
    readonly maxWidth: number,
    readonly maxDepth: number,
    private readonly hidden: Tensor,
    private readonly positions: Tensor,
    private readonly owners: readonly RunningSequence[],
    private readonly textTokens: Tensor,
    private readonly keepsLogits: boolean,
    private readonly target: Target,
    private readonly makeDistributions: () => Tensor | undefined,
  ) {}

  get distributions(): Tensor | undefined {
    return this.cache.distributions ??= this.makeDistributions();
  }

  children(): Tensor {
    return this.cache.children ??= this.target.track(this.target.runtime.ops.children(nativeTensor(this.tokens), nativeTensor(this.parents), this.maxWidth));
  }

  choices(): Tensor {
    const { model, runtime: { ops } } = this.target;
    return this.cache.choices ??= this.target.track(this.keepsLogits ? ops.choose(this.logits(), this.noise()) : model.choose(nativeTensor(this.hidden), this.noise()));
  }

  probs(): Tensor {
    return this.cache.probs ??= this.target.track(this.target.runtime.ops.probs(this.logits(), this.noise()));
  }

  /** Of the emitted tokens and the `top` likeliest in their places, `[sequences, depth, …]`; what a place says is its own row's. */
  logprobs({ path, next }: Verdict, stage: LogprobStage, top: number): { readonly chosen: NativeTensor; readonly ids: NativeTensor; readonly values: NativeTensor } {
    const rows = stage === 'raw' ? this.logits() : nativeTensor(this.probs());
    const made = this.target.runtime.ops.logprobs(rows, stage === 'raw' ? 'logits' : 'probs', nativeTensor(this.tokens), nativeTensor(path), nativeTensor(next), this.rowStart, top);
    for (const tensor of [made.chosen, made.ids, made.values]) this.target.track(tensor);
    return made;
  }

  private logits(): NativeTensor {
    return this.cache.logits ??= this.target.track(this.target.model.head(nativeTensor(this.hidden)));
  }

  uniform(stream: string): Tensor {
    const numbers = new Int32Array(this.owners.length);   // in place of positions: two rows of a tree may stand at the same one
    this.rowStart.forEach((start, i) => { for (let row = start; row < (this.rowStart[i + 1] ?? start); row++) numbers[row] = row - start; });
    return this.target.track(this.target.runtime.ops.uniform(choiceOf(this.owners, numbers, 0, `verify ${stream}`)));
  }

  /** The token after a row stands one position further on, and the row's path is text to it. */
  private noise(): NativeChoice {
    return { ...choiceOf(this.owners, this.positions, 1), tree: { tokens: nativeTensor(this.textTokens), parents: nativeTensor(this.parents) } };
  }
}

/** The ops of verifiers, for one forest at a time. */
export function verifyOps(target: Target): VerifyOps {
  const { ops } = target.runtime;
  const tracked = ({ path, length, next }: NativeVerdict): Verdict => ({ path: target.track(path), length: target.track(length), next: target.track(next) });
  return {
    acceptChosen: (scored) => tracked(ops.acceptChosen(nativeTensor(scored.tokens), nativeTensor(scored.parents), nativeTensor(scored.choices()), scored.rowStart, depthOf(scored))),
    acceptByRatio: (scored, rule) => tracked(ops.acceptByRatio(ratioInputs(scored), scored.rowStart, depthOf(scored), scored.drawn, rule)),
    acceptLongest: (scored, accepted, scores, next) => tracked(ops.acceptLongest(
      nativeTensor(scored.tokens), nativeTensor(scored.parents), nativeTensor(accepted), nativeTensor(scores), nativeTensor(next), scored.rowStart, depthOf(scored),
    )),
    walk: (scored, child, next) => tracked(ops.walk(nativeTensor(child), nativeTensor(next), scored.rowStart, depthOf(scored))),
    sample: (weights, uniform) => target.track(ops.sample(nativeTensor(weights), nativeTensor(uniform))),
  };
}

function ratioInputs(scored: ScoredForest): NativeRatioInputs {
  const { tokens, parents, distributions } = scored;
  return {
    tokens: nativeTensor(tokens), parents: nativeTensor(parents), probs: nativeTensor(scored.probs()),
    accept: nativeTensor(scored.uniform('accept')), next: nativeTensor(scored.uniform('next')),
    ...(distributions === undefined ? {} : { draftProbs: nativeTensor(distributions) }),
  };
}

/** Rows on the longest possible path, the root included. */
function depthOf(scored: ScoredForest): number {
  return scored instanceof Forest ? scored.maxDepth : Math.max(...scored.rowStart.subarray(1).map((end, i) => end - scored.rowStart[i]!));
}
