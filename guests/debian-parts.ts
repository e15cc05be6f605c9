/** What the default guests are made of, wherever their files come from. Runs in every runtime. */
import { messageOf } from "../src/base/errors.js";
import { ModuleTree } from "../src/modules/tree.js";
import { consoles, type GuestArchitecture } from "./consoles.js";
import { drivers } from "./drivers.js";
import type { GuestFile } from "./guest-file.js";
import { initramfs } from "./init.js";
import { archiveModules } from "./module-archive.js";
import { GuestUnavailable } from "./unavailable.js";

export type { GuestArchitecture } from "./consoles.js";

/** A guest of Debian's: all that differs from one architecture to the next. */
export interface DebianGuest {
  /** In the cache, and in a guest's file. */
  readonly name: string;
  readonly architecture: GuestArchitecture;
  /** As Debian calls it; people choose by this. */
  readonly port: "ppc64el" | "amd64" | "i386";
  /** The architecture of the machine that it boots on. */
  readonly machine: "ppc64le" | "x86_64";
  /** The package that depends on whatever the current kernel's is called. */
  readonly kernelPackage: string;
  readonly console: string;
  /** Modules that are kept of its kernel. */
  readonly drivers: readonly string[];
}

/** The first is the default. */
export const debianGuests: readonly DebianGuest[] = [
  {
    ...{ name: "debian", architecture: "ppc64le", port: "ppc64el", machine: "ppc64le" },
    ...{ kernelPackage: "linux-image-powerpc64le", console: consoles.ppc64le, drivers: drivers.power },
  },
  {
    ...{ name: "debian-amd64", architecture: "x86_64", port: "amd64", machine: "x86_64" },
    ...{ kernelPackage: "linux-image-amd64", console: consoles.x86_64, drivers: drivers.x86 },
  },
  {
    ...{ name: "debian-i386", architecture: "i386", port: "i386", machine: "x86_64" },
    ...{ kernelPackage: "linux-image-686-pae", console: consoles.i386, drivers: drivers.x86 },
  },
];

/** Names of its files, in the cache's folder and in a guest's file. */
export const debianParts = {
  kernel: "vmlinux",
  busybox: "busybox",
  /** In a guest's file: the folder VERSION of modules, with depmod's files. */
  modules: "modules",
} as const;

/** The kernel's command line. Its self-tests of its ciphers are half of a boot. */
export const commandLineOf = ({ console }: DebianGuest): string =>
  `console=${console} rdinit=/init cryptomgr.notests=1`;

/** What a machine boots. */
export interface BootParts {
  readonly kernel: Uint8Array;
  /** With the drivers; other archives may be appended. */
  readonly initrd: Uint8Array;
  /** The kernel's command line, to which more may be added. */
  readonly append: string;
  readonly architecture: GuestArchitecture;
}

/** What is booted of a guest's file, with modules of its kernel, by name or alias. Throws GuestUnavailable. */
export async function bootParts(file: GuestFile, modules: readonly string[]): Promise<BootParts> {
  const guest = debianGuestOf(file);
  const kernel = await file.read(debianParts.kernel);
  const base = initramfs(await file.read(debianParts.busybox));
  const loaded = modules.length > 0 ? await driversOf(file, modules) : new Uint8Array();
  const initrd = new Uint8Array(base.length + loaded.length);
  initrd.set(base);
  initrd.set(loaded, base.length);
  return { kernel, initrd, append: commandLineOf(guest), architecture: guest.architecture };
}

/** Which guest the file is of. Throws GuestUnavailable: one that this version does not know. */
export function debianGuestOf({ about: { name, architecture } }: GuestFile): DebianGuest {
  const guest = debianGuests.find((one) => one.name === name && one.architecture === architecture);
  if (guest) return guest;
  const [which, where] = [name, architecture].map((text) => JSON.stringify(text.slice(0, 60)));
  throw new GuestUnavailable(`the file is of the guest ${which} for ${where}, which this unikvm does not know`);
}

async function driversOf(file: GuestFile, names: readonly string[]): Promise<Uint8Array> {
  const { archive, unknown } = await archiveModules(await treeIn(file), names, (path) => file.read(path)).catch(
    (error: unknown) => {
      throw new GuestUnavailable(`a module in the guest's file cannot be read: ${messageOf(error)}`, { cause: error });
    },
  );
  if (unknown.length > 0) throw new GuestUnavailable(`the guest's file has no module ${unknown.join(", ")}`);
  return archive;
}

/** The tree of modules in it, which has one. */
async function treeIn(file: GuestFile): Promise<ModuleTree> {
  const list = file.paths.find((path) => path.startsWith(`${debianParts.modules}/`) && path.endsWith("/modules.dep"));
  if (list === undefined) throw new GuestUnavailable("the guest's file has no modules");
  const folder = list.slice(0, list.lastIndexOf("/"));
  const text = async (name: string): Promise<string> => {
    const path = `${folder}/modules.${name}`;
    return file.paths.includes(path) ? new TextDecoder().decode(await file.read(path)) : "";
  };
  return new ModuleTree(folder, {
    dep: await text("dep"),
    alias: await text("alias"),
    symbols: await text("symbols"),
    softdep: await text("softdep"),
    builtin: await text("builtin"),
    builtinModinfo: await text("builtin.modinfo"),
  });
}
