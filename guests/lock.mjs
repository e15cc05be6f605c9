// @ts-check
/**
 * A lock between processes: a file that names its holder. Plain JavaScript, because the set-up of a fresh checkout uses
 * it before anything is compiled. A holder that was killed leaves the file behind; the next one sees that the process
 * is gone and takes over.
 */
import { randomUUID } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";

/** A lock of another host (a shared home folder) cannot be asked for its process: after this it is taken as dead. */
const foreignHostMs = 60 * 60 * 1000;
/** Taking over a dead lock takes microseconds; whoever holds that right for longer was killed. */
const takeOverMs = 10_000;

/** When a process started, so that a reused process id is not mistaken for the holder; "" where /proc is missing. */
function startOf(/** @type {number} */ pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** @param {string} path @returns {{ text: string, pid: number, dead: boolean } | undefined} undefined: nobody holds it */
function holder(path) {
  let text;
  let age;
  try {
    text = readFileSync(path, "utf8");
    age = Date.now() - statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
  const [pidText = "", start = "", host = ""] = text.split("\n");
  const pid = Number(pidText);
  if (host !== hostname()) return { text, pid, dead: age > foreignHostMs };
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH") return { text, pid, dead: true };
  }
  return { text, pid, dead: start !== "" && startOf(pid) !== start };
}

/** Removes a dead holder's lock; a second lock around this keeps two from removing a live one's. */
function clearDead(/** @type {string} */ path) {
  const right = `${path}.clear`;
  try {
    mkdirSync(right);
  } catch {
    try {
      if (Date.now() - statSync(right).mtimeMs > takeOverMs) rmdirSync(right);
    } catch {
      // Someone else was quicker.
    }
    return;
  }
  try {
    if (holder(path)?.dead) rmSync(path, { force: true });
  } finally {
    rmdirSync(right);
  }
}

function tryTake(/** @type {string} */ path) {
  const mine = `${path}.${randomUUID()}`;
  try {
    writeFileSync(mine, `${process.pid}\n${startOf(process.pid)}\n${hostname()}\n`);
    linkSync(mine, path); // Appears whole or not at all.
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** As mkdirSync with `recursive`, which on Linux's /proc tries for ever, and cannot be ended but by force. */
export function makeFolder(/** @type {string} */ path, /** @type {{ mode?: number }} */ options = {}) {
  try {
    mkdirSync(path, options);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === "EEXIST" && statSync(path).isDirectory()) return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    makeFolder(dirname(path), options);
    // Somebody else may have been quicker.
    if (!existsSync(path)) mkdirSync(path, options);
  }
}

/**
 * Runs `work` while no other process holds the lock at `path`. Waits as long as a live process has it.
 *
 * @template T
 * @param {string} path
 * @param {() => T | Promise<T>} work
 * @param {(pid: number) => void} [waiting] called once if there is someone to wait for
 * @param {AbortSignal} [signal] ends the waiting; its reason is thrown
 * @returns {Promise<T>}
 */
export async function withLock(path, work, waiting, signal) {
  makeFolder(dirname(path));
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    if (tryTake(path)) break;
    const other = holder(path);
    if (other?.dead) {
      clearDead(path);
      continue;
    }
    if (other && !told) {
      told = true;
      waiting?.(other.pid);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
