import { readFileSync } from 'node:fs';
import { text as readStream } from 'node:stream/consumers';
import { UsageError } from './errors.js';

/** Where a prompt may come from; exactly one of them. */
export interface PromptSources {
  /** The argument; `-` is standard input. */
  readonly argument?: string | undefined;
  readonly file?: string | undefined;
  readonly tokens?: readonly number[] | undefined;
}

export type Prompt = { readonly prompt: string } | { readonly promptTokens: readonly number[] };

/**
 * Reads the prompt: the argument, `--prompt-file`, `--prompt-tokens`, or what is piped in. One line break at the end of a file or pipe is not
 * part of it: editors and `echo` put it there, and a model would take it as a word of the text.
 *
 * @throws UsageError when there is none, or more than one
 */
export async function readPrompt({ argument, file, tokens }: PromptSources, stdin: NodeJS.ReadStream = process.stdin): Promise<Prompt> {
  const given = [argument === undefined ? [] : ['a prompt argument'], file === undefined ? [] : ['--prompt-file'], tokens === undefined ? [] : ['--prompt-tokens']].flat();
  if (given.length > 1) throw new UsageError(`One prompt, please: ${given.join(' and ')} were given.`);
  if (tokens !== undefined) return { promptTokens: tokens };
  if (file !== undefined) return { prompt: withoutLastBreak(readFileSync(file, 'utf8')) };
  if (argument !== undefined && argument !== '-') return { prompt: argument };
  const piped = argument === '-' || !stdin.isTTY ? await readStream(stdin) : '';
  if (piped === '') throw new UsageError('No prompt: give it as an argument, with --prompt-file or --prompt-tokens, or pipe it in.');
  return { prompt: withoutLastBreak(piped) };
}

function withoutLastBreak(text: string): string {
  return text.replace(/\r?\n$/, '');
}
