import { CommanderError } from 'commander';

/** Exit codes: 0 done, 1 failed while running, 2 bad usage or input, 130 ended by Ctrl-C. */
export const EXIT = { failed: 1, usage: 2, interrupted: 130 } as const;

/** A fault of the command line itself. */
export class UsageError extends Error {}

/** Thrown to leave a command that Ctrl-C has ended; prints nothing. */
export class Interrupted extends Error {}

/** Codes of the library's errors that are no fault of what was asked. */
const RUNTIME_CODES = new Set(['CAPACITY', 'DISPOSED', 'DEVICE', 'NATIVE_MISSING', 'SHAPE']);

/** System errors that say that a path was wrong. */
const PATH_CODES = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'ENAMETOOLONG']);

export async function exitCodeOf(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof Interrupted) return EXIT.interrupted;
  if (error instanceof UsageError || (isSystemError(error) && PATH_CODES.has(error.code ?? ''))) return EXIT.usage;
  const code = await foretokenCode(error);
  return code === undefined || RUNTIME_CODES.has(code) ? EXIT.failed : EXIT.usage;
}

/** One line for what users can cause or cure; the stack only with FORETOKEN_DEBUG=1, or where the fault is ours. */
export async function printError(error: unknown): Promise<void> {
  if (error instanceof Interrupted) return;
  const debug = process.env.FORETOKEN_DEBUG === '1';
  const expected = error instanceof UsageError || isSystemError(error) || await foretokenCode(error) !== undefined;
  const message = inFlags(error instanceof Error ? error.message : String(error));
  if (debug && error instanceof Error) process.stderr.write(`${error.stack ?? message}\n`);
  else process.stderr.write(`error: ${message}\n${expected ? '' : '(FORETOKEN_DEBUG=1 shows where)\n'}`);
}

/** The library speaks of its options in backquotes; here they are flags. */
function inFlags(message: string): string {
  return message.replace(/`(\w+)`/g, (quoted, option: string) => FLAGS[option] ?? quoted);
}

/** Flags of options whose names differ by more than their spelling. */
export const FLAGS: Readonly<Record<string, string>> = {
  maxTokensPerSequence: '--context', maxSequences: '--max-sequences', promptTokens: '--prompt-tokens', maxTokens: '--max-tokens', topK: '--top-k', topP: '--top-p', minP: '--min-p',
  proposeBudgetMs: '--propose-budget', instructionSet: '--instruction-set', prefillChunk: '--prefill-chunk', kvDtype: '--kv-dtype', ignoreEos: '--ignore-eos',
};

async function foretokenCode(error: unknown): Promise<string | undefined> {
  try {
    const { ForetokenError } = await import('../../core/index.js');
    return ForetokenError.isInstance(error) ? error.code : undefined;
  } catch {
    return undefined;   // the library itself does not load: that is the error being printed
  }
}

/** Errors of the file system and the like say what is wrong in their message. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
