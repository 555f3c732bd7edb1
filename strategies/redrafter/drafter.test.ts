// The drafter and its beam search against numbers worked out by hand, and the tree of its paths against recorded ones.
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceOps } from '../../core/device-ops.js';
import type { StrategyHost, Tensor } from '../../core/index.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeRuntime } from '../../core/native/types.js';
import { nativeTensor, TensorScope } from '../../core/tensor-scope.js';
import { beamSearch, finalPaths, visitedPaths } from './beam-search.js';
import { type Cell, Drafter } from './drafter.js';
import type { DrafterLayout } from './layout.js';

const EMBEDDING = [[0.5, -0.2], [0.1, 0.3], [-0.4, 0.2], [0.7, 0.6], [-0.1, -0.5]];
const WEIGHTS: Readonly<Record<string, number[] | number[][]>> = {
  'rnn_u.weight': [[0.2, -0.1], [0.3, 0.1]], 'rnn_u.bias': [0.05, -0.05], 'rnn_w.weight': [[0.6, 0.2], [-0.3, 0.5]],
  'lm_head.0.linear.weight': [[0.1, 0, 0.2, -0.1], [0, 0.2, 0.1, 0], [-0.2, 0.1, 0.3, 0], [0.1, -0.1, 0, 0.2]], 'lm_head.0.linear.bias': [0.01, -0.02, 0.03, 0],
  'lm_head.1.weight': [[0.9, -0.4, 0.3, 0.1], [-0.5, 0.8, 0.2, -0.6], [0.2, 0.1, -0.9, 0.7], [0.4, 0.6, 0.5, -0.2], [-0.3, -0.7, 0.8, 0.9]],
};
const LAYOUT: DrafterLayout = {
  exitSize: 4, vocabulary: 'lm_head.1.weight',
  blocks: [{ weight: 'lm_head.0.linear.weight', bias: 'lm_head.0.linear.bias' }],
  cell: { input: 'rnn_w.weight', state: { weight: 'rnn_u.weight', bias: 'rnn_u.bias' } },
};

let runtime: NativeRuntime;
let ops: DeviceOps;
const scope = new TensorScope();
beforeAll(() => {
  runtime = loadNative().createRuntime({ threads: 1 });
  ops = new DeviceOps(runtime.ops, scope);
});
afterAll(() => {
  scope.dispose();
  runtime.dispose();
});

const tensor = (values: number[] | number[][]): Tensor => ops.fromArray(Float32Array.from(values.flat()), [values.length, ...(Array.isArray(values[0]) ? [values[0].length] : [])]);
const ids = (values: number[] | number[][] | number[][][]): Tensor => {
  const shape: number[] = [];
  for (let at: unknown = values; Array.isArray(at); at = at[0] as unknown) shape.push(at.length);
  return ops.fromArray(Int32Array.from(values.flat(2)), shape);
};
const read = async (x: Tensor): Promise<number[]> => Array.from((await runtime.read([nativeTensor(x)]))[0]!);
const near = (found: readonly number[], expected: readonly number[]): void => expected.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 5));

async function drafter(cell: Cell = 'silu', layout: DrafterLayout = LAYOUT): Promise<Drafter> {
  const target = { description: { hiddenSize: 2, vocabSize: 5 }, embed: (tokens: Tensor) => ops.gather(tensor(EMBEDDING), tokens, 0) };
  const loadTensors = async (): Promise<Map<string, Tensor>> => new Map(Object.entries(WEIGHTS).map(([name, values]) => [name, tensor(values)]));
  return Drafter.load({ ops, target, loadTensors } as unknown as StrategyHost, 'head', layout, cell);   // all that loading asks of a host
}

const search = async (width: number, length: number, of = drafter()) =>
  beamSearch(ops, await of, { pending: ids([3]), hidden: tensor([[0.8, -0.3]]), width, length, noise: () => undefined });

describe('the drafter', () => {
  it('makes of hidden state and token what was worked out by hand', async () => {
    const own = await drafter();
    const state = own.next(ids([3]), undefined);
    near(await read(state), [0.379585, 0.0204]);
    const { tokens, logProbs } = own.guess(tensor([[0.8, -0.3]]), state, undefined);
    expect(await read(tokens)).toEqual([0, 3, 4, 2, 1]);
    near(await read(logProbs), [-0.901303, -1.618996, -1.628414, -2.06369, -2.622278]);
    near(await read(own.next(ids([0]), state)), [0.228333, -0.083594]);
  });

  it('has a linear cell, whose bias counts from the second token on', async () => {
    const own = await drafter('linear');
    const first = own.next(ids([3]), undefined);
    near(await read(first), [0.6 * 0.7 + 0.2 * 0.6, -0.3 * 0.7 + 0.5 * 0.6]);   // W e: 0.54, 0.09
    near(await read(own.next(ids([0]), first)), [0.6 * 0.5 - 0.2 * 0.2 + 0.2 * 0.54 - 0.1 * 0.09 + 0.05, -0.3 * 0.5 - 0.5 * 0.2 + 0.3 * 0.54 + 0.1 * 0.09 - 0.05]);
  });

  it('without a cell sums the embeddings', async () => {
    const { cell, ...bare } = LAYOUT;
    expect(cell).toBeDefined();
    const own = await drafter('silu', bare);
    near(await read(own.next(ids([0]), own.next(ids([3]), undefined))), [1.2, 0.4]);
  });
});

describe('the beam search', () => {
  it('keeps the paths that were worked out by hand', async () => {
    const steps = await search(3, 2);
    near(await read(steps[1]!.scores), [-1.800337, -2.51933, -2.527626]);
    expect(await Promise.all([steps[0]!.tokens, steps[1]!.tokens, steps[1]!.from!].map(read))).toEqual([[0, 3, 4], [0, 3, 0], [0, 0, 1]]);
  });

  it('ends in a tree that takes what paths share once', async () => {
    const { tokens, parents, scores } = finalPaths(ops, await search(3, 2));
    expect(await read(tokens)).toEqual([0, 0, -1, 3, 3, 0]);   // paths [0, 0], [0, 3], [3, 0]
    expect(await read(parents)).toEqual([0, 1, -1, 1, 0, 5]);
    near(await read(scores), [-0.901303, -1.800337, -0.901303, -2.51933, -1.618996, -2.527626]);
  });

  it('visits more paths than are left at the end', async () => {
    const { tokens, parents, scores } = visitedPaths(ops, await search(3, 2));
    expect(await read(tokens)).toEqual([0, 3, 4, 0, 3, 0]);
    expect(await read(parents)).toEqual([0, 0, 0, 1, 1, 2]);
    near(await read(scores), [-0.901303, -1.618996, -1.628414, -1.800337, -2.51933, -2.527626]);
  });

  it('of one beam is greedy, and of one step only ranks', async () => {
    const { tokens, parents } = finalPaths(ops, await search(1, 3));
    expect((await read(tokens)).slice(0, 2)).toEqual([0, 0]);
    expect(await read(parents)).toEqual([0, 1, 2]);
    expect(await read(finalPaths(ops, await search(4, 1)).tokens)).toEqual([0, 3, 4, 2]);
  });

  it('follows each text of a batch as if it were alone', async () => {
    const own = await drafter();
    const starts = [{ pending: 3, hidden: [0.8, -0.3] }, { pending: 1, hidden: [-0.4, 0.9] }, { pending: 4, hidden: [0.1, 0.2] }];
    const run = async (some: typeof starts): Promise<number[][]> => {
      const steps = beamSearch(ops, own, { pending: ids(some.map(({ pending }) => pending)), hidden: tensor(some.map(({ hidden }) => hidden)), width: 3, length: 4, noise: () => undefined });
      const { tokens, parents, scores } = finalPaths(ops, steps);
      return Promise.all([tokens, parents, scores].map(read));
    };
    const together = await run(starts);
    for (const [i, start] of starts.entries()) expect(await run([start])).toEqual(together.map((values) => values.slice(12 * i, 12 * i + 12)));
  });
});

describe('merging paths', () => {
  interface Packing { readonly beams: number[][][]; readonly packed_counts: number[]; readonly packed_tokens: number[][]; readonly packed_index: number[][]; readonly unpacker: number[][][]; readonly depths: number[][]; readonly mask_rows: string[][] }

  /** The original's description of a packed forest, of what `mergePrefixes` gives for one item. */
  function packed(tokens: readonly number[], parents: readonly number[], nodeOf: readonly number[], length: number) {
    const columns = tokens.flatMap((token, column) => (token < 0 ? [] : [column]));
    const at = (node: number): number => columns.indexOf(node - 1);
    const pathTo = (node: number): number[] => (node === 0 ? [] : [...pathTo(parents[node - 1]!), at(node)]);
    return {
      tokens: columns.map((column) => tokens[column]!), index: columns,
      unpacker: Array.from({ length: nodeOf.length / length }, (_, beam) => nodeOf.slice(beam * length, (beam + 1) * length).map(at)),
      depths: columns.map((column) => column % length),
      mask: columns.map((column) => columns.map((_, i) => (pathTo(column + 1).includes(i) ? '1' : '0')).join('')),
    };
  }

  async function merge(beams: number[][][]) {
    const { tokens, parents, nodeOf } = ops.mergePrefixes(ids(beams));
    const [t, p, n] = await Promise.all([tokens, parents, nodeOf].map(read));
    const [count, length] = [beams[0]!.length, beams[0]![0]!.length];
    const part = (values: number[], item: number): number[] => values.slice(item * count * length, (item + 1) * count * length);
    return beams.map((_, item) => packed(part(t!, item), part(p!, item), part(n!, item), length));
  }

  it('packs as the original does', async () => {
    const [one, two, three] = await merge([
      [[91, 92, 93, 95], [91, 92, 94, 96], [91, 92, 93, 97]], [[93, 94, 95, 92], [93, 95, 96, 93], [93, 94, 97, 96]], [[1, 2, 3, 4], [1, 2, 5, 6], [1, 2, 5, 7]],
    ]);
    expect(one).toEqual({
      tokens: [91, 92, 93, 95, 94, 96, 97], index: [0, 1, 2, 3, 6, 7, 11], unpacker: [[0, 1, 2, 3], [0, 1, 4, 5], [0, 1, 2, 6]], depths: [0, 1, 2, 3, 2, 3, 3],
      mask: ['1000000', '1100000', '1110000', '1111000', '1100100', '1100110', '1110001'],
    });
    expect(two).toMatchObject({ tokens: [93, 94, 95, 92, 95, 96, 93, 97, 96], unpacker: [[0, 1, 2, 3], [0, 4, 5, 6], [0, 1, 7, 8]] });
    expect(three).toMatchObject({ tokens: [1, 2, 3, 4, 5, 6, 7], unpacker: [[0, 1, 2, 3], [0, 1, 4, 5], [0, 1, 4, 6]] });
  });

  const recorded = new URL('../../../shared/golden/strategies/redrafter/packing.json', import.meta.url);
  it.skipIf(!existsSync(recorded))('packs every recorded case as the original does', async () => {
    const { cases } = JSON.parse(readFileSync(recorded, 'utf8')) as { cases: Packing[] };
    let compared = 0;
    for (const { beams, packed_counts: counts, packed_tokens: tokens, packed_index: index, unpacker, depths, mask_rows: mask } of cases) {
      for (const [item, own] of (await merge(beams)).entries()) {
        const n = counts[item]!;   // what is behind is padding
        const rows = mask[item]!.slice(0, n).map((row) => row.slice(0, n));
        expect(own).toEqual({ tokens: tokens[item]!.slice(0, n), index: index[item]!.slice(0, n), unpacker: unpacker[item], depths: depths[item]!.slice(0, n), mask: rows });
        compared++;
      }
    }
    console.log(`packing: ${compared} of ${cases.reduce((sum, { beams }) => sum + beams.length, 0)} sets of beams as recorded`);
    expect(compared).toBeGreaterThan(20);
  });
});
