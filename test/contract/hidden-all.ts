import { z } from 'zod';
import { type DraftBatch, type DraftBuilder, defineStrategy, type DraftProposer, type Needs, type Observed, type Sequence, type StrategyHost, type Tensor } from '../../core/index.js';
import { draftEcho } from './echo-draft.js';
import type { StateRecord } from './state-record.js';

export interface AllRecorder {
  readonly states: StateRecord[];
  /** Per text, the positions it was told of, in order. */
  readonly positions: Map<number, number[]>;
}

/** A strategy that is told every state, keeps them until it may draft, and hands each to a recorder. */
export function hiddenAll(recorder: AllRecorder, needs: Partial<Needs> = {}, forks = true) {
  return defineStrategy({
    name: 'hidden-all', version: '1.0.0', api: 1, options: z.strictObject({}),
    plan: () => ({
      maxNodes: 6, maxDepth: 3, drawn: 'deterministic', needs: { hidden: 'all', choices: false, gap: 'rerun', ...needs },
      bytes: { weights: 0, perToken: 0, perSequence: 0 },
    }),
    create: async (host) => {
      const proposer = new HiddenAll(host, recorder);
      return forks ? proposer : { observe: (batch) => proposer.observe(batch), propose: (batch, draft) => proposer.propose(batch, draft), left: (one) => proposer.left(one) };
    },
  });
}

/** States that wait for the next draft, `[positions, width]`. */
interface Waiting {
  readonly positions: readonly number[];
  readonly states: Tensor;
}

class HiddenAll implements DraftProposer {
  private readonly waiting = new Map<number, Waiting>();
  private readonly asked = new Map<number, { positions: readonly number[]; tokens: Int32Array }>();

  constructor(private readonly host: StrategyHost, private readonly recorder: AllRecorder) {}

  observe({ sequences, firstPosition, rowStart, hidden, commits }: Observed): void {
    if (hidden === undefined) throw new Error('no hidden rows came');
    const { ops } = this.host;
    sequences.forEach((sequence, i) => {
      this.record(sequence, commits[i]?.reported?.['states']);
      const rows = range(rowStart[i]!, rowStart[i + 1]!);
      const positions = rows.map((_, k) => firstPosition[i]! + k);
      this.recorder.positions.set(sequence.id, [...(this.recorder.positions.get(sequence.id) ?? []), ...positions]);
      const states = ops.gather(hidden, Int32Array.from(rows), 0);
      const earlier = this.waiting.get(sequence.id);
      this.replace(sequence.id, {
        positions: [...(earlier?.positions ?? []), ...positions],
        states: earlier === undefined ? states : ops.concat([earlier.states, states], 0),
      });
    });
  }

  propose({ sequences }: DraftBatch, draft: DraftBuilder): void {
    const { ops } = this.host;
    const counts = sequences.map(({ id }) => this.waiting.get(id)?.positions.length ?? 0);
    const most = Math.max(...counts);
    const padded = sequences.map(({ id }, i) => {
      const waiting = this.waiting.get(id);
      if (waiting === undefined) throw new Error(`text ${id} may draft but was never observed`);
      const index = Int32Array.from({ length: most }, (_, k) => (k < counts[i]! ? k : -1));   // -1 gives zeros
      const states = ops.gather(waiting.states, index, 0);
      return ops.reshape(states, [1, most * (states.shape[1] ?? 0)]);
    });
    draft.report('states', ops.concat(padded, 0));
    for (const sequence of sequences) {
      this.asked.set(sequence.id, { positions: this.waiting.get(sequence.id)?.positions ?? [], tokens: sequence.tokens.slice() });
      this.drop(sequence.id);
      draftEcho(sequence, draft);
    }
  }

  forked(from: Sequence, to: readonly Sequence[]): void {
    const waiting = this.waiting.get(from.id);
    for (const { id } of to) {
      this.recorder.positions.set(id, [...(this.recorder.positions.get(from.id) ?? [])]);
      if (waiting !== undefined) this.replace(id, { positions: waiting.positions, states: this.host.ops.gather(waiting.states, Int32Array.from(range(0, waiting.positions.length)), 0) });
    }
  }

  left({ id }: Sequence): void {
    this.drop(id);
    this.asked.delete(id);
  }

  private record({ id }: Sequence, reported: Float32Array | Int32Array | undefined): void {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    if (asked === undefined || !(reported instanceof Float32Array)) return;
    const width = this.width ?? 0;
    asked.positions.forEach((position, k) => {
      this.recorder.states.push({ tokens: asked.tokens.slice(0, position + 1), state: reported.slice(k * width, (k + 1) * width) });
    });
  }

  private width: number | undefined;

  private replace(id: number, waiting: Waiting): void {
    this.width = waiting.states.shape[1];
    this.drop(id);
    this.waiting.set(id, { ...waiting, states: this.host.keep(waiting.states) });
  }

  private drop(id: number): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    this.host.free(waiting.states);
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
