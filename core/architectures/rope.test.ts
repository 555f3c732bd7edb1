import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../checkpoint/strict-json.js';
import { ConfigFields } from './config-fields.js';
import { readRope, type RopePlan } from './rope.js';

function rope(config: JsonObject, size = 16, maxPositions = 256): RopePlan {
  return readRope(new ConfigFields(config, 'config.json'), { size, maxPositions, defaultTheta: 10_000 });
}

function expectClose(plan: RopePlan, expected: readonly number[], from = 0): void {
  const got = plan.rope.inverseFrequencies.slice(from, from + expected.length);
  got.forEach((frequency, i) => expect(Math.abs(frequency / expected[i]! - 1), `frequency ${from + i}`).toBeLessThan(1e-13));
  expect(got).toHaveLength(expected.length);
}

// The long lists were computed by a numpy float64 program of the papers' formulas, apart from this code.
describe('readRope', () => {
  it('turns pair i by theta^(-2i/size), with the default base where none is given', () => {
    const plain = rope({});
    expectClose(plain, Array.from({ length: 8 }, (_, i) => 10_000 ** (-i / 8)));
    expect(plain).toMatchObject({ rope: { scale: 1 }, maxPositions: 256 });
    expect(rope({ rope_theta: 10_000, rope_scaling: null })).toEqual(plain);
    expect(rope({ rope_parameters: { rope_type: 'default', rope_theta: 10_000 } })).toEqual(plain);
  });

  it('divides the frequencies by the factor of linear scaling, under either name of the kind', () => {
    const plain = rope({}).rope.inverseFrequencies;
    const linear = rope({ rope_theta: 10_000, rope_scaling: { type: 'linear', factor: 4 } });
    expect(linear.rope.inverseFrequencies).toEqual(plain.map((frequency) => frequency / 4));
    expect(rope({ rope_parameters: { rope_type: 'linear', type: 'linear', factor: 4, rope_theta: 10_000 } })).toEqual(linear);
  });

  it('stretches only the long wavelengths of llama3 scaling', () => {
    const plan = rope({ rope_theta: 500_000, rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 } });
    expectClose(plan, [1, 0.0794030091792082, 0.00470075386635799, 0.000911583092152139, 0.000176776695296637, 3.42810219595259e-5, 6.64786987118124e-6, 1.28917317215156e-6]);
    expect(plan.rope.scale).toBe(1);
  });

  it('blends frequencies and scales cosines as YaRN does', () => {
    const plan = rope({ rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 } });
    expectClose(plan, [1, 0.237170824512628, 0.05, 0.00790569415042095, 0.0025, 0.000790569415042095, 0.00025, 7.90569415042095e-5]);
    expect(plan.rope.scale).toBeCloseTo(1.138629436111989, 14);
  });

  it('takes the bounds of YaRN from beta_fast and beta_slow, rounded to whole dimensions unless truncate is false', () => {
    expectClose(
      rope({ rope_theta: 1e6, rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 128, beta_fast: 16, beta_slow: 2, truncate: false } }),
      [1, 0.082559191196448, 0.00790569415042095, 0.00140585331297587, 0.00025, 4.44569852509731e-5, 7.90569415042095e-6, 1.40585331297587e-6],
    );
    expectClose(
      rope({ rope_parameters: { rope_type: 'yarn', rope_theta: 150_000, factor: 32, original_max_position_embeddings: 4096, beta_fast: 32, beta_slow: 1, truncate: false } }, 64),
      [0.0508132748154615, 0.0317056961846638, 0.0193350011265404, 0.0115920492562869, 0.00679495948973222, 0.00386035931719207, 0.00209379237896969, 0.00105260210138634],
      8,
    );
  });

  it('takes YaRN\'s attention factor as given, or from mscale and mscale_all_dim', () => {
    const yarn = (more: JsonObject): number => rope({ rope_scaling: { type: 'yarn', factor: 40, original_max_position_embeddings: 64, ...more } }).rope.scale;
    expect(yarn({ attention_factor: 1.25 })).toBe(1.25);
    expect(yarn({ mscale: 0.7, mscale_all_dim: 1.1 })).toBeCloseTo(0.8950365488551619, 14);
    expect(yarn({ mscale: 0.71, mscale_all_dim: 0.71 })).toBe(1);
    expect(yarn({ mscale: 0.71 })).toBeCloseTo(0.1 * Math.log(40) + 1, 14);
  });

  it('extends the context of YaRN to the original length times the factor', () => {
    expect(rope({ rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 256 } }).maxPositions).toBe(1024);
    expect(rope({ rope_scaling: { type: 'yarn', factor: 4 } }).maxPositions).toBe(1024);
    expect(rope({ rope_scaling: { type: 'yarn', factor: null, original_max_position_embeddings: 64 } }).maxPositions).toBe(256);
  });

  it.each<[string, JsonObject, RegExp]>([
    ['a kind nobody knows', { rope_scaling: { rope_type: 'spiral', factor: 2 } }, /"rope_type": "spiral".*known: default, linear, llama3, yarn/],
    ['dynamic scaling', { rope_scaling: { type: 'dynamic', factor: 2 } }, /"type": "dynamic".*default, linear, llama3, yarn/],
    ['longrope', { rope_parameters: { rope_type: 'longrope', rope_theta: 1e4, short_factor: [1], long_factor: [2] } }, /"rope_type": "longrope"/],
    ['a kind that is no string', { rope_scaling: { type: 7 } }, /"type": 7; expected a string/],
    ['two kinds at once', { rope_scaling: { type: 'linear', rope_type: 'yarn', factor: 2 } }, /both "yarn" and "linear"/],
    ['scaling that is no object', { rope_scaling: 'linear' }, /"rope_scaling": "linear"; expected an object/],
    ['a missing factor', { rope_scaling: { type: 'linear' } }, /no "factor"; expected a number of at least 1/],
    ['a factor below 1', { rope_scaling: { type: 'linear', factor: 0.5 } }, /"factor": 0.5/],
    ['a base of 0', { rope_theta: 0 }, /"rope_theta": 0; expected a number above 0/],
    ['two bases', { rope_theta: 1e4, rope_parameters: { rope_theta: 1e6 } }, /both 10000 and 1000000 for "rope_theta"/],
    ['styles that contradict each other', { rope_parameters: { rope_type: 'linear', factor: 2 }, rope_scaling: { type: 'linear', factor: 4 } }, /contradict/],
    ['a field of rope that nothing reads', { rope_scaling: { type: 'linear', factor: 2, mrope_section: [16, 24, 24] } }, /"mrope_section": \[16,24,24\]/],
    ['heads that turn in part', { partial_rotary_factor: 0.75 }, /"partial_rotary_factor": 0.75; expected 1/],
    ['llama3 factors in the wrong order', { rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1 } }, /"high_freq_factor": 1; expected more than/],
  ])('refuses %s', (_, config, message) => expect(() => rope(config)).toThrow(message));
});
