import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { readPrompt } from './prompt.js';

function stdin(text: string, isTTY = false): NodeJS.ReadStream {
  return Object.assign(Readable.from(text === '' ? [] : [Buffer.from(text)]), { isTTY }) as unknown as NodeJS.ReadStream;
}

it('comes from the argument, whatever is piped in', async () => {
  expect(await readPrompt({ argument: 'hello' }, stdin('other'))).toEqual({ prompt: 'hello' });
  expect(await readPrompt({ argument: '' }, stdin('other'))).toEqual({ prompt: '' });
});

it('comes from a file or a pipe, without the one line break at its end', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'foretoken-prompt-')), 'prompt.txt');
  writeFileSync(file, 'from a file\n\r\n');
  expect(await readPrompt({ file }, stdin(''))).toEqual({ prompt: 'from a file\n' });
  expect(await readPrompt({}, stdin('piped\n'))).toEqual({ prompt: 'piped' });
  expect(await readPrompt({ argument: '-' }, stdin('typed\n', true))).toEqual({ prompt: 'typed' });
});

it('comes from token ids', async () => {
  expect(await readPrompt({ tokens: [1, 2] }, stdin('other'))).toEqual({ promptTokens: [1, 2] });
});

it('is refused when there is none, or more than one', async () => {
  await expect(readPrompt({}, stdin(''))).rejects.toThrow(/No prompt/);
  await expect(readPrompt({}, stdin('never read', true))).rejects.toThrow(/No prompt/);
  await expect(readPrompt({ argument: 'a', tokens: [1] }, stdin(''))).rejects.toThrow(/a prompt argument and --prompt-tokens/);
});
