/** Every code that a {@link ForetokenError} can carry, and what it tells the caller. `docs/errors.md` is this table. */
export const ERROR_TABLE = {
  CONFIG: 'An option is unknown, missing, of the wrong type or out of range.',
  STRATEGY_NOT_FOUND: 'No strategy of that name or module.',
  STRATEGY_VERSION: 'A strategy was written for another version of the plugin interface.',
  STRATEGY_REFUSED: 'The strategy cannot run with these options on this target.',
  CHECKPOINT: 'A checkpoint folder or file is missing, broken or of an unsupported kind.',
  TOKENIZER: 'The tokenizer is missing or cannot do what was asked.',
  CONTEXT_LENGTH: 'The prompt does not fit the context.',
  SHAPE: 'A tensor has the wrong shape or dtype.',
  CAPACITY: 'No page of KV memory is left; retry when other sequences have finished.',
  DISPOSED: 'Used after dispose.',
  DEVICE: 'The native runtime is lost; create a new engine.',
  NATIVE_MISSING: 'The native addon is not built or does not load on this platform.',
} as const;

export type ErrorCode = keyof typeof ERROR_TABLE;

const MARK = Symbol.for('foretoken.error');

/** The base of every error that a user can cause. Its message says what came, what was expected and what to do. */
export class ForetokenError extends Error {
  readonly code: ErrorCode;
  /** @internal */
  readonly [MARK] = true;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }

  /** True for errors of any copy of this package. */
  static isInstance(error: unknown): error is ForetokenError {
    return typeof error === 'object' && error !== null && MARK in error;
  }
}

export class ConfigError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('CONFIG', message, options); }
}
export class StrategyNotFoundError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('STRATEGY_NOT_FOUND', message, options); }
}
export class StrategyVersionError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('STRATEGY_VERSION', message, options); }
}
export class StrategyRefusedError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('STRATEGY_REFUSED', message, options); }
}
export class CheckpointError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('CHECKPOINT', message, options); }
}
export class TokenizerError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('TOKENIZER', message, options); }
}
export class ContextLengthError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('CONTEXT_LENGTH', message, options); }
}
export class ShapeError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('SHAPE', message, options); }
}
export class CapacityError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('CAPACITY', message, options); }
}
export class DisposedError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('DISPOSED', message, options); }
}
export class DeviceError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('DEVICE', message, options); }
}
export class NativeMissingError extends ForetokenError {
  constructor(message: string, options?: ErrorOptions) { super('NATIVE_MISSING', message, options); }
}

/** The known name nearest to `name` by edit distance, when it is near enough to be a slip. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** `; did you mean "x"?` when there is a near name, else the list of known ones. */
export function suggestion(name: string, known: Iterable<string>): string {
  const names = [...known];
  const near = nearest(name, names);
  return near === undefined ? `; known: ${names.join(', ') || 'none'}` : `; did you mean "${near}"?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
