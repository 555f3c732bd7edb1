import { readFileSync } from 'node:fs';
import { ConfigError } from '../../core/index.js';

export interface BenchPrompt {
  readonly id: string;
  readonly text: string;
  readonly category?: string;
}

/** What the demo model was trained to write: stories, questions about tables, sums, and text that repeats itself. */
export const BUILT_IN_PROMPTS: readonly BenchPrompt[] = [
  { id: 'story', text: 'Once upon a time, there was a little girl named Lily. She loved to play outside' },
  { id: 'animals', text: 'One day, a big dog and a small cat met in the park. The cat said,' },
  { id: 'sql', text: 'Table: singer(name, age, country)\nQ: What is the country of the singer named Joe?\nSQL: SELECT' },
  { id: 'list', text: 'Red apples are sweet. Green apples are sour. Red apples are sweet. Green apples are' },
];

/**
 * Prompts of a JSON Lines file: objects with `turns` (the first is taken) or `prompt`, and perhaps an `id`; `count` of them, spread over the file.
 *
 * @throws ConfigError naming the line that is no such object
 */
export function readPrompts(file: string, count?: number): BenchPrompt[] {
  const lines = readFileSync(file, 'utf8').split('\n').map((line, i) => ({ line, number: i + 1 })).filter(({ line }) => line.trim() !== '');
  if (lines.length === 0) throw new ConfigError(`${file} holds no prompt.`);
  const step = count === undefined ? 1 : Math.max(1, Math.floor(lines.length / count));
  return lines.filter((_, i) => i % step === 0).slice(0, count).map(({ line, number }) => parse(line, `${file}:${number}`));
}

function parse(line: string, where: string): BenchPrompt {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new ConfigError(`${where} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const { id, turns, prompt, category } = (value ?? {}) as { readonly [field: string]: unknown };
  const text = prompt ?? (Array.isArray(turns) ? turns[0] as unknown : undefined);
  if (typeof text !== 'string' || text === '') throw new ConfigError(`${where}: expected an object with \`prompt\` or \`turns\` (texts).`);
  return { id: typeof id === 'string' || typeof id === 'number' ? String(id) : where, text, ...(typeof category === 'string' ? { category } : {}) };
}
