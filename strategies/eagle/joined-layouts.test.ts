import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../core/testing/index.js';
import { acceptedIn, draftsOf } from '../../test/fixtures/drafts.js';
import { draftConfig, joinedTensors, knownTokens, vocabularyTables } from '../../test/fixtures/tiny-draft-layers.js';
import { noise, readTinyTarget, type TinyTarget, type Values, writeHeadFolder, writeMerged } from '../../test/fixtures/tiny-heads.js';

const TREE = { tree: 'dynamic', depth: 4, topK: 3, maxNodes: 8 };

let root: string;
let target: string;
let tiny: TinyTarget;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-eagle3-'));
  target = join(root, 'target');
  await writeTinyModel(target);
  tiny = readTinyTarget(target);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const drafts = (head: string, options: object = {}): Promise<string[]> => draftsOf(target, { name: 'eagle', head, ...TREE, ...options });
const newFolder = (): Promise<string> => mkdtemp(join(root, 'head-'));
const config = (fields: object = {}): Record<string, unknown> => draftConfig(tiny, { draft_vocab_size: knownTokens(tiny).length, ...fields });
const speculators = (fields: object = {}): Record<string, unknown> =>
  ({ speculators_model_type: 'eagle3', architectures: ['Eagle3Speculator'], draft_vocab_size: knownTokens(tiny).length, target_hidden_size: null, transformer_layer_config: draftConfig(tiny), norm_before_residual: false, ...fields });
const tensors = (rename: (name: string) => string = (name) => name, parts = 1): Map<string, Values> =>
  new Map([...joinedTensors(tiny, parts)].map(([name, values]) => [rename(name), values]));
const midlayer = (name: string): string => name.replace(/^layers\.0\./, 'midlayer.');
const filled = (shape: readonly number[], value: number): Values => ({ shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) });
const folder = async (all: ReadonlyMap<string, Values>, fields: object = config(), options: Parameters<typeof writeHeadFolder>[3] = { extra: vocabularyTables(tiny) }): Promise<string> =>
  writeHeadFolder(await newFolder(), fields, all, options);

describe('every public layout of the same EAGLE-3 layer drafts the same trees:', () => {
  let expected: string[];
  beforeAll(async () => {
    expected = await drafts(await folder(tensors(midlayer)));
    expect(acceptedIn(expected)).toBeGreaterThan(0.5);
  });

  it.each(['F16', 'BF16'] as const)("the authors', stored as %s", async (dtype) => {
    expect(await drafts(await folder(tensors(midlayer), config(), { dtype, extra: vocabularyTables(tiny) }))).toEqual(expected);
  });

  it("SpecForge's, which names layers by their output and calls the norm before the head norm_output", async () => {
    const fields = { architectures: ['LlamaForCausalLMEagle3'], target_model_type: 'llama', norm_output: true, eagle_config: { eagle_aux_hidden_state_layer_ids: [0], use_aux_hidden_state: true } };
    expect(await drafts(await folder(tensors(midlayer), config(fields)))).toEqual(expected);
  });

  it("AngelSlim's, said to be tied like its target, with or without signals to stop early", async () => {
    const fields = { architectures: ['Eagle3LlamaForCausalLM'], target_model_type: 'qwen3', tie_word_embeddings: true };
    expect(await drafts(await folder(tensors(midlayer), config(fields)))).toEqual(expected);
    for (const signals of [1, 3]) {
      const all = tensors(midlayer);
      const fc = all.get('fc.weight')!;
      all.set('fc.weight', { shape: [tiny.hidden + signals, tiny.hidden], values: Float32Array.from([...fc.values, ...noise([signals, tiny.hidden], 1, 90).values]) });
      expect(await drafts(await folder(all, config(fields)))).toEqual(expected);
    }
  });

  it("ModelOpt's and TensorRT-LLM's, without a mask of tokens", async () => {
    const [d2t] = vocabularyTables(tiny);
    const fields = { architectures: ['LlamaForCausalLMEagle3'], eagle_config: { eagle_aux_hidden_state_layer_ids: [0], use_aux_hidden_state: true, use_last_layernorm: true } };
    for (const rename of [undefined, (name: string): string => name.replace(/^layers\.0\./, 'midlayer.0.')]) expect(await drafts(await folder(tensors(rename), config(fields), { extra: [d2t!] }))).toEqual(expected);
  });

  it("speculators', with the config of the layer inside and the stream named by the layer it enters", async () => {
    expect(await drafts(await folder(tensors(), speculators()))).toEqual(expected);
    expect(await drafts(await folder(tensors(), speculators({ eagle_aux_hidden_state_layer_ids: [1] })))).toEqual(expected);
    expect(await drafts(await folder(tensors((name) => `model.${name}`), speculators()))).toEqual(expected);
  });

  it('a copy of the target\'s embedding, or another that nobody says was trained', async () => {
    expect(await drafts(await folder(tensors(midlayer).set('embed_tokens.weight', noise([tiny.vocabulary, tiny.hidden], 1, 91))))).toEqual(expected);
  });

  it('merged into the target', async () => {
    const all = new Map([...tensors()].map(([name, values]) => [name, /[kv]_proj/.test(name) ? { shape: [32, 128], values: values.values.slice(0, 32 * 128) } : values]));
    const alone = await drafts(await folder(all, config({ num_key_value_heads: 2, rope_theta: 10000 })));
    const extra = vocabularyTables(tiny).map((table) => ({ ...table, name: `eagle_module.${table.name}` }));
    const merged = await writeMerged(await newFolder(), target, {}, new Map([...widened(all)].map(([name, values]) => [`eagle_module.${name}`, values])), extra);
    expect(await draftsOf(merged, { name: 'eagle', ...TREE })).toEqual(alone);
  });

  /** The target's config.json says an MLP of 128: rows of zeros add nothing. */
  function widened(all: ReadonlyMap<string, Values>): Map<string, Values> {
    const wide = new Map(all);
    for (const name of ['gate', 'up']) {
      const { values } = all.get(`layers.0.mlp.${name}_proj.weight`)!;
      wide.set(`layers.0.mlp.${name}_proj.weight`, { shape: [128, 64], values: Float32Array.from({ length: 128 * 64 }, (_, i) => values[i] ?? 0) });
    }
    const { values } = all.get('layers.0.mlp.down_proj.weight')!;
    return wide.set('layers.0.mlp.down_proj.weight', { shape: [64, 128], values: Float32Array.from({ length: 64 * 128 }, (_, i) => (i % 128 < 96 ? values[Math.floor(i / 128) * 96 + (i % 128)]! : 0)) });
  }
});

describe('flags mean what their format says:', () => {
  /** A layer of two streams that matter. */
  const twoStreams = (): Map<string, Values> => tensors(undefined, 2).set('fc.weight', noise([64, 128], 0.3, 94));
  let expected: string[];
  beforeAll(async () => { expected = await drafts(await folder(tensors())); });

  it('the residual is the normed state where config.json says so, and in speculators files that say nothing', async () => {
    const normed = await drafts(await folder(tensors(), config({ norm_before_residual: true })));
    expect(normed).not.toEqual(expected);
    expect(await drafts(await folder(tensors(), speculators({ norm_before_residual: undefined })))).toEqual(normed);
    expect(await drafts(await folder(tensors(), speculators({ norm_before_residual: true })))).toEqual(normed);
  });

  it('norm_output norms what is fed back in speculators files, and is the norm before the head in others', async () => {
    const fed = await drafts(await folder(tensors(), speculators({ norm_output: true })));
    expect(fed).not.toEqual(expected);
    expect(await drafts(await folder(tensors(), config({ eagle_config: { return_hidden_post_norm: true } })))).toEqual(fed);
    // The first node of a draft reads no state that was fed back.
    const first = (fields: object): Promise<string[]> => folder(tensors(), speculators(fields)).then((head) => draftsOf(target, { name: 'eagle', head, tree: 'chain', depth: 1 }));
    expect(await first({ norm_output: true })).toEqual(await first({}));
    const all = tensors();
    all.delete('norm.weight');
    const bare = await drafts(await folder(all, config({ norm_output: false })));
    expect(await drafts(await folder(all, config({ eagle_config: { use_last_layernorm: false } })))).toEqual(bare);
  });

  it('norms before the projection, over all streams at once or each by itself', async () => {
    const fields = { eagle_aux_hidden_state_layer_ids: [0, 2] };
    const scaled = (weights: Float32Array): Map<string, Values> => {
      const { shape, values } = twoStreams().get('fc.weight')!;
      return twoStreams().set('fc.weight', { shape, values: values.map((value, i) => value * weights[i % weights.length]!) });
    };
    const weights = noise([128], 4, 92).values;
    const norm = (name: string, values: Float32Array): [string, Values] => [name, { shape: [values.length], values }];
    const one = new Float32Array(64).fill(1);
    const plain = await drafts(await folder(twoStreams(), speculators(fields)));
    const whole = await drafts(await folder(new Map([...twoStreams(), norm('input_norm.weight', weights)]), speculators({ ...fields, norm_before_fc: true })));
    expect(whole).toEqual(await drafts(await folder(new Map([...scaled(weights), norm('input_norm.weight', new Float32Array(128).fill(1))]), speculators({ ...fields, norm_before_fc: true }))));
    const parts = await drafts(await folder(new Map([...twoStreams(), norm('fc_norm.0.weight', weights.slice(0, 64)), norm('fc_norm.1.weight', weights.slice(64))]), speculators({ ...fields, fc_norm: true })));
    expect(parts).toEqual(await drafts(await folder(new Map([...scaled(weights), norm('fc_norm.0.weight', one), norm('fc_norm.1.weight', one)]), speculators({ ...fields, fc_norm: true }))));
    expect(new Set([plain, whole, parts].map((lines) => lines.join('\n'))).size).toBe(3);
  });

  it('streams are read where config.json names them, in its own way of counting', async () => {
    const named = async (fields: object): Promise<string[]> => drafts(await folder(twoStreams(), config(fields)));
    const inputs = await named({ eagle_aux_hidden_state_layer_ids: [0, 1] });
    expect(await named({ eagle_config: { eagle_aux_hidden_state_layer_ids: [-1, 0] } })).toEqual(inputs);
    expect(await named({ eagle_aux_hidden_state_layer_ids: [1, 0] })).not.toEqual(inputs);
    expect(await named({ eagle_config: { eagle_aux_hidden_state_layer_ids: [2, 1] } })).toEqual(await named({ eagle_aux_hidden_state_layer_ids: [2, 1] }));
  });
});

describe('a layer of another form:', () => {
  it('without a projection, on the last hidden state of the target', async () => {
    const fields = config({ eagle_config: { use_aux_hidden_state: false } });
    const all = tensors();
    all.delete('fc.weight');
    const bare = await drafts(await folder(all, fields));
    const { values } = filled([64, 64], 0);
    for (let i = 0; i < 64; i++) values[i * 65] = 1;
    expect(await drafts(await folder(all.set('fc.weight', { shape: [64, 64], values }), fields))).toEqual(bare);
    expect(acceptedIn(bare)).toBeGreaterThan(0.5);
  });

  it('with the whole vocabulary, with or without tables that say nothing', async () => {
    const all = tensors().set('lm_head.weight', { shape: [tiny.vocabulary, tiny.hidden], values: tiny.head });
    const whole = await drafts(await folder(all, config({ draft_vocab_size: tiny.vocabulary }), {}));
    expect(await drafts(await folder(all, config({ draft_vocab_size: undefined }), { extra: vocabularyTables(tiny, Array.from({ length: tiny.vocabulary }, (_, id) => id)) }))).toEqual(whole);
    // The target's own head serves where the file has none.
    all.delete('lm_head.weight');
    expect(await drafts(await folder(all, config({ draft_vocab_size: null }), {}))).toEqual(whole);
  });

  it('with a vocabulary in an order of its own: offsets may be negative', async () => {
    const known = knownTokens(tiny).reverse();
    const all = tensors();
    const head = all.get('lm_head.weight')!;
    const turned = new Float32Array(head.values.length);
    for (let row = 0; row < known.length; row++) turned.set(head.values.subarray((known.length - 1 - row) * 64, (known.length - row) * 64), row * 64);
    const reversed = await folder(all.set('lm_head.weight', { ...head, values: turned }), config(), { extra: vocabularyTables(tiny, known) });
    expect(await drafts(reversed)).toEqual(await drafts(await folder(tensors())));
    expect(await draftsOf(target, { name: 'eagle', head: reversed, ...TREE }, 1)).toEqual(await draftsOf(target, { name: 'eagle', head: await folder(tensors()), ...TREE }, 1));
  });

  it('with an embedding that was trained', async () => {
    const own = tensors().set('embed_tokens.weight', { shape: [tiny.vocabulary, tiny.hidden], values: tiny.embedding });
    const expected = await drafts(await folder(tensors(), speculators()));
    expect(await drafts(await folder(own, speculators({ embed_requires_grad: true })))).toEqual(expected);
    own.set('embed_tokens.weight', noise([tiny.vocabulary, tiny.hidden], 1, 93));
    expect(await drafts(await folder(own, speculators({ embed_requires_grad: true })))).not.toEqual(expected);
  });

  it('narrower than its target, with an embedding and a head of its own', async () => {
    const narrow = new Map([...tensors()].map(([name, { shape, values }]): [string, Values] => [name, narrowed(name, shape, values)]));
    narrow.set('embed_tokens.weight', { shape: [tiny.vocabulary, 32], values: tiny.embedding.filter((_, i) => i % 64 < 32) });
    const head = await folder(narrow, config({ hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 4, head_dim: 16, target_hidden_size: 64 }));
    expect(acceptedIn(await drafts(head))).toBeGreaterThan(0.2);
  });

  /** The first half of every axis that is as wide as the state. */
  function narrowed(name: string, shape: readonly number[], values: Float32Array): Values {
    if (name === 'fc.weight') return { shape: [32, 64], values: values.slice(0, 32 * 64) };
    const [rows = 1, columns] = shape;
    if (columns === undefined) return { shape: [32], values: values.slice(0, 32) };
    const keepsRows = /[qkv]_proj|gate|up_proj|lm_head/.test(name);
    const keepsColumns = /o_proj|down_proj/.test(name);
    const kept = (row: number, column: number): boolean => (keepsRows || row < rows / 2) && (keepsColumns || column % 64 < 32);
    return { shape: [keepsRows ? rows : rows / 2, keepsColumns ? columns : columns / 2], values: values.filter((_, i) => kept(Math.floor(i / columns), i % columns)) };
  }

  it('with norms of queries and keys, as for Qwen3', async () => {
    const all = tensors().set('layers.0.self_attn.q_norm.weight', filled([16], 1.5)).set('layers.0.self_attn.k_norm.weight', filled([16], 1.5));
    expect(await drafts(await folder(all, config({ model_type: 'qwen3' })))).not.toEqual(await drafts(await folder(tensors())));
  });

  it('with embedding and state projected to one before attention', async () => {
    const all = tensors();
    const joined = new Float32Array(64 * 128);
    for (let i = 0; i < 64; i++) joined[i * 128 + i] = 1;
    all.set('enorm.weight', filled([64], 1)).set('eh_proj.weight', { shape: [64, 128], values: joined });
    all.delete('layers.0.input_layernorm.weight');
    for (const name of ['q', 'k', 'v']) {
      const { values } = all.get(`layers.0.self_attn.${name}_proj.weight`)!;
      all.set(`layers.0.self_attn.${name}_proj.weight`, { shape: [64, 64], values: values.filter((_, i) => i % 128 < 64) });
    }
    expect(acceptedIn(await drafts(await folder(all, config({ eagle_config: { eh_proj_before_attn: true, eagle_aux_hidden_state_layer_ids: [0] } }))))).toBeGreaterThan(0.2);
  });

  it('of two layers: later ones are ordinary, under either name', async () => {
    const one = tensors();
    const more = (prefix: string): Map<string, Values> => {
      const all = new Map(one);
      for (const [name, values] of one) {
        if (!name.startsWith('layers.0.') || name.includes('hidden_norm')) continue;
        const plain = name.replace('layers.0.', prefix);
        if (/[qkv]_proj/.test(name)) all.set(plain, { shape: [64, 64], values: values.values.filter((_, i) => i % 128 < 64) });
        else all.set(plain, values);
      }
      return all;
    };
    const both = await drafts(await folder(more('layers.1.'), config({ num_hidden_layers: 2 })));
    expect(both).not.toEqual(await drafts(await folder(one)));
    const midlayers = new Map([...more('additional_layers.0.')].map(([name, values]) => [midlayer(name), values]));
    expect(await drafts(await folder(midlayers, config({ num_hidden_layers: 2 })))).toEqual(both);
  });
});
