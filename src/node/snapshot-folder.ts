/** Where snapshots lie that have a name only: a folder of the user's data. */
import { readdirSync } from "node:fs";
import { join, sep } from "node:path";
import { makeFolder } from "../../guests/lock.mjs";
import { homeFolder, xdgFolder } from "../../guests/user-cache.js";
import { VmmError } from "../vmm/errors.js";

const ending = ".snapshot";

export function snapshotFolder(): string {
  const data = xdgFolder("XDG_DATA_HOME") ?? join(homeFolder("snapshots", "XDG_DATA_HOME"), ".local", "share");
  return join(data, "unikvm", "snapshots");
}

/** The file that a name stands for, or the file itself: it has a folder, or ends with ".snapshot". Throws VmmError. */
export function snapshotPath(name: string, { make = false } = {}): string {
  if (name.includes("/") || name.includes(sep) || name.endsWith(ending)) return name;
  if (name.startsWith(".") || name.startsWith("-")) throw new VmmError(`"${name}" is no name of a snapshot`);
  const folder = snapshotFolder();
  if (make) {
    // Lists have a line for each.
    if (/\p{Cc}/u.test(name))
      throw new VmmError(`${JSON.stringify(name)} is no name of a snapshot: it has control characters`);
    makeOwn(folder);
  }
  return join(folder, `${name}${ending}`);
}

function makeOwn(folder: string): void {
  try {
    makeFolder(folder, { mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const instead = "set XDG_DATA_HOME to a folder that can be written to, or name a file";
    throw new VmmError(`the folder ${folder} cannot be made (${code}); ${instead}`, { cause });
  }
}

/** Names of those that there are. */
export function snapshotNames(): readonly string[] {
  try {
    const files = readdirSync(snapshotFolder()).filter((name) => name.endsWith(ending) && !name.startsWith("."));
    return files.map((name) => name.slice(0, -ending.length)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
