import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { llamaPieces, sentencePieceModel } from '../../test/fixtures/sentencepiece.js';
import { folderOf, llamaLike } from '../../test/fixtures/tokenizers.js';
import { TokenizerError } from '../errors.js';
import { convertSentencePiece } from './sentencepiece.js';
import { loadTokenizer, missingTokenizer, type Tokenizer, vocabularyFingerprint } from './tokenizer.js';

const LLAMA = '../shared/models/llama2-tokenizer/tokenizer.model';

async function folderWith(model: Buffer, config?: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'foretoken-sentencepiece-'));
  await writeFile(join(folder, 'tokenizer.model'), model);
  if (config !== undefined) await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}

/** The tokenizer.json that transformers would save: every way to make a piece of two, the best pieces first. */
function saved(): ReturnType<typeof llamaLike> {
  const json = llamaLike();
  return { ...json, model: { ...json.model, merges: [...json.model.merges, ['▁a', 't'], ['▁', '界'], ['▁', '\n']] } };
}

const TEXTS = ['the cat at the heat', ' the  at', '', 'é界 😀!', 'that\nhe', 'a </s> b'];

describe('a SentencePiece model', () => {
  it('gives the tokens of the tokenizer.json that was made of it', async () => {
    const [converted, expected] = [await loadTokenizer(await folderWith(sentencePieceModel(llamaPieces()))), await loadTokenizer(await folderOf({ 'tokenizer.json': saved() }))];
    for (const text of TEXTS) {
      const tokens = converted!.encode(text);
      expect(tokens, text).toEqual(expected!.encode(text));
      expect(converted!.decode(tokens), text).toBe(expected!.decode(tokens));
    }
    expect([...converted!.specialIds]).toEqual([0, 1, 2]);
    expect(converted!.size).toBe(expected!.size);
    expect(converted!.fingerprint).toBe(expected!.fingerprint);
  });

  it('begins a text with the begin token, unless its configuration says otherwise', async () => {
    const bare = await loadTokenizer(await folderWith(sentencePieceModel(llamaPieces()), { add_bos_token: false }));
    const usual = await loadTokenizer(await folderWith(sentencePieceModel(llamaPieces()), { add_bos_token: true, bos_token: '<s>' }));
    expect([...usual!.encode('the')]).toEqual([1, ...bare!.encode('the')]);
  });

  it('is told from another by its fingerprint', async () => {
    const other = llamaPieces().map((piece) => (piece.text === 'he' ? { ...piece, text: 'eh' } : piece));
    const [first, again, changed] = await Promise.all([llamaPieces(), llamaPieces(), other].map(async (list) => vocabularyFingerprint(await folderWith(sentencePieceModel(list)))));
    expect(first).toBeDefined();
    expect(again).toBe(first);
    expect(changed).not.toBe(first);
  });

  it.each([
    ['that is not of the BPE type', sentencePieceModel(llamaPieces(), { 3: 1 })],
    ['that normalises its text', sentencePieceModel(llamaPieces(), undefined, { 2: Buffer.from('map'), 3: 1, 4: 0 })],
    ['that drops repeated spaces', sentencePieceModel(llamaPieces(), undefined, { 3: 1 })],
    ['with two pieces of the same text', sentencePieceModel([...llamaPieces(), { text: 'he', score: -5, kind: 1 }])],
    ['with pieces that are empty or longer than 512 characters', sentencePieceModel([...llamaPieces(), { text: 'e'.repeat(513), score: -5, kind: 1 }])],
    ['it holds no pieces', Buffer.alloc(0)],
    ['goes past the end', sentencePieceModel(llamaPieces()).subarray(0, 40)],
    ['wire type', Buffer.from('x not a model')],
  ])('%s is no tokenizer, and the error for text says so', async (why, bytes) => {
    const folder = await folderWith(bytes);
    expect(await loadTokenizer(folder)).toBeUndefined();
    const message = await missingTokenizer(folder);
    expect(message).toContain(join(folder, 'tokenizer.model'));
    expect(message).toContain(why);
    expect(message).toContain('Save the tokenizer as');
  });
});

it('of whatever bytes is a tokenizer or none, and never another fault', () => {
  const whole = sentencePieceModel(llamaPieces());
  const changed = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((bytes) => {
    const copy = Buffer.from(whole);
    for (const [at, byte] of bytes) copy[at] = byte;
    return copy;
  });
  let converted = 0;
  fc.assert(fc.property(fc.oneof(changed, fc.nat(whole.length).map((end) => whole.subarray(0, end)), fc.uint8Array({ maxLength: 64 })), (bytes) => {
    try {
      convertSentencePiece(bytes, 'tokenizer.model', true);
      converted++;
    } catch (error) {
      expect(error).toBeInstanceOf(TokenizerError);
    }
  }), { numRuns: 400, seed: 5 });
  expect(converted).toBeGreaterThan(10);
});

describe.skipIf(!existsSync(LLAMA))('Llama 2\'s own (skipped without ../shared/models/llama2-tokenizer)', () => {
  it('is spelt by merging the best neighbours until there are none', async () => {
    const tokenizer = await loadTokenizer(await folderWith(readFileSync(LLAMA))) as Tokenizer;
    expect(tokenizer.size).toBe(32000);
    const spell = speller(readFileSync(LLAMA.replace('.model', '.bin')));
    const texts = ['Hello world', 'The quick brown fox jumps over the lazy dog.', 'def f(x):\n    return x ** 2  # square', 'naïve café 你好 😀', ' two  spaces ', '1234567890', '\ufeffmarked'];
    for (const text of texts) {
      expect([...tokenizer.encode(text)], text).toEqual([1, ...spell(text)]);
      expect(tokenizer.decode(tokenizer.encode(text)), text).toBe(text);
    }
  });
});

/** The rule in a few lines, from the other file of the same pieces: int32 longest, then per piece float32 score, int32 length, bytes. */
function speller(bin: Buffer): (text: string) => number[] {
  const list: { readonly text: string; readonly score: number }[] = [];
  for (let at = 4; at < bin.length;) {
    const length = bin.readInt32LE(at + 4);
    list.push({ score: bin.readFloatLE(at), text: bin.toString('utf8', at + 8, at + 8 + length) });
    at += 8 + length;
  }
  const idOf = new Map(list.map(({ text }, id) => [text, id]));
  return (text) => {
    const ids = [...` ${text}`].flatMap((character) => idOf.get(character) ?? [...Buffer.from(character)].map((byte) => byte + 3));
    for (;;) {
      let best: { readonly at: number; readonly id: number } | undefined;
      for (let at = 0; at + 1 < ids.length; at++) {
        const id = idOf.get(list[ids[at]!]!.text + list[ids[at + 1]!]!.text);
        if (id !== undefined && (best === undefined || list[id]!.score > list[best.id]!.score)) best = { at, id };
      }
      if (best === undefined) return ids;
      ids.splice(best.at, 2, best.id);
    }
  };
}
