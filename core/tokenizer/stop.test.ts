import { describe, expect, it } from 'vitest';
import { folderOf, llamaLike, randomNumbers } from '../../test/fixtures/tokenizers.js';
import { TextStream } from './stop.js';
import { loadTokenizer } from './tokenizer.js';

const tokenizer = await loadTokenizer('models/demo/target') ?? raise();
const spaced = await loadTokenizer(await folderOf({ 'tokenizer.json': llamaLike() })) ?? raise();

function raise(): never { throw new Error('no tokenizer'); }

/** What a stream shows of a text, and how many tokens it took. */
function run(text: string, stops: readonly string[]): { shown: string; taken: number; tokens: number[]; pieces: string[] } {
  const tokens = [...tokenizer.encode(text, { addSpecialTokens: false })], stream = new TextStream(tokenizer, stops), pieces: string[] = [];
  let taken = 0;
  for (const token of tokens) {
    const { text: piece, stopped } = stream.push(token);
    pieces.push(piece);
    taken++;
    if (stopped) break;
  }
  pieces.push(stream.flush());
  return { shown: pieces.join(''), taken, tokens, pieces };
}

describe('a text stream', () => {
  it('shows the whole text when no stop string comes', () => {
    const text = 'Once upon a time there was a 😀 and a ménage.\n\n';
    expect(run(text, [])).toMatchObject({ shown: text });
    expect(run(text, ['\n\n\n', 'time there were', 'zzz']).shown).toBe(text);
  });

  it('ends before a stop string and names the token that completes it', () => {
    const { shown, taken, tokens } = run('The cat sat. The dog ran. The end', [' dog']);
    expect(shown).toBe('The cat sat. The');
    expect(tokenizer.decode(tokens.slice(0, taken))).toContain(' dog');
    expect(tokenizer.decode(tokens.slice(0, taken - 1))).not.toContain(' dog');
  });

  it('finds a stop string across tokens and half characters', () => {
    const text = 'abc 😀😁 def', { shown, taken, tokens } = run(text, ['😁 d']);
    expect(shown).toBe('abc 😀');
    expect(tokenizer.decode(tokens.slice(0, taken - 1))).not.toContain('😁 d');
    expect(tokens.length).toBeGreaterThan(6);   // the emoji are several tokens each
  });

  it('never shows a beginning of a stop string that is then completed', () => {
    for (const { text, stop } of [{ text: 'aab aabaac', stop: 'aabaac' }, { text: 'ababac abac', stop: 'abac' }, { text: 'User: hi\nUser: ho', stop: '\nUser:' }]) {
      const { pieces } = run(text, [stop]);
      const end = text.indexOf(stop);
      expect(pieces.join('')).toBe(text.slice(0, end));
    }
  });

  it('takes the stop string that is complete first, and of two that end together the longer', () => {
    expect(run('one two three', ['two three', 'two']).shown).toBe('one ');
    expect(run('one two three', ['wo', 'two']).shown).toBe('one ');
    expect(run('one two three', ['one two three', 'o t']).shown).toBe('one tw');
  });

  it('stays stopped', () => {
    const stream = new TextStream(tokenizer, ['a']);
    const token = tokenizer.idOf('a') ?? -1;
    expect(stream.push(token)).toEqual({ text: '', stopped: true });
    expect(stream.push(token)).toEqual({ text: '', stopped: true });
    expect(stream.flush()).toBe('');
  });

  it('continues the prompt where a leading space matters', () => {
    const stream = new TextStream(spaced, [' at'], spaced.encode('the'));
    expect(stream.push(spaced.idOf('▁the') ?? -1)).toEqual({ text: ' the', stopped: false });
    expect(stream.push(spaced.idOf('▁at') ?? -1)).toEqual({ text: '', stopped: true });
  });

  it('cuts random texts where a search of the whole text would', () => {
    const random = randomNumbers(3), letters = 'ab😀 ';
    const draw = (count: number) => Array.from({ length: count }, () => [...letters][Math.floor(random() * 4)]).join('');
    let stopped = 0;
    for (let round = 0; round < 500; round++) {
      const text = draw(30), stops = [draw(2), draw(3), draw(5)];
      const { shown } = run(text, stops);
      const ends = stops.filter((stop) => text.includes(stop)).map((stop) => ({ stop, end: text.indexOf(stop) + stop.length }));
      ends.sort((a, b) => a.end - b.end || b.stop.length - a.stop.length);
      const first = ends[0];
      expect(shown).toBe(first === undefined ? text : text.slice(0, first.end - first.stop.length));
      if (first !== undefined) stopped++;
    }
    expect(stopped).toBeGreaterThan(100);
  });
});
