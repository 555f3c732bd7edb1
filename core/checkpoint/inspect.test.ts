import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError } from '../errors.js';
import { loadNative } from '../native/binding.js';
import { describeCheckpoint, readCheckpoint } from './checkpoint.js';
import { inspectCheckpoint } from './inspect.js';
import { readSafetensorsBlob } from './safetensors-blob.js';
import { writeSafetensors, type TensorData } from './safetensors-writer.js';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures');
const SINGLE = join(FIXTURES, 'checkpoints/valid/model-single');
const DEMO = join(import.meta.dirname, '../../models/demo');
const SHARED = join(import.meta.dirname, '../../../shared/golden/models/checkpoints');
const scratch = mkdtempSync(join(tmpdir(), 'foretoken-inspect-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The one-layer Llama of the fixtures, with changes. */
async function variant(change: (tensors: Map<string, TensorData>, config: Record<string, unknown>) => void): Promise<string> {
  const folder = mkdtempSync(join(scratch, 'folder-'));
  const tensors = readSafetensorsBlob(readFileSync(join(SINGLE, 'model.safetensors')));
  const config = JSON.parse(readFileSync(join(SINGLE, 'config.json'), 'utf8')) as Record<string, unknown>;
  change(tensors, config);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors.values());
  return folder;
}

describe('inspectCheckpoint', () => {
  it('describes the demo model with its tokenizer', async () => {
    const { kind, model, tokenizer, weights, problems, notes } = await inspectCheckpoint(join(DEMO, 'target'));
    expect({ kind, problems, notes }).toEqual({ kind: 'model', problems: [], notes: [] });
    expect(model).toMatchObject({ architecture: 'llama', storedDtype: 'bf16', description: { layers: 6, hiddenSize: 384, kvHeads: 2, headDim: 64 }, memory: { kvPerToken: { bf16: 3072, f32: 6144 } } });
    expect(tokenizer).toMatchObject({ size: 4096, specialTokens: 4 });
    expect(weights).toMatchObject({ bytes: 2 * weights!.parameters, dtypes: { BF16: 1 } });
  });

  it('says what the weights take in memory, to the byte', async () => {
    const runtime = loadNative().createRuntime({ threads: 1 });
    const collection = existsSync(SHARED) ? SHARED : join(FIXTURES, 'golden');
    let compared = 0;
    for (const name of readdirSync(collection)) {
      const { model } = await inspectCheckpoint(join(collection, name));
      if (model === undefined) continue;
      for (const dtype of ['f32', 'bf16'] as const) {
        const { description, tensors } = describeCheckpoint(await readCheckpoint(join(collection, name)));
        const native = await runtime.loadModel(description, tensors, dtype);
        expect(model.memory.weights[dtype], `${name} ${dtype}`).toBe(native.bytes);
        native.dispose();
        compared++;
      }
    }
    runtime.dispose();
    expect(compared).toBeGreaterThan(5);
  });

  it('knows a draft head from a model that lacks parts', async () => {
    for (const head of ['medusa', 'eagle', 'eagle3', 'redrafter']) {
      const { kind, problems, notes, model } = await inspectCheckpoint(join(DEMO, head));
      expect({ kind, problems, model }, head).toEqual({ kind: 'weights', problems: [], model: undefined });
      expect(notes[0], head).toMatch(/^it is no model on its own: /);
    }
    const { kind, problems } = await inspectCheckpoint(await variant((tensors) => tensors.delete('model.norm.weight')));
    expect({ kind, problems }).toMatchObject({ kind: 'broken', problems: [expect.stringMatching(/no tensor "model.norm.weight"/)] });
  });

  it('asks strategies whether they run, on a model or with a head on its target', async () => {
    const running = async (folder: string, target?: string): Promise<string[]> => {
      const { strategies } = await inspectCheckpoint(join(DEMO, folder), target === undefined ? {} : { target });
      return strategies.filter(({ refused, maxNodes }) => refused === undefined && maxNodes! > 0).map(({ config }) => config.name);
    };
    expect(await running('target')).toEqual(expect.arrayContaining(['lookahead', 'prompt-lookup']));
    expect(await running('target')).not.toContain('medusa');
    for (const [head, strategy] of [['medusa', 'medusa'], ['eagle', 'eagle'], ['eagle3', 'eagle'], ['redrafter', 'redrafter'], ['draft', 'draft-target']] as const) {
      expect(await running(head, join(DEMO, 'target')), head).toContain(strategy);
    }
    const { strategies } = await inspectCheckpoint(join(DEMO, 'medusa'), { target: SINGLE });
    expect(strategies.map(({ refused }) => refused)).toEqual(strategies.map(() => expect.stringMatching(/cannot run here/) as unknown));
    expect((await inspectCheckpoint(join(DEMO, 'medusa'))).strategies).toEqual([]);
    await expect(inspectCheckpoint(join(DEMO, 'medusa'), { target: join(DEMO, 'eagle') })).rejects.toThrow(CheckpointError);
  });

  it('gathers every problem, not the first', async () => {
    const folder = await variant((tensors, config) => {
      tensors.delete('model.layers.0.mlp.up_proj.weight');
      tensors.set('model.layers.0.self_attn.q_proj.weight', { name: 'model.layers.0.self_attn.q_proj.weight', dtype: 'F64', shape: [1], data: new Uint8Array(8) });
      tensors.set('model.layers.7.mlp.up_proj.weight', { name: 'model.layers.7.mlp.up_proj.weight', dtype: 'F32', shape: [0], data: new Uint8Array() });
      Object.assign(config, { residual_multiplier: 0.5, embedding_multiplier: 2, eos_token_id: 'x' });
    });
    writeFileSync(join(folder, 'tokenizer.json'), '{"model": {}}');
    const { kind, problems } = await inspectCheckpoint(folder);
    expect(kind).toBe('broken');
    expect(problems).toEqual([
      /q_proj.weight" in .* has shape \[1\]/, /no tensor "model.layers.0.mlp.up_proj.weight"/, /holds "model.layers.7.mlp.up_proj.weight", but config.json says "num_hidden_layers": 1/,
      /"residual_multiplier": 0.5/, /"embedding_multiplier": 2/, /"eos_token_id": "x"/, /tokenizer.json/,
    ].map((message) => expect.stringMatching(message) as unknown));
  });

  it('ends the search where it would not end by itself', async () => {
    const { problems } = await inspectCheckpoint(await variant((_, config) => { config['num_hidden_layers'] = 9999; }));
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toMatch(/the search ended after 100 problems/);
  });

  it('sees a tokenizer that is too large for its model, and end tokens that do not exist', async () => {
    const folder = await variant((_, config) => { config['eos_token_id'] = [2, 99]; });
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) if (existsSync(join(DEMO, 'target', name))) cpSync(join(DEMO, 'target', name), join(folder, name));
    const { problems } = await inspectCheckpoint(folder);
    expect(problems).toEqual([expect.stringMatching(/end token 99 is outside the vocabulary of 32/), expect.stringMatching(/ids up to 4095, but the model's vocabulary ends at 31/)]);
  });

  it('tells of broken files side by side, and of folders that are none', async () => {
    const folder = mkdtempSync(join(scratch, 'folder-'));
    writeFileSync(join(folder, 'config.json'), '{');
    writeFileSync(join(folder, 'model.safetensors'), 'x');
    expect((await inspectCheckpoint(folder)).problems).toEqual([expect.stringMatching(/config.json is not valid JSON/), expect.stringMatching(/model.safetensors is not a valid safetensors file/)]);
    expect((await inspectCheckpoint(mkdtempSync(join(scratch, 'folder-')))).problems).toEqual([expect.stringMatching(/holds no weights/), expect.stringMatching(/has no config.json/)]);
    await expect(inspectCheckpoint(join(scratch, 'absent'))).rejects.toThrow(CheckpointError);
  });

  it('says that a model without tokenizer has no text, and what never ends it', async () => {
    const { kind, notes } = await inspectCheckpoint(SINGLE);
    expect({ kind, notes }).toEqual({ kind: 'model', notes: [expect.stringMatching(/tokenizer.json does not exist, so this model has no text/)] });
  });
});
