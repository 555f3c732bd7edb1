/** One iteration of one sample: the tree that was verified and what became of it. Node 0 is the root; absent nodes and probes are left out. */
export interface TraceEntry {
  readonly strategy: string;
  readonly tokens: readonly number[];
  /** Node numbers; -1 for the root. */
  readonly parents: readonly number[];
  /** Node numbers kept, root first. */
  readonly accepted: readonly number[];
  /** The token after the accepted path. */
  readonly next: number;
  /** The target's choice after each node. */
  readonly choices: readonly number[];
  /** Logarithm of the draft's probability of the path to each node, where the strategy gave it; 0 for the root. */
  readonly draftLogProbs?: readonly number[];
  /** Shared by all sequences of the pass. */
  readonly ms: { readonly draft: number; readonly verify: number; readonly commit: number };
}
