import { createHash } from 'node:crypto';

/** `tokenizer.json` as far as it is looked at here. Checked by `checkSupported`. */
export interface TokenizerJson {
  readonly model: {
    readonly type?: string;
    /** Piece to id, or (Unigram) `[piece, score]` by id. */
    readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
    readonly merges?: readonly (string | readonly string[])[];
    readonly [field: string]: unknown;
  };
  readonly added_tokens?: readonly { readonly id: number; readonly content: string; readonly [field: string]: unknown }[];
  readonly normalizer?: unknown;
  readonly pre_tokenizer?: unknown;
  readonly decoder?: unknown;
  readonly [field: string]: unknown;
}

/** SHA-256 (hex) over all that decides which ids a text gets: not over key order, number formats of merges, decoder, padding or templates. */
export function fingerprintOf(json: TokenizerJson): string {
  const { vocab, merges, ...model } = json.model;
  const hash = createHash('sha256');
  const add = (value: unknown) => hash.update(`${JSON.stringify(value)}\n`);
  for (const entry of piecesById(vocab)) add(entry);
  add('merges');
  for (const merge of merges ?? []) add(typeof merge === 'string' ? merge.split(' ') : merge);
  add('added');
  for (const { id, content } of [...(json.added_tokens ?? [])].sort((a, b) => a.id - b.id)) add([id, content]);
  add(canonical({ model, normalizer: json.normalizer, pre_tokenizer: json.pre_tokenizer }));
  return hash.digest('hex');
}

function piecesById(vocab: TokenizerJson['model']['vocab']): readonly (readonly unknown[])[] {
  if (Array.isArray(vocab)) return vocab as readonly (readonly unknown[])[];
  return Object.entries(vocab as Readonly<Record<string, number>>).sort(([a, i], [b, j]) => i - j || (a < b ? -1 : 1));
}

/** Keys sorted; fields that are off (null, false, empty) left out, because writers disagree about spelling them. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, field]) => field !== null && field !== undefined && field !== false && field !== '');
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, field]) => [key, canonical(field)]));
}
