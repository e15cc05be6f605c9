/**
 * Files that a browser keeps for the page's origin, which disks lie in: its own ("File System", section "The origin private
 * file system"), or where it has none, those of a database (database.ts). For pages, which make and read them, and for workers.
 */
import { messageOf } from "../base/errors.js";
import { StorageError } from "../vmm/storage/disk.js";

/** The folder that they lie in; undefined: the browser, or this window of it, has none. */
export async function originFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await navigator.storage?.getDirectory?.();
  } catch {
    // A private window of some.
    return undefined;
  }
}

/** Makes a file, or replaces one; `contents`: as a number, so many bytes that are zeros. Rejects with StorageError. */
export async function writeOriginFile(path: string, contents: Blob | number): Promise<void> {
  const blob = typeof contents === "number" ? undefined : contents;
  const size = typeof contents === "number" ? contents : contents.size;
  if (path === "" || !Number.isSafeInteger(size) || size < 0) {
    throw new StorageError(`${JSON.stringify(path)} cannot be made with ${String(contents)} bytes`);
  }
  const root = await originFolder();
  if (!root) return (await import("./database.js")).writeDatabaseFile(path, blob, size);
  try {
    const [name = "", ...folders] = path.split("/").reverse();
    let folder = root;
    for (const one of folders.reverse()) folder = await folder.getDirectoryHandle(one, { create: true });
    const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
    try {
      if (blob) await writable.write(blob);
      else await writable.truncate(size);
      await writable.close();
    } catch (error) {
      await writable.abort().catch(() => undefined);
      throw error;
    }
  } catch (error) {
    throw new StorageError(`${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

/** What a file has now. Rejects with StorageError: there is none. */
export async function readOriginFile(path: string): Promise<Blob> {
  if (!(await originFolder())) return (await import("./database.js")).databaseBlob(path);
  const { originBlob } = await import("./stores.js");
  return originBlob(path);
}
