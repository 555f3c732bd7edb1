// Parsers of flag values. They name what they expect; commander puts the flag's name in front.
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { StrategyConfig } from '../../core/index.js';

/** A whole number from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text.trim()) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number ${max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`}.`);
    }
    return value;
  };
}

/** A number from `min` (or above it) to `max`. */
export function decimal(min: number, max = Number.POSITIVE_INFINITY, options: { readonly above?: boolean } = {}): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const isIn = Number.isFinite(value) && (options.above === true ? value > min : value >= min) && value <= max;
    if (!isIn) throw new InvalidArgumentError(`Expected a number ${options.above === true ? 'above' : 'from'} ${min}${Number.isFinite(max) ? ` to ${max}` : ''}.`);
    return value;
  };
}

/** 0 … 2^64 - 1. */
export function seed(text: string): bigint {
  const value = /^\d{1,20}$/.test(text.trim()) ? BigInt(text.trim()) : undefined;
  if (value === undefined || value >= 1n << 64n) throw new InvalidArgumentError('Expected a whole number from 0 to 2^64 - 1.');
  return value;
}

/** Token ids, separated by commas or spaces. */
export function tokenIds(text: string): number[] {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) throw new InvalidArgumentError('Expected token ids, such as 1,2,3.');
  return parts.map((part) => {
    if (!/^\d+$/.test(part) || Number(part) > 0x7fffffff) throw new InvalidArgumentError(`"${part}" is no token id; expected ids such as 1,2,3.`);
    return Number(part);
  });
}

/** Repeated flags as a list. */
export function collect(text: string, previous: readonly string[] | undefined): string[] {
  if (text === '') throw new InvalidArgumentError('Expected a text that is not empty.');
  return [...(previous ?? []), text];
}

/** Repeated `id=bias` as one object; a token that is named twice has the last bias. */
export function collectBias(text: string, previous: Readonly<Record<number, number>> | undefined): Record<number, number> {
  const [, token, bias] = /^\s*(\d{1,10})\s*=\s*(\S+)\s*$/.exec(text) ?? [];
  const value = bias !== undefined && /^-inf(inity)?$/i.test(bias) ? -Infinity : Number(bias);
  if (token === undefined || Number.isNaN(value) || value === Infinity) throw new InvalidArgumentError('Expected a token id and a number or -inf, such as 13=-2.5.');
  return { ...previous, [Number(token)]: value };
}

/** `off`, a name or module, a JSON object, or `@file` with either. */
export function strategy(text: string): string | StrategyConfig {
  return text.startsWith('@') ? strategyChoice(readText(text.slice(1)).trim(), text.slice(1)) : strategyChoice(text.trim(), 'the value');
}

/** A comma-separated list of names, a JSON list of names and objects, or `@file` with the latter. */
export function strategies(text: string): (string | StrategyConfig)[] {
  const content = text.startsWith('@') ? readText(text.slice(1)) : text;
  if (!content.trim().startsWith('[')) return content.split(',').map((name) => strategyChoice(name.trim(), 'the list'));
  const list = parseJson(content, 'the list');
  if (!Array.isArray(list)) throw new InvalidArgumentError('Expected a list.');
  return list.map((entry) => checkedChoice(entry, 'the list'));
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`${file} cannot be read: ${(error as Error).message}.`);
  }
}

function strategyChoice(text: string, where: string): string | StrategyConfig {
  if (text === '') throw new InvalidArgumentError(`Expected a strategy in ${where}: a name, "off", or a JSON object.`);
  return /^[{["]/.test(text) ? checkedChoice(parseJson(text, where), where) : text;
}

function checkedChoice(value: unknown, where: string): string | StrategyConfig {
  if (typeof value === 'string' && value !== '') return value;
  const name = typeof value === 'object' && value !== null && 'name' in value ? value.name : undefined;
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError(`Expected a strategy in ${where}: a name, "off", or an object with a "name".`);
  return value as StrategyConfig;
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`JSON expected in ${where}: ${(error as Error).message}.`);
  }
}
