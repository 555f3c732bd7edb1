import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { expect, it } from 'vitest';
import { collectBias, decimal, integer, seed, strategies, strategy, tokenIds } from './values.js';

function refused(parse: (text: string) => unknown, ...texts: readonly string[]): void {
  for (const text of texts) expect(() => parse(text), JSON.stringify(text)).toThrow(InvalidArgumentError);
}

it('whole numbers are whole, in range and decimal', () => {
  expect(integer(1)('12')).toBe(12);
  refused(integer(1), '1.5', '0', '-3', 'NaN', '', ' ', '1e3', '0x10', 'ten', '9007199254740993');
  expect(() => integer(1, 8)('9')).toThrow('Expected a whole number from 1 to 8.');
});

it('numbers are finite and in range', () => {
  expect(decimal(0)('0.7')).toBe(0.7);
  expect(decimal(0)('1e-3')).toBe(0.001);
  refused(decimal(0), 'NaN', 'Infinity', '-0.1', '', 'warm');
  refused(decimal(0, 1, { above: true }), '0', '1.01');
  expect(() => decimal(0, 1, { above: true })('0')).toThrow('Expected a number above 0 to 1.');
});

it('biases are collected by token', () => {
  expect(collectBias('13=-inf', collectBias('7 = 2.5', { 13: 1 }))).toEqual({ 7: 2.5, 13: -Infinity });
  refused((text) => collectBias(text, undefined), '13', '=2', 'the=2', '13=much', '13=Infinity', '-1=2', '13=');
});

it('seeds reach 2^64 - 1 without loss', () => {
  expect(seed('18446744073709551615')).toBe(18446744073709551615n);
  refused(seed, '18446744073709551616', '-1', '1.5', '');
});

it('token ids are separated by commas or spaces', () => {
  expect(tokenIds('1, 2,3 4')).toEqual([1, 2, 3, 4]);
  refused(tokenIds, '', ',', '1,x', '-1', '1.5', '4294967296');
});

it('a strategy is a name, JSON or a file', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'foretoken-strategy-')), 'strategy.json');
  writeFileSync(file, '{ "name": "prompt-lookup", "length": 4 }\n');
  expect(strategy('off')).toBe('off');
  expect(strategy('./mine.ts')).toBe('./mine.ts');
  expect(strategy('{"name":"x","k":1}')).toEqual({ name: 'x', k: 1 });
  expect(strategy(`@${file}`)).toEqual({ name: 'prompt-lookup', length: 4 });
  refused(strategy, '', '{', '{"k":1}', '["x"]', '@/no/such/file.json', '{"name":""}');
});

it('a list of strategies is names or JSON', () => {
  expect(strategies('off, prompt-lookup')).toEqual(['off', 'prompt-lookup']);
  expect(strategies('["off",{"name":"x"}]')).toEqual(['off', { name: 'x' }]);
  refused(strategies, '', 'a,,b', '[1]', '[{}]', '[');
});
