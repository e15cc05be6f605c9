/** What the default guest is made of, wherever its files come from. Runs in every runtime. */
import { messageOf } from "../src/base/errors.js";
import { ModuleTree } from "../src/modules/tree.js";
import type { GuestFile } from "./guest-file.js";
import { initramfs } from "./init.js";
import { archiveModules } from "./module-archive.js";
import { GuestUnavailable } from "./unavailable.js";

/** Names of its files, in the cache's folder and in a guest's file. */
export const debianParts = {
  name: "debian",
  /** As uname(1) calls it. */
  architecture: "ppc64le",
  kernel: "vmlinux",
  busybox: "busybox",
  /** In a guest's file: the folder VERSION of modules, with depmod's files. */
  modules: "modules",
  // The kernel's self-tests of its ciphers are half of a boot.
  append: "console=hvc0 rdinit=/init cryptomgr.notests=1",
} as const;

/** What a machine boots. */
export interface BootParts {
  readonly kernel: Uint8Array;
  /** With the drivers; other archives may be appended. */
  readonly initrd: Uint8Array;
  /** The kernel's command line, to which more may be added. */
  readonly append: string;
}

/** What is booted of a guest's file, with modules of its kernel, by name or alias. Throws GuestUnavailable. */
export async function bootParts(file: GuestFile, modules: readonly string[]): Promise<BootParts> {
  requireDebian(file);
  const kernel = await file.read(debianParts.kernel);
  const base = initramfs(await file.read(debianParts.busybox));
  const drivers = modules.length > 0 ? await driversOf(file, modules) : new Uint8Array();
  const initrd = new Uint8Array(base.length + drivers.length);
  initrd.set(base);
  initrd.set(drivers, base.length);
  return { kernel, initrd, append: debianParts.append };
}

/** Throws GuestUnavailable: it is of a guest that this version does not know. */
export function requireDebian({ about: { name, architecture } }: GuestFile): void {
  if (name === debianParts.name && architecture === debianParts.architecture) return;
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
