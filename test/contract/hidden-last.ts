import { z } from 'zod';
import { type Commit, type DraftBatch, type DraftBuilder, defineStrategy, type DraftProposer, type Needs, type Observed, type Sequence, type StrategyHost } from '../../core/index.js';
import { draftEcho } from './echo-draft.js';
import type { StateRecord } from './state-record.js';

/** What one iteration of one text told. */
export interface CommitRecord {
  readonly tokens: Int32Array;
  readonly probe: number;
  readonly commit: Commit;
}

export interface LastRecorder {
  readonly states: StateRecord[];
  readonly commits: CommitRecord[];
}

/** A strategy that reads the state before the pending token, and hands every one it gets to a recorder. */
export function hiddenLast(recorder: LastRecorder, needs: Partial<Needs> = {}) {
  return defineStrategy({
    name: 'hidden-last', version: '1.0.0', api: 1, options: z.strictObject({}),
    plan: () => ({
      maxNodes: 7, maxDepth: 3, drawn: 'deterministic', needs: { hidden: 'last', choices: true, gap: 'start-late', ...needs },
      bytes: { weights: 0, perToken: 0, perSequence: 0 },
    }),
    create: async (host) => new HiddenLast(host, recorder),
  });
}

class HiddenLast implements DraftProposer {
  private readonly asked = new Map<number, { tokens: Int32Array; probe: number }>();

  constructor(_host: StrategyHost, private readonly recorder: LastRecorder) {}

  observe({ sequences, commits }: Observed): void {
    sequences.forEach(({ id }, i) => {
      const commit = commits[i];
      const asked = this.asked.get(id);
      this.asked.delete(id);
      if (commit === undefined || asked === undefined) return;
      const state = commit.reported?.['state'];
      if (state instanceof Float32Array) this.recorder.states.push({ tokens: asked.tokens.slice(0, -1), state });
      this.recorder.commits.push({ ...asked, commit });
    });
  }

  propose({ sequences, hidden }: DraftBatch, draft: DraftBuilder): void {
    if (hidden === undefined) throw new Error('no hidden rows came');
    draft.report('state', hidden);
    for (const sequence of sequences) {
      draftEcho(sequence, draft);
      const probe = draft.probe(sequence, 3, 0);
      this.asked.set(sequence.id, { tokens: sequence.tokens.slice(), probe });
    }
  }

  left({ id }: Sequence): void {
    this.asked.delete(id);
  }
}
