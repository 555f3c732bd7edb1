import { TokenizerError } from '../errors.js';
import type { TokenizerJson } from './fingerprint.js';

/**
 * Refuses what `@huggingface/tokenizers` would read wrongly without saying so.
 *
 * @throws TokenizerError naming the file and the construct
 */
export function checkSupported(json: TokenizerJson, file: string): void {
  const refuse = (what: string): never => { throw new TokenizerError(`${file}: ${what}`); };
  const { model } = json;
  if (typeof model !== 'object' || model === null) return refuse('"model" is missing');
  if (typeof model.vocab !== 'object' || model.vocab === null) return refuse('"model.vocab" is missing');
  if (model.type === 'BPE' && !Array.isArray(model.merges)) return refuse('"model.merges" is missing');
  if (typeof model.dropout === 'number' && model.dropout > 0) return refuse(`"model.dropout" is ${model.dropout}: random merges are not supported`);
  if (json.added_tokens !== undefined && !Array.isArray(json.added_tokens)) return refuse('"added_tokens" is not a list');
  for (const token of json.added_tokens ?? []) {
    if (typeof token?.content !== 'string' || !Number.isInteger(token.id)) return refuse('"added_tokens" has an entry without id and content');
    if (token.single_word === true) return refuse(`added token "${token.content}" is matched as a single word only, which is not supported`);
  }
  for (const part of partsOf(json.normalizer, json.pre_tokenizer, json.decoder)) {
    const { pattern, behavior, type } = part;
    if (isObject(pattern) && typeof pattern.Regex !== 'string' && typeof pattern.String !== 'string') return refuse(`the pattern of "${String(type)}" is neither Regex nor String`);
    if (type === 'Split' && MERGING.has(String(behavior).toLowerCase()) && !neverSplits(part, json.normalizer)) return refuse(`the split behaviour "${String(behavior)}" is not supported`);
  }
}

type Part = Readonly<Record<string, unknown>>;

/** Split behaviours that the library treats as "Isolated". */
const MERGING = new Set(['mergedwithprevious', 'mergedwithnext', 'contiguous']);

/** A split at a text that the normaliser has replaced everywhere finds nothing (Gemma's at spaces), whatever its behaviour. */
function neverSplits(split: Part, normalizer: unknown): boolean {
  const at = isObject(split.pattern) ? split.pattern.String : undefined;
  return typeof at === 'string' && partsOf(normalizer).some((part) =>
    part.type === 'Replace' && isObject(part.pattern) && part.pattern.String === at && !String(part.content).includes(at));
}

/** Normalisers, pre-tokenisers and decoders, sequences taken apart. */
function partsOf(...roots: readonly unknown[]): Part[] {
  return roots.filter(isObject).flatMap((part) => {
    const inner = part.type === 'Sequence' ? part.normalizers ?? part.pretokenizers ?? part.decoders : undefined;
    return Array.isArray(inner) ? partsOf(...inner) : [part];
  });
}

function isObject(value: unknown): value is Part {
  return typeof value === 'object' && value !== null;
}
