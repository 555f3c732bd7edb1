import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../errors.js';
import { parseStrictJsonObject, type JsonObject } from '../checkpoint/strict-json.js';
import type { ArchitecturePlan } from './architecture.js';
import { ConfigFields } from './config-fields.js';
import { architectureOf, ARCHITECTURES } from './architecture-of.js';
import { IRRELEVANT_FIELDS } from './irrelevant-fields.js';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/checkpoints/configs');
const SHARED = join(import.meta.dirname, '../../../shared/data/configs/models');
const KNOWN = ARCHITECTURES.map(({ name }) => name);

function plan(config: JsonObject, source = 'config.json'): ArchitecturePlan {
  const architecture = architectureOf(config, source);
  const fields = new ConfigFields(config, source);
  const result = architecture.describe(fields);
  fields.refuseUnread(architecture.name, [...IRRELEVANT_FIELDS, ...architecture.irrelevant]);
  return result;
}

const SMALL = { model_type: 'llama', vocab_size: 32, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 3, num_attention_heads: 2 };
const HEAD_DIMS: Readonly<Record<string, number>> = { qwen3: 128, gemma2: 256, gemma3_text: 256 };
const THETAS: Readonly<Record<string, number>> = { gemma3_text: 1e6, smollm3: 2e6, mixtral: 1e6 };
const small = (more: JsonObject): ArchitecturePlan => plan({ ...SMALL, ...more });
const names = ({ tensors }: ArchitecturePlan): string[] => [...tensors()].map(({ name }) => name);

describe('public configs', () => {
  for (const [name, folder] of [['fixtures', FIXTURES], ['the whole collection', SHARED]] as const) {
    it.skipIf(!existsSync(folder))(`accepts those of known families and refuses the others by name, ${name}`, () => {
      const files = readdirSync(folder);
      let accepted = 0;
      for (const file of files) {
        const config = parseStrictJsonObject(readFileSync(join(folder, file), 'utf8'), file);
        const type = String(config['model_type']);
        if (KNOWN.includes(type)) {
          expect(plan(config, file).description.layers, file).toBe(config['num_hidden_layers']);
          accepted++;
        } else expect(() => plan(config, file), file).toThrow(`"model_type": "${type}", which is not supported; known: ${KNOWN.join(', ')}`);
      }
      console.log(`${accepted} of ${files.length} configs accepted, ${files.length - accepted} of other families refused`);
      expect(accepted).toBeGreaterThan(3);
    });
  }

  it('describes Llama 3.1 8B, Qwen2.5 3B, Qwen3 0.6B and Mistral 7B as they are', () => {
    const read = (file: string): ArchitecturePlan => plan(parseStrictJsonObject(readFileSync(join(FIXTURES, file), 'utf8'), file));
    const { description } = read('llama-3.1-8b-instruct.json');
    expect(description).toMatchObject({ layers: 32, heads: 32, kvHeads: 8, headDim: 128, vocabSize: 128_256, maxPositions: 131_072, normEps: 1e-5, activation: 'silu', qkNorm: 'none' });
    expect(description.attentionScale).toBeCloseTo(128 ** -0.5, 15);
    expect(description.ropes[0]!.inverseFrequencies).toHaveLength(64);
    expect(read('qwen2.5-3b.json')).toMatchObject({ tied: true, description: { kvHeads: 2, headDim: 128, layer: Array(36).fill({ rope: 0, slidingWindow: 0 }) } });
    expect(names(read('qwen2.5-3b.json')).filter((name) => name.startsWith('layers.35.') && name.endsWith('.bias'))).toEqual(['layers.35.q.bias', 'layers.35.k.bias', 'layers.35.v.bias']);
    expect(read('qwen3-0.6b.json').description).toMatchObject({ qkNorm: 'head', headDim: 128, hiddenSize: 1024, heads: 16 });
    expect(names(read('qwen3-0.6b.json'))).toEqual(expect.arrayContaining(['layers.27.qNorm', 'layers.27.kNorm']));
    expect(read('mistral-7b-v0.1.json').description.layer[31]).toEqual({ rope: 0, slidingWindow: 4096 });
  });
});

describe('defaults', () => {
  it('fills in what each family leaves out', () => {
    const sizes = { num_attention_heads: 64, hidden_size: 1024 };
    expect(small(sizes)).toMatchObject({ tied: false, description: { kvHeads: 64, headDim: 16, maxPositions: 2048, normEps: 1e-6 } });
    expect(small({ ...sizes, model_type: 'mistral' }).description).toMatchObject({ kvHeads: 8, headDim: 16, maxPositions: 131_072, layer: Array(3).fill({ rope: 0, slidingWindow: 4096 }) });
    expect(small({ ...sizes, model_type: 'qwen2' }).description).toMatchObject({ kvHeads: 32, headDim: 16, maxPositions: 32_768 });
    expect(small({ ...sizes, model_type: 'qwen3' }).description).toMatchObject({ kvHeads: 32, headDim: 128, maxPositions: 32_768 });
    expect(small({ ...sizes, model_type: 'phi3' })).toMatchObject({ tied: false, description: { kvHeads: 64, headDim: 16, maxPositions: 4096, normEps: 1e-5, layer: Array(3).fill({ rope: 0, slidingWindow: 0 }) } });
    expect(small({ ...sizes, model_type: 'gemma2' })).toMatchObject({ tied: true, description: {
      kvHeads: 4, maxPositions: 8192, normEps: 1e-6, normWeightOffset: 1, activation: 'geluTanh', attentionScale: 1 / 16, attentionSoftCap: 50, logitSoftCap: 30, embeddingScale: 32, preNorm: true, postNorm: true,
      layer: [{ rope: 0, slidingWindow: 4096 }, { rope: 0, slidingWindow: 0 }, { rope: 0, slidingWindow: 4096 }],
    } });
    expect(small({ ...sizes, model_type: 'gemma3_text', num_hidden_layers: 6 })).toMatchObject({ tied: true, description: {
      kvHeads: 4, maxPositions: 131_072, attentionSoftCap: 0, logitSoftCap: 0, qkNorm: 'head', layer: [...Array(5).fill({ rope: 1, slidingWindow: 4096 }), { rope: 0, slidingWindow: 0 }],
    } });
    expect(small({ ...sizes, model_type: 'olmo2' })).toMatchObject({ tied: false, description: { kvHeads: 64, maxPositions: 2048, normEps: 1e-5, preNorm: false, postNorm: true, qkNorm: 'all' } });
    expect(small({ ...sizes, model_type: 'granite' })).toMatchObject({ tied: false, description: { kvHeads: 64, maxPositions: 2048, normEps: 1e-6, attentionScale: 1, embeddingScale: 1, residualScale: 1, logitScale: 1 } });
    expect(small({ ...sizes, model_type: 'smollm3', num_hidden_layers: 4 })).toMatchObject({ tied: true, description: { kvHeads: 4, maxPositions: 32_768, layer: [0, 0, 0, -1].map((rope) => ({ rope, slidingWindow: 0 })) } });
    for (const model_type of KNOWN) {
      expect(small({ ...sizes, model_type, num_key_value_heads: null }).description.kvHeads).toBe(64);
      const { headDim, ropes } = small({ ...sizes, model_type }).description;
      expect(headDim, model_type).toBe(HEAD_DIMS[model_type] ?? 16);
      expect(ropes[0]!.inverseFrequencies[1], model_type).toBeCloseTo((THETAS[model_type] ?? 10_000) ** (-2 / headDim), 14);
    }
  });

  it('finds the family by `architectures` where there is no model_type', () => {
    const { model_type: _, ...rest } = SMALL;
    expect(plan({ ...rest, architectures: ['LlamaForCausalLM'] }).description.layers).toBe(3);
    expect(() => plan(rest)).toThrow(/neither "model_type" nor "architectures"/);
    expect(() => plan({ ...rest, architectures: ['LlamaForCausalLn'] })).toThrow(/did you mean "LlamaForCausalLM"/);
  });
});

describe('tensors', () => {
  const stored = (config: JsonObject): Record<string, unknown> => Object.fromEntries([...small({ num_key_value_heads: 1, num_hidden_layers: 1, ...config }).tensors()].map(({ name, stored: file, shape, rows }) => [name, rows === undefined ? [file, shape] : [file, shape, rows]]));

  it('are rows of fused ones in phi3', () => {
    expect(stored({ model_type: 'phi3' })).toMatchObject({
      'layers.0.q': ['model.layers.0.self_attn.qkv_proj.weight', [32, 16], [0, 16]], 'layers.0.k': ['model.layers.0.self_attn.qkv_proj.weight', [32, 16], [16, 24]], 'layers.0.v': ['model.layers.0.self_attn.qkv_proj.weight', [32, 16], [24, 32]],
      'layers.0.gate': ['model.layers.0.mlp.gate_up_proj.weight', [48, 16], [0, 24]], 'layers.0.up': ['model.layers.0.mlp.gate_up_proj.weight', [48, 16], [24, 48]],
      'layers.0.o': ['model.layers.0.self_attn.o_proj.weight', [16, 16]], 'layers.0.down': ['model.layers.0.mlp.down_proj.weight', [16, 24]],
    });
  });

  it('have norms where the family has them', () => {
    expect(stored({ model_type: 'gemma2', head_dim: 8 })).toMatchObject({
      'layers.0.attentionNorm': ['model.layers.0.input_layernorm.weight', [16]], 'layers.0.attentionPostNorm': ['model.layers.0.post_attention_layernorm.weight', [16]],
      'layers.0.mlpNorm': ['model.layers.0.pre_feedforward_layernorm.weight', [16]], 'layers.0.mlpPostNorm': ['model.layers.0.post_feedforward_layernorm.weight', [16]],
    });
    const olmo = stored({ model_type: 'olmo2' });
    expect(olmo).toMatchObject({ 'layers.0.attentionPostNorm': ['model.layers.0.post_attention_layernorm.weight', [16]], 'layers.0.qNorm': ['model.layers.0.self_attn.q_norm.weight', [16]], 'layers.0.kNorm': ['model.layers.0.self_attn.k_norm.weight', [8]] });
    expect(Object.keys(olmo).filter((name) => /\.(attentionNorm|mlpNorm)$/.test(name))).toEqual([]);
    expect(stored({ model_type: 'gemma3_text', head_dim: 8 })).toMatchObject({ 'layers.0.qNorm': ['model.layers.0.self_attn.q_norm.weight', [8]] });
  });
});

describe('factors, caps and positions', () => {
  it('of granite come from its multipliers', () => {
    expect(small({ model_type: 'granite', attention_multiplier: 0.0078125, embedding_multiplier: 12, residual_multiplier: 0.22, logits_scaling: 16 }).description).toMatchObject({ attentionScale: 0.0078125, embeddingScale: 12, residualScale: 0.22, logitScale: 1 / 16 });
  });

  it('of gemma may be switched off by null', () => {
    expect(small({ model_type: 'gemma2', num_key_value_heads: 1, attn_logit_softcapping: null, final_logit_softcapping: null }).description).toMatchObject({ attentionSoftCap: 0, logitSoftCap: 0 });
    expect(small({ model_type: 'gemma3_text', num_key_value_heads: 1, final_logit_softcapping: 30 }).description.logitSoftCap).toBe(30);
    expect(() => small({ model_type: 'gemma3_text', num_key_value_heads: 1, attn_logit_softcapping: 50 })).toThrow(/"attn_logit_softcapping": 50/);
  });

  it('of phi3 turn a share of a head', () => {
    const phi = (more: JsonObject): number => small({ model_type: 'phi3', head_dim: 32, ...more }).description.ropes[0]!.inverseFrequencies.length;
    expect([phi({}), phi({ partial_rotary_factor: 0.75 }), phi({ partial_rotary_factor: 0.75, rope_parameters: { rope_type: 'default', rope_theta: 1e4, partial_rotary_factor: 0.75 } })]).toEqual([16, 12, 12]);
    expect(() => phi({ partial_rotary_factor: 0.5, rope_parameters: { partial_rotary_factor: 0.75 } })).toThrow(/both 0.5 and 0.75/);
    expect(() => phi({ partial_rotary_factor: 0.1 })).toThrow(/an even number of a head's 32 values/);
    for (const type of ['linear', 'llama3']) expect(() => phi({ rope_scaling: { type, factor: 2 } })).toThrow(`"type": "${type}", which is not supported; known: default, longrope`);
  });

  it('of phi3 change with the length of the text, under all names of longrope', () => {
    const factors = { short_factor: [1, 2], long_factor: [4, 8] };
    const phi = (rope_scaling: JsonObject, more: JsonObject = {}): ArchitecturePlan['description'] => small({ model_type: 'phi3', head_dim: 4, max_position_embeddings: 400, original_max_position_embeddings: 100, rope_scaling, ...more }).description;
    const plain = phi({ type: 'longrope', ...factors });
    expect(plain).toMatchObject({ longFrom: 100, maxPositions: 400, ropes: [{ inverseFrequencies: [1, 1 / 200], longInverseFrequencies: [1 / 4, 1 / 800] }] });
    expect(plain.ropes[0]!.scale).toBeCloseTo(Math.sqrt(1 + Math.log(4) / Math.log(100)), 14);
    for (const type of ['su', 'yarn']) expect(phi({ type, ...factors })).toEqual(plain);
    expect(phi({ rope_type: 'longrope', type: 'su', ...factors })).toEqual(plain);
    expect(phi({ type: 'longrope', attention_factor: 1.5, ...factors }).ropes[0]!.scale).toBe(1.5);
    expect(() => phi({ type: 'longrope', short_factor: [1], long_factor: [1, 2] })).toThrow(/1 numbers in "short_factor"; expected 2/);
    expect(() => phi({ type: 'longrope', short_factor: [1, 2], long_factor: [1, 0] })).toThrow(/0 in "long_factor" \(number 1\); expected a number above 0/);
    expect(() => phi({ type: 'longrope', short_factor: [1, 2] })).toThrow(/no "long_factor"; expected an array of 2 numbers/);
  });

  it('of experts come from config.json, the count under either name', () => {
    expect(small({ model_type: 'mixtral', num_key_value_heads: 1 }).description).toMatchObject({ experts: { count: 8, perToken: 2, size: 24, shareWhole: true }, layer: Array(3).fill({ rope: 0, slidingWindow: 0, experts: true }) });
    const qwen = (more: JsonObject): ArchitecturePlan['description'] => small({ model_type: 'qwen3_moe', num_key_value_heads: 1, moe_intermediate_size: 8, ...more }).description;
    expect(qwen({ mlp_only_layers: [1], norm_topk_prob: true, num_experts: 4, num_experts_per_tok: 3 })).toMatchObject({ experts: { count: 4, perToken: 3, size: 8, shareWhole: true }, layer: [{ experts: true }, { experts: false }, { experts: true }] });
    expect(qwen({ num_local_experts: 16, decoder_sparse_step: 2 })).toMatchObject({ experts: { count: 16, perToken: 8, shareWhole: false }, layer: [{ experts: false }, { experts: true }, { experts: false }] });
    expect(() => qwen({ num_local_experts: 4, num_experts: 6 })).toThrow(/both "num_experts": 6 and "num_local_experts": 4/);
    expect(() => qwen({ num_experts: 4 })).toThrow(/no "num_experts_per_tok"|"num_experts_per_tok": 8; expected at most "num_experts", 4/);
    expect(() => qwen({ mlp_only_layers: [3] })).toThrow(/3 in "mlp_only_layers"; expected layers from 0 to 2/);
  });

  it('of gemma3 are two rotary tables, from either style of config.json', () => {
    const gemma = (more: JsonObject): unknown => small({ model_type: 'gemma3_text', num_key_value_heads: 1, head_dim: 4, sliding_window_pattern: 3, ...more }).description;
    const old = gemma({ rope_theta: 1e6, rope_local_base_freq: 1e4, rope_scaling: { rope_type: 'linear', factor: 8 } });
    expect(old).toMatchObject({ ropes: [{ inverseFrequencies: [1 / 8, 1e-3 / 8] }, { inverseFrequencies: [1, 1e-2] }], layer: [{ rope: 1 }, { rope: 1 }, { rope: 0 }] });
    const nested = { full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1e6 }, sliding_attention: { rope_type: 'default', rope_theta: 1e4 } };
    expect(gemma({ rope_parameters: nested })).toEqual(old);
    expect(() => gemma({ rope_parameters: nested, rope_local_base_freq: 5e3 })).toThrow(/both 5000 and 10000/);
    expect(() => gemma({ rope_parameters: nested, rope_scaling: { type: 'linear', factor: 8 } })).toThrow(/remove the latter/);
    expect(() => gemma({ rope_parameters: { ...nested, chunked_attention: { rope_theta: 1 } } })).toThrow(/"chunked_attention"/);
  });

  it('of smollm3 are absent where no_rope_layers says 0', () => {
    const ropes = (more: JsonObject): number[] => small({ model_type: 'smollm3', num_key_value_heads: 2, ...more }).description.layer.map(({ rope }) => rope);
    expect(ropes({ no_rope_layers: [1, 0, 1, 0] })).toEqual([0, -1, 0]);
    expect(ropes({ no_rope_layer_interval: 2 })).toEqual([0, -1, 0]);
    expect(small({ model_type: 'smollm3', num_key_value_heads: 2, use_sliding_window: true, sliding_window: 8, no_rope_layers: [1, 0, 1] }).description.layer[1]).toEqual({ rope: -1, slidingWindow: 8 });
    expect(() => ropes({ no_rope_layers: [1] })).toThrow(/1 "no_rope_layers" but "num_hidden_layers": 3/);
    expect(() => ropes({ no_rope_layers: [1, 2, 1] })).toThrow(/2 in "no_rope_layers" \(layer 1\); expected 0 or 1/);
  });
});

describe('windows', () => {
  const windows = (config: JsonObject): number[] => small({ num_key_value_heads: 2, ...config }).description.layer.map(({ slidingWindow }) => slidingWindow);

  it('slides every layer of mistral, or none where the window is null', () => {
    expect(windows({ model_type: 'mistral', sliding_window: 8 })).toEqual([8, 8, 8]);
    expect(windows({ model_type: 'mistral', sliding_window: null })).toEqual([0, 0, 0]);
  });

  it('slides layers of qwen from max_window_layers on, and only when told to', () => {
    expect(windows({ model_type: 'qwen2', sliding_window: 8, use_sliding_window: true, max_window_layers: 1 })).toEqual([0, 8, 8]);
    expect(windows({ model_type: 'qwen2', sliding_window: 8, use_sliding_window: false, max_window_layers: 1 })).toEqual([0, 0, 0]);
    expect(windows({ model_type: 'qwen2', sliding_window: 8, max_window_layers: 1 })).toEqual([0, 0, 0]);
    expect(windows({ model_type: 'qwen3', use_sliding_window: true, max_window_layers: 2 })).toEqual([0, 0, 4096]);
    expect(windows({ model_type: 'qwen3', use_sliding_window: true, sliding_window: null, max_window_layers: 0 })).toEqual([0, 0, 0]);
  });

  it('refuses to slide by null', () => {
    for (const model_type of ['gemma2', 'gemma3_text']) expect(() => windows({ model_type, sliding_window: null })).toThrow(/"sliding_window": null; expected a number of positions: some layers slide/);
    expect(windows({ model_type: 'gemma2', sliding_window: null, layer_types: Array(3).fill('full_attention') })).toEqual([0, 0, 0]);
  });

  it('lets layer_types decide where it is given', () => {
    const layer_types = ['sliding_attention', 'full_attention', 'sliding_attention'];
    expect(windows({ model_type: 'qwen2', sliding_window: 8, use_sliding_window: true, max_window_layers: 3, layer_types })).toEqual([8, 0, 8]);
  });
});

describe('refusals', () => {
  it.each<[string, JsonObject, RegExp]>([
    ['a missing size, with the name that was meant', { hidden_size: undefined, hidden_sise: 16 }, /no "hidden_size"; expected an integer from 1.*is "hidden_sise" meant/],
    ['a fraction', { num_hidden_layers: 1.5 }, /"num_hidden_layers": 1.5; expected an integer from 1/],
    ['a string', { vocab_size: '32' }, /"vocab_size": "32"; expected an integer/],
    ['zero layers', { num_hidden_layers: 0 }, /"num_hidden_layers": 0/],
    ['a number of layers that no model has', { num_hidden_layers: 1e9 }, /"num_hidden_layers": 1000000000; expected an integer from 1 to 10000/],
    ['heads that do not divide', { num_attention_heads: 3, num_key_value_heads: 2, head_dim: 8 }, /"num_attention_heads": 3; expected a multiple of "num_key_value_heads", 2/],
    ['a hidden size without a head size', { num_attention_heads: 3 }, /"hidden_size": 16, no multiple of "num_attention_heads", 3, and no "head_dim"/],
    ['heads of odd size', { head_dim: 7 }, /heads of 7 values/],
    ['an activation nobody knows', { hidden_act: 'silo' }, /"hidden_act": "silo", which is not supported; did you mean "silu"/],
    ['a negative eps', { rms_norm_eps: -1e-6 }, /"rms_norm_eps": -0.000001; expected a number of at least 0/],
    ['a flag that is a number', { attention_bias: 1 }, /"attention_bias": 1; expected true or false/],
    ['quantisation', { quantization_config: { quant_method: 'awq' } }, /"quantization_config" \("awq"\): quantised checkpoints are not supported/],
    ['a soft cap', { attn_logit_softcapping: 50 }, /"attn_logit_softcapping": 50, which is not implemented for llama and may change the numbers/],
    ['a multiplier', { residual_multiplier: 0.22 }, /"residual_multiplier": 0.22/],
    ['neighbouring pairs in rope', { rope_interleaved: true }, /"rope_interleaved": true; expected false/],
    ['a switch that takes a part away', { use_rope: false }, /"use_rope": false/],
    ['code of its own', { auto_map: { AutoModelForCausalLM: 'modeling.Mine' } }, /"auto_map"/],
    ['a window that llama does not have', { sliding_window: 8 }, /"sliding_window": 8, which is not implemented for llama/],
    ['a kind of attention nobody knows', { layer_types: ['full_attention', 'linear_attention', 'full_attention'] }, /"linear_attention" in "layer_types" \(layer 1\)/],
    ['too few layer types', { layer_types: ['full_attention'] }, /1 "layer_types" but "num_hidden_layers": 3/],
    ['sliding layers in llama', { layer_types: Array(3).fill('sliding_attention') }, /layer 0.*every layer has full_attention/],
    ['sliding layers without a window', { model_type: 'qwen2', num_key_value_heads: 2, layer_types: Array(3).fill('sliding_attention') }, /no "sliding_window"/],
    ['a class that its model_type does not have', { architectures: ['MistralForCausalLM'] }, /"architectures" names "MistralForCausalLM"/],
    ['a model_type that is no name', { model_type: 5 }, /"model_type": 5, which is not supported/],
  ])('refuses %s', (_, config, message) => {
    const given = Object.fromEntries(Object.entries({ ...SMALL, ...config }).filter(([, value]) => value !== undefined));
    expect(() => plan(given)).toThrow(CheckpointError);
    expect(() => plan(given)).toThrow(message);
  });

  it('accepts fields that say nothing', () => {
    const nothing = {
      attn_logit_softcapping: null, add_bias: false, residual_multiplier: 1, some_dropout: 0, mapping: {}, list: [], text: '', use_cache: true, pretraining_tp: 2,
      auto_map: { AutoTokenizer: 'x' }, use_sliding_window: false, sliding_window: 512, max_window_layers: 28, layer_types: Array(3).fill('full_attention'), rope_interleaved: false,
    };
    expect(small(nothing).description).toEqual(small({}).description);
  });

  it('never throws anything but a CheckpointError, whatever a field holds', () => {
    const values = [null, true, -1, 0, 1.5, 1e300, '', 'x', [], [null], {}, { type: [] }, { rope_type: 'yarn', factor: 1e308 }];
    const fields = ['model_type', 'architectures', 'hidden_size', 'num_key_value_heads', 'head_dim', 'layer_types', 'rope_scaling', 'rope_parameters', 'rope_theta', 'sliding_window', 'tie_word_embeddings', 'max_position_embeddings', 'hidden_act', 'unheard_of'];
    let refused = 0;
    for (const model_type of KNOWN) {
      for (const field of fields) {
        for (const value of values) {
          try {
            const { description } = small({ model_type, use_sliding_window: true, [field]: value });
            expect(Number.isSafeInteger(description.maxPositions), `${field} ${JSON.stringify(value)}`).toBe(true);
            expect(description.ropes.every(({ scale, inverseFrequencies }) => Number.isFinite(scale) && inverseFrequencies.every(Number.isFinite)), `${field} ${JSON.stringify(value)}`).toBe(true);
          } catch (error) {
            if (!(error instanceof CheckpointError)) throw error;
            refused++;
          }
        }
      }
    }
    expect(refused).toBeGreaterThan(300);
  });
});
