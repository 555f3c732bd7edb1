import type { DraftBatch, DraftBuilder, DraftProposer, StrategyHost } from '../../core/index.js';
import { beamSearch, finalPaths, visitedPaths } from './beam-search.js';
import type { Drafter } from './drafter.js';

export interface BeamSettings {
  readonly width: number;
  /** Drafted tokens of a path, the known first one not counted. */
  readonly length: number;
  /** Whether the user asked for these beams: then the tree is what the search ends with, and core cuts nothing. */
  readonly isFixed: boolean;
}

/** Searches with the drafter from the target's last hidden state; nothing is carried from one iteration to the next. */
export class ReDrafterProposer implements DraftProposer {
  constructor(private readonly host: StrategyHost, private readonly drafter: Drafter, private readonly settings: BeamSettings) {}

  propose({ sequences, pending, hidden }: DraftBatch, draft: DraftBuilder): void {
    const { ops } = this.host;
    const { isFixed } = this.settings;
    // Deeper than it is allowed nodes, or than can still be emitted, no path leads; nor are more paths of use than nodes.
    const length = Math.min(this.settings.length, Math.max(...sequences.map(({ maxDepth, budget }) => Math.min(maxDepth, budget))));
    const width = isFixed ? this.settings.width : Math.min(this.settings.width, Math.max(...sequences.map(({ budget }) => budget)));
    const steps = beamSearch(ops, this.drafter, { pending, hidden: hidden!, width, length });   // the plan asks for the hidden state
    draft.tensors(sequences, isFixed ? finalPaths(ops, steps) : visitedPaths(ops, steps));
  }
}
