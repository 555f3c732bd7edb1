import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../errors.js';
import { describeJson, parseStrictJson, parseStrictJsonObject } from './strict-json.js';

describe('parseStrictJson', () => {
  it.each([
    '{}', '[]', ' [ 1 , 2 ] ', '"a\\u00e9\\n\\"\\\\\\/é😀"', '"\\ud83d\\ude00"', '-0.5e-3', '0', '-0', '1E+2', 'true', 'false', 'null', '[[],{"a":{"b":[null]}}]', '\n\t{"a":\r1}\n',
  ])('reads %s as JSON.parse does', (text) => expect(parseStrictJson(text, 'x.json')).toEqual(JSON.parse(text)));

  it.each<[string, string, RegExp]>([
    ['nothing', '', /it ends in the middle \(line 1, column 1\)/],
    ['a document that ends early', '{"a": [1,', /it ends in the middle \(line 1, column 10\)/],
    ['a trailing comma', '[1,\n 2,]', /"\]" where a value is expected \(line 2, column 4\)/],
    ['a missing colon', '{"a" 1}', /"1" where ":" is expected/],
    ['a key without quotes', '{a: 1}', /"a" where a key is expected/],
    ['text behind the document', '{} {}', /more text after the end/],
    ['a key twice', '{"a": 1,\n"b": 2, "\\u0061": 3}', /the key "a" occurs twice \(line 2, column 9\)/],
    ['a number with a leading zero', '[01]', /"1" where "," or "\]" is expected/],
    ['a plus sign', '[+1]', /"\+" where a value is expected/],
    ['NaN', '[NaN]', /"N" where a value is expected/],
    ['a number that overflows', '1e999', /too large for a double/],
    ['a lone minus', '-', /malformed number/],
    ['an open string', '"abc', /ends inside a string/],
    ['a string that ends with its escape', '"abc\\', /ends inside a string/],
    ['a bad escape', '"\\x"', /bad escape/],
    ['half a surrogate pair', '"\\ud83d"', /no Unicode text/],
    ['a line break in a string', '"a\nb"', /control character/],
    ['a byte-order mark', '\ufeff{}', /a byte-order mark where a value is expected/],
    ['a comment', '{} // no', /more text/],
    ['arrays nested without end', '['.repeat(1_000_000), /nested deeper than 64/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseStrictJson(text, 'x.json')).toThrow(CheckpointError);
    expect(() => parseStrictJson(text, 'x.json')).toThrow(message);
    expect(() => parseStrictJson(text, 'x.json')).toThrow('x.json is not valid JSON');
  });

  it('keeps keys that are names of an object\'s own workings', () => {
    const object = parseStrictJsonObject('{"__proto__": {"a": 1}, "constructor": 2, "hasOwnProperty": 3}', 'x.json');
    expect(Object.keys(object)).toEqual(['__proto__', 'constructor', 'hasOwnProperty']);
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(object, '__proto__')!.value).toEqual({ a: 1 });
    expect(() => parseStrictJson('{"__proto__": 1, "__proto__": 2}', 'x.json')).toThrow(/"__proto__" occurs twice/);
  });

  it('wants an object where one is wanted', () => {
    expect(() => parseStrictJsonObject('[1]', 'x.json')).toThrow('x.json holds [1]; expected a JSON object');
  });
});

it('shows any value shortly', () => {
  expect(describeJson(undefined)).toBe('nothing');
  expect(describeJson(Array(1000).fill(0))).toBe('an array of 1000');
  expect(describeJson('x'.repeat(1000))).toHaveLength(78);
});
