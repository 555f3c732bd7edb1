import type { Refusal } from '../../core/index.js';
import { publishedChoices } from './choices.js';
import { poolSize } from './dynamic-growth.js';
import type { optionsSchema } from './options.js';
import { type StaticTree, staticTree } from './static-tree.js';
import type { z } from 'zod';

/** The tree that options mean. A chain is a dynamic tree of one branch. */
export type TreeShape =
  | { readonly kind: 'dynamic'; readonly levels: number; readonly width: number; readonly nodes: number; readonly isFixed: boolean }
  | { readonly kind: 'static'; readonly tree: StaticTree; readonly isFixed: boolean };

const DYNAMIC = { depth: 6, topK: 10, maxNodes: 59 };
const CHAIN_LENGTH = 5;

/** Rows of a text that a session holds besides what is final. */
const MOST_ROWS = 1000;

type Options = z.output<typeof optionsSchema>;

/**
 * @param vocabularySize tokens that the draft tells apart: no node has more children
 * @returns a refusal where options contradict each other or the draft
 */
export function treeShapeOf({ tree, depth, topK, maxNodes, choices }: Options, vocabularySize: number): TreeShape | Refusal {
  const kind = tree ?? (choices === undefined ? 'dynamic' : 'static');
  const given = { depth, topK, maxNodes, choices };
  const usable: Readonly<Record<typeof kind, readonly (keyof typeof given)[]>> = { dynamic: ['depth', 'topK', 'maxNodes'], static: ['choices'], chain: ['depth'] };
  for (const option of ['depth', 'topK', 'maxNodes', 'choices'] as const) {
    if (given[option] !== undefined && !usable[kind].includes(option)) {
      return refusal(option, `A ${kind} tree has no \`${option}\`; it has ${usable[kind].map((name) => `\`${name}\``).join(', ')}.`, `Leave \`${option}\` out, or choose another \`tree\`.`);
    }
  }
  const isFixed = Object.values(given).some((value) => value !== undefined);
  if (kind === 'static') return staticShape(typeof choices === 'object' ? choices : publishedChoices(choices ?? 'eagle_25'), isFixed, vocabularySize);
  if (kind === 'chain') return { kind: 'dynamic', levels: depth ?? CHAIN_LENGTH, width: 1, nodes: depth ?? CHAIN_LENGTH, isFixed };
  const width = topK ?? Math.min(DYNAMIC.topK, vocabularySize);
  if (width > vocabularySize) return refusal('topK', `${width} tokens are wanted after each node; the draft knows ${vocabularySize}.`, 'Ask for fewer.');
  const levels = depth ?? DYNAMIC.depth;
  if (levels * width > MOST_ROWS) return refusal('depth', `${levels} levels of ${width} nodes make ${levels * width} rows; at most ${MOST_ROWS} are held.`, 'Choose a smaller `depth` or `topK`.');
  return { kind: 'dynamic', levels, width, nodes: Math.min(maxNodes ?? DYNAMIC.maxNodes, poolSize({ levels, width })), isFixed };
}

/** What the shape asks of a pass. */
export function sizeOf(shape: TreeShape): { maxNodes: number; maxDepth: number; maxWidth: number } {
  if (shape.kind === 'dynamic') return { maxNodes: shape.nodes, maxDepth: shape.levels, maxWidth: shape.width };
  return { maxNodes: shape.tree.size, maxDepth: shape.tree.levels.length, maxWidth: shape.tree.width };
}

function staticShape(choices: readonly (readonly number[])[], isFixed: boolean, vocabularySize: number): TreeShape | Refusal {
  const tree = staticTree(choices);
  if (tree.ranks > vocabularySize) return refusal('choices', `The tree uses rank ${tree.ranks - 1}; the draft knows ${vocabularySize} tokens.`, 'Leave such choices out.');
  if (tree.size > MOST_ROWS) return refusal('choices', `The tree has ${tree.size} nodes; at most ${MOST_ROWS} are verified in one pass.`, 'Leave some out.');
  return { kind: 'static', tree, isFixed };
}

function refusal(path: string, message: string, remedy: string): Refusal {
  return { refused: [{ path, message, remedy }] };
}
