/** Debian's own programs for the guest: fetched once through the user's apt, as the default guest is, and kept beside it. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { PrivateApt } from "../../guests/apt.js";
import type { CpioEntry } from "../../guests/cpio.js";
import { unpack } from "../../guests/debian-package.js";
import { guestFolder } from "../../guests/index.js";
import { keepFolder } from "../../guests/kept-folder.js";
import type { Architecture } from "./architectures.js";
import type { Disk } from "./rows.js";

/** Of no use to a program that runs. */
const notKept = ["doc", "man", "locale", "info", "lintian", "bug", "zoneinfo"].map((name) => `usr/share/${name}`);

/** The folder with the packages' files, fetched first if need be. Throws GuestUnavailable. */
function ensurePackages(
  { debian }: Architecture,
  { name, packages }: Disk,
  report: (line: string) => void,
): Promise<string> {
  const edition = createHash("sha256").update(packages.join("\n")).digest("hex").slice(0, 8);
  const make = async (work: string): Promise<string> => {
    const apt = new PrivateApt(work, debian);
    report(`fetching Debian's ${packages.join(", ")} for ${debian}`);
    await apt.update();
    const root = join(work, "root");
    for (const deb of await apt.downloadWithDependencies(packages)) await unpack(deb, ["./*"], root);
    for (const path of notKept) rmSync(join(root, path), { recursive: true, force: true });
    return root;
  };
  const start = `${debian}-${name}.`;
  return keepFolder(
    {
      place: join(dirname(guestFolder()), "bench", `${start}${edition}`),
      what: `Debian's programs for the bench`,
      isOld: (other) => other.startsWith(start),
      make,
    },
    report,
  );
}

/** Everything under `root` whose path fits none of `without`. A file under several names becomes links to one. */
export function entriesOf(root: string, without: readonly string[]): CpioEntry[] {
  const left = new RegExp(`^(?:${["$^", ...without].join("|")})(?:/|$)`);
  const names = new Map<string, string>();
  const entries: CpioEntry[] = [];
  const walk = (folder: string): void => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (left.test(path)) continue;
      const from = join(root, path);
      const status = lstatSync(from);
      const mode = status.mode & 0o7777;
      const first = names.get(`${status.dev}:${status.ino}`);
      if (status.isSymbolicLink()) entries.push({ path, type: "link", target: readlinkSync(from) });
      else if (status.isDirectory()) {
        entries.push({ path, type: "directory", mode });
        walk(path);
      } else if (first !== undefined) entries.push({ path, type: "link", target: `/${first}` });
      else if (status.isFile()) {
        if (status.nlink > 1) names.set(`${status.dev}:${status.ino}`, path);
        entries.push({ path, type: "file", mode, data: readFileSync(from) });
      }
    }
  };
  walk("");
  // Where /usr is merged, base-files would bring these; programs name their loader by them.
  for (const path of ["lib", "lib64"]) {
    const [here, there] = [path, `usr/${path}`].map((one) => entries.some((entry) => entry.path === one));
    if (there && !here) entries.push({ path, type: "link", target: `usr/${path}` });
  }
  return entries;
}

/** What a disk has of Debian's. Throws GuestUnavailable. */
export async function debianFiles(
  architecture: Architecture,
  disk: Disk,
  report: (line: string) => void,
): Promise<CpioEntry[]> {
  if (disk.packages.length === 0) return [];
  return entriesOf(await ensurePackages(architecture, disk, report), disk.without);
}
