import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensorsBlob } from '../../core/checkpoint/safetensors-blob.js';
import type { TensorData } from '../../core/checkpoint/safetensors-writer.js';
import { createEngine } from '../../core/index.js';
import { writeTinyModel } from '../../core/testing/index.js';
import { noise, readTinyTarget, stored, successorMatrix, torchFile, type TinyTarget, type Values, writeHeadFolder, writeMerged, writeTorchFolder } from '../../test/fixtures/tiny-heads.js';

const HEADS = 3;
const BLOCKS = 2;
const PROMPT = [14, 15, 16, 17, 18, 19, 20, 14, 15, 3, 4];

/** Names of one layout. */
interface Names {
  readonly block: (h: number, b: number) => string;
  readonly vocabulary: (h: number) => string;
}

const LISTED = (prefix: string): Names => ({ block: (h, b) => `${prefix}${h}.${b}.linear`, vocabulary: (h) => `${prefix}${h}.${BLOCKS}.weight` });
const VLLM = (prefix: string): Names => ({ block: (h, b) => `${prefix}blocks.${h}.layers.${b}`, vocabulary: (h) => `${prefix}lm_heads.${h}.weight` });
const TENSORRT: Names = { block: (h, b) => `medusa_heads.${h}.medusa_layers.${b}.linear`, vocabulary: (h) => `medusa_heads.${h}.lm_head.weight` };

let root: string;
let target: string;
let tiny: TinyTarget;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-medusa-'));
  target = join(root, 'target');
  await writeTinyModel(target);
  tiny = readTinyTarget(target);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const newFolder = (): Promise<string> => mkdtemp(join(root, 'head-'));

/** All tensors of three heads under the names of a layout. */
function headTensors({ block, vocabulary }: Names, matrix: (h: number) => Values | undefined = (h) => successorMatrix(tiny, h + 2)): Map<string, Values> {
  const tensors = new Map<string, Values>();
  for (let h = 0; h < HEADS; h++) {
    for (let b = 0; b < BLOCKS; b++) {
      tensors.set(`${block(h, b)}.weight`, noise([tiny.hidden, tiny.hidden], 0.05, 10 * h + b));
      tensors.set(`${block(h, b)}.bias`, noise([tiny.hidden], 0.1, 100 + 10 * h + b));
    }
    const own = matrix(h);
    if (own !== undefined) tensors.set(vocabulary(h), own);
  }
  return tensors;
}

/** What a strategy drafts and what becomes of it. */
async function traceOf(model: string, options: object, temperature = 0): Promise<string[]> {
  const engine = await createEngine({ model, dtype: 'f32', measure: false, proposeBudgetMs: 60_000, threads: 1, maxTokensPerSequence: 256 });
  try {
    const request = { promptTokens: PROMPT, maxTokens: 40, ignoreEos: true, temperature, seed: 6 };
    const plain = await engine.generate({ ...request, strategy: 'off' }).result;
    const { tokens, stats, trace } = await engine.generate({ ...request, trace: true, strategy: { name: 'medusa', choices: [[0, 0, 0], [0, 1], [1, 0], [2]], ...options } }).result;
    expect(tokens).toEqual(plain.tokens);
    expect(stats.faults).toBe(0);
    return trace!.map((entry) => `${entry.tokens.join(' ')} | ${entry.parents.join(' ')} | ${entry.accepted.join(' ')} | ${entry.next}`);
  } finally {
    await engine.dispose();
  }
}

async function refusalOf(head: string, options: object = {}): Promise<string> {
  const engine = await createEngine({ model: target, measure: false, proposeBudgetMs: 60_000, threads: 1 });
  try {
    const error = await engine.generate({ promptTokens: [1], maxTokens: 2, strategy: { name: 'medusa', head, ...options } }).result.then(() => new Error('not refused'), (reason: Error) => reason);
    expect(error).toMatchObject({ code: 'STRATEGY_REFUSED' });
    return error.message;
  } finally {
    await engine.dispose();
  }
}

describe('every public layout of the same heads drafts the same trees', () => {
  let expected: string[];
  beforeAll(async () => {
    expected = await traceOf(target, { head: await writeHeadFolder(await newFolder(), { medusa_num_heads: HEADS, medusa_num_layers: BLOCKS, base_model_name_or_path: 'base' }, headTensors(LISTED('')), { file: 'medusa_lm_head.safetensors' }) });
    expect(new Set(expected.map((line) => line.split(' | ')[2]!.split(' ').length)).size, 'accepted lengths vary').toBeGreaterThan(1);
  });

  it.each(['F16', 'BF16'] as const)('heads alone, stored as %s', async (dtype) => {
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, headTensors(LISTED('')), { dtype, file: 'medusa_lm_head.safetensors' }) })).toEqual(expected);
  });

  it('a PyTorch file of more heads than its config.json states', async () => {
    const config = { medusa_num_heads: 2, medusa_num_layers: BLOCKS, base_model_name_or_path: 'base' };
    expect(await traceOf(target, { head: await writeTorchFolder(await newFolder(), config, headTensors(LISTED('')), 'medusa_lm_head.pt') })).toEqual(expected);
  });

  it('merged into the target, found without naming a folder', async () => {
    const merged = await writeMerged(await newFolder(), target, { medusa_num_heads: HEADS, medusa_num_layers: BLOCKS }, headTensors(LISTED('medusa_head.')));
    expect(await traceOf(merged, {})).toEqual(expected);
    expect(await traceOf(merged, { head: merged })).toEqual(expected);
  });

  it('merged, in shards of pickles with an index', async () => {
    const merged = await newFolder();
    const own = [...readSafetensorsBlob(readFileSync(join(target, 'model.safetensors'))).values()]
      .map(({ name, shape, data }): [string, Values] => [name, { shape, values: new Float32Array(data.slice().buffer) }]);
    const shards = new Map([['pytorch_model-00001-of-00002.bin', new Map(own)], ['pytorch_model-00002-of-00002.bin', headTensors(LISTED('medusa_head.'))]]);
    for (const [file, tensors] of shards) await writeFile(join(merged, file), torchFile(tensors));
    const map = Object.fromEntries([...shards].flatMap(([file, tensors]) => [...tensors.keys()].map((name) => [name, file])));
    await writeFile(join(merged, 'pytorch_model.bin.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
    const config = JSON.parse(readFileSync(join(target, 'config.json'), 'utf8')) as object;
    await writeFile(join(merged, 'config.json'), JSON.stringify({ ...config, medusa_num_heads: HEADS, medusa_num_layers: BLOCKS }));
    expect(await traceOf(merged, {})).toEqual(expected);
  });

  it('merged without a word in config.json', async () => {
    expect(await traceOf(await writeMerged(await newFolder(), target, {}, headTensors(LISTED('medusa_head.'))), {})).toEqual(expected);
  });

  it('merged into a model of another family', async () => {
    const biases = [['q', 64], ['k', 32], ['v', 32]].flatMap(([name, size]) => [0, 1].map((layer): TensorData =>
      stored(`model.layers.${layer}.self_attn.${name}_proj.bias`, { shape: [Number(size)], values: new Float32Array(Number(size)) }, 'F32')));
    const fields = { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'], medusa_num_heads: HEADS };
    expect(await traceOf(await writeMerged(await newFolder(), target, fields, headTensors(LISTED('medusa_head.')), biases), {})).toEqual(expected);
  });

  it('ModelOpt', async () => {
    expect(await traceOf(await writeMerged(await newFolder(), target, { medusa: { num_medusa_heads: HEADS, num_medusa_layers: BLOCKS } }, headTensors(LISTED('medusa_heads.'))), {})).toEqual(expected);
  });

  it('TensorRT-LLM, beside tensors of its own target', async () => {
    const tensors = headTensors(TENSORRT).set('transformer.ln_f.weight', noise([tiny.hidden], 1, 5));
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), { architecture: 'MedusaForCausalLM', num_medusa_heads: HEADS }, tensors, { file: 'rank0.safetensors' }) })).toEqual(expected);
  });

  it.each(['', 'medusa_heads.'])('vLLM with the prefix "%s"', async (prefix) => {
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), { model_type: 'medusa', num_heads: HEADS, medusa_fc_bias: true, logit_scale: 2 }, headTensors(VLLM(prefix))) })).toEqual(expected);
  });

  it('vLLM that keeps part of the vocabulary, with rows cut or to be picked', async () => {
    const ids = Int32Array.from({ length: 80 }, (_, row) => 95 - row);   // in another order too
    const picked = (h: number): Values => {
      const { values } = successorMatrix(tiny, h + 2);
      const kept = new Float32Array(ids.length * tiny.hidden);
      ids.forEach((id, row) => kept.set(values.subarray(id * tiny.hidden, (id + 1) * tiny.hidden), row * tiny.hidden));
      return { shape: [ids.length, tiny.hidden], values: kept };
    };
    const zeroed = (h: number): Values => ({ ...successorMatrix(tiny, h + 2), values: successorMatrix(tiny, h + 2).values.fill(0, 0, 16 * tiny.hidden) });
    const kept = await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, headTensors(LISTED(''), zeroed)) });
    expect(kept).not.toEqual(expected);
    const extra = [{ name: 'token_map', dtype: 'I64' as const, shape: [ids.length], data: new Uint8Array(BigInt64Array.from(ids, BigInt).buffer) }];
    for (const matrix of [picked, (h: number): Values => successorMatrix(tiny, h + 2)]) {
      const head = await writeHeadFolder(await newFolder(), { model_type: 'medusa', num_heads: HEADS }, headTensors(VLLM(''), matrix), { extra });
      expect(await traceOf(target, { head })).toEqual(kept);
    }
  });

  it('vLLM with rows in an order of its own, at a temperature too: tokens keep their noise', async () => {
    const plain = await writeHeadFolder(await newFolder(), {}, headTensors(LISTED('')));
    const extra = [{ name: 'token_map', dtype: 'I64' as const, shape: [tiny.vocabulary], data: new Uint8Array(BigInt64Array.from({ length: tiny.vocabulary }, (_, row) => BigInt(tiny.vocabulary - 1 - row)).buffer) }];
    const turned = (h: number): Values => {
      const { shape, values } = successorMatrix(tiny, h + 2);
      return { shape, values: values.map((_, i) => values[(tiny.vocabulary - 1 - Math.floor(i / tiny.hidden)) * tiny.hidden + (i % tiny.hidden)]!) };
    };
    const head = await writeHeadFolder(await newFolder(), {}, headTensors(VLLM(''), turned), { extra });
    expect(await traceOf(target, { head }, 1.2)).toEqual(await traceOf(target, { head: plain }, 1.2));
  });
});

describe('heads that share a vocabulary matrix', () => {
  const ownOf = (names: Names, matrix: Values): Map<string, Values> => headTensors(names, () => matrix);
  const without = (names: Names): Map<string, Values> => headTensors(names, () => undefined);

  it('the one of the target, draft as with copies of it', async () => {
    const copies = ownOf(LISTED(''), { shape: [tiny.vocabulary, tiny.hidden], values: tiny.head });
    const expected = await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, copies) });
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), { version: '2', medusa_num_heads: HEADS }, without(LISTED(''))) })).toEqual(expected);
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), { original_lm_head: true }, without(VLLM(''))) })).toEqual(expected);
  });

  it.each(['lm_head.weight', 'lm_heads.0.weight'])('one of their own, %s, draft as with copies of it', async (name) => {
    const matrix = successorMatrix(tiny, 2);
    const expected = await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, ownOf(LISTED(''), matrix)) });
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), { original_lm_head: true }, without(VLLM('')).set(name, matrix)) })).toEqual(expected);
  });
});

it('heads without biases, as some converters leave them, draft as with zeros', async () => {
  const tensors = headTensors(VLLM(''));
  const zeros = new Map([...tensors].map(([name, values]) => [name, name.endsWith('.bias') ? { ...values, values: new Float32Array(tiny.hidden) } : values]));
  const bare = new Map([...tensors].filter(([name]) => !name.endsWith('.bias')));
  expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, bare) })).toEqual(await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, zeros) }));
});

it('rows of a padded vocabulary are never drafted', async () => {
  const padded = (h: number): Values => {
    const { values } = successorMatrix(tiny, h + 2);
    const longer = new Float32Array(128 * tiny.hidden).fill(8);   // some of these rows would win
    longer.set(values);
    return { shape: [128, tiny.hidden], values: longer };
  };
  const head = await writeHeadFolder(await newFolder(), {}, headTensors(LISTED(''), padded));
  expect(await traceOf(target, { head })).toEqual(await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, headTensors(LISTED(''))) }));
});

it('tokens that the heads have no rows for are never drafted', async () => {
  const fewer = (h: number): Values => ({ shape: [90, tiny.hidden], values: successorMatrix(tiny, h + 2).values.slice(0, 90 * tiny.hidden) });
  const drafted = await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, headTensors(LISTED(''), fewer)) });
  expect(drafted).not.toHaveLength(0);
  for (const line of drafted) for (const token of line.split(' | ')[0]!.split(' ').slice(1)) expect(Number(token)).toBeLessThan(90);
});

describe('a broken checkpoint is refused by file, tensor, expected and found:', () => {
  const file = (folder: string): string => join(folder, 'medusa_lm_head.safetensors');
  const broken = async (change: (tensors: Map<string, Values>) => unknown, config: object = {}, names = LISTED('')): Promise<string> => {
    const tensors = headTensors(names);
    change(tensors);
    return writeHeadFolder(await newFolder(), config, tensors, { file: 'medusa_lm_head.safetensors' });
  };

  it('a missing vocabulary matrix', async () => {
    const head = await broken((tensors) => tensors.delete('1.2.weight'));
    expect(await refusalOf(head)).toContain(`\`head\`: ${file(head)} has no tensor "1.2.weight" [96, 64], the vocabulary matrix of head 1, which other heads have.`);
  });

  it('a missing residual block, a missing bias, a missing head', async () => {
    const block = await broken((tensors) => tensors.delete('2.1.linear.weight'));
    expect(await refusalOf(block)).toContain(`${file(block)} has no tensor "2.1.linear.weight" [64, 64], the weight of residual block 1 of head 2.`);
    const bias = await broken((tensors) => tensors.delete('0.1.linear.bias'));
    expect(await refusalOf(bias)).toContain(`${file(bias)} has no tensor "0.1.linear.bias" [64]`);
    const head = await broken((tensors) => { for (const name of [...tensors.keys()]) if (name.startsWith('1.')) tensors.delete(name); });
    expect(await refusalOf(head)).toContain('has no tensor "1.0.linear.weight" [64, 64], the weight of residual block 0 of head 1.');
  });

  it('a head of an absurd number', async () => {
    const head = await broken((tensors) => tensors.set('4000000000.0.linear.weight', noise([64, 64], 1, 1)));
    expect(await refusalOf(head)).toContain('has no tensor "3.0.linear.weight"');
  });

  it('a tensor that is not of the layout', async () => {
    const head = await broken((tensors) => tensors.set('0.0.linear.wieght', noise([64, 64], 1, 1)));
    expect(await refusalOf(head)).toContain(`${file(head)} holds "0.0.linear.wieght", which the heads of this layout (heads) do not have.`);
    const merged = await writeMerged(await newFolder(), target, {}, headTensors(LISTED('medusa_head.')).set('medusa_head.0.gate', noise([2], 1, 1)));
    expect(await refusalOf(merged)).toContain('holds "medusa_head.0.gate"');
  });

  it('another hidden size', async () => {
    const head = await broken((tensors) => tensors.set('0.0.linear.weight', noise([64, 56], 1, 1)));
    expect(await refusalOf(head)).toContain(`Tensor "0.0.linear.weight" in ${file(head)} has shape [64, 56]; expected [64, 64].`);
    const other = await writeHeadFolder(await newFolder(), {}, new Map([['0.0.linear.weight', noise([128, 128], 1, 1)], ['0.0.linear.bias', noise([128], 1, 1)], ['0.1.weight', noise([96, 128], 1, 1)]]));
    expect(await refusalOf(other)).toContain('has shape [128, 128]; expected [64, 64].');
  });

  it('another vocabulary, the same of every head', async () => {
    const head = await broken((tensors) => { for (let h = 0; h < HEADS; h++) tensors.set(`${h}.2.weight`, noise([320, 64], 1, 1)); });
    expect(await refusalOf(head)).toContain(`The vocabulary matrices of the heads in ${file(head)} have 320 rows; expected 96, the target's vocabulary.`);
    const one = await broken((tensors) => tensors.set('1.2.weight', noise([90, 64], 1, 1)));
    expect(await refusalOf(one)).toContain(`Tensor "1.2.weight" in ${file(one)} has shape [90, 64]; expected [96, 64].`);
    const turned = await broken((tensors) => tensors.set('0.2.weight', noise([64, 96], 1, 1)));
    expect(await refusalOf(turned)).toContain('Tensor "0.2.weight"');
  });

  it('fewer heads than config.json states, unless they are enough', async () => {
    const head = await broken(() => undefined, { medusa_num_heads: 5 });
    expect(await refusalOf(head)).toContain(`${head}/config.json states 5 heads; ${file(head)} holds 3.`);
    expect(await traceOf(target, { head, heads: 3 })).not.toHaveLength(0);
    expect(await refusalOf(head, { heads: 4 })).toContain(`\`heads\`: 4 heads are wanted; ${file(head)} holds 3.`);
  });

  it('weights that are quantised', async () => {
    const tensors = headTensors(LISTED(''));
    tensors.delete('0.0.linear.weight');
    const head = await writeHeadFolder(await newFolder(), {}, tensors, { extra: [{ name: '0.0.linear.weight', dtype: 'F8_E4M3', shape: [64, 64], data: new Uint8Array(64 * 64) }] });
    expect(await refusalOf(head)).toContain('is stored as F8_E4M3; expected F32, F16 or BF16.');
  });

  it('a map of tokens of another length', async () => {
    const head = await writeHeadFolder(await newFolder(), {}, headTensors(VLLM('')), { extra: [{ name: 'token_map', dtype: 'I64', shape: [100], data: new Uint8Array(800) }] });
    expect(await refusalOf(head)).toContain('Tensor "token_map"');
  });

  it('no heads at all', async () => {
    expect(await refusalOf(target)).toContain(`The checkpoint at ${target} holds no heads: expected tensors such as "0.0.linear.weight"`);
  });
});
