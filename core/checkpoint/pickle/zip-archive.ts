// The seam to the npm package `yauzl`: what a zip archive holds and where the bytes lie. No entry's name is ever used as a path.
import type { FileHandle } from 'node:fs/promises';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { CheckpointError } from '../../errors.js';

export interface ZipEntry {
  readonly name: string;
  /** Of the first byte of its data, from the start of the file. */
  readonly offset: number;
  /** In the file; equal to `bytes` where the entry is stored as it is. */
  readonly storedBytes: number;
  readonly bytes: number;
  readonly isDeflated: boolean;
}

/** More is no checkpoint: a shard has some thousands of tensors. */
const MAX_ENTRIES = 200_000;
const STORED = 0, DEFLATED = 8;

/**
 * The entries of an archive, by name; folders are left out. Every data range is checked against the size of the file, and none overlaps another.
 *
 * @throws CheckpointError naming the file and its fault
 */
export async function readZipEntries(handle: FileHandle, size: number, file: string): Promise<Map<string, ZipEntry>> {
  const entries = new Map<string, ZipEntry>();
  try {
    const zip = await fromRandomAccessReaderPromise(new HandleReader(handle, size), size, { autoClose: false, strictFileNames: true, validateEntrySizes: true });
    if (zip.entryCount > MAX_ENTRIES) throw fault(file, `it says that it has ${zip.entryCount} entries; at most ${MAX_ENTRIES} are read`);
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      if (entries.has(entry.fileName)) throw fault(file, `it has two entries called ${JSON.stringify(entry.fileName)}`);
      entries.set(entry.fileName, await locate(zip, entry, file));
    }
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw fault(file, error instanceof Error ? error.message : String(error), error);
  }
  checkOverlap([...entries.values()], file);
  return entries;
}

/** The entry's own header must say the same as the directory at the end. */
async function locate(zip: ZipFile, entry: Entry, file: string): Promise<ZipEntry> {
  const { fileName: name, compressionMethod: method, compressedSize, uncompressedSize } = entry;
  const quoted = `entry ${JSON.stringify(name)}`;
  const header = await zip.readLocalFileHeaderPromise(entry);
  if (!header.fileName.equals(entry.fileNameRaw)) throw fault(file, `${quoted} has another name in its own header`);
  if (header.compressionMethod !== method) throw fault(file, `${quoted} has another compression in its own header`);
  if (entry.isEncrypted()) throw fault(file, `${quoted} is encrypted`);
  if (method !== STORED && method !== DEFLATED) throw fault(file, `${quoted} is compressed by method ${method}; stored and deflated ones are read`);
  return { name, offset: header.fileDataStart, storedBytes: compressedSize, bytes: uncompressedSize, isDeflated: method === DEFLATED };
}

/** Entries that share bytes are a way to make a small file large. */
function checkOverlap(entries: ZipEntry[], file: string): void {
  entries.sort((a, b) => a.offset - b.offset);
  let last: ZipEntry | undefined;
  for (const entry of entries) {
    if (last !== undefined && last.offset + last.storedBytes > entry.offset) throw fault(file, `entries ${JSON.stringify(last.name)} and ${JSON.stringify(entry.name)} overlap`);
    if (entry.storedBytes > 0) last = entry;
  }
}

/** Reads of a file whose owner closes it. Impossible positions, which an archive may ask for, are the error of that read. */
class HandleReader extends RandomAccessReader {
  constructor(private readonly handle: FileHandle, private readonly size: number) { super(); }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null, bytesRead?: number) => void): void {
    if (!Number.isSafeInteger(position) || position < 0 || position + length > this.size) {
      callback(new Error(`it points at byte ${position}, but has only ${this.size}: it is cut off`));
      return;
    }
    this.handle.read(buffer, offset, length, position).then(({ bytesRead }) => callback(null, bytesRead), (error: unknown) => callback(error as Error));
  }

  override close(callback: (error: Error | null) => void): void { callback(null); }
}

function fault(file: string, what: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${file} is not a valid zip archive: ${what}`, cause === undefined ? undefined : { cause });
}
