/** A folder that is there whole or as it was before, whenever the process that makes it ends. */
import { rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { replaceFolder } from "../../base/node/replace-folder.js";

/**
 * Has `fill` write into a folder beside `folder`, which is not there yet; then it takes `folder`'s place, and what was there is
 * removed. Killed between two renames, it leaves none. Nobody else makes the same one meanwhile. Rejects as `fill` does; what was
 * there stays then.
 */
export async function makeWhole<T>(folder: string, fill: (work: string) => Promise<T>): Promise<T> {
  const beside = (what: string): string => join(dirname(folder), `.${basename(folder)}-${what}`);
  const [work, before] = [beside("unfinished"), beside("before")];
  const remove = (path: string): void => rmSync(path, { recursive: true, force: true });
  // Of one that was killed.
  remove(work);
  remove(before);
  try {
    const made = await fill(work);
    replaceFolder(work, folder, before);
    return made;
  } finally {
    remove(work);
  }
}
