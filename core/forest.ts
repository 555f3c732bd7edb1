import type { NativeChoice, NativeVerdict } from './native/types.js';
import { choiceOf } from './sampling.js';
import type { RunningSequence } from './sequence.js';
import type { Plan, ScoredForest, Tensor, Verdict, VerifyOps } from './strategy.js';
import type { Target } from './target.js';
import { nativeTensor } from './tensor-scope.js';

/** Trees with what the target says of every row, for the verifiers of one call. What nobody asks for is not computed. */
export class Forest implements ScoredForest {
  private cache: { children?: Tensor; choices?: Tensor; probs?: Tensor } = {};

  /**
   * @param hidden `[rows, hidden]` after the final norm
   * @param tokens `[rows]`, -1 for absent rows and probes
   * @param parents `[rows]` indices of the pack, -1 for roots
   * @param positions `[rows]` of the rows' own tokens
   * @param owners the sequence of each row
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
    private readonly target: Target,
  ) {}

  children(): Tensor {
    return this.cache.children ??= this.target.track(this.target.runtime.ops.children(nativeTensor(this.tokens), nativeTensor(this.parents), this.maxWidth));
  }

  choices(): Tensor {
    return this.cache.choices ??= this.target.track(this.target.model.choose(nativeTensor(this.hidden), this.noise()));
  }

  probs(): Tensor {
    if (this.cache.probs === undefined) {
      const logits = this.target.track(this.target.model.head(nativeTensor(this.hidden)));
      this.cache.probs = this.target.track(this.target.runtime.ops.probs(logits, this.noise()));
    }
    return this.cache.probs;
  }

  uniform(stream: string): Tensor {
    return this.target.track(this.target.runtime.ops.uniform(this.noise(stream)));
  }

  /** The token after a row stands one position further on. */
  private noise(stream?: string): NativeChoice {
    return choiceOf(this.owners, this.positions, 1, stream);
  }
}

/** The ops of verifiers, for one forest at a time. */
export function verifyOps(target: Target): VerifyOps {
  const { ops } = target.runtime;
  const tracked = ({ path, length, next }: NativeVerdict): Verdict => ({ path: target.track(path), length: target.track(length), next: target.track(next) });
  return {
    acceptChosen: (scored) => tracked(ops.acceptChosen(nativeTensor(scored.tokens), nativeTensor(scored.parents), nativeTensor(scored.choices()), scored.rowStart, depthOf(scored))),
    walk: (scored, child, next) => tracked(ops.walk(nativeTensor(child), nativeTensor(next), scored.rowStart, depthOf(scored))),
    sample: (weights, uniform) => target.track(ops.sample(nativeTensor(weights), nativeTensor(uniform))),
  };
}

/** Rows on the longest possible path, the root included. */
function depthOf(scored: ScoredForest): number {
  return scored instanceof Forest ? scored.maxDepth : Math.max(...scored.rowStart.subarray(1).map((end, i) => end - scored.rowStart[i]!));
}
