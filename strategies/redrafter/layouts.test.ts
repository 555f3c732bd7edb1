import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../core/index.js';
import { writeTinyModel } from '../../core/testing/index.js';
import { noise, readTinyTarget, tinyDrafter, type Values, writeHeadFolder, writeMerged, writeTorchFolder } from '../../test/fixtures/tiny-heads.js';

const PROMPT = [14, 15, 16, 17, 18, 19, 20, 14, 15, 3, 4];
const CONFIG = { model_type: 'recurrent_drafting_drafter', vocab_size: 96, hidden_size: 64, exit_dim: 128, num_draft_layers: 2, rnn: true };

let root: string;
let target: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-redrafter-'));
  target = join(root, 'target');
  await writeTinyModel(target);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const newFolder = (): Promise<string> => mkdtemp(join(root, 'head-'));
const tensors = (options: Parameters<typeof tinyDrafter>[1] = {}): Map<string, Values> => tinyDrafter(readTinyTarget(target), options);
const renamed = (of: ReadonlyMap<string, Values>, rename: (name: string) => string): Map<string, Values> => new Map([...of].map(([name, values]) => [rename(name), values]));

async function traceOf(model: string, options: object): Promise<string[]> {
  const engine = await createEngine({ model, dtype: 'f32', measure: false, proposeBudgetMs: 60_000, threads: 1, maxTokensPerSequence: 256 });
  try {
    const request = { promptTokens: PROMPT, maxTokens: 40, ignoreEos: true };
    const plain = await engine.generate({ ...request, strategy: 'off' }).result;
    const { tokens, stats, trace } = await engine.generate({ ...request, trace: true, strategy: { name: 'redrafter', beams: 3, beamLength: 4, ...options } }).result;
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
    const error = await engine.generate({ promptTokens: [1], maxTokens: 2, strategy: { name: 'redrafter', head, ...options } }).result.then(() => new Error('not refused'), (reason: Error) => reason);
    expect(error).toMatchObject({ code: 'STRATEGY_REFUSED' });
    return error.message;
  } finally {
    await engine.dispose();
  }
}

describe('every way to name the same drafter drafts the same trees:', () => {
  let expected: string[];
  beforeAll(async () => {
    expected = await traceOf(target, { head: await writeHeadFolder(await newFolder(), CONFIG, tensors()) });
    expect(new Set(expected.map((line) => line.split(' | ')[2]!.split(' ').length)).size, 'accepted lengths vary').toBeGreaterThan(1);
  });

  it.each(['F16', 'BF16'] as const)("Apple's, stored as %s", async (dtype) => {
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), CONFIG, tensors(), { dtype }) })).toEqual(expected);
  });

  it("Apple's, with a norm that nobody applies, and a config.json that says nothing", async () => {
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), {}, tensors().set('emb_norm.weight', noise([64], 1, 1))) })).toEqual(expected);
  });

  it('as PyTorch saves it', async () => {
    expect(await traceOf(target, { head: await writeTorchFolder(await newFolder(), CONFIG, tensors(), 'model.pt') })).toEqual(expected);
  });

  it.each(['lm_heads', '0'])('the older list %s', async (list) => {
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), CONFIG, renamed(tensors(), (name) => name.replace(/^lm_head/, list))) })).toEqual(expected);
  });

  it('the older list lm_heads beside input_projs', async () => {
    const narrow = { ...CONFIG, exit_dim: 96 };
    const plain = await traceOf(target, { head: await writeHeadFolder(await newFolder(), narrow, tensors({ exitSize: 96 })) });
    const older = renamed(tensors({ exitSize: 96 }), (name) => name.replace(/^lm_head/, 'lm_heads').replace('input_proj', 'input_projs'));
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), narrow, older) })).toEqual(plain);
  });

  const tensorrt = (name: string): string => `drafter.${name.replace(/^lm_head\.(\d)\.linear/, 'layers.$1.linear').replace(/^lm_head\.\d\./, 'lm_head.')}`;

  it("TensorRT-LLM's, beside tensors of its own target", async () => {
    const all = renamed(tensors(), tensorrt).set('base_model.transformer.ln_f.weight', noise([64], 1, 5));
    const config = { architecture: 'ReDrafterForCausalLM', redrafter_num_layers: 2, redrafter_hidden_size: 64, redrafter_exit_dim: 128, redrafter_is_rnn: true, hidden_size: 64, vocab_size: 96 };
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), config, all, { file: 'rank0.safetensors' }) })).toEqual(expected);
  });

  it.each([tensorrt, (name: string) => `drafter.${name}`])('in the file of the target', async (rename) => {
    const merged = await writeMerged(await newFolder(), target, {}, renamed(tensors(), rename));
    expect(await traceOf(merged, {})).toEqual(expected);
  });

  it('with another cell drafts other trees, and loses nothing', async () => {
    expect(await traceOf(target, { cell: 'linear', head: await writeHeadFolder(await newFolder(), CONFIG, tensors()) })).not.toEqual(expected);
  });
});

describe('a drafter of another form', () => {
  it.each([
    { form: 'without a cell', config: { rnn: false }, options: { hasCell: false } },
    { form: 'with an input projection', config: { exit_dim: 96 }, options: { exitSize: 96 } },
    { form: 'with an input projection, by its tensors alone', config: { exit_dim: undefined }, options: { exitSize: 96 } },
    { form: 'of one block', config: { num_draft_layers: 1 }, options: { blocks: 1 } },
  ])('$form drafts', async ({ config, options }) => {
    expect(await traceOf(target, { head: await writeHeadFolder(await newFolder(), { ...CONFIG, ...config }, tensors(options)) })).not.toHaveLength(0);
  });
});

describe('a broken checkpoint is refused by file, tensor, expected and found:', () => {
  const broken = async (change: (all: Map<string, Values>) => unknown, config: object = CONFIG): Promise<string> => {
    const all = tensors();
    change(all);
    return writeHeadFolder(await newFolder(), config, all);
  };
  const file = (folder: string): string => join(folder, 'model.safetensors');

  it.each(['lm_head.0.linear.weight', 'lm_head.1.linear.bias', 'lm_head.2.weight', 'rnn_u.weight', 'rnn_u.bias', 'rnn_w.weight'])('without %s', async (name) => {
    const shape = tensors().get(name)!.shape.join(', ');
    const head = await broken((all) => all.delete(name));
    expect(await refusalOf(head)).toContain(`\`head\`: ${file(head)} has no tensor "${name}" [${shape}].`);
  });

  it('without the projection that its exit size needs', async () => {
    const head = await broken((all) => all.delete('input_proj.weight'), { ...CONFIG, exit_dim: 96 });
    expect(await refusalOf(head)).toContain('has no tensor "input_proj.weight" [96, 128].');
  });

  it('with more or fewer blocks than config.json says', async () => {
    expect(await refusalOf(await broken(() => undefined, { ...CONFIG, num_draft_layers: 3 }))).toContain('has no tensor "lm_head.2.linear.weight" [128, 128].');
    expect(await refusalOf(await broken(() => undefined, { ...CONFIG, num_draft_layers: 1 }))).toContain('has no tensor "lm_head.1.weight" [96, 128].');
    expect(await refusalOf(await broken(() => undefined, { ...CONFIG, num_draft_layers: 4e9 }))).toContain('has no tensor "lm_head.2.linear.weight"');
  });

  it('for another hidden size', async () => {
    const head = await broken(() => undefined, { ...CONFIG, hidden_size: 128, exit_dim: 256 });
    expect(await refusalOf(head)).toContain(`${head}/config.json says that the target has a hidden size of 128; expected 64.`);
    const silent = await broken((all) => all.set('rnn_w.weight', noise([128, 128], 1, 1)));
    expect(await refusalOf(silent)).toContain(`Tensor "rnn_w.weight" in ${file(silent)} has shape [128, 128]; expected [64, 64].`);
  });

  it('for another vocabulary', async () => {
    const head = await broken((all) => all.set('lm_head.2.weight', noise([320, 128], 1, 1)));
    expect(await refusalOf(head)).toContain(`Tensor "lm_head.2.weight" in ${file(head)} has 320 rows; expected 96, the target's vocabulary.`);
  });

  it('with a tensor too many', async () => {
    const head = await broken((all) => all.set('rnn_v.weight', noise([64, 64], 1, 1)));
    expect(await refusalOf(head)).toContain(`${file(head)} holds "rnn_v.weight", which a drafter with this config.json does not have.`);
    expect(await refusalOf(await broken(() => undefined, { ...CONFIG, rnn: false }))).toContain('holds "rnn_u');
  });

  it('quantised', async () => {
    const all = tensors();
    all.delete('lm_head.2.weight');
    const head = await writeHeadFolder(await newFolder(), CONFIG, all, { extra: [{ name: 'lm_head.2.weight', dtype: 'F8_E4M3', shape: [96, 128], data: new Uint8Array(96 * 128) }] });
    expect(await refusalOf(head)).toContain('is stored as F8_E4M3; expected F32, F16 or BF16.');
  });

  it('with nothing of a drafter', async () => {
    expect(await refusalOf(target)).toContain(`The checkpoint at ${target} holds no recurrent drafter`);
  });
});
