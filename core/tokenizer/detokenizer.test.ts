import { existsSync, readFileSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { folderOf, llamaLike, metaspace, randomNumbers, wordPiece, wordSuffix } from '../../test/fixtures/tokenizers.js';
import { type Tokenizer, loadTokenizer } from './tokenizer.js';

interface Family { readonly name: string; readonly folder: () => Promise<string>; readonly absent?: boolean }

const smollm = '../shared/models/smollm2-135m-instruct', stories = '../shared/models/stories260K/tok512.bin', llama2 = '../shared/models/llama2-tokenizer/tokenizer.bin';
const families: readonly Family[] = [
  { name: 'the demo model', folder: async () => 'models/demo/target' },
  { name: 'a Llama-2-like tokenizer', folder: () => folderOf({ 'tokenizer.json': llamaLike() }) },
  { name: 'a Metaspace tokenizer', folder: () => folderOf({ 'tokenizer.json': metaspace() }) },
  { name: 'a WordPiece tokenizer', folder: () => folderOf({ 'tokenizer.json': wordPiece() }) },
  { name: 'a tokenizer with word suffixes', folder: () => folderOf({ 'tokenizer.json': wordSuffix() }) },
  { name: 'SmolLM2', folder: async () => smollm, absent: !existsSync(smollm) },
  { name: 'stories260K', folder: () => folderOf({ 'tokenizer.json': llamaLike(sentencePieces(stories)) }), absent: !existsSync(stories) },
  { name: 'Llama 2', folder: () => folderOf({ 'tokenizer.json': llamaLike(sentencePieces(llama2)) }), absent: !existsSync(llama2) },
];

describe.each(families)('the detokeniser of $name', ({ folder, absent = false }) => {
  it.skipIf(absent)('gives, over any blocks of any tokens, the text of the whole', async () => {
    const path = await folder(), tokenizer = await load(path), whole = independentDecode(path, tokenizer), random = randomNumbers(7);
    let characters = 0;
    for (let round = 0; round < 300; round++) {
      const tokens = randomTokens(tokenizer, random, 1 + Math.floor(random() * 24));
      const expected = whole(tokens);
      expect(inBlocks(tokenizer, tokens, random), `tokens ${tokens.join()}`).toBe(expected);
      expect(tokenizer.decode(tokens)).toBe(expected);
      characters += expected.length;
    }
    expect(characters).toBeGreaterThan(3000);
  });

  it.skipIf(absent)('continues the text of the tokens before it', async () => {
    const tokenizer = await load(await folder()), random = randomNumbers(11);
    for (let round = 0; round < 200; round++) {
      const before = randomTokens(tokenizer, random, 1 + Math.floor(random() * 40)), tokens = randomTokens(tokenizer, random, 12);
      const prefix = tokenizer.decode(before);
      if (prefix.endsWith('\ufffd')) continue;   // whether that is half a character or a real U+FFFD is not known here
      expect(prefix + inBlocks(tokenizer, tokens, random, before), `tokens ${before.join()} | ${tokens.join()}`).toBe(tokenizer.decode([...before, ...tokens]));
    }
  });
});

it('holds back an incomplete character, and no complete one', async () => {
  const tokenizer = await load('models/demo/target');
  const tokens = [...tokenizer.encode('a😀b', { addSpecialTokens: false })], detokenizer = tokenizer.detokenizer();
  const pieces = tokens.map((token) => detokenizer.push([token]));
  expect(pieces.join('')).toBe('a😀b');
  expect(pieces.filter((piece) => piece.includes('\ufffd'))).toEqual([]);
  const cut = tokenizer.detokenizer(), half = tokens.slice(0, tokens.length - 2);
  expect(cut.push(half) + cut.flush()).toBe('a\ufffd');
});

it('keeps a space at the start of a continuation, which a whole text would lose', async () => {
  const tokenizer = await load(await folderOf({ 'tokenizer.json': llamaLike() }));
  const the = [tokenizer.idOf('▁the') ?? -1];
  expect(tokenizer.detokenizer().push(the)).toBe('the');
  expect(tokenizer.detokenizer(tokenizer.encode('at')).push(the)).toBe(' the');
});

async function load(folder: string): Promise<Tokenizer> {
  const tokenizer = await loadTokenizer(folder);
  if (tokenizer === undefined) throw new Error(`no tokenizer in ${folder}`);
  return tokenizer;
}

/** The library's own decoding, with ids that have no piece left out. */
function independentDecode(folder: string, tokenizer: Tokenizer): (tokens: readonly number[]) => string {
  const inner = new HuggingFaceTokenizer(JSON.parse(readFileSync(`${folder}/tokenizer.json`, 'utf8')), {});
  return (tokens) => {
    const known = tokens.filter((token) => inner.id_to_token(token) !== undefined && !tokenizer.specialIds.has(token));
    return known.length === 0 ? '' : inner.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  };
}

/** Half of them from the low ids, where bytes and special tokens are; some beyond the vocabulary. */
function randomTokens(tokenizer: Tokenizer, random: () => number, count: number): number[] {
  return Array.from({ length: count }, () => Math.floor(random() * (random() < 0.5 ? Math.min(270, tokenizer.size) : tokenizer.size + 2)));
}

function inBlocks(tokenizer: Tokenizer, tokens: readonly number[], random: () => number, after: readonly number[] = []): string {
  const detokenizer = tokenizer.detokenizer(after);
  let text = '';
  for (let i = 0; i < tokens.length;) {
    const size = Math.floor(random() * 5);
    text += detokenizer.push(tokens.slice(i, i + size));
    i += size;
  }
  return text + detokenizer.flush();
}

/** Pieces of a llama2.c tokenizer file: i32, then per piece f32 score, i32 length and UTF-8. */
function sentencePieces(file: string): string[] {
  const bytes = readFileSync(file), pieces: string[] = [];
  for (let at = 4; at < bytes.length;) {
    const length = bytes.readInt32LE(at + 4);
    pieces.push(bytes.toString('utf8', at + 8, at + 8 + length).replaceAll(' ', '▁'));
    at += 8 + length;
  }
  return ['<unk>', '<s>', '</s>', ...pieces.slice(3)];
}
