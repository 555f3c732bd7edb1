import { ConfigFields } from '../architectures/config-fields.js';
import type { JsonObject } from './strict-json.js';

/** What a model asks for when a request does not say: the options of `generate` by name. */
export interface GenerationDefaults {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly minTokens?: number;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
}

/** `generation_config.json` as requests use it. */
export interface GenerationConfig {
  readonly defaults: GenerationDefaults;
  /** Fields that would change the tokens in ways that are not implemented: nothing is done about them. */
  readonly ignored: readonly string[];
}

/** Fields that change what is generated and have no counterpart here, with the values that say nothing. */
const WITHOUT_COUNTERPART: readonly (readonly [field: string, neutral: readonly unknown[]])[] = [
  ['num_beams', [1]], ['num_beam_groups', [1]], ['num_return_sequences', [1]], ['penalty_alpha', [0]], ['dola_layers', []], ['typical_p', [1]], ['epsilon_cutoff', [0]],
  ['eta_cutoff', [0]], ['top_h', []], ['no_repeat_ngram_size', [0]], ['encoder_no_repeat_ngram_size', [0]], ['encoder_repetition_penalty', [1]], ['bad_words_ids', []],
  ['force_words_ids', []], ['constraints', []], ['forced_bos_token_id', []], ['forced_eos_token_id', []], ['suppress_tokens', []], ['begin_suppress_tokens', []],
  ['forced_decoder_ids', []], ['sequence_bias', []], ['exponential_decay_length_penalty', []], ['guidance_scale', [1]], ['watermarking_config', []], ['min_length', [0]], ['max_time', []],
];

/**
 * Reads what a model's makers recommend. As in transformers, `temperature` counts where `do_sample` is true (1 if the file names none), and
 * the filters whenever a temperature is above 0; unlike there, a file that names no `top_k` means none.
 *
 * @param file stands in messages
 * @throws CheckpointError for a field of the wrong type or out of range
 */
export function readGenerationConfig(values: JsonObject | undefined, file: string): GenerationConfig {
  const fields = new ConfigFields(values ?? {}, file);
  const when = (name: string, read: () => number, isOn: (value: number) => boolean = () => true): number | undefined => {
    const value = fields.has(name) ? read() : undefined;
    return value !== undefined && isOn(value) ? value : undefined;
  };
  const defaults = {
    temperature: fields.boolean('do_sample', false) ? fields.number('temperature', { default: 1, min: 0, max: 100 }) : undefined,
    topK: when('top_k', () => fields.integer('top_k', { min: -1 }), (k) => k > 0),
    topP: when('top_p', () => fields.number('top_p', { above: 0, max: 1 }), (p) => p < 1),
    minP: when('min_p', () => fields.number('min_p', { min: 0, max: 1 }), (p) => p > 0),
    repetitionPenalty: when('repetition_penalty', () => fields.number('repetition_penalty', { above: 0 }), (penalty) => penalty !== 1),
    minTokens: when('min_new_tokens', () => fields.integer('min_new_tokens', { min: 0 }), (count) => count > 0),
    maxTokens: when('max_new_tokens', () => fields.integer('max_new_tokens')),
    stop: stopStrings(fields),
  };
  const ignored = WITHOUT_COUNTERPART.filter(([field, neutral]) => saysSomething(values?.[field], neutral)).map(([field]) => field);
  return { defaults: withoutAbsent(defaults), ignored };
}

function stopStrings(fields: ConfigFields): readonly string[] | undefined {
  if (!fields.has('stop_strings')) return undefined;
  const value = fields.textOrTexts('stop_strings');
  return value.length === 0 ? undefined : value;
}

function saysSomething(value: unknown, neutral: readonly unknown[]): boolean {
  const isEmpty = value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0);
  return !isEmpty && !neutral.includes(value);
}

/** Only what was given: an option that is there counts as asked for. */
function withoutAbsent(defaults: { readonly [name in keyof GenerationDefaults]: GenerationDefaults[name] | undefined }): GenerationDefaults {
  return Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined));
}
