/** What is taken out of Debian's packages, as files. */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "./apt.js";
import { notFound } from "./child.mjs";
import { GuestUnavailable } from "./unavailable.js";

export const howToBringAFile =
  "Where apt-get works, unikvm guest export FILE makes one file of the guest, for unikvm guest import FILE here.";

/** Prints each program's status, since a pipeline has only the last one's. */
const unpacking = `
  deb=$1; into=$2; shift 2
  exec 4>&1
  { dpkg-deb --fsys-tarfile "$deb"; echo "dpkg-deb $?" >&4; } |
    tar --extract --file=- --no-same-owner --wildcards --directory="$into" "$@" >&2
  echo "tar $?"`;

/**
 * Unpacks the files of a .deb that match any of `patterns` (tar's wildcards, from "./") into `into`. Throws
 * GuestUnavailable, or the reason of `signal`.
 */
export async function unpack(
  deb: string,
  patterns: readonly string[],
  into: string,
  signal?: AbortSignal,
): Promise<void> {
  mkdirSync(into, { recursive: true });
  const { stdout, stderr } = await runProgram("sh", ["-c", unpacking, "sh", deb, into, ...patterns], {
    signal,
    fills: into,
  });
  const statuses = new Map(stdout.split("\n").map((line) => line.split(" ") as [string, string]));
  for (const program of ["dpkg-deb", "tar"]) {
    const status = statuses.get(program);
    if (status === String(notFound)) throw new GuestUnavailable(`unpacking ${deb} needs dpkg-deb and tar: ${stderr}`);
    if (status !== "0") throw new GuestUnavailable(`${deb} could not be unpacked: ${stderr.trim()}`);
  }
}

export function only(folder: string, start: RegExp): string {
  const found = readdirSync(folder).filter((name) => start.test(name));
  if (found.length !== 1 || found[0] === undefined) {
    throw new GuestUnavailable(`expected one file ${start.source} in ${folder}, found ${found.length}`);
  }
  return join(folder, found[0]);
}
