/** Folders in the user's cache that are made once and appear whole. */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Report, writingCache } from "./cache.js";
import { withLock } from "./lock.mjs";

export interface KeptFolder {
  readonly place: string;
  /** What it is, for who waits until another process has made it. */
  readonly what: string;
  /** Whether a folder beside it, by its name, is an older edition: it is removed when this one is made. */
  readonly isOld: (name: string) => boolean;
  /** Makes it in `work`, an empty folder that is removed afterwards; returns the path in it that is to be kept. */
  readonly make: (work: string) => Promise<string>;
  /** Ends waiting for another process; `make` sees to itself. */
  readonly signal?: AbortSignal | undefined;
}

/** The folder's path; made first, under a lock, if it is not there. Rejects as `make` does, and then leaves nothing. */
export function keepFolder({ place, what, isOld, make, signal }: KeptFolder, report: Report): Promise<string> {
  // It appears whole, so it needs no lock, and a cache that this user may only read will do.
  if (existsSync(place)) return Promise.resolve(place);
  const parent = dirname(place);
  return writingCache(() =>
    withLock(
      join(parent, ".lock"),
      async () => {
        if (existsSync(place)) return place;
        // With the lock in hand nobody else has a partial folder: these are of processes that were killed.
        for (const name of readdirSync(parent)) {
          if (name.startsWith(".partial-") || (name !== basename(place) && isOld(name)))
            rmSync(join(parent, name), { recursive: true, force: true });
        }
        const work = join(parent, `.partial-${randomUUID()}`);
        try {
          mkdirSync(work);
          renameSync(await make(work), place);
        } finally {
          rmSync(work, { recursive: true, force: true });
        }
        return place;
      },
      (pid) => report(`waiting for process ${pid}, which is fetching ${what}`),
      signal,
    ),
  );
}
