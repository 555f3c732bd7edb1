import { open, stat, type FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../errors.js';

/** Opens a regular file for the time of `use`. @throws CheckpointError naming the file when it cannot be read; what `use` throws of that kind passes */
export async function withFile<T>(file: string, use: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    // Asked before opening: opening a pipe would wait for its other end.
    const found = await stat(file);
    if (!found.isFile()) throw new CheckpointError(`${file} ${found.isDirectory() ? 'is a folder' : 'is no regular file'}; expected a file with weights`);
    handle = await open(file, 'r');
    return await use(handle, found.size);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    await handle?.close();
  }
}

/** Bytes of a range that the caller knows to lie inside the file. @throws CheckpointError when the file has become shorter */
export async function readExactly(handle: FileHandle, position: number, length: number, file: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw new CheckpointError(`${file} became shorter while it was read`);
    done += bytesRead;
  }
  return bytes;
}
