import { z, type ZodString } from 'zod';

/**
 * The schema of an option that names a checkpoint folder or a weights file. Core finds such options by their mark, resolves them, reads the
 * headers and hands the summary to `plan()` under the same string.
 *
 * @param description one line for `--help` and the JSON schema
 */
export function checkpoint(description = 'A folder with weights.'): ZodString {
  return z.string().min(1).meta({ checkpoint: true, description });
}
