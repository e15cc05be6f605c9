/** Where running instances have their sockets: a folder that only the user can enter, a socket named by process id. */
import { lstatSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../../../guests/lock.mjs";
import { xdgFolder } from "../../../guests/user-cache.js";
import { VmmError } from "../../vmm/errors.js";

/** sockaddr_un's sun_path on the system that has the least room, less its zero. */
const pathLimit = 103;

/** That of a user without a name, as in a container, too. */
const userId = (): number => process.getuid?.() ?? -1;

/** $XDG_RUNTIME_DIR/unikvm, or where there is none, one for the user in the folder for temporary files. */
function controlFolder(): string {
  const runtime = xdgFolder("XDG_RUNTIME_DIR");
  return runtime !== undefined ? join(runtime, "unikvm") : join(tmpdir(), `unikvm-${userId()}`);
}

/** The folder, made if need be. Throws VmmError: others than the user could have a hand in it. */
export function openControlFolder(): string {
  const folder = controlFolder();
  makeFolder(folder, { mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (!lstatSync(folder).isDirectory() || uid !== userId() || (mode & 0o077) !== 0) {
    throw new VmmError(`${folder} is not a folder of yours that is closed to others; remove it`);
  }
  return folder;
}

/** The socket of one process. Throws VmmError: the path is too long for one. */
export function socketPath(folder: string, pid: number): string {
  const path = join(folder, `${pid}.sock`);
  if (Buffer.byteLength(path) > pathLimit) throw new VmmError(`${path} is too long for a socket; set XDG_RUNTIME_DIR`);
  return path;
}

/** The processes that have a socket; whether they still live is not known. */
export function listSockets(): { readonly pid: number; readonly path: string }[] {
  let folder: string;
  try {
    folder = openControlFolder();
  } catch {
    return [];
  }
  return readdirSync(folder)
    .flatMap((name) => {
      const pid = /^(\d+)\.sock$/.exec(name)?.[1];
      return pid === undefined ? [] : [{ pid: Number(pid), path: join(folder, name) }];
    })
    .sort((a, b) => a.pid - b.pid);
}
