// Whole models against float64 references: logits, hidden states, greedy text and draft trees of checkpoints with random weights. Some travel
// with the repository; the others are tried where they are at hand.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../core/native/binding.js';
import type { NativeRuntime } from '../../core/native/types.js';
import { GoldenModel, readArrays, readJson, type Dtype, type Scored, type Tree } from './golden-model.js';

interface Golden {
  readonly other_config: string;
  readonly hidden_layers: readonly number[];
  readonly tolerance: { readonly fp32_logits_atol: number; readonly fp32_hidden_atol: number };
  readonly measured_vs_float64: { readonly bf16_eager: { readonly logits_max: number; readonly logits_rms: number } };
  /** How near the first expert that is not chosen comes to the last that is; only where there are experts. */
  readonly smallest_routing_gap?: number;
  readonly prompts: readonly { readonly name: string; readonly ids: readonly number[]; readonly greedy: { readonly ids: readonly number[]; readonly margin: readonly number[] } }[];
}
interface GoldenTree extends Tree {
  readonly name: string;
  readonly prompt: readonly number[];
  readonly accept: { readonly nodes: readonly number[] };
}
interface GoldenTrees {
  readonly cases: readonly GoldenTree[];
  readonly batches: readonly { readonly name: string; readonly items: readonly GoldenTree[] }[];
  readonly rounds: readonly { readonly name: string; readonly prompt: readonly number[]; readonly steps: readonly GoldenTree[] }[];
}

/** Largest and root mean square deviation allowed, and the margin below which a greedy token may differ (bounds of the references' README). */
interface Bounds {
  readonly max: number;
  readonly rms: number;
  readonly margin: number;
  readonly hidden: number;
}

const FAMILIES = /^(llama.*|mistral.*|qwen2.*|qwen3|phi3|gemma2|gemma3|olmo2|granite|smollm3|mixtral|qwen3-moe|phi3-longrope)$/;
const FIXTURES = join(import.meta.dirname, '../fixtures/golden');
const SHARED = join(import.meta.dirname, '../../../shared/golden/models/checkpoints');
const compared = { folders: 0, rows: 0, tokens: 0, treeRows: 0, pathRows: 0 };

let runtime: NativeRuntime;
beforeAll(() => { runtime = loadNative().createRuntime({ threads: 2 }); });
afterAll(() => {
  console.log(`golden: ${compared.folders} models, ${compared.rows} rows, ${compared.tokens} greedy tokens, ${compared.treeRows} tree rows against float64, ${compared.pathRows} rows bit for bit (${runtime.isa})`);
  runtime.dispose();
});

for (const [collection, folder] of [['fixtures', FIXTURES], ['the whole collection', SHARED]] as const) {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => FAMILIES.test(name)) : [];
  describe.skipIf(names.length === 0)(`golden checkpoints, ${collection}`, () => {
    describe.each(names.length === 0 ? ['none at hand'] : names)('%s', (name) => {
      describe.each(['f32', 'bf16'] as const)('%s', (dtype) => compareWithReference(join(folder, name), dtype));
    });
  });
}

function compareWithReference(folder: string, dtype: Dtype): void {
  let golden: Golden;
  let arrays: Map<string, Float32Array>;
  let bounds: Bounds;
  let model: GoldenModel;
  beforeAll(async () => {
    golden = readJson(join(folder, 'golden.json'));
    arrays = await readArrays(join(folder, 'golden.safetensors'));
    bounds = boundsOf(golden, dtype);
    model = await GoldenModel.load(runtime, folder, dtype);
    compared.folders++;
  });
  afterAll(() => model?.dispose());

  it('gives the logits and hidden states of the reference', async () => {
    const error = new Deviation();
    for (const { name, ids } of golden.prompts) {
      const { logits, final, taps } = await model.text(ids, { taps: golden.hidden_layers });
      error.add(logits, arrays.get(`${name}.logits`)!, `${name}.logits`, bounds.max);
      if (dtype === 'f32') expectHidden(name, final, taps!);
      compared.rows += ids.length;
    }
    expect(error.rms(), 'rms').toBeLessThanOrEqual(bounds.rms);
  });

  it('gives the greedy text of the reference', async () => {
    for (const { name, ids, greedy } of golden.prompts) {
      const tokens = await model.greedy(ids, greedy.ids.length);
      const first = tokens.findIndex((token, i) => token !== greedy.ids[i]);
      // In half precision a first difference is excused where the reference itself nearly tied.
      if (first >= 0 && !(dtype === 'bf16' && golden.smallest_routing_gap !== undefined)) expect(greedy.margin[first], `${name}: token ${first} is ${tokens[first]} instead of ${greedy.ids[first]}`).toBeLessThan(bounds.margin);
      compared.tokens += first < 0 ? tokens.length : first;
    }
  });

  it('gives the same bits whether the prompt comes at once or in chunks', async () => {
    const { ids } = golden.prompts.at(-1)!;
    const whole = await model.text(ids);
    for (const chunk of [1, 7]) {
      expectSameBits((await model.text(ids, { chunk })).logits, whole.logits, `chunks of ${chunk}`);
      compared.pathRows += ids.length;
    }
  });

  it('gives the same bits from the other style of config.json', async () => {
    const { ids } = golden.prompts.at(-1)!;
    const other = await GoldenModel.load(runtime, folder, dtype, golden.other_config);
    expectSameBits((await other.text(ids)).logits, (await model.text(ids)).logits, golden.other_config);
    other.dispose();
  });

  if (existsSync(join(folder, 'trees.json'))) it('scores draft trees as the reference does, and every row as its path run as text, bit for bit', async () => {
    const trees = readJson<GoldenTrees>(join(folder, 'trees.json'));
    const expected = await readArrays(join(folder, 'trees.safetensors'));
    const error = new Deviation();
    const check = async (items: readonly GoldenTree[], scored: readonly Scored[]): Promise<void> => {
      for (const [i, item] of items.entries()) {
        error.add(scored[i]!.logits, expected.get(`${item.name}.logits`)!, item.name, bounds.max);
        compared.treeRows += item.tokens.length;
        await expectPathsAsText(item, scored[i]!);
      }
    };
    for (const item of trees.cases) await check([item], await model.trees([item]));
    for (const { items } of trees.batches) await check(items, await model.trees(items));
    for (const { prompt, steps } of trees.rounds) {
      let text = prompt;
      const items = steps.map((step) => {
        const item = { ...step, prompt: text };
        text = [...text, ...step.accept.nodes.map((node) => step.tokens[node]!)];
        return item;
      });
      await check(items, await model.rounds(prompt, steps.map(({ tokens, parents, accept }) => ({ tokens, parents, path: accept.nodes }))));
    }
    expect(error.rms(), 'rms').toBeLessThanOrEqual(bounds.rms);
  });

  it('holds no page once its sequences are closed', () => expect(model.pages().used).toBe(0));

  function expectHidden(name: string, final: Float32Array, taps: Float32Array): void {
    new Deviation().add(final, arrays.get(`${name}.final`)!, `${name}.final`, bounds.hidden);
    const { hiddenSize } = model.description;
    const { hidden_layers: layers } = golden;
    for (const [k, layer] of layers.entries()) {
      const rows = final.length / hiddenSize;
      const stream = Float32Array.from({ length: final.length }, (_, i) => taps[(Math.floor(i / hiddenSize) * layers.length + k) * hiddenSize + (i % hiddenSize)]!);
      expect(taps.length).toBe(rows * layers.length * hiddenSize);
      new Deviation().add(stream, arrays.get(`${name}.hidden.${layer}`)!, `${name}.hidden.${layer}`, bounds.hidden);
    }
  }

  async function expectPathsAsText({ name, prompt, tokens, parents }: GoldenTree, { logits, final }: Scored): Promise<void> {
    const { vocabSize, hiddenSize } = model.description;
    for (const path of paths(parents)) {
      const text = await model.text([...prompt, ...path.map((node) => tokens[node]!)]);
      for (const [depth, node] of path.entries()) {
        const row = prompt.length + depth;
        expectSameBits(rowOf(logits, node, vocabSize), rowOf(text.logits, row, vocabSize), `${name} row ${node}`);
        expectSameBits(rowOf(final, node, hiddenSize), rowOf(text.final, row, hiddenSize), `${name} row ${node}, hidden`);
      }
      compared.pathRows += path.length;
    }
  }
}

function boundsOf({ tolerance, measured_vs_float64: { bf16_eager: measured }, smallest_routing_gap: experts }: Golden, dtype: Dtype): Bounds {
  if (dtype === 'f32') return { max: tolerance.fp32_logits_atol, rms: tolerance.fp32_logits_atol, margin: 0, hidden: tolerance.fp32_hidden_atol };
  // A choice of experts that flips in half precision moves a whole row: only the rms says something then.
  return { max: experts === undefined ? 2 * measured.logits_max : Infinity, rms: 1.5 * measured.logits_rms, margin: 2 * measured.logits_max, hidden: Infinity };
}

/** Gathers how far numbers are from their reference. */
class Deviation {
  private squares = 0;
  private count = 0;

  add(got: Float32Array, expected: Float32Array, what: string, max: number): void {
    expect(got.length, what).toBe(expected.length);
    let worst = 0;
    for (let i = 0; i < got.length; i++) {
      const difference = Math.abs(got[i]! - expected[i]!);
      if (Number.isNaN(difference)) expect.fail(`${what} holds ${got[i]} at ${i}`);
      if (difference > worst) worst = difference;
      this.squares += difference * difference;
    }
    this.count += got.length;
    expect(worst, what).toBeLessThanOrEqual(max);
  }

  rms(): number {
    return Math.sqrt(this.squares / this.count);
  }
}

/** From a root to each leaf. */
function paths(parents: readonly number[]): number[][] {
  return parents.flatMap((_, leaf) => {
    if (parents.includes(leaf)) return [];
    const path: number[] = [];
    for (let node = leaf; node >= 0; node = parents[node]!) path.unshift(node);
    return [path];
  });
}

function rowOf(values: Float32Array, row: number, width: number): Float32Array {
  return values.subarray(row * width, (row + 1) * width);
}

function expectSameBits(got: Float32Array, expected: Float32Array, what: string): void {
  const bytes = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  if (!bytes(got).equals(bytes(expected))) expect.fail(`${what}: not the same bits`);
}
