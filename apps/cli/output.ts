/** A reader that closes our output, such as `head`, has seen enough: end without a word. */
export function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(process.exitCode ?? 0);
    });
  }
}

/** One object as JSON. Seeds beyond 2^53 become decimal strings, which `--seed` reads too; -Infinity, which JSON has not, "-inf". */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, field: unknown) => {
    if (field === -Infinity) return '-inf';
    if (typeof field !== 'bigint') return field;
    return field <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(field) : field.toString();
  }, indent);
}
