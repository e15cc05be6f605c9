/** Snapshots in files. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { messageOf } from "../../../base/errors.js";
import { whyNotWritten, writeWhole } from "../../../base/node/whole-file.js";
import { VmmError } from "../../errors.js";
import { readInfo, readSnapshot, type SnapshotInfo, type SnapshotSource, writeSnapshot } from "../format.js";
import type { Packing } from "../packing.js";
import type { Snapshot } from "../snapshot.js";
import { nodePlatform } from "./platform.js";
import { readFile } from "./stored-file.js";

/** Only the user reads it: a guest's memory has its secrets. */
const mode = 0o600;

export interface SaveOptions {
  readonly packing?: Packing;
  /** Whose reason it rejects with, and the file is as it was before. */
  readonly signal?: AbortSignal;
  /** Name and version of this package. */
  readonly by: string;
}

/**
 * Writes a file of that name, which is there whole or as it was before, whenever the process ends. Resolves with the
 * snapshot's digest. Throws VmmError.
 */
export const saveSnapshot = (path: string, snapshot: Snapshot, { packing, signal, by }: SaveOptions): Promise<string> =>
  writeSnapshotFile(path, (write) =>
    writeSnapshot(snapshot, { platform: nodePlatform, by, ...(packing ? { packing } : {}) }, (bytes) => {
      signal?.throwIfAborted();
      return write(bytes);
    }),
  );

/** As `saveSnapshot`, of what `work` writes. Rejects with VmmError. */
export async function writeSnapshotFile<T>(
  path: string,
  work: (write: (bytes: Uint8Array) => Promise<void>) => Promise<T>,
): Promise<T> {
  try {
    return await writeWhole(path, mode, work);
  } catch (error) {
    if (error instanceof VmmError) throw error;
    throw new VmmError(`the snapshot ${path} cannot be written: ${whyNotWritten(error)}`, { cause: error });
  }
}

/** All of a snapshot's file. Throws VmmError. */
export const loadSnapshot = (path: string): Promise<Snapshot> =>
  withSnapshotFile(path, (source) => readSnapshot(source, nodePlatform));

/** What a snapshot's file says of itself. Throws VmmError. */
export const snapshotInfo = (path: string): Promise<SnapshotInfo> =>
  withSnapshotFile(path, (source) => readInfo(source, nodePlatform));

/** Calls `use` with a snapshot's file. Throws VmmError: it cannot be read, or is no regular file. */
export async function withSnapshotFile<T>(path: string, use: (source: SnapshotSource) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined;
  let kept = false;
  try {
    // A FIFO would wait for who writes to it.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await file.stat();
    if (!stat.isFile()) throw new VmmError(`${path} is no regular file, and so no snapshot`);
    const handle = file;
    return await use({
      name: path,
      size: stat.size,
      read: async (offset, length) => {
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) throw new VmmError(`${path} became shorter while it was read`);
          done += bytesRead;
        }
        return bytes;
      },
      keep: () => {
        kept = true;
        const { fd } = handle;
        return { file: fd, read: (...where) => readFile(fd, ...where), close: () => void handle.close() };
      },
    });
  } catch (error) {
    if (error instanceof VmmError) throw error;
    throw new VmmError(`the snapshot ${path} cannot be read: ${reason(error)}`, { cause: error });
  } finally {
    if (!kept) await file?.close();
  }
}

const complaints: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
  EACCES: "access is denied",
};
const reason = (error: unknown): string => complaints[(error as NodeJS.ErrnoException).code ?? ""] ?? messageOf(error);
