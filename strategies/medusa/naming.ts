/** The public ways to name the tensors of the heads. */
export type LayoutName = 'heads' | 'merged' | 'modelopt' | 'tensorrt-llm' | 'vllm';

/** How one layout names the tensors of head `h` and residual block `b`, both counted from 0. Every name begins with `prefix`. */
export interface Naming {
  readonly layout: LayoutName;
  /** Empty: the checkpoint holds nothing but heads. */
  readonly prefix: string;
  /** Its first number is a head. */
  readonly head: RegExp;
  /** The weight of a residual block: its numbers are head and block. */
  readonly block: RegExp;
  weight(h: number, b: number): string;
  bias(h: number, b: number): string;
  /** @param blocks residual blocks per head */
  vocabulary(h: number, blocks: number): string;
  /** One vocabulary matrix for all heads. */
  readonly shared?: string;
  /** The target's ids of the rows of a vocabulary that leaves most tokens out. */
  readonly tokenMap?: string;
  /** Whether a residual block may do without a bias. */
  readonly biasIsOptional: boolean;
}

/** @returns undefined where the names are of no known layout */
export function namingOf(names: Iterable<string>): Naming | undefined {
  const all = [...names];
  return NAMINGS.find(({ block }) => all.some((name) => block.test(name)));
}

/** Modules in a list of lists, as the first implementation saves them. */
function listed(layout: LayoutName, prefix: string): Naming {
  const start = `^${prefix.replaceAll('.', '\\.')}`;
  return {
    layout, prefix, biasIsOptional: false,
    head: new RegExp(`${start}(\\d+)\\.\\d+\\.`),
    block: new RegExp(`${start}(\\d+)\\.(\\d+)\\.linear\\.weight$`),
    weight: (h, b) => `${prefix}${h}.${b}.linear.weight`,
    bias: (h, b) => `${prefix}${h}.${b}.linear.bias`,
    vocabulary: (h, blocks) => `${prefix}${h}.${blocks}.weight`,
  };
}

function vllm(prefix: string): Naming {
  const start = `^${prefix.replaceAll('.', '\\.')}`;
  return {
    layout: 'vllm', prefix, biasIsOptional: true,
    head: new RegExp(`${start}(?:blocks|lm_heads)\\.(\\d+)\\.`),
    block: new RegExp(`${start}blocks\\.(\\d+)\\.layers\\.(\\d+)\\.weight$`),
    weight: (h, b) => `${prefix}blocks.${h}.layers.${b}.weight`,
    bias: (h, b) => `${prefix}blocks.${h}.layers.${b}.bias`,
    vocabulary: (h) => `${prefix}lm_heads.${h}.weight`,
    shared: `${prefix}lm_head.weight`,
    tokenMap: `${prefix}token_map`,
  };
}

const TENSORRT: Naming = {
  layout: 'tensorrt-llm', prefix: 'medusa_heads.', biasIsOptional: false,
  head: /^medusa_heads\.(\d+)\./,
  block: /^medusa_heads\.(\d+)\.medusa_layers\.(\d+)\.linear\.weight$/,
  weight: (h, b) => `medusa_heads.${h}.medusa_layers.${b}.linear.weight`,
  bias: (h, b) => `medusa_heads.${h}.medusa_layers.${b}.linear.bias`,
  vocabulary: (h) => `medusa_heads.${h}.lm_head.weight`,
};

const NAMINGS: readonly Naming[] = [
  TENSORRT, vllm('medusa_heads.'), vllm(''), listed('modelopt', 'medusa_heads.'), listed('merged', 'medusa_head.'), listed('heads', ''),
];

/** Of all layouts that are read. */
export const LAYOUT_NAMES: readonly LayoutName[] = [...new Set(NAMINGS.map(({ layout }) => layout))];
