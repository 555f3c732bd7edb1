// The tree alone: a draft whose logits come from a table by path, run with the real ops and nothing else.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceOps } from '../../core/device-ops.js';
import type { Ops, Rows, Sequence, Session, StrategyHost, Tensor } from '../../core/index.js';
import { loadNative } from '../../core/native/binding.js';
import type { NativeRuntime } from '../../core/native/types.js';
import { nativeTensor, TensorScope } from '../../core/tensor-scope.js';
import type { DraftLayer } from './draft-layer.js';
import { growDynamic, poolSize } from './dynamic-growth.js';
import type { Growth } from './growth.js';
import { Ranking } from './ranking.js';

interface Case { readonly top_k: number; readonly depth: number; readonly total_token: number; readonly V: number; readonly draft_logits: Record<string, number[]>; readonly tokens: number[]; readonly parents: number[] }
const { cases } = JSON.parse(readFileSync(fileURLToPath(new URL('../../test/fixtures/golden-strategies/eagle/dynamic_tree.json', import.meta.url)), 'utf8')) as { cases: Case[] };

let runtime: NativeRuntime;
let scope: TensorScope;
let ops: Ops;
beforeAll(() => {
  runtime = loadNative().createRuntime({ threads: 1 });
  scope = new TensorScope();
  ops = new DeviceOps(runtime.ops, scope);
});
afterAll(() => {
  scope.dispose();
  runtime.dispose();
});

/** States are numbers of paths: the layer goes from a path and a token to the longer path, the head from a path to its row of the table. */
function growthOf(logits: Record<string, number[]>, size: number): Growth {
  const paths = ['', ...Object.keys(logits).filter((path) => path !== '')];
  const numberOf = new Map(paths.map((path, i) => [path, i]));
  const table = ops.fromArray(Float32Array.from(paths.flatMap((path) => logits[path]!)), [paths.length, size]);
  const longer = paths.flatMap((path) => Array.from({ length: size }, (_, token) => numberOf.get(path === '' ? `${token}` : `${path},${token}`) ?? 0));
  const transitions = ops.fromArray(Int32Array.from(longer), [longer.length]);
  const flat = (x: Tensor): Tensor => ops.reshape(x, [x.shape.reduce((a, b) => a * b, 1)]);
  const session = {
    forward: ({ tokens, states }: Rows) => ({ hidden: ops.reshape(ops.gather(transitions, ops.add(ops.mul(flat(states!), size), flat(tokens as Tensor)), 0), [flat(states!).shape[0]!, 1]) }),
  } as unknown as Session;
  const draft = {
    vocabulary: undefined, model: { description: { hiddenSize: 1 } }, tokens: (ids: Tensor) => ids,
    outputs: (out: Tensor) => ({ logits: ops.gather(table, flat(out), 0), state: out }),
  } as unknown as DraftLayer;
  const host = { ops } as unknown as StrategyHost;
  return { host, draft, session, ranking: new Ranking(host, draft, false) };
}

async function treeOf({ draft_logits: logits, V: size, top_k: width, depth, total_token: total }: Case, copies: number): Promise<{ tokens: number[]; parents: number[] }[]> {
  const sequences = Array.from({ length: copies }, () => ({ sampling: { temperature: 0 } }) as unknown as Sequence);
  const out = ops.fromArray(new Int32Array(copies), [copies, 1]);
  const shape = { levels: depth + 1, width };
  const grown = growDynamic(growthOf(logits, size), { sequences, slots: new Int32Array(copies), out }, shape);
  expect(grown.tokens.shape).toEqual([copies, poolSize(shape)]);
  const nodes = Math.min(total - 1, poolSize(shape));
  const best = ops.selectTree(grown, new Int32Array(copies).fill(nodes));
  const [tokens, parents] = await runtime.read([nativeTensor(best.tokens), nativeTensor(best.parents)]);
  return Array.from({ length: copies }, (_, i) => ({ tokens: [...tokens!.subarray(i * nodes, (i + 1) * nodes)], parents: [-1, ...parents!.subarray(i * nodes, (i + 1) * nodes)] }));
}

describe('a dynamic tree', () => {
  it('grows and is cut as the original does it, from tables of logits', async () => {
    let same = 0;
    for (const one of cases) {
      const [tree] = await treeOf(one, 1);
      expect(tree).toEqual({ tokens: one.tokens, parents: one.parents });
      same++;
    }
    console.log(`${same} of ${cases.length} trees as recorded`);
    expect(same).toBe(24);
  });

  it('grows the same for each of several texts', async () => {
    for (const one of cases.slice(0, 6)) expect(await treeOf(one, 3)).toEqual(Array.from({ length: 3 }, () => ({ tokens: one.tokens, parents: one.parents })));
  });

  it('keeps what is cut from it below a narrower beam: no node among the best b comes from outside the best b of its level', async () => {
    for (const one of cases.filter(({ top_k: width, total_token: total }) => total - 1 < width)) {
      const [narrow] = await treeOf({ ...one, top_k: one.total_token - 1 }, 1);
      expect(narrow).toEqual({ tokens: one.tokens, parents: one.parents });
    }
  });

  it('is the worked example of the specification', async () => {
    const row = (probs: Record<number, number>): number[] => Array.from({ length: 40 }, (_, token) => Math.log(probs[token] ?? 1e-9));
    const logits = {
      '': row({ 11: 0.6, 12: 0.3 }), 11: row({ 21: 0.7, 22: 0.2 }), 12: row({ 23: 0.9, 24: 0.05 }), '11,21': row({ 31: 0.5, 32: 0.4 }), '12,23': row({ 33: 0.8, 34: 0.1 }),
    };
    // Rows of the example leave some probability to tokens that it does not name.
    for (const path of Object.keys(logits) as (keyof typeof logits)[]) logits[path][0] = Math.log(1 - logits[path].reduce((sum, x) => sum + Math.exp(x), 0));
    const [tree] = await treeOf({ draft_logits: logits, V: 40, top_k: 2, depth: 2, total_token: 6, tokens: [], parents: [] }, 1);
    expect(tree).toEqual({ tokens: [11, 12, 21, 23, 33], parents: [-1, 0, 0, 1, 2, 4] });
  });
});
