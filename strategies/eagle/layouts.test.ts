import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../core/testing/index.js';
import { acceptedIn, draftsOf } from '../../test/fixtures/drafts.js';
import { draftConfig, pairTensors } from '../../test/fixtures/tiny-draft-layers.js';
import { noise, readTinyTarget, type TinyTarget, type Values, writeHeadFolder, writeMerged, writeTorchFolder } from '../../test/fixtures/tiny-heads.js';

const TREE = { tree: 'dynamic', depth: 4, topK: 3, maxNodes: 8 };

let root: string;
let target: string;
let tiny: TinyTarget;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-eagle-'));
  target = join(root, 'target');
  await writeTinyModel(target);
  tiny = readTinyTarget(target);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const newFolder = (): Promise<string> => mkdtemp(join(root, 'head-'));
const drafts = (head: string, options: object = {}): Promise<string[]> => draftsOf(target, { name: 'eagle', head, ...TREE, ...options });
const renamed = (of: ReadonlyMap<string, Values>, ...rules: readonly (readonly [RegExp, string])[]): Map<string, Values> =>
  new Map([...of].map(([name, values]) => [rules.reduce((all, [pattern, to]) => all.replace(pattern, to), name), values]));
const ones = (size: number): Values => ({ shape: [size], values: new Float32Array(size).fill(1) });
const copyOf = (matrix: Float32Array): Values => ({ shape: [tiny.vocabulary, tiny.hidden], values: matrix });
const folder = async (tensors: ReadonlyMap<string, Values>, config: object = draftConfig(tiny), options: Parameters<typeof writeHeadFolder>[3] = {}): Promise<string> =>
  writeHeadFolder(await newFolder(), config, tensors, options);
const SPECULATORS = { speculators_model_type: 'eagle', speculators_version: '0.2.0', architectures: ['EagleSpeculator'] };

describe('every public layout of the same EAGLE-1 layer drafts the same trees:', () => {
  let expected: string[];
  beforeAll(async () => {
    expected = await drafts(await folder(pairTensors()));
    expect(acceptedIn(expected)).toBeGreaterThan(1);
  });

  it.each(['F16', 'BF16'] as const)("the authors', stored as %s", async (dtype) => {
    expect(await drafts(await folder(pairTensors(), draftConfig(tiny), { dtype }))).toEqual(expected);
  });

  it("the authors', as PyTorch saves it, with their copy of the target's embedding and tables of positions", async () => {
    const tensors = pairTensors().set('embed_tokens.weight', copyOf(tiny.embedding)).set('layers.0.self_attn.rotary_emb.inv_freq', noise([8], 1, 1));
    expect(await drafts(await writeTorchFolder(await newFolder(), draftConfig(tiny), tensors, 'pytorch_model.bin'))).toEqual(expected);
  });

  it('a config.json without head_dim, num_key_value_heads and rope_theta, as those of Vicuna', async () => {
    const { head_dim: _, num_key_value_heads: __, rope_theta: ___, ...bare } = draftConfig(tiny);
    const usual = await drafts(await folder(pairTensors(), draftConfig(tiny, { rope_theta: 10000 })));
    expect(await drafts(await folder(pairTensors(), bare))).toEqual(usual);
    expect(await drafts(await folder(pairTensors(), bare), { ropeTheta: 1e12 })).toEqual(expected);
  });

  it("speculators', with the config of the layer inside", async () => {
    const tensors = renamed(pairTensors(), [/^fc\./, 'fusion_fc.'], [/^layers\.0\./, 'transformer.']);
    expect(await drafts(await folder(tensors, { ...SPECULATORS, layernorms: false, fusion_bias: true, transformer_layer_config: draftConfig(tiny) }))).toEqual(expected);
    expect(await drafts(await folder(tensors))).toEqual(expected);
  });

  it("that of vLLM's first versions, with placeholder norms and a head", async () => {
    const tensors = renamed(pairTensors(), [/^/, 'model.']).set('lm_head.weight', copyOf(tiny.head)).set('model.embed_tokens.weight', copyOf(tiny.embedding))
      .set('model.layers.0.input_layernorm.weight', ones(tiny.hidden)).set('model.norm.weight', ones(tiny.hidden));
    expect(await drafts(await folder(tensors, { model_type: 'eagle', architectures: ['EAGLEModel'], truncated_vocab_size: tiny.vocabulary, model: draftConfig(tiny) }))).toEqual(expected);
  });

  it('the same with the rows of the head in an order of their own', async () => {
    const turned = new Float32Array(tiny.head.length);
    for (let row = 0; row < tiny.vocabulary; row++) turned.set(tiny.head.subarray((tiny.vocabulary - 1 - row) * tiny.hidden, (tiny.vocabulary - row) * tiny.hidden), row * tiny.hidden);
    const ids = BigInt64Array.from({ length: tiny.vocabulary }, (_, row) => BigInt(tiny.vocabulary - 1 - row));
    const extra = [{ name: 'token_map', dtype: 'I64' as const, shape: [tiny.vocabulary], data: new Uint8Array(ids.buffer) }];
    const tensors = renamed(pairTensors(), [/^/, 'model.']).set('lm_head.weight', copyOf(turned));
    expect(await drafts(await folder(tensors, { model_type: 'eagle', model: draftConfig(tiny) }, { extra }))).toEqual(expected);
  });

  it('merged into the target, found without naming a folder, by the config.json of both', async () => {
    const tensors = pairTensors({ keys: 32, inner: 128 });
    const alone = await drafts(await folder(tensors, draftConfig(tiny, { num_key_value_heads: 2, intermediate_size: 128, rope_theta: 10000 })));
    const merged = await writeMerged(await newFolder(), target, {}, renamed(tensors, [/^/, 'eagle_module.']));
    expect(await draftsOf(merged, { name: 'eagle', ...TREE })).toEqual(alone);
    expect(await draftsOf(merged, { name: 'eagle', head: merged, ...TREE })).toEqual(alone);
  });
});

describe('a layer of another form:', () => {
  const NORMS = ['embed_layernorm', 'hidden_layernorm', 'lm_head_layernorm'];
  const withNorms = (names: readonly string[], tensors: ReadonlyMap<string, Values>): Map<string, Values> =>
    new Map([...tensors, ...names.map((name, i): [string, Values] => [`${name}.weight`, { shape: [tiny.hidden], values: noise([tiny.hidden], 1, 50 + i).values.map((value) => 1 + value / 2) }])]);

  it('three norms more, under the names of research files, of speculators, and of these before they were renamed', async () => {
    const bare = await drafts(await folder(pairTensors()));
    const research = await drafts(await folder(withNorms(NORMS, pairTensors())));
    expect(research).not.toEqual(bare);
    expect(acceptedIn(research)).toBeGreaterThan(0.5);
    const renamedLayer = renamed(pairTensors(), [/^fc\./, 'fusion_fc.'], [/^layers\.0\./, 'transformer.']);
    const config = { ...SPECULATORS, layernorms: true, fusion_bias: true, transformer_layer_config: draftConfig(tiny) };
    expect(await drafts(await folder(withNorms(['embedding_layernorm', 'transformer.input_layernorm', 'pre_lm_head_layernorm'], renamedLayer), config))).toEqual(research);
  });

  it('norms of both halves before the projection: their weights could as well be columns of it', async () => {
    const [embedding, state] = [noise([tiny.hidden], 1, 60), noise([tiny.hidden], 1, 61)];
    const norms = (e: Values, s: Values, tensors: Map<string, Values>): Map<string, Values> => tensors.set('embedding_layernorm.weight', e).set('hidden_states_layernorm.weight', s);
    const scaled = pairTensors();
    const { shape, values } = scaled.get('fc.weight')!;
    const columns = [...embedding.values, ...state.values];
    scaled.set('fc.weight', { shape, values: values.map((value, i) => value * columns[i % columns.length]!) });
    const byWeights = await drafts(await folder(norms(embedding, state, pairTensors()), draftConfig(tiny, { add_para_norm: true })));
    expect(byWeights).toEqual(await drafts(await folder(norms(ones(tiny.hidden), ones(tiny.hidden), scaled), draftConfig(tiny, { add_para_norm: true }))));
    expect(byWeights).not.toEqual(await drafts(await folder(pairTensors())));
  });

  it('norms that an old vLLM file says are no placeholders', async () => {
    const tensors = (weight: Values): Map<string, Values> => renamed(pairTensors(), [/^/, 'model.']).set('lm_head.weight', copyOf(tiny.head)).set('model.layers.0.input_layernorm.weight', ones(tiny.hidden)).set('model.norm.weight', weight);
    const config = { model_type: 'eagle', model: draftConfig(tiny, { skip_prenorm: false, skip_output_norm: false }) };
    const normed = await drafts(await folder(tensors(ones(tiny.hidden)), config));
    expect(normed).not.toEqual(await drafts(await folder(tensors(ones(tiny.hidden)), { model_type: 'eagle', model: draftConfig(tiny) })));
    expect(normed).not.toEqual(await drafts(await folder(tensors(noise([tiny.hidden], 1, 62)), config)));
  });

  it('no bias of the projection', async () => {
    const [bare, zero] = [pairTensors(), pairTensors().set('fc.bias', { shape: [tiny.hidden], values: new Float32Array(tiny.hidden) })];
    bare.delete('fc.bias');
    expect(await drafts(await folder(bare, draftConfig(tiny, { bias: false })))).toEqual(await drafts(await folder(zero)));
  });

  it('biases of queries, keys and values, as for Qwen2', async () => {
    const biases = ['q', 'k', 'v'].map((name, i): [string, Values] => [`layers.0.self_attn.${name}_proj.bias`, noise([tiny.hidden], 0.5, 70 + i)]);
    const none = biases.map(([name, { shape }]): [string, Values] => [name, { shape, values: new Float32Array(tiny.hidden) }]);
    const bare = await drafts(await folder(pairTensors()));
    expect(await drafts(await folder(new Map([...pairTensors(), ...none]), draftConfig(tiny, { qkv_bias: true })))).toEqual(bare);
    expect(await drafts(await folder(new Map([...pairTensors(), ...biases]), draftConfig(tiny, { qkv_bias: true })))).not.toEqual(bare);
  });

  it('two layers, of which only the first lacks its norm', async () => {
    const second = renamed(pairTensors(), [/^layers\.0\./, 'layers.1.']);
    const tensors = new Map([...pairTensors(), ...[...second].filter(([name]) => name.startsWith('layers.1.'))]);
    tensors.set('layers.1.input_layernorm.weight', ones(tiny.hidden));
    const both = await drafts(await folder(tensors, draftConfig(tiny, { num_hidden_layers: 2 })));
    expect(both).not.toEqual(await drafts(await folder(pairTensors())));
    // A second layer that adds nothing to its input is none.
    for (const name of ['self_attn.o_proj', 'mlp.down_proj']) tensors.set(`layers.1.${name}.weight`, { ...tensors.get(`layers.1.${name}.weight`)!, values: new Float32Array(tensors.get(`layers.1.${name}.weight`)!.values.length) });
    expect(await drafts(await folder(tensors, draftConfig(tiny, { num_hidden_layers: 2 })))).toEqual(await drafts(await folder(pairTensors())));
  });
});
