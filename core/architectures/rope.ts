// Rotary tables from config.json, both as transformers 5 writes them (`rope_parameters`) and as older versions did (`rope_theta`,
// `rope_scaling`). Math.pow and Math.log are the same bits on every machine here: V8 brings its own.
import { describeJson } from '../checkpoint/strict-json.js';
import type { Rope } from '../description.js';
import { CheckpointError, suggestion } from '../errors.js';
import type { ConfigFields } from './config-fields.js';

/** Positions are 32-bit integers in native code. */
const MAX_POSITIONS = 2 ** 31 - 1;

export interface RopeContext {
  /** Values of a head. Even. */
  readonly size: number;
  readonly maxPositions: number;
  /** Base of the frequencies where config.json names none. */
  readonly defaultTheta: number;
  /** Whether the family knows `partial_rotary_factor`: the share of a head, from its beginning, that turns. */
  readonly partial?: boolean;
  /** Kinds of scaling that the family knows. Default: all of this file whose table does not change with the text. */
  readonly kinds?: readonly string[];
  /** Other names that the family's files have for kinds. */
  readonly aliases?: Readonly<Record<string, string>>;
}

export interface RopePlan {
  readonly rope: Rope;
  /** Positions that the table is meant for, where that is more than `max_position_embeddings`. */
  readonly maxPositions: number;
  /** {@link ModelDescription.longFrom}, where the table changes. */
  readonly longFrom?: number;
}

interface Base {
  readonly theta: number;
  readonly size: number;
  readonly maxPositions: number;
  /** `original_max_position_embeddings`, which may stand beside the rope's own fields. */
  readonly original: number;
}

type Kind = (fields: ConfigFields, base: Base) => RopePlan;

/**
 * Reads the one rotary table of a model whose layers share it.
 *
 * @throws CheckpointError when the kind of scaling is unknown, or when a field is missing, out of range or contradicts another
 */
export function readRope(fields: ConfigFields, context: RopeContext): RopePlan {
  const modern = fields.object('rope_parameters');
  const legacy = fields.object('rope_scaling');
  const outerTheta = fields.has('rope_theta') ? fields.number('rope_theta', { above: 0 }) : undefined;
  const scaling = modern ?? legacy;
  const innerTheta = scaling?.has('rope_theta') ? scaling.number('rope_theta', { above: 0 }) : undefined;
  refuseContradiction(fields, 'rope_theta', outerTheta, innerTheta);
  const base = baseOf(fields, context, innerTheta ?? outerTheta, scaling);
  const plan = scaledRope(scaling, base, context);
  // Both styles in one file must say the same, or one of them would be ignored.
  if (modern !== undefined && legacy !== undefined) {
    const other = scaledRope(legacy, { ...base, theta: legacy.has('rope_theta') ? legacy.number('rope_theta', { above: 0 }) : base.theta }, context);
    if (JSON.stringify(other) !== JSON.stringify(plan)) throw new CheckpointError(`${fields.source} has "rope_parameters" and "rope_scaling" that contradict each other; remove the wrong one`);
  }
  return plan;
}

/**
 * Reads the two rotary tables of a model whose sliding layers have one of their own: `rope_parameters` nested by kind of layer, before that
 * `rope_theta` and `rope_scaling` for the layers that see everything and `rope_local_base_freq` for those that slide, never scaled.
 *
 * @throws CheckpointError
 */
export function readRopePair(fields: ConfigFields, context: RopeContext & { readonly defaultLocalTheta: number }): { readonly full: RopePlan; readonly sliding: RopePlan } {
  const localContext = { ...context, defaultTheta: context.defaultLocalTheta };
  const localTheta = fields.has('rope_local_base_freq') ? fields.number('rope_local_base_freq', { above: 0 }) : undefined;
  const modern = fields.object('rope_parameters');
  if (modern === undefined || !(modern.has('full_attention') || modern.has('sliding_attention'))) {
    return { full: readRope(fields, context), sliding: scaledRope(undefined, baseOf(fields, localContext, localTheta), localContext) };
  }
  const part = (name: string, of: RopeContext, outerTheta: number | undefined): RopePlan => {
    const scaling = modern.object(name);
    const innerTheta = scaling?.has('rope_theta') ? scaling.number('rope_theta', { above: 0 }) : undefined;
    refuseContradiction(fields, 'rope_theta', outerTheta, innerTheta);
    return scaledRope(scaling, baseOf(fields, of, innerTheta ?? outerTheta, scaling), of);
  };
  const outerTheta = fields.has('rope_theta') ? fields.number('rope_theta', { above: 0 }) : undefined;
  const pair = { full: part('full_attention', context, outerTheta), sliding: part('sliding_attention', localContext, localTheta) };
  modern.refuseUnread('its kinds of layers', []);
  if (fields.has('rope_scaling')) throw new CheckpointError(`${fields.source} has "rope_parameters" by kind of layer and "rope_scaling" besides; remove the latter`);
  return pair;
}

function baseOf(fields: ConfigFields, { size, maxPositions, defaultTheta, partial = false }: RopeContext, theta?: number, scaling?: ConfigFields): Base {
  const original = fields.integer('original_max_position_embeddings', { default: maxPositions });
  return { theta: theta ?? defaultTheta, size: turningSize(fields, scaling, size, partial), maxPositions, original };
}

function scaledRope(scaling: ConfigFields | undefined, base: Base, { kinds = FIXED_KINDS, aliases = {} }: RopeContext): RopePlan {
  if (scaling === undefined) return plainRope(base);
  scaling.has('partial_rotary_factor');   // read with the base
  const plan = kindOf(scaling, kinds, aliases)(scaling, base);
  scaling.refuseUnread('its kind of rope', []);
  return plan;
}

function kindOf(scaling: ConfigFields, kinds: readonly string[], aliases: Readonly<Record<string, string>>): Kind {
  const named = (field: string): string | undefined => {
    const name = scaling.text(field);
    return name !== undefined && Object.hasOwn(aliases, name) ? aliases[name] : name;
  };
  const modern = named('rope_type');
  const legacy = named('type');
  refuseContradiction(scaling, 'rope_type', modern, legacy);
  const name = modern ?? legacy ?? 'default';
  const kind = kinds.includes(name) ? KINDS.get(name) : undefined;
  if (kind !== undefined) return kind;
  throw new CheckpointError(`${scaling.source} has ${modern === undefined ? '"type"' : '"rope_type"'}: ${describeJson(name)}, which is not supported${suggestion(name, kinds)}`);
}

function refuseContradiction(fields: ConfigFields, name: string, one: unknown, other: unknown): void {
  if (one !== undefined && other !== undefined && one !== other) {
    throw new CheckpointError(`${fields.source} says both ${describeJson(one)} and ${describeJson(other)} for "${name}"; remove the wrong one`);
  }
}

/** Values of a head that turn. In families that turn whole heads a factor would be ignored, and is refused. */
function turningSize(fields: ConfigFields, scaling: ConfigFields | undefined, headDim: number, partial: boolean): number {
  const [outer, inner] = [fields, scaling].map((from) => (from?.has('partial_rotary_factor') ? from.number('partial_rotary_factor', { above: 0, max: 1 }) : undefined));
  refuseContradiction(fields, 'partial_rotary_factor', outer, inner);
  const factor = inner ?? outer ?? 1;
  if (factor !== 1 && !partial) (inner === undefined ? fields : scaling!).refuse('partial_rotary_factor', factor, '1: this family turns whole heads');
  const size = Math.floor(headDim * factor);
  return size >= 2 && size % 2 === 0 ? size : fields.refuse('partial_rotary_factor', factor, `a share that leaves an even number of a head's ${headDim} values`);
}

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['default', (_, base) => plainRope(base)],
  ['linear', linearRope],
  ['llama3', llama3Rope],
  ['yarn', yarnRope],
  ['longrope', longRope],
]);
const FIXED_KINDS = [...KINDS.keys()].filter((name) => name !== 'longrope');

function plainRope(base: Base): RopePlan {
  return { rope: { inverseFrequencies: frequencies(base), scale: 1 }, maxPositions: base.maxPositions };
}

/** Positions divided by a factor (position interpolation, arXiv:2306.15595). */
function linearRope(fields: ConfigFields, base: Base): RopePlan {
  const factor = fields.number('factor', { min: 1 });
  return { rope: { inverseFrequencies: frequencies(base).map((frequency) => frequency / factor), scale: 1 }, maxPositions: base.maxPositions };
}

/** Llama 3.1: long wavelengths are stretched by a factor, short ones kept, those between blended. */
function llama3Rope(fields: ConfigFields, base: Base): RopePlan {
  const factor = fields.number('factor', { min: 1 });
  const low = fields.number('low_freq_factor', { above: 0 });
  const high = fields.number('high_freq_factor', { above: 0 });
  if (high <= low) fields.refuse('high_freq_factor', high, `more than "low_freq_factor", ${low}`);
  const original = fields.integer('original_max_position_embeddings', { default: base.original });
  const inverseFrequencies = frequencies(base).map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength > original / low) return frequency / factor;
    if (wavelength < original / high) return frequency;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
  return { rope: { inverseFrequencies, scale: 1 }, maxPositions: base.maxPositions };
}

/**
 * YaRN (arXiv:2309.00071): interpolated where a dimension turns less than betaSlow times in the original length, kept where more than
 * betaFast. The factor counts as it is written, as in transformers 5; some versions before took max_position_embeddings / original instead.
 */
function yarnRope(fields: ConfigFields, base: Base): RopePlan {
  const original = fields.integer('original_max_position_embeddings', { default: base.original });
  const factor = fields.number('factor', { default: base.maxPositions / original, min: 1 });
  const scale = yarnScale(fields, factor);
  // Zero means "not given" here, as in the reference.
  const betaFast = fields.number('beta_fast', { default: 32, min: 0 }) || 32;
  const betaSlow = fields.number('beta_slow', { default: 1, min: 0 }) || 1;
  const whole = fields.boolean('truncate', true);
  const dimension = (turns: number): number => (base.size * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base.theta));
  const first = Math.max(whole ? Math.floor(dimension(betaFast)) : dimension(betaFast), 0);
  const last = Math.min(whole ? Math.ceil(dimension(betaSlow)) : dimension(betaSlow), base.size - 1);
  const span = first === last ? 0.001 : last - first;
  const inverseFrequencies = frequencies(base).map((frequency, i) => {
    const kept = 1 - Math.min(Math.max((i - first) / span, 0), 1);
    return (frequency / factor) * (1 - kept) + frequency * kept;
  });
  if (!inverseFrequencies.every(Number.isFinite)) fields.refuse('rope_theta', base.theta, 'a base other than 1');
  return { rope: { inverseFrequencies, scale }, maxPositions: Math.min(Math.max(base.maxPositions, Math.floor(original * factor)), MAX_POSITIONS) };
}

/** The attention factor that multiplies cosines and sines. */
function yarnScale(fields: ConfigFields, factor: number): number {
  const given = fields.has('attention_factor') ? fields.number('attention_factor', { min: 0 }) : undefined;
  const mscale = fields.number('mscale', { default: 0 });
  const mscaleAll = fields.number('mscale_all_dim', { default: 0 });
  const scaleOf = (by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  return given ?? (mscale !== 0 && mscaleAll !== 0 ? scaleOf(mscale) / scaleOf(mscaleAll) : scaleOf(1));
}

/**
 * LongRoPE (arXiv:2402.13753): a factor of its own for every frequency, and other ones once the text is longer than the original length. Both
 * tables have the attention factor of the extended length.
 */
function longRope(fields: ConfigFields, base: Base): RopePlan {
  const original = fields.integer('original_max_position_embeddings', { default: base.original });
  const factor = fields.number('factor', { default: base.maxPositions / original, above: 0 });
  const given = fields.has('attention_factor') ? fields.number('attention_factor', { min: 0 }) : undefined;
  const scale = given ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
  if (!Number.isFinite(scale)) fields.refuse('original_max_position_embeddings', original, 'more than 1');
  const divided = (name: string): number[] => {
    const by = factorsOf(fields, name, base.size / 2);
    return frequencies(base).map((frequency, i) => frequency / by[i]!);
  };
  const rope = { inverseFrequencies: divided('short_factor'), scale, longInverseFrequencies: divided('long_factor') };
  return { rope, maxPositions: base.maxPositions, longFrom: original };
}

/** A positive number for every frequency. */
function factorsOf(fields: ConfigFields, name: string, count: number): number[] {
  const given = fields.array(name);
  if (given === undefined) return fields.refuse(name, undefined, `an array of ${count} numbers`);
  if (given.length !== count) throw new CheckpointError(`${fields.source} has ${given.length} numbers in "${name}"; expected ${count}, half of the values of a head that turn`);
  return given.map((factor, i) => {
    if (typeof factor === 'number' && Number.isFinite(factor) && factor > 0) return factor;
    throw new CheckpointError(`${fields.source} has ${describeJson(factor)} in "${name}" (number ${i}); expected a number above 0`);
  });
}

function frequencies({ theta, size }: Base): number[] {
  return Array.from({ length: size / 2 }, (_, i) => 1 / theta ** ((2 * i) / size));
}
