// Writes docs/errors.md from core/errors.ts: run `npm run build`, then `node scripts/error-docs.mjs`.
import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * @param module what core/errors.ts exports
 * @returns the page: every code, its class and its meaning
 */
export function renderErrors({ ERROR_TABLE, ForetokenError, ...rest }) {
  const classOf = new Map();
  for (const [name, value] of Object.entries(rest)) {
    if (typeof value === 'function' && value.prototype instanceof ForetokenError) classOf.set(new value('').code, name);
  }
  const rows = Object.entries(ERROR_TABLE).map(([code, meaning]) => `| \`${code}\` | \`${classOf.get(code)}\` | ${meaning} |`);
  return `---
title: Errors
---

# Errors

Every error that a user can cause is a \`ForetokenError\` with a \`code\`. Its message says what came, what was expected and what to do, and
names the file, field or option. \`ForetokenError.isInstance(error)\` recognises errors of any copy of the package.

| code | class | meaning |
| --- | --- | --- |
${rows.join('\n')}

A signal's own reason is passed on as it is: a cancelled run rejects with \`signal.reason\`. An unknown option is a \`CONFIG\` error that names
the nearest known one. The command line prints the message without a stack trace.

This page is written from \`core/errors.ts\` by \`scripts/error-docs.mjs\`.
`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const page = renderErrors(await import('../dist/core/errors.js'));
  writeFileSync(fileURLToPath(new URL('../docs/errors.md', import.meta.url)), page);
}
