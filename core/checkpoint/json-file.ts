import { readFile, stat } from 'node:fs/promises';
import { CheckpointError } from '../errors.js';
import { parseStrictJsonObject, type JsonObject } from './strict-json.js';

/** Configuration files have kilobytes and the index of a very large model a few megabytes; more is no such file. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** Reads a JSON file that holds an object. @throws CheckpointError naming the file, and line and column where it is not JSON */
export async function readJsonFile(file: string): Promise<JsonObject> {
  return parseStrictJsonObject(await readText(file), file);
}

/** The same, or undefined when there is no such file. */
export async function readJsonFileIfPresent(file: string): Promise<JsonObject | undefined> {
  try {
    return await readJsonFile(file);
  } catch (error) {
    if (error instanceof CheckpointError && isMissing(error.cause)) return undefined;
    throw error;
  }
}

async function readText(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new CheckpointError(`${file} is no file; expected JSON`);
    if (found.size > MAX_JSON_BYTES) throw new CheckpointError(`${file} has ${found.size} bytes; at most ${MAX_JSON_BYTES} are expected of a JSON file`);
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${file} is not valid UTF-8`, { cause });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
