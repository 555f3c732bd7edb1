import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readPrompts } from './prompts.js';

function fileOf(...lines: readonly unknown[]): string {
  const file = join(mkdtempSync(join(tmpdir(), 'foretoken-prompts-')), 'prompts.jsonl');
  writeFileSync(file, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  return file;
}

it('reads the first turn or the prompt of each line', () => {
  const file = fileOf({ id: 'x', turns: ['first', 'second'] }, '', { prompt: 'third' });
  expect(readPrompts(file)).toEqual([{ id: 'x', text: 'first' }, { id: `${file}:3`, text: 'third' }]);
});

it('spreads a count over the file', () => {
  const file = fileOf(...Array.from({ length: 10 }, (_, id) => ({ id, prompt: 'p' })));
  expect(readPrompts(file, 3).map(({ id }) => id)).toEqual(['0', '3', '6']);
  expect(readPrompts(file, 99)).toHaveLength(10);
});

it('names the line that it cannot use', () => {
  expect(() => readPrompts(fileOf({ prompt: 'p' }, '{'))).toThrow(/prompts\.jsonl:2 is not JSON/);
  expect(() => readPrompts(fileOf({ text: 'p' }))).toThrow(/prompts\.jsonl:1: expected an object with `prompt` or `turns`/);
  expect(() => readPrompts(fileOf())).toThrow(/holds no prompt/);
});
