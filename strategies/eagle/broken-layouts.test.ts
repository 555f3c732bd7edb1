import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TensorData } from '../../core/checkpoint/safetensors-writer.js';
import { writeTinyModel } from '../../core/testing/index.js';
import { refusalOf } from '../../test/fixtures/drafts.js';
import { draftConfig, joinedTensors, knownTokens, pairTensors, vocabularyTables } from '../../test/fixtures/tiny-draft-layers.js';
import { noise, readTinyTarget, type TinyTarget, type Values, writeHeadFolder } from '../../test/fixtures/tiny-heads.js';

let root: string;
let target: string;
let tiny: TinyTarget;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foretoken-eagle-broken-'));
  target = join(root, 'target');
  await writeTinyModel(target);
  tiny = readTinyTarget(target);
});
afterAll(() => rm(root, { recursive: true, force: true }));

type Change = (tensors: Map<string, Values>) => unknown;
interface Broken { readonly head: string; readonly file: string; readonly message: string }

async function broken(all: Map<string, Values>, change: Change, config: object, extra: readonly TensorData[] = []): Promise<Broken> {
  change(all);
  const head = await mkdtemp(join(root, 'head-'));
  await writeHeadFolder(head, config, all, { extra });
  return { head, file: join(head, 'model.safetensors'), message: await refusalOf(target, { name: 'eagle', head }) };
}
const pair = (change: Change, fields: object = {}, extra: readonly TensorData[] = []): Promise<Broken> => broken(pairTensors(), change, draftConfig(tiny, fields), extra);
const KNOWN = 84;
const joined = (change: Change, fields: object = {}, extra: readonly TensorData[] = vocabularyTables(tiny)): Promise<Broken> =>
  broken(joinedTensors(tiny), change, draftConfig(tiny, { draft_vocab_size: KNOWN, ...fields }), extra);
const nothing = (): undefined => undefined;

describe('a broken EAGLE-1 checkpoint is refused by file, tensor, expected and found:', () => {
  it.each([
    ['layers.0.self_attn.q_proj.weight', 'no draft layer'],   // told from other checkpoints by the two that follow
    ['layers.0.self_attn.k_proj.weight', '[64, 64]'], ['layers.0.self_attn.v_proj.weight', '[64, 64]'], ['layers.0.self_attn.o_proj.weight', '[64, 64]'],
    ['layers.0.mlp.gate_proj.weight', '[96, 64]'], ['layers.0.mlp.up_proj.weight', '[96, 64]'], ['layers.0.mlp.down_proj.weight', '[64, 96]'],
    ['layers.0.post_attention_layernorm.weight', '[64]'],
  ])('without %s', async (name, shape) => {
    const { file, message } = await pair((all) => all.delete(name));
    expect(message).toContain(`\`head\`: ${file} has no tensor "${name}"; expected ${shape.startsWith('[') ? shape : '[64, 64]'}`);
  });

  it('without its projection', async () => {
    const { head, file, message } = await pair((all) => all.delete('fc.weight'));
    expect(message).toMatch(/"fc\.weight"|"layers\.0\.input_layernorm\.weight"/);
    expect(message).toContain('expected');
    expect(message).toContain(head);
    expect(file).toContain(head);
  });

  it('of a target of another width', async () => {
    const { file, message } = await pair((all) => all.set('fc.weight', noise([64, 192], 1, 1)));
    expect(message).toContain(`Tensor "fc.weight" in ${file} has shape [64, 192]; expected [64, 128], the projection of [embedding, hidden state], both 64 wide as in the target.`);
    const whole = await pair((all) => { for (const [name, { shape }] of all) all.set(name, noise(shape.map((size) => 2 * size), 0.1, 1)); }, { hidden_size: 128, intermediate_size: 192, num_attention_heads: 8, num_key_value_heads: 8 });
    expect(whole.message).toContain(`Tensor "fc.weight" in ${whole.file} has shape [128, 256]; expected [64, 128]`);
  });

  it('of another number of heads than config.json says', async () => {
    const { file, message } = await pair((all) => all.set('layers.0.self_attn.k_proj.weight', noise([32, 64], 1, 1)));
    expect(message).toContain(`Tensor "layers.0.self_attn.k_proj.weight" in ${file} has shape [32, 64]; expected [64, 64], num_key_value_heads * head_dim × hidden_size.`);
    const queries = await pair(nothing, { num_attention_heads: 8 });
    expect(queries.message).toContain(`Tensor "layers.0.self_attn.q_proj.weight" in ${queries.file} has shape [64, 64]; expected [128, 64], num_attention_heads * head_dim × hidden_size.`);
  });

  it('of another vocabulary', async () => {
    const { file, message } = await pair((all) => all.set('embed_tokens.weight', noise([320, 64], 1, 1)));
    expect(message).toContain(`Tensor "embed_tokens.weight" in ${file} has shape [320, 64]; expected [96, 64], as in the target.`);
    const stated = await pair(nothing, { vocab_size: 32000 });
    expect(stated.message).toContain(`${stated.head}/config.json has "vocab_size": 32000; expected 96, the target's.`);
  });

  it('with a head for some tokens and no word on which', async () => {
    const all = new Map([...pairTensors()].map(([name, values]) => [`model.${name}`, values]));
    const { file, message } = await broken(all, (tensors) => tensors.set('lm_head.weight', noise([32, 64], 1, 1)), { model_type: 'eagle', model: draftConfig(tiny) });
    expect(message).toContain(`${file} has no tensor "token_map"; expected [32], the token ids of the rows of lm_head.`);
  });

  it('with a tensor that the layout does not have', async () => {
    const { file, message } = await pair((all) => all.set('layers.0.input_layernorm.weight', noise([64], 1, 1)));
    expect(message).toContain(`${file} holds "layers.0.input_layernorm.weight", which a draft layer of this layout (EAGLE-1) does not have; expected no other tensor.`);
  });

  it('with two names of the same tensor', async () => {
    const { file, message } = await pair((all) => all.set('fusion_fc.weight', noise([64, 128], 1, 1)));
    expect(message).toContain(`${file} holds "fc.weight" and "fusion_fc.weight", two names of the same tensor; expected one.`);
  });

  it('quantised', async () => {
    const { file, message } = await pair((all) => all.delete('fc.weight'), {}, [{ name: 'fc.weight', dtype: 'F8_E4M3', shape: [64, 128], data: new Uint8Array(64 * 128) }]);
    expect(message).toContain(`Tensor "fc.weight" in ${file} is stored as F8_E4M3; expected F32, F16 or BF16.`);
    const scaled = await pair((all) => all.set('fc.weight_scale', noise([1], 1, 1)));
    expect(scaled.message).toContain('holds quantised weights ("fc.weight_scale"); expected F32, F16 or BF16.');
  });
});

describe('a broken EAGLE-3 checkpoint is refused by file, tensor, expected and found:', () => {
  it('without any of its tensors', async () => {
    for (const name of joinedTensors(tiny).keys()) {
      const { head, message } = await joined((all) => all.delete(name));
      expect(message, name).toContain(`"${name}"`);
      expect(message, name).toContain('expected');
      expect(message, name).toContain(head);
    }
  });

  it.each([
    ['fc.weight', '[64, 64]'], ['layers.0.input_layernorm.weight', '[64]'], ['layers.0.self_attn.k_proj.weight', '[64, 128]'],
    ['layers.0.mlp.down_proj.weight', '[64, 96]'], ['norm.weight', '[64]'], ['lm_head.weight', '[84, 64]'],
  ])('without %s', async (name, shape) => {
    const { file, message } = await joined((all) => all.delete(name));
    expect(message).toContain(`\`head\`: ${file} has no tensor "${name}"; expected ${shape}`);
  });

  it('without d2t', async () => {
    const { file, message } = await joined(nothing, {}, []);
    expect(message).toContain(`${file} has no tensor "d2t"; expected I64 [84]: "lm_head.weight" has 84 rows for a target of 96 tokens`);
    const silent = await joined((all) => all.set('lm_head.weight', noise([40, 64], 1, 1)), { draft_vocab_size: undefined }, []);
    expect(silent.message).toContain(`${silent.file} has no tensor "d2t"; expected I64 [40]`);
  });

  it('with a d2t of another length or kind', async () => {
    const known = knownTokens(tiny).slice(0, 80);
    const { file, message } = await joined(nothing, {}, vocabularyTables(tiny, known).slice(0, 1));
    expect(message).toContain(`Tensor "d2t" in ${file} has shape [80]; expected [84], one offset for each token of the draft.`);
    const real = await joined((all) => all.set('d2t', noise([84], 1, 1)), {}, []);
    expect(real.message).toContain(`Tensor "d2t" in ${real.file} is stored as F32; expected I64 or I32.`);
  });

  it('for the vocabulary of another target', async () => {
    const [d2t] = vocabularyTables(tiny);
    const { file, message } = await joined(nothing, {}, [d2t!, { name: 't2d', dtype: 'BOOL', shape: [320], data: new Uint8Array(320) }]);
    expect(message).toContain(`Tensor "t2d" in ${file} has 320 entries; expected 96, the target's vocabulary.`);
    const larger = await joined((all) => all.set('lm_head.weight', noise([320, 64], 1, 1)), { draft_vocab_size: 320 }, []);
    expect(larger.message).toContain(`Tensor "lm_head.weight" in ${larger.file} has 320 rows; expected at most 96, the target's vocabulary.`);
    const stated = await joined((all) => all.set('lm_head.weight', noise([80, 64], 1, 1)));
    expect(stated.message).toContain(`Tensor "lm_head.weight" in ${stated.file} has shape [80, 64]; expected [84, 64], draft_vocab_size × hidden_size.`);
  });

  it('for a target of another width or depth', async () => {
    const { head, message } = await joined(nothing, { target_hidden_size: 4096 });
    expect(message).toContain(`${head}/config.json has "target_hidden_size": 4096; expected 64, the target's hidden size.`);
    const wide = await joined((all) => all.set('fc.weight', noise([64, 384], 1, 1)));
    expect(wide.message).toContain(`Tensor "fc.weight" in ${wide.file} has shape [64, 384]; expected [64, 64], hidden_size × 1 residual stream of 64.`);
    const deep = await joined(nothing, { eagle_aux_hidden_state_layer_ids: [18] });
    expect(deep.message).toContain(`${deep.head}/config.json names residual stream 18 (config.json names layers whose input is taken); expected 0 to 2, as the target has 2 layers.`);
  });

  it('of another number of heads than config.json says', async () => {
    const { file, message } = await joined(nothing, { num_key_value_heads: 2 });
    expect(message).toContain(`Tensor "layers.0.self_attn.k_proj.weight" in ${file} has shape [64, 128]; expected [32, 128], num_key_value_heads * head_dim × 2 * hidden_size.`);
  });

  it('with projections of the width of an EAGLE-1 layer', async () => {
    const { file, message } = await joined((all) => all.set('layers.0.self_attn.q_proj.weight', noise([64, 64], 1, 1)));
    expect(message).toContain(`Tensor "layers.0.self_attn.q_proj.weight" in ${file} has shape [64, 64]; expected [64, 128], num_attention_heads * head_dim × 2 * hidden_size.`);
  });
});

describe('a checkpoint of another kind is refused in words:', () => {
  it.each([
    ['kv_a_proj_with_mqa', 'midlayer.self_attn.kv_a_proj_with_mqa.weight', 'a layer with latent attention'],
    ['several tokens at once', 'mask_hidden', 'a draft that guesses several tokens at once'],
    ['Medusa heads', 'medusa_head.0.0.linear.weight', 'heads of another kind'],
  ])('%s', async (_, name, words) => {
    const { file, message } = await joined((all) => all.set(name, noise([64, 64], 1, 1)));
    expect(message).toContain(file);
    expect(message).toContain(words);
  });

  it('a whole model', async () => {
    const message = await refusalOf(target, { name: 'eagle', head: target });
    expect(message).toContain(`${target} holds no draft layer: expected tensors such as "fc.weight"`);
  });
});
