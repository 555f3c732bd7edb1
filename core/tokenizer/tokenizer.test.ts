import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { folderOf, llamaLike, metaspace } from '../../test/fixtures/tokenizers.js';
import { TokenizerError } from '../errors.js';
import { loadTokenizer, missingTokenizer, vocabularyFingerprint } from './tokenizer.js';

const demo = 'models/demo/target';

async function faultOf(files: Readonly<Record<string, object | string>>): Promise<string> {
  const error: unknown = await loadTokenizer(await folderOf(files)).catch((caught: unknown) => caught);
  if (!(error instanceof TokenizerError)) throw new Error(`expected a TokenizerError, got ${String(error)}`);
  return error.message;
}

describe('a tokenizer', () => {
  it('encodes with and without the tokens that the model expects around a text', async () => {
    const tokenizer = await loadTokenizer(demo);
    const bare = tokenizer?.encode('Once upon a time', { addSpecialTokens: false });
    expect(bare).toBeInstanceOf(Int32Array);
    expect([...tokenizer?.encode('Once upon a time') ?? []]).toEqual([0, ...bare ?? []]);
    expect(tokenizer?.decode(bare ?? [])).toBe('Once upon a time');
    expect(tokenizer?.encode('')).toEqual(Int32Array.of(0));
    expect(tokenizer?.encode('', { addSpecialTokens: false })).toEqual(new Int32Array());
    expect(tokenizer?.decode([])).toBe('');
  });

  it('knows its size, ids and special tokens, and shows none of those', async () => {
    const tokenizer = await loadTokenizer(demo);
    expect(tokenizer?.size).toBe(4096);
    expect(tokenizer?.idOf('<|user|>')).toBe(1);
    expect(tokenizer?.idOf('no such piece')).toBeUndefined();
    expect([...tokenizer?.specialIds ?? []]).toEqual([0, 1, 2, 3]);
    expect(tokenizer?.decode(tokenizer.encode('a<|user|>b'))).toBe('ab');
  });

  it('shows added tokens that are not special, in whatever script', async () => {
    const json = JSON.parse(await readFile(`${demo}/tokenizer.json`, 'utf8')) as { added_tokens: object[] };
    json.added_tokens.push({ id: 4096, content: 'ĠĠ très long', special: false });
    const tokenizer = await loadTokenizer(await folderOf({ 'tokenizer.json': json }));
    const tokens = tokenizer?.encode('x ĠĠ très long y', { addSpecialTokens: false });
    expect([...tokens ?? []]).toContain(4096);
    expect(tokenizer?.decode(tokens ?? [])).toBe('x ĠĠ très long y');
    expect(tokenizer?.size).toBe(4097);
  });

  it('puts the begin token in once when only the configuration asks for it', async () => {
    const files = { 'tokenizer.json': { ...llamaLike(), post_processor: null } };
    const config = { bos_token: { content: '<s>' }, add_bos_token: true };
    const with1 = await loadTokenizer(await folderOf({ ...files, 'tokenizer_config.json': config }));
    const with2 = await loadTokenizer(await folderOf({ 'tokenizer.json': llamaLike(), 'tokenizer_config.json': config }));
    const without = await loadTokenizer(await folderOf(files));
    const bare = [...without?.encode('the at') ?? []];
    expect([...with1?.encode('the at') ?? []]).toEqual([1, ...bare]);
    expect([...with2?.encode('the at') ?? []]).toEqual([1, ...bare]);
    expect([...with1?.encode('the at', { addSpecialTokens: false }) ?? []]).toEqual(bare);
  });

  it('refuses a text that its vocabulary cannot spell', async () => {
    const json = metaspace();
    const tokenizer = await loadTokenizer(await folderOf({ 'tokenizer.json': { ...json, model: { ...json.model, unk_token: null, fuse_unk: false } } }));
    expect(() => tokenizer?.encode('the Z')).toThrow(TokenizerError);
  });
});

describe('a folder', () => {
  it('without tokenizer.json has no tokenizer, and the error for text says what to do', async () => {
    const empty = await folderOf({}), sentencePiece = await folderOf({ 'tokenizer.model': 'x' });
    expect(await loadTokenizer(empty)).toBeUndefined();
    expect(await loadTokenizer(sentencePiece)).toBeUndefined();
    expect(await vocabularyFingerprint(empty)).toBeUndefined();
    expect(await missingTokenizer(empty)).toMatch(/tokenizer\.json does not exist.*promptTokens/);
    expect(await missingTokenizer(sentencePiece)).toMatch(/tokenizer\.model is no SentencePiece model.*tokenizer\.json/);
  });

  it('with a broken or unsupported tokenizer is refused, naming the file and the fault', async () => {
    const json = llamaLike();
    expect(await faultOf({ 'tokenizer.json': '{ "model": ' })).toMatch(/tokenizer\.json is not JSON/);
    expect(await faultOf({ 'tokenizer.json': '[]' })).toMatch(/tokenizer\.json holds a list/);
    expect(await faultOf({ 'tokenizer.json': json, 'tokenizer_config.json': 'nonsense' })).toMatch(/tokenizer_config\.json is not JSON/);
    expect(await faultOf({ 'tokenizer.json': {} })).toMatch(/"model" is missing/);
    expect(await faultOf({ 'tokenizer.json': { ...json, model: { type: 'BPE', vocab: {} } } })).toMatch(/"model\.merges" is missing/);
    expect(await faultOf({ 'tokenizer.json': { ...json, decoder: { type: 'Riddle' } } })).toMatch(/tokenizer\.json: .*Riddle/);
    expect(await faultOf({ 'tokenizer.json': { ...json, model: { ...json.model, dropout: 0.1 } } })).toMatch(/dropout/);
    expect(await faultOf({ 'tokenizer.json': { ...json, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false } } })).toMatch(/tokenizer\.json: /);
    expect(await faultOf({ 'tokenizer.json': { ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: { String: 'x' }, behavior: 'Contiguous', invert: false }] } } })).toMatch(/"Contiguous" is not supported/);
  });

  it('is not refused for a split that its normaliser has made idle', async () => {
    const json = { ...llamaLike(), pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false } };
    const tokenizer = await loadTokenizer(await folderOf({ 'tokenizer.json': json }));
    const plain = await loadTokenizer(await folderOf({ 'tokenizer.json': llamaLike() }));
    expect(tokenizer?.encode('the at a')).toEqual(plain?.encode('the at a'));
  });
});

describe('the fingerprint', () => {
  it('is that of the same tokenizer in another folder, whatever the order of keys and the spelling of merges', async () => {
    const json = JSON.parse(await readFile(`${demo}/tokenizer.json`, 'utf8')) as Record<string, unknown> & { model: { vocab: Record<string, number>; merges: string[][] } };
    const model = { merges: json.model.merges.map((pair) => pair.join(' ')), vocab: Object.fromEntries(Object.entries(json.model.vocab).reverse()), type: 'BPE', continuing_subword_prefix: '' };
    const rewritten = { ...Object.fromEntries(Object.entries(json).reverse()), model, padding: { strategy: 'BatchLongest' }, post_processor: null };
    const expected = (await loadTokenizer(demo))?.fingerprint;
    expect(expected).toMatch(/^[0-9a-f]{64}$/);
    expect(await vocabularyFingerprint('models/demo/draft')).toBe(expected);
    expect(await vocabularyFingerprint(await folderOf({ 'tokenizer.json': rewritten }))).toBe(expected);
  });

  it('differs when pieces, merges, added tokens or normaliser differ', async () => {
    const json = llamaLike(), { model } = json;
    const variants = [
      json,
      { ...json, model: { ...model, vocab: { ...model.vocab, at: model.vocab.he, he: model.vocab.at } } },
      { ...json, model: { ...model, merges: [...model.merges].reverse() } },
      { ...json, model: { ...model, byte_fallback: false } },
      { ...json, added_tokens: json.added_tokens.slice(1) },
      { ...json, normalizer: null },
      { ...json, pre_tokenizer: { type: 'Metaspace', replacement: '▁' } },
    ];
    const prints = await Promise.all(variants.map(async (variant) => vocabularyFingerprint(await folderOf({ 'tokenizer.json': variant }))));
    expect(new Set(prints).size).toBe(variants.length);
  });
});

describe('a tokenizer whose fault shows only when text meets it', () => {
  it('is an error that names the file', async () => {
    const json = llamaLike();
    const folder = await folderOf({ 'tokenizer.json': { ...json, post_processor: { ...json.post_processor, single: 5 } } });
    const tokenizer = await loadTokenizer(folder);
    expect(() => tokenizer!.encode('a')).toThrow(TokenizerError);
    expect(() => tokenizer!.encode('a')).toThrow(/tokenizer\.json: /);
  });
});
