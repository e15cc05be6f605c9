/**
 * Drivers of a default guest's kernel that are modules, from the package that the kernel is from: fetched when they are
 * first asked for, and kept beside the guests.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { depmod } from "../src/modules/node/depmod.js";
import { Messages } from "../src/modules/node/messages.js";
import { openTree } from "../src/modules/node/read-tree.js";
import { modulesFor } from "../src/modules/probe.js";
import { PrivateApt } from "./apt.js";
import { type Guest, guestFolder, type Report } from "./cache.js";
import { howToBringAFile, only, unpack } from "./debian-package.js";
import { type DebianGuest, debianGuests } from "./debian-parts.js";
import { keepFolder } from "./kept-folder.js";
import { moduleArchive } from "./modules.js";
import { GuestUnavailable } from "./unavailable.js";

/** What a version that kept less has fetched is not enough. */
const edition = ({ drivers }: DebianGuest): string =>
  createHash("sha256").update(drivers.join("\n")).digest("hex").slice(0, 8);

function debianGuest(name: string): DebianGuest {
  const guest = debianGuests.find((one) => one.name === name);
  if (!guest) throw new GuestUnavailable(`the guest ${name} has no kernel of Debian's`);
  return guest;
}

function kernelPackage({ name, packages }: Pick<Guest, "name" | "packages">): string {
  // It becomes a folder's name.
  const found = Object.keys(packages).find((one) => /^linux-image-[\w.+-]+$/.test(one));
  if (found === undefined) throw new GuestUnavailable(`the guest ${name} has no kernel of Debian's`);
  return found;
}

const place = (guest: Pick<Guest, "name" | "packages">): string =>
  join(dirname(guestFolder()), "modules", `${kernelPackage(guest)}.${edition(debianGuest(guest.name))}`);

/** The folder of the modules if they are there. */
export function findKernelModules(guest: Guest): string | undefined {
  return existsSync(place(guest)) ? place(guest) : undefined;
}

/** The folder, fetched first if need be; it appears whole. Throws GuestUnavailable. */
export async function ensureKernelModules(guest: Guest, report: Report, signal?: AbortSignal): Promise<string> {
  return keepKernelModules(
    guest,
    (work) => fetch(debianGuest(guest.name), kernelPackage(guest), work, report, signal),
    report,
    signal,
  );
}

/** The folder, which `fill` fills first if there is none: below lib/modules/VERSION. It appears whole. Throws GuestUnavailable. */
export function keepKernelModules(
  guest: Pick<Guest, "name" | "packages">,
  fill: (folder: string) => Promise<void>,
  report: Report,
  signal?: AbortSignal,
): Promise<string> {
  return keepFolder(
    {
      place: place(guest),
      what: "the kernel's modules",
      isOld: (name) => name.startsWith(`${kernelPackage(guest)}.`),
      make: async (work) => {
        await fill(join(work, "unpacked"));
        return join(work, "unpacked");
      },
      signal,
    },
    report,
  );
}

/** Into `folder`, which it makes; what it needs meanwhile lies beside it. */
async function fetch(
  guest: DebianGuest,
  name: string,
  folder: string,
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await fetchFrom(guest, name, folder, report, signal);
  } catch (error) {
    if (!(error instanceof GuestUnavailable)) throw error;
    throw new GuestUnavailable(`the modules of ${name} could not be fetched: ${error.message}\n${howToBringAFile}`);
  }
}

async function fetchFrom(
  guest: DebianGuest,
  name: string,
  folder: string,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<void> {
  const work = dirname(folder);
  const apt = new PrivateApt(work, guest.port, signal);
  report(`fetching the modules of ${name}`);
  await apt.update();
  await apt.download([name]);
  await unpackModules(guest, only(work, /^linux-image-.*\.deb$/), folder, report, signal);
}

/** Keeps those of the guest's kernel out of its package, a file, unless they are kept already. Throws GuestUnavailable. */
export const keepModulesOf = (
  guest: Pick<Guest, "name" | "packages">,
  deb: string,
  report: Report,
  signal?: AbortSignal,
): Promise<string> =>
  keepKernelModules(
    guest,
    (folder) => unpackModules(debianGuest(guest.name), deb, folder, report, signal),
    report,
    signal,
  );

/** As `fetch`, out of the package. */
async function unpackModules(
  { drivers }: DebianGuest,
  deb: string,
  folder: string,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<void> {
  const all = join(dirname(folder), "all");
  await unpack(deb, ["./*lib/modules/*"], all, signal);
  // Packages of a merged /usr have it there.
  const from = only(join(all, readdirSync(all).includes("usr") ? "usr" : "", "lib/modules"), /^\d/);
  const { paths, unknown } = modulesFor(await openTree(from), drivers);
  if (unknown.length > 0) report(`the kernel has no ${unknown.join(", ")}`);
  const tree = join(folder, "lib/modules", basename(from));
  const described = readdirSync(from).filter((file) => file.startsWith("modules."));
  for (const path of [...paths.map((file) => file.slice(from.length + 1)), ...described]) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    renameSync(join(from, path), join(tree, path));
  }
  const messages = new Messages("depmod", report);
  if ((await depmod({ folder: tree, version: basename(from), config: [], messages })) !== 0) {
    throw new GuestUnavailable(`the modules of ${basename(from)} could not be put in order`);
  }
}

/**
 * An archive to be appended to the guest's initramfs: these modules with all they need. Throws GuestUnavailable: one of
 * them is not there, or they cannot be fetched.
 */
export async function driversArchive(
  guest: Guest,
  names: readonly string[],
  report: Report,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const all = join(await ensureKernelModules(guest, report, signal), "lib/modules");
  const { archive, unknown } = await moduleArchive(only(all, /^\d/), names);
  if (unknown.length > 0) {
    throw new GuestUnavailable(
      `the kernel of the guest ${guest.name} has no module ${unknown.join(", ")}; unikvm guest fetch may bring another`,
    );
  }
  return archive;
}

/** The file of a module in the folder, as the package has it (perhaps compressed): name with its ending, and contents. */
export function readKernelModule(folder: string, module: string): { readonly file: string; readonly data: Uint8Array } {
  const pattern = new RegExp(`(?:^|/)${module.replaceAll(/[-_]/g, "[-_]")}\\.ko(?:\\.\\w+)?$`);
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((path) => pattern.test(path));
  if (found === undefined) throw new GuestUnavailable(`there is no module ${module} in ${folder}`);
  return { file: basename(found), data: readFileSync(join(folder, found)) };
}
