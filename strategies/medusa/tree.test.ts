import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CHOICES_NAMES, publishedChoices } from './choices.js';
import { expectedLength, searchTree } from './search.js';
import { cutTree, type RankTree, rankTree, widthOf } from './tree.js';

const golden = new URL('../../../shared/golden/strategies/medusa/buffers/', import.meta.url);

/** What the original builds of a list. */
interface Buffers {
  readonly name: string;
  readonly choices: number[][];
  readonly tree_indices: number[];
  readonly position_ids: number[];
  readonly parents: number[];
  readonly attn_mask_rows: string[];
  readonly retrieve_indices: number[][];
}

/** The same, of a tree. Node 0 is the root; the original takes ten ranks of every head. */
function buffersOf({ parents, ranks, depths }: RankTree): Omit<Buffers, 'name' | 'choices'> {
  const all = [-1, ...parents];
  const pathTo = (node: number): number[] => (node < 0 ? [] : [...pathTo(all[node]!), node]);
  const leaves = all.map((_, node) => node).filter((node) => !all.includes(node));
  const longest = Math.max(0, ...depths) + 1;
  return {
    tree_indices: [0, ...ranks.map((rank, column) => rank + 10 * (depths[column]! - 1) + 1)],
    position_ids: [0, ...depths],
    parents: all,
    attn_mask_rows: all.map((_, node) => all.map((_, column) => (pathTo(node).includes(column) ? '1' : '0')).join('')),
    retrieve_indices: leaves.toReversed().map((leaf) => Array.from({ length: longest }, (_, i) => pathTo(leaf)[i] ?? -1)),
  };
}

describe('a tree', () => {
  it('has the buffers of the original', () => {
    expect(buffersOf(rankTree([[0], [1], [0, 0], [0, 1], [1, 0], [0, 0, 0]]))).toEqual({
      tree_indices: [0, 1, 2, 11, 12, 11, 21], position_ids: [0, 1, 1, 2, 2, 2, 3], parents: [-1, 0, 0, 1, 1, 2, 3],
      attn_mask_rows: ['1000000', '1100000', '1010000', '1101000', '1100100', '1010010', '1101001'],
      retrieve_indices: [[0, 1, 3, 6], [0, 2, 5, -1], [0, 1, 4, -1]],
    });
  });

  it.skipIf(!existsSync(golden))('has the buffers of the original, on every recorded list', () => {
    const files = readdirSync(golden).map((file) => JSON.parse(readFileSync(new URL(file, golden), 'utf8')) as Buffers | Buffers[]);
    const recorded = files.flat();
    for (const { name, choices, ...buffers } of recorded) {
      const tree = rankTree(choices);
      expect(tree.parents, name).toHaveLength(choices.length);
      expect({ name, ...buffersOf(tree) }).toEqual({ name, ...buffers });
    }
    console.log(`tree buffers: ${recorded.length} of ${recorded.length} lists as recorded`);
    expect(recorded.length).toBeGreaterThan(9);
  });

  it('is the same whether its list has all nodes, in whatever order, or leaves alone', () => {
    const whole = rankTree([[0], [0, 0], [0, 0, 0], [0, 0, 0, 0], [0, 1], [0, 1, 0], [1], [1, 0], [1, 1]]);
    expect(whole.parents).toHaveLength(9);
    expect(rankTree([[0, 0, 0, 0], [0, 1, 0], [1, 0], [1, 1]])).toEqual(whole);
    expect(rankTree([[1, 1], [1, 0], [1, 0], [0, 1, 0], [0, 0, 0, 0]])).toEqual(whole);
  });

  it('is cut to fewer heads without renumbering', () => {
    const tree = rankTree([[0], [1], [0, 0], [1, 0], [0, 0, 0]]);
    expect(cutTree(tree, 2)).toEqual(rankTree([[0], [1], [0, 0], [1, 0]]));
    expect(cutTree(tree, 9)).toEqual(tree);
    expect(widthOf(tree)).toBe(2);
    expect(widthOf(rankTree([[0], [0, 0], [0, 1], [0, 2]]))).toBe(3);
  });
});

describe('the published lists', () => {
  /** Nodes by depth, leaves, highest rank per head. */
  it.each<[string, number[], number, number[]]>([
    ['mc_sim_7b_63', [10, 28, 23, 2], 42, [9, 9, 9, 1]],
    ['vicuna_7b_stage2', [10, 23, 23, 7], 42, [9, 9, 8, 3]],
    ['vicuna_7b_stage1_ablation', [10, 21, 25, 7], 42, [9, 9, 9, 3]],
    ['vicuna_7b_stage1', [10, 32, 20, 1], 44, [9, 9, 8, 0]],
    ['vicuna_13b_stage2', [10, 19, 25, 9], 42, [9, 9, 9, 3]],
    ['vicuna_13b_stage1', [10, 29, 23, 1], 44, [9, 9, 9, 0]],
    ['vicuna_33b_stage2', [10, 24, 24, 5], 43, [9, 9, 9, 2]],
    ['vicuna_33b_stage1', [10, 34, 19], 46, [9, 9, 8]],
    ['zephyr_stage2', [10, 27, 23, 3], 44, [9, 9, 9, 1]],
  ])('%s has 63 nodes, its leaves and its ranks', (name, byDepth, leaves, highest) => {
    const list = publishedChoices(CHOICES_NAMES.find((known) => known === name)!);
    const tree = rankTree(list);
    expect(tree.parents).toHaveLength(63);
    const depths = byDepth.map((_, i) => i + 1);
    expect(depths.map((depth) => tree.depths.filter((own) => own === depth).length)).toEqual(byDepth);
    expect(depths.map((depth) => Math.max(...tree.ranks.filter((_, column) => tree.depths[column] === depth)))).toEqual(highest);
    expect(tree.parents.map((_, column) => column + 1).filter((node) => !tree.parents.includes(node))).toHaveLength(leaves);
  });

  it('are trees at every length', () => {
    for (const name of CHOICES_NAMES) {
      const list = publishedChoices(name);
      for (let nodes = 1; nodes <= list.length; nodes++) expect(rankTree(list.slice(0, nodes)).parents).toHaveLength(nodes);
    }
  });
});

describe('the search', () => {
  /** Of the first published 7B heads: shares within the best 1 to 5, turned into shares per rank. */
  const VICUNA_7B = [[0.56, 0.672, 0.727, 0.76, 0.78], [0.316, 0.424, 0.485, 0.528, 0.563], [0.201, 0.288, 0.348, 0.383, 0.417], [0.147, 0.225, 0.274, 0.311, 0.34]]
    .map((within) => within.map((share, rank) => share - (within[rank - 1] ?? 0)));

  it('expects of the published lists what was measured with them', () => {
    expect(expectedLength(publishedChoices('mc_sim_7b_63'), VICUNA_7B)).toBeCloseTo(2.34, 2);
    expect(expectedLength(publishedChoices('vicuna_7b_stage1'), VICUNA_7B)).toBeCloseTo(2.34, 2);
    expect(expectedLength(publishedChoices('vicuna_7b_stage2'), VICUNA_7B)).toBeCloseTo(2.35, 2);
    expect(expectedLength([[0], [0, 0], [0, 0, 0], [0, 0, 0, 0]], VICUNA_7B)).toBeCloseTo(1.78, 2);
  });

  it('finds the tree of most value: no other node may take the place of one of its own', () => {
    const found = searchTree(VICUNA_7B, 40);
    expect(rankTree(found).parents).toHaveLength(40);
    const values = found.map((ranks) => expectedLength([ranks], VICUNA_7B) - 1);
    const least = Math.min(...values);
    const ranks = [0, 1, 2, 3, 4];
    const all = ranks.flatMap((a) => [[a], ...ranks.flatMap((b) => [[a, b], ...ranks.flatMap((c) => [[a, b, c], ...ranks.map((d) => [a, b, c, d])])])]);
    const better = all.filter((path) => expectedLength([path], VICUNA_7B) - 1 > least + 1e-12).map((path) => path.join());
    expect(new Set(found.map((path) => path.join()))).toEqual(new Set([...better, ...found.filter((_, i) => values[i]! <= least + 1e-12).map((path) => path.join())]));
    expect(better.length).toBeLessThan(40);
  });

  it('gives smaller budgets its own beginning, and no more than the table has', () => {
    const table = [[0.5, 0.16], [0.4, 0.3]];
    expect(searchTree(table, 6)).toEqual([[0], [0, 0], [1], [0, 1], [1, 0], [1, 1]]);
    expect(searchTree(table, 3)).toEqual(searchTree(table, 6).slice(0, 3));
    expect(searchTree(table, 50)).toHaveLength(6);
    expect(searchTree([[0.1]], 4)).toEqual([[0]]);
  });
});
