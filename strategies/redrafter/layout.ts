import type { CheckpointSummary } from '../../core/index.js';

/** A linear layer by the names of its tensors. */
export interface LinearNames {
  readonly weight: string;
  readonly bias: string;
}

/** Where the weights of a drafter lie in a checkpoint: names of tensors. H is the hidden size of the target. */
export interface DrafterLayout {
  /** Width of the residual blocks, E. */
  readonly exitSize: number;
  /** `[E, 2H]`; absent where E = 2H. */
  readonly projection?: LinearNames;
  /** `[E, E]` each */
  readonly blocks: readonly LinearNames[];
  /** `[rows, E]` */
  readonly vocabulary: string;
  /** `[H, H]` each; absent: the state is the running sum of the embeddings. */
  readonly cell?: { readonly input: string; readonly state: LinearNames };
}

/** How one family of checkpoints names its tensors. */
export interface Naming {
  /** Of every name; empty: the checkpoint holds nothing but the drafter. */
  readonly prefix: string;
  /** The weight of a residual block: its number is the block's. */
  readonly block: RegExp;
  blockAt(index: number): string;
  /** @param blocks how many there are */
  vocabulary(blocks: number): string;
  readonly projection: string;
}

/** Blocks and vocabulary matrix in one list, as PyTorch names a sequence of modules. */
const listed = (prefix: string, list: string, projection: string): Naming => ({
  prefix,
  block: new RegExp(`^${prefix.replace('.', '\\.')}${list}\\.(\\d+)\\.linear\\.weight$`),
  blockAt: (index) => `${prefix}${list}.${index}.linear`,
  vocabulary: (blocks) => `${prefix}${list}.${blocks}.weight`,
  projection: `${prefix}${projection}`,
});

const NAMINGS: readonly Naming[] = [
  listed('', 'lm_head', 'input_proj'),
  listed('', 'lm_heads', 'input_projs'),
  listed('', '0', 'input_proj'),
  {   // TensorRT-LLM
    prefix: 'drafter.',
    block: /^drafter\.layers\.(\d+)\.linear\.weight$/,
    blockAt: (index) => `drafter.layers.${index}.linear`,
    vocabulary: () => 'drafter.lm_head.weight',
    projection: 'drafter.input_proj',
  },
  listed('drafter.', 'lm_head', 'input_proj'),
];

/** @returns undefined where the names are of no known family */
export function namingOf({ tensors }: CheckpointSummary): Naming | undefined {
  return NAMINGS.find(({ block }) => [...tensors.keys()].some((name) => block.test(name)));
}

/** The tensors that a checkpoint must hold, by its config.json where that says something, else by its tensors. */
export function layoutOf({ config, tensors }: CheckpointSummary, naming: Naming, hiddenSize: number): DrafterLayout {
  const { prefix } = naming;
  const names = [...tensors.keys()];
  const counted = names.reduce((most, name) => Math.max(most, 1 + Number(naming.block.exec(name)?.[1] ?? -1)), 0);
  // Of more blocks than there are tensors, the first ones that are missing are enough to say so.
  const blocks = Math.min(names.length, numberIn(config, 'num_draft_layers', 'redrafter_num_layers') ?? counted);
  const vocabulary = naming.vocabulary(blocks);
  const exitSize = numberIn(config, 'exit_dim', 'redrafter_exit_dim') ?? tensors.get(vocabulary)?.shape[1] ?? 2 * hiddenSize;
  const hasCell = [config['rnn'], config['redrafter_is_rnn']].find((value) => typeof value === 'boolean') ?? names.some((name) => name.startsWith(`${prefix}rnn_`));
  return {
    exitSize, vocabulary,
    ...(exitSize === 2 * hiddenSize ? {} : { projection: linear(naming.projection) }),
    blocks: Array.from({ length: blocks }, (_, index) => linear(naming.blockAt(index))),
    ...(hasCell ? { cell: { input: `${prefix}rnn_w.weight`, state: linear(`${prefix}rnn_u`) } } : {}),
  };
}

/** Every tensor of a layout with the shape that it must have; `rows` of the vocabulary matrix. */
export function tensorsOf({ exitSize, projection, blocks, vocabulary, cell }: DrafterLayout, hiddenSize: number, rows: number): Map<string, readonly number[]> {
  const layer = ({ weight, bias }: LinearNames, outputs: number, inputs: number): [string, readonly number[]][] => [[weight, [outputs, inputs]], [bias, [outputs]]];
  return new Map([
    ...(projection === undefined ? [] : layer(projection, exitSize, 2 * hiddenSize)),
    ...blocks.flatMap((block) => layer(block, exitSize, exitSize)),
    [vocabulary, [rows, exitSize]],
    ...(cell === undefined ? [] : [[cell.input, [hiddenSize, hiddenSize]] as [string, readonly number[]], ...layer(cell.state, hiddenSize, hiddenSize)]),
  ]);
}

/** The first of the fields that is a number. */
export function numberIn(config: CheckpointSummary['config'], ...fields: readonly string[]): number | undefined {
  return fields.map((field) => config[field]).find((value) => typeof value === 'number');
}

function linear(name: string): LinearNames {
  return { weight: `${name}.weight`, bias: `${name}.bias` };
}
