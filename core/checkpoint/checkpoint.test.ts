import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError } from '../errors.js';
import { describeCheckpoint, readCheckpoint, summarise, type DescribedCheckpoint } from './checkpoint.js';
import { readSafetensorsBlob } from './safetensors-blob.js';
import { writeSafetensors, type TensorData } from './safetensors-writer.js';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures');
const SINGLE = join(FIXTURES, 'checkpoints/valid/model-single');
const scratch = mkdtempSync(join(tmpdir(), 'foretoken-checkpoint-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const load = async (folder: string): Promise<DescribedCheckpoint> => describeCheckpoint(await readCheckpoint(folder));
const emptyFolder = (): string => mkdtempSync(join(scratch, 'folder-'));

/** The one-layer Llama of the fixtures, with changes. */
async function variant(change: (tensors: Map<string, TensorData>, config: Record<string, unknown>) => void): Promise<string> {
  const folder = emptyFolder();
  const tensors = readSafetensorsBlob(readFileSync(join(SINGLE, 'model.safetensors')));
  const config = JSON.parse(readFileSync(join(SINGLE, 'config.json'), 'utf8')) as Record<string, unknown>;
  change(tensors, config);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors.values());
  return folder;
}
const extra = (name: string, dtype: TensorData['dtype'] = 'F32'): TensorData => ({ name, dtype, shape: [0], data: new Uint8Array() });
const withExtra = (name: string): Promise<string> => variant((tensors) => tensors.set(name, extra(name)));

describe('golden checkpoints', () => {
  const collections = [join(FIXTURES, 'golden'), join(import.meta.dirname, '../../../shared/golden/models/checkpoints')];
  for (const folder of collections) {
    it.skipIf(!existsSync(folder))(`give the same model from either style of config.json, ${folder === collections[0] ? 'fixtures' : 'the whole collection'}`, async () => {
      const names = readdirSync(folder).filter((name) => /^(llama.*|mistral.*|qwen2.*|qwen3|phi3|gemma2|gemma3|olmo2|granite|smollm3|mixtral|qwen3-moe|phi3-longrope)$/.test(name));
      for (const name of names) {
        const original = await load(join(folder, name));
        const copy = emptyFolder();
        cpSync(join(folder, name), copy, { recursive: true });
        const other = readdirSync(copy).find((file) => /^config\.(old|new)-style\.json$/.test(file))!;
        cpSync(join(copy, other), join(copy, 'config.json'));
        const { tensors, ...rest } = await load(copy);
        const { tensors: originalTensors, ...originalRest } = original;
        expect(rest, name).toEqual(originalRest);
        expect(Object.keys(tensors), name).toEqual(Object.keys(originalTensors));
        const golden = JSON.parse(readFileSync(join(folder, name, 'golden.json'), 'utf8')) as Record<string, unknown>;
        expect(original.description, name).toMatchObject({ tied: golden['tied'] === true && golden['lm_head_in_file'] !== true, vocabSize: golden['vocab_size'], hiddenSize: golden['hidden_size'], layers: golden['num_layers'] });
        expect(original.storedDtype.toUpperCase(), name).toBe(golden['weights_dtype']);
      }
      console.log(`${names.length} of ${names.length} golden checkpoints described alike from both styles`);
      expect(names.length).toBeGreaterThan(2);
    });
  }
});

describe('describeCheckpoint', () => {
  it('gives every tensor its neutral name, absolute file, dtype, shape and place', async () => {
    const { tensors, description, ignored, storedDtype, eosTokenIds, bosTokenId } = await load(SINGLE);
    const layer = ['attentionNorm', 'mlpNorm', 'q', 'k', 'v', 'o', 'gate', 'up', 'down'].map((name) => `layers.0.${name}`);
    expect(Object.keys(tensors).sort()).toEqual(['embedding', 'finalNorm', 'head', ...layer].sort());
    expect(tensors['layers.0.down']).toMatchObject({ file: join(SINGLE, 'model.safetensors'), dtype: 'bf16', shape: [16, 24] });
    const header = (await readCheckpoint(SINGLE)).tensors.get('model.layers.0.mlp.down_proj.weight')!;
    expect(tensors['layers.0.down']!.offset).toBe(header.offset);
    expect({ tied: description.tied, ignored, storedDtype, eosTokenIds, bosTokenId }).toEqual({ tied: false, ignored: [], storedDtype: 'bf16', eosTokenIds: [2], bosTokenId: 1 });
  });

  it('finds the special tokens in generation_config.json first', async () => {
    const folder = await variant(() => undefined);
    writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": [5, 6, 5], "do_sample": true}');
    expect(await load(folder)).toMatchObject({ eosTokenIds: [5, 6], bosTokenId: 1 });
    writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": null}');
    expect(await load(folder)).toMatchObject({ eosTokenIds: [2] });
    writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": "</s>"}');
    await expect(load(folder)).rejects.toThrow(/generation_config\.json has "eos_token_id": "<\/s>"; expected a token id/);
    writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": 1');
    await expect(load(folder)).rejects.toThrow(/generation_config\.json is not valid JSON/);
  });

  it('lets a tied head be absent, and uses one that is there', async () => {
    const absent = await load(await variant((tensors, config) => { tensors.delete('lm_head.weight'); config['tie_word_embeddings'] = true; }));
    expect([absent.description.tied, 'head' in absent.tensors]).toEqual([true, false]);
    const present = await load(await variant((_, config) => { config['tie_word_embeddings'] = true; }));
    expect([present.description.tied, 'head' in present.tensors]).toEqual([false, true]);
  });

  it('reads files whose names lack the prefix "model."', async () => {
    const folder = await variant((tensors) => {
      for (const tensor of [...tensors.values()]) {
        tensors.delete(tensor.name);
        tensors.set(tensor.name, { ...tensor, name: tensor.name.replace(/^model\./, '') });
      }
    });
    expect(Object.keys((await load(folder)).tensors)).toEqual(Object.keys((await load(SINGLE)).tensors));
  });

  it('takes mixed dtypes tensor by tensor, and names the one of most bytes', async () => {
    const folder = await variant((tensors) => tensors.set('model.norm.weight', { name: 'model.norm.weight', dtype: 'F32', shape: [16], data: new Uint8Array(64) }));
    const { tensors, storedDtype } = await load(folder);
    expect([tensors['finalNorm']!.dtype, tensors['embedding']!.dtype, storedDtype]).toEqual(['f32', 'bf16', 'bf16']);
  });

  it.each(['some.other.weight', 'model.layers.0.self_attn.rotary_emb.inv_freq', 'medusa_head.0.weight'])('ignores %s and says so', async (name) => {
    expect((await load(await withExtra(name))).ignored).toEqual([name]);
  });

  it('leaves fields of config.json that belong to what was merged into the checkpoint', async () => {
    const merged = (part: string): Promise<string> => variant((tensors, config) => {
      tensors.set(`${part}.0.weight`, extra(`${part}.0.weight`));
      Object.assign(config, { added_num_parts: 3, added: { parts: 3 } });
    });
    expect((await load(await merged('added_part'))).ignored).toEqual(['added_part.0.weight']);
    await expect(load(await merged('other_part'))).rejects.toThrow(/has "added_num_parts": 3, which is not implemented/);
  });

  it.each<[string, RegExp]>([
    ['model.layers.0.self_attn.q_proj.bias', /holds "model.layers.0.self_attn.q_proj.bias", which a llama model with this config.json does not have/],
    ['model.layers.0.self_attn.q_norm.weight', /q_norm.weight", which a llama model/],
    ['model.layers.1.input_layernorm.weight', /but config.json says "num_hidden_layers": 1/],
    ['model.layers.0.self_attn.q_proj.lora_A.weight', /adapter weights .*merge the adapter/],
    ['model.layers.0.mlp.up_proj.qweight', /quantised weights \("model.layers.0.mlp.up_proj.qweight"\)/],
    ['model.layers.0.mlp.up_proj.weight_scale', /quantised weights/],
    ['model.layers.0.mlp.up_proj.scales', /quantised weights/],
    ['model.embed_positions.weight', /does not have/],
    ['model.norm.bias', /does not have/],
    ['lm_head.bias', /does not have/],
  ])('refuses a checkpoint that also holds %s', async (name, message) => {
    await expect(load(await withExtra(name))).rejects.toThrow(message);
    await expect(load(await withExtra(name))).rejects.toThrow(CheckpointError);
  });

  it.each(['F64', 'F8_E4M3', 'I8'] as const)('refuses weights stored as %s', async (dtype) => {
    const folder = await variant((tensors) => tensors.set('model.norm.weight', { name: 'model.norm.weight', dtype, shape: [16], data: new Uint8Array(dtype === 'F64' ? 128 : 16) }));
    await expect(load(folder)).rejects.toThrow(`"model.norm.weight" in ${join(folder, 'model.safetensors')} is stored as ${dtype}; weights are read as F32, BF16, F16`);
  });

  it('says which field counts a layer that is not there', async () => {
    await expect(load(await variant((_, config) => { config['num_hidden_layers'] = 2; }))).rejects.toThrow(/no tensor "model.layers.1.input_layernorm.weight".*"num_hidden_layers" counts a layer 1/);
  });
});

describe('readCheckpoint', () => {
  it('says what came instead of a checkpoint folder, and what to do', async () => {
    const file = join(SINGLE, 'model.safetensors');
    await expect(readCheckpoint(join(scratch, 'absent'))).rejects.toThrow(`There is no checkpoint folder at ${join(scratch, 'absent')}`);
    await expect(readCheckpoint(file)).rejects.toThrow(`give its folder, ${SINGLE}`);
    await expect(readCheckpoint(emptyFolder())).rejects.toThrow(/has no config.json; expected a checkpoint folder/);
    await expect(readCheckpoint('a\0b')).rejects.toThrow(CheckpointError);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['no weights', [], /holds no weights; expected model.safetensors, or model.safetensors.index.json/],
    ['weights of another kind', ['tf_model.h5'], /format that is not read \(tf_model.h5\).*safe_serialization=True/],
    ['GGUF weights', ['model-Q4_K.gguf'], /as GGUF/],
    ['shards without their index', ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'], /several safetensors files.*copy the index too/],
  ])('says what a folder with %s lacks', async (_, files, message) => {
    const folder = emptyFolder();
    for (const file of ['config.json', ...files]) writeFileSync(join(folder, file), '{}');
    await expect(readCheckpoint(folder)).rejects.toThrow(message);
  });

  it('reads the one safetensors file of a folder of heads, and sums it up', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'config.json'), '{"medusa_num_heads": 2}');
    await writeSafetensors(join(folder, 'medusa_lm_head.safetensors'), [{ name: '0.0.linear.weight', dtype: 'F16', shape: [1, 2], data: new Uint8Array(4) }]);
    const checkpoint = await readCheckpoint(folder);
    expect(summarise(checkpoint, 'fingerprint')).toEqual({
      path: folder, config: { medusa_num_heads: 2 }, vocabulary: 'fingerprint', tensors: new Map([['0.0.linear.weight', { dtype: 'F16', shape: [1, 2], file: join(folder, 'medusa_lm_head.safetensors') }]]),
    });
    expect(summarise(checkpoint)).not.toHaveProperty('vocabulary');
    expect(() => describeCheckpoint(checkpoint)).toThrow(/neither "model_type" nor "architectures"/);
  });

  it('takes tensors of a shard that the index leaves out, unless two shards hold one', async () => {
    const folder = emptyFolder();
    const tensor = (name: string): TensorData => extra(name);
    writeFileSync(join(folder, 'config.json'), '{}');
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: 'one.safetensors', b: 'two.safetensors' } }));
    await writeSafetensors(join(folder, 'one.safetensors'), [tensor('a'), tensor('c'), tensor('b')]);
    await writeSafetensors(join(folder, 'two.safetensors'), [tensor('b')]);
    const { tensors } = await readCheckpoint(folder);
    expect([...tensors].map(([name, { file }]) => [name, file])).toEqual([['a', join(folder, 'one.safetensors')], ['b', join(folder, 'two.safetensors')], ['c', join(folder, 'one.safetensors')]]);
    await writeSafetensors(join(folder, 'two.safetensors'), [tensor('b'), tensor('c')]);
    await expect(readCheckpoint(folder)).rejects.toThrow(/does not say where tensor "c" is/);
  });

  it.each(['../x.safetensors', '..\\x.safetensors', '/x.safetensors', 'C:x.safetensors', 'sub/x.safetensors', 'x.bin', '', '.', 'x\u0000.safetensors'])('opens nothing outside the folder for the shard name %j', async (shard) => {
    const folder = emptyFolder();
    mkdirSync(join(folder, 'sub'));
    for (const place of ['../x.safetensors', 'sub/x.safetensors']) await writeSafetensors(join(folder, place), [extra('a')]);
    writeFileSync(join(folder, 'config.json'), '{}');
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: shard } }));
    await expect(readCheckpoint(folder)).rejects.toThrow(/expected the name of a safetensors file in the same folder/);
  });

  it('names the file and the place where config.json is not JSON', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'config.json'), '{\n "a": 1,\n "a": 2\n}');
    await expect(readCheckpoint(folder)).rejects.toThrow(`${join(folder, 'config.json')} is not valid JSON: the key "a" occurs twice (line 3, column 2)`);
    writeFileSync(join(folder, 'config.json'), Buffer.from([0x7b, 0xff, 0x7d]));
    await expect(readCheckpoint(folder)).rejects.toThrow(/config.json is not valid UTF-8/);
  });
});
