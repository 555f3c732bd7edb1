// Recorded laws: a small set beside the tests, the whole set where the shared folder is.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Shape, Table } from './toy.js';

type RecordedLaw = readonly (readonly [readonly number[], number])[];
export interface Recorded {
  readonly law: RecordedLaw;
  readonly expected_accepted: number;
}

export interface ChainCase {
  readonly id: string;
  readonly V: number;
  readonly K: number;
  readonly p: Table;
  readonly q: Table;
  readonly tokenwise: Recorded;
  readonly block: Recorded;
  readonly naive?: Recorded;
  readonly conditional?: readonly {
    readonly draft: readonly number[];
    readonly tokenwise: readonly { readonly accept: number; readonly on_reject: readonly number[] | null }[];
    readonly bonus: readonly number[];
    readonly block: { readonly w: readonly number[]; readonly h: readonly number[]; readonly after_accepting: readonly (readonly number[] | null)[] };
  }[];
}

export type TreeCase = {
  readonly id: string;
  readonly shape: Shape;
  readonly p: Table;
  readonly q: Table;
} & { readonly [rule in `${'rrs' | 'naive' | 'traversal'}_${'iid' | 'wor'}`]?: Recorded };

export interface NodeCase {
  readonly mode: 'wor' | 'iid' | 'deterministic';
  readonly p: readonly number[];
  readonly q: readonly number[] | null;
  readonly children: readonly number[];
  readonly accept_child: readonly number[];
  readonly accept_none: number;
  readonly emitted_if_none: readonly number[] | null;
}

export interface GumbelCases {
  readonly acceptance: readonly { readonly p: readonly number[]; readonly q: readonly number[]; readonly shared_noise_accept: number; readonly independent_accept: number; readonly maximal_accept: number }[];
  readonly replay: readonly {
    readonly V: number;
    readonly logits: Table;
    readonly noise: readonly (readonly number[])[];
    readonly parents: number[];
    readonly tokens: number[];
    readonly accepted_nodes: readonly number[];
    readonly emitted: readonly number[];
  }[];
}

export interface ControlCase {
  readonly id: string;
  readonly what: string;
  readonly p: Table;
  readonly q?: Table;
  readonly K?: number;
  readonly children?: number;
  readonly rows?: readonly (readonly [number, number])[];
  readonly wrong: Recorded & { readonly tv_from_target: number };
  readonly draws_for_detection: number;
}

export interface PosteriorCase {
  readonly kind: 'greedy' | 'typical' | 'nucleus' | 'typical_onetoken';
  readonly choices: readonly (readonly number[])[];
  readonly node_tokens: number[];
  readonly node_logits: readonly number[][];
  readonly temperature: number;
  readonly posterior_threshold?: number;
  readonly posterior_alpha?: number;
  readonly top_p?: number;
  readonly expected?: { readonly accept_length: number; readonly best_row: number };
  /** Tokens that may be drawn after each node, and with what probability. */
  readonly kept?: readonly (readonly number[])[];
  readonly kept_probs?: readonly (readonly number[])[];
  readonly threshold_per_node?: readonly number[];
  readonly node_accepted_given_parent?: readonly boolean[];
  readonly upstream_pad_bug?: boolean;
}

const small = fileURLToPath(new URL('../fixtures/golden-strategies', import.meta.url));
const shared = fileURLToPath(new URL('../../../shared/golden/strategies', import.meta.url));

/** The sets of recorded cases; the whole one is absent outside of our own machines, and its tests say so. */
export const SETS = [{ set: 'small', folder: small }, { set: 'whole', folder: shared }];

export const isThere = (folder: string): boolean => existsSync(folder);

export function recorded<T>(folder: string, name: string): T {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;
}

/** Says how many of how many agree, and on what. */
export function tell(what: string, agreed: number, of: number): void {
  console.log(`${what}: ${agreed} of ${of} agree`);
}
