import type { CheckpointSummary } from '../../core/index.js';

export type StoredTensor = CheckpointSummary['tensors'] extends ReadonlyMap<string, infer T> ? T & { readonly name: string } : never;

/** What a checkpoint stands out by: how its tensors are named. */
export interface Naming {
  /** Tensors by the names of this strategy, which are those of the official EAGLE-1 files, with `layers.N.` for every layer. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Whether layers are called `midlayer`, as EAGLE-3's authors do. */
  readonly isMidlayer: boolean;
  /** Whether names begin with `model.`, as in files for old versions of vLLM. */
  readonly hasModelPrefix: boolean;
  /** Whether the draft lies in a file of its target. */
  readonly isMerged: boolean;
  /** Two stored tensors that mean the same. */
  readonly twice: readonly [string, string] | undefined;
}

/** Where a draft lies in a checkpoint of its target. */
const MERGED = /^eagle_module\./;

const RENAMED: readonly (readonly [RegExp, string | ((layer: string) => string)])[] = [
  [/^midlayer\.(\d+)\./, (layer) => `layers.${layer}.`],
  [/^midlayer\./, 'layers.0.'],
  [/^additional_layers\.(\d+)\./, (layer) => `layers.${Number(layer) + 1}.`],
  [/^transformer\./, 'layers.0.'],
  [/^fusion_fc\./, 'fc.'],
  [/^(?:embed|embedding)_layernorm\./, 'enorm.'],
  [/^hidden_states_layernorm\./, 'hnorm.'],
  [/^hidden_layernorm\./, 'layers.0.input_layernorm.'],
  [/^(?:pre_lm_head|lm_head)_layernorm\./, 'norm.'],
];

/** @param isTarget whether the folder is the target's own: then only what is marked as the draft belongs to it */
export function namingOf({ tensors }: CheckpointSummary, isTarget: boolean): Naming {
  const stored = [...tensors];
  const isMerged = stored.some(([name]) => MERGED.test(name));
  const own = stored.filter(([name]) => (isMerged ? MERGED.test(name) : !isTarget)).map(([name, tensor]) => ({ plain: name.replace(MERGED, ''), name, ...tensor }));
  const hasModelPrefix = own.some(({ plain }) => plain.startsWith('model.'));
  const named = new Map<string, StoredTensor>();
  let twice: Naming['twice'];
  for (const { plain, ...tensor } of own) {
    const name = canonical(plain.replace(/^model\./, ''));
    const other = named.get(name);
    if (other !== undefined) twice ??= [other.name, tensor.name];
    named.set(name, tensor);
  }
  return { tensors: named, isMidlayer: own.some(({ plain }) => /^(model\.)?midlayer\./.test(plain)), hasModelPrefix, isMerged, twice };
}

function canonical(name: string): string {
  for (const [pattern, to] of RENAMED) {
    const match = pattern.exec(name);
    if (match !== null) return (typeof to === 'string' ? to : to(match[1]!)) + name.slice(match[0].length);   // patterns with a function have a group
  }
  return name;
}
