import type { DraftBatch, DraftBuilder, DraftProposer, Noise, Sequence, StrategyHost } from '../../core/index.js';
import { beamSearch, finalPaths, visitedPaths } from './beam-search.js';
import type { Drafter } from './drafter.js';

export interface BeamSettings {
  readonly width: number;
  /** Drafted tokens of a path, the known first one not counted. */
  readonly length: number;
  /** Whether the user asked for these beams: then the tree is what the search ends with, and core cuts nothing. */
  readonly isFixed: boolean;
  /** Whether the drafter ranks with the noise of the request. */
  readonly usesNoise: boolean;
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
    const isNoisy = this.settings.usesNoise && sequences.some(({ sampling }) => sampling.temperature > 0);
    const noise = (step: number, rowsEach: number): Noise | undefined => (isNoisy ? noiseOf(sequences, step, rowsEach) : undefined);
    const steps = beamSearch(ops, this.drafter, { pending, hidden: hidden!, width, length, noise });   // the plan asks for the hidden state
    draft.tensors(sequences, isFixed ? finalPaths(ops, steps) : visitedPaths(ops, steps));
  }
}

/** The noise of the tokens that a step drafts: those of the first step stand where the text so far ends. */
function noiseOf(sequences: readonly Sequence[], step: number, rowsEach: number): Noise {
  const rows = sequences.flatMap((sequence) => Array.from({ length: rowsEach }, () => sequence));
  return { sequences: rows, positions: Int32Array.from(rows, ({ tokens }) => tokens.length + step) };
}
