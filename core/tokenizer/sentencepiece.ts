// `tokenizer.model`, the form in which the first Llamas brought their tokenizer, as the `tokenizer.json` that transformers would make of it.
// Deliberately absent: unigram models and models that normalise their text, which need more than pieces and merges.
import { TokenizerError } from '../errors.js';
import type { TokenizerJson } from './fingerprint.js';
import { type ProtoField, protoFields } from './protobuf.js';

interface Piece {
  readonly text: string;
  readonly score: number;
  readonly kind: number;
}

interface Model {
  readonly pieces: readonly Piece[];
  readonly trainer: ReadonlyMap<number, ProtoField['value']>;
  readonly normalizer: ReadonlyMap<number, ProtoField['value']>;
}

/** Kinds of pieces, model types and field numbers of `sentencepiece_model.proto`. */
const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4 };
const BPE = 2;
const SPACE = '▁';
/** Of a piece; usual are 16. */
const MOST_CHARACTERS = 512;

/**
 * @param addsBos whether a text begins with the begin token, as it does unless `tokenizer_config.json` says otherwise
 * @throws TokenizerError naming the file, where it is no SentencePiece model or one of a kind that is not converted
 */
export function convertSentencePiece(bytes: Uint8Array, file: string, addsBos: boolean): TokenizerJson {
  const { pieces, trainer, normalizer } = parse(bytes, file);
  const refuse = (why: string): never => { throw new TokenizerError(`${file} is a SentencePiece model ${why}`); };
  if (trainer.get(3) !== BigInt(BPE)) refuse('that is not of the BPE type');
  if (lengthOf(normalizer.get(2)) > 0) refuse('that normalises its text');
  if (flag(normalizer.get(4), true)) refuse('that drops repeated spaces');
  if (!flag(normalizer.get(5), true)) refuse('that does not mark spaces');
  const byPiece = new Map(pieces.map(({ text }, id) => [text, id]));
  if (pieces.some(({ text }) => text === '' || text.length > MOST_CHARACTERS)) refuse(`with pieces that are empty or longer than ${MOST_CHARACTERS} characters`);
  if (byPiece.size !== pieces.length) refuse('with two pieces of the same text');
  const pieceAt = (field: number, usual: number): string | undefined => pieces[Number(BigInt.asIntN(32, integer(trainer.get(field), usual)))]?.text;
  const bos = pieceAt(41, 1);
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: pieces.flatMap(({ text, kind }, id) => (kind === KIND.control || kind === KIND.unknown || kind === KIND.userDefined
      ? [{ id, content: text, single_word: false, lstrip: false, rstrip: false, normalized: false, special: kind !== KIND.userDefined }] : [])),
    normalizer: {
      type: 'Sequence',
      normalizers: [...(flag(normalizer.get(3), true) ? [{ type: 'Prepend', prepend: SPACE }] : []), { type: 'Replace', pattern: { String: ' ' }, content: SPACE }],
    },
    pre_tokenizer: null,
    post_processor: addsBos && bos !== undefined ? beginningWith(bos, byPiece.get(bos)!) : null,   // `bos` is one of the pieces
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' },
        ...(flag(normalizer.get(3), true) ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE', dropout: null, unk_token: pieceAt(40, 0) ?? null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true,
      byte_fallback: flag(trainer.get(35), false), ignore_merges: false, vocab: Object.fromEntries(byPiece), merges: mergesOf(pieces, byPiece),
    },
  };
}

function parse(bytes: Uint8Array, file: string): Model {
  const pieces: Piece[] = [];
  const specs = new Map<number, Map<number, ProtoField['value']>>();
  try {
    for (const { number, value } of protoFields(bytes)) {
      if (!(value instanceof Uint8Array)) continue;
      if (number === 1) pieces.push(pieceOf(value));
      else specs.set(number, new Map([...protoFields(value)].map((field) => [field.number, field.value])));
    }
  } catch (cause) {
    throw new TokenizerError(`${file} is no SentencePiece model: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (pieces.length === 0) throw new TokenizerError(`${file} is no SentencePiece model: it holds no pieces`);
  return { pieces, trainer: specs.get(2) ?? new Map(), normalizer: specs.get(3) ?? new Map() };
}

function pieceOf(bytes: Uint8Array): Piece {
  const fields = new Map([...protoFields(bytes)].map(({ number, value }) => [number, value]));
  const [text, score] = [fields.get(1), fields.get(2)];
  return {
    text: text instanceof Uint8Array ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text) : '',
    score: score instanceof Uint8Array && score.length === 4 ? new DataView(score.buffer, score.byteOffset).getFloat32(0, true) : 0,
    kind: Number(integer(fields.get(3), KIND.normal)),
  };
}

/** Two pieces that make a third are merged, those first whose result has the higher score: what SentencePiece does without a list of merges. */
function mergesOf(pieces: readonly Piece[], byPiece: ReadonlyMap<string, number>): [string, string][] {
  const merges: { readonly pair: [string, string]; readonly score: number }[] = [];
  for (const { text, score, kind } of pieces) {
    if (kind !== KIND.normal) continue;
    const found: [string, string][] = [];
    for (let i = 1; i < text.length; i++) {
      const pair: [string, string] = [text.slice(0, i), text.slice(i)];
      if (byPiece.has(pair[0]) && byPiece.has(pair[1])) found.push(pair);
    }
    found.sort((a, b) => byPiece.get(a[0])! - byPiece.get(b[0])! || byPiece.get(a[1])! - byPiece.get(b[1])!);   // all of them are pieces
    for (const pair of found) merges.push({ pair, score });
  }
  return merges.sort((a, b) => b.score - a.score).map(({ pair }) => pair);
}

function beginningWith(token: string, id: number): object {
  return {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: token, type_id: 1 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

function integer(value: ProtoField['value'] | undefined, usual: number): bigint {
  return typeof value === 'bigint' ? value : BigInt(usual);
}

function flag(value: ProtoField['value'] | undefined, usual: boolean): boolean {
  return typeof value === 'bigint' ? value !== 0n : usual;
}

function lengthOf(value: ProtoField['value'] | undefined): number {
  return value instanceof Uint8Array ? value.length : 0;
}
