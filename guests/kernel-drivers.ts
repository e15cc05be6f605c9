/**
 * Drivers for a kernel that somebody else brings: which of its modules a machine's devices need, and where they are: in its
 * initial RAM disk, in its own folder or lib/modules beside it, or among the default guest's, if it is its kernel.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { decompress } from "../src/modules/node/decompress.js";
import { withModuleBytes } from "../src/modules/node/module-file.js";
import { openTree } from "../src/modules/node/read-tree.js";
import { modulesFor } from "../src/modules/probe.js";
import { ModuleTree } from "../src/modules/tree.js";
import { readInitramfs } from "./cpio-reader.js";
import { archiveModules } from "./module-archive.js";
import { GuestUnavailable } from "./unavailable.js";

/** A kernel with its initial RAM disk, if there is one. */
export interface OwnKernel {
  /** Its file's path. */
  readonly path: string;
  /** Unpacked. */
  readonly image: Uint8Array;
  readonly initrd?: { readonly path: string; readonly bytes: Uint8Array };
  /** Folders with lib/modules/VERSION in which to look besides. */
  readonly folders: readonly string[];
}

/** A driver that a machine's devices need. */
interface Need {
  /** By which the kernel finds it. */
  readonly alias: string;
  /** How the driver is called, and a text that each kernel has that has it built in. */
  readonly name: string;
  readonly builtin: string;
}

export interface KernelDrivers {
  /** To be appended to the initial RAM disk. */
  readonly archive: Uint8Array;
  /** Paths in the guest, in the order in which they are loaded. */
  readonly modules: readonly string[];
}

/** Virtual I/O Device (VIRTIO) Version 1.2, "Device Types"; names are those of Linux's drivers. */
const virtioDrivers: Readonly<Record<string, readonly [name: string, builtin: string]>> = {
  "virtio:d00000001": ["virtio_net", "virtio_net"],
  "virtio:d00000002": ["virtio_blk", "virtio_blk"],
  "virtio:d00000003": ["virtio_console", "virtio-ports"],
};

/** The drivers behind the aliases of virtio devices on PCI. */
function needs(aliases: readonly string[]): Need[] {
  return aliases.map((alias) => {
    const [name, builtin] = virtioDrivers[alias.slice(0, "virtio:d00000000".length)] ?? ["virtio_pci", "virtio-pci"];
    return { alias, name, builtin };
  });
}

/** Its version, as uname -r says it; undefined: the image says none. */
export function kernelVersion(image: Uint8Array): string | undefined {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.length);
  const start = "Linux version ";
  for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, at + 1)) {
    const match = /^(\d[\w.+-]{1,100}) \(/.exec(bytes.toString("latin1", at + start.length, at + start.length + 104));
    if (match) return match[1];
  }
  return undefined;
}

/**
 * What is to be loaded for devices of these aliases, and of these file systems by name where the kernel has them as modules.
 * Throws GuestUnavailable: a driver is nowhere.
 */
export async function driversFor(
  kernel: OwnKernel,
  aliases: readonly string[],
  fileSystems: readonly string[] = [],
): Promise<KernelDrivers> {
  const version = kernelVersion(kernel.image);
  const nothing: KernelDrivers = { archive: new Uint8Array(), modules: [] };
  // A kernel that cannot be looked into is taken at its word.
  if (version === undefined) return nothing;
  const image = Buffer.from(kernel.image.buffer, kernel.image.byteOffset, kernel.image.length);
  const wanted = needs(aliases).filter(({ builtin }) => !image.includes(builtin));
  const asked = [...wanted.map(({ alias }) => alias), ...fileSystems];
  if (asked.length === 0) return nothing;
  const looked: string[] = [];
  for (const place of places(kernel, version)) {
    const { tree, read, where } = await place();
    looked.push(where);
    if (!tree || !read) continue;
    const { unknown } = modulesFor(tree, asked);
    if (wanted.some(({ alias }) => unknown.includes(alias))) continue;
    const { archive, paths } = await archiveModules(
      tree,
      asked.filter((name) => !unknown.includes(name)),
      read,
    );
    return { archive, modules: paths };
  }
  if (wanted.length === 0) return nothing;
  const names = [...new Set(wanted.map(({ name }) => name))].join(", ");
  throw new GuestUnavailable(
    `the kernel ${kernel.path} (${version}) has no ${names} built in, and there is no such module ${looked.join(", ")}. ` +
      "Build them in, or give an initrd that has them, or lay lib/modules beside the kernel as its package has it.",
  );
}

interface Place {
  readonly tree?: ModuleTree;
  readonly read?: (file: string) => Promise<Uint8Array>;
  /** In a sentence. */
  readonly where: string;
}

/** Where the kernel's modules may be, in the order in which they are looked for. */
function places({ path, initrd, folders }: OwnKernel, version: string): (() => Promise<Place>)[] {
  const beside = dirname(resolve(path));
  const roots = [beside, dirname(beside)].flatMap((root) => [root, join(root, "usr")]);
  // Kernels that packages install as lib/modules/VERSION/vmlinuz have them in their own folder.
  const own = basename(beside) === version ? [beside] : [];
  const all = [...new Set([...own, ...[...roots, ...folders].map((root) => join(root, "lib/modules", version))])];
  const found = all.filter((folder) => existsSync(folder));
  return [
    ...(initrd ? [() => placeInInitrd(initrd, version)] : []),
    ...found.map((folder) => async (): Promise<Place> => {
      const read = (file: string) => withModuleBytes(file, (_, bytes) => bytes);
      return { tree: await openTree(folder), read, where: `in ${folder}` };
    }),
    ...(found.length > 0
      ? []
      : [async (): Promise<Place> => ({ where: `in ${join(beside, "lib/modules", version)}` })]),
  ];
}

async function placeInInitrd(initrd: NonNullable<OwnKernel["initrd"]>, version: string): Promise<Place> {
  const pattern = new RegExp(`^(?:usr/)?lib/modules/${version.replaceAll(/[.+]/g, "\\$&")}/`);
  const { files, unread } = await readInitramfs(initrd.bytes, (path) => pattern.test(path));
  const where = `in ${initrd.path}${unread === undefined ? "" : ` (${unread})`}`;
  const list = [...files.keys()].find((path) => path.endsWith("/modules.dep"));
  if (list === undefined) return { where };
  const folder = list.slice(0, list.lastIndexOf("/"));
  const text = (name: string): string => new TextDecoder().decode(files.get(`${folder}/modules.${name}`));
  const tree = new ModuleTree(folder, {
    ...{ dep: text("dep"), alias: text("alias"), symbols: text("symbols"), softdep: text("softdep") },
    ...{ builtin: text("builtin"), builtinModinfo: text("builtin.modinfo") },
  });
  const read = async (file: string): Promise<Uint8Array> => {
    const bytes = files.get(file);
    if (!bytes) throw new GuestUnavailable(`${initrd.path} lacks ${file}, which its modules.dep names`);
    return decompress(bytes);
  };
  return { tree, read, where };
}
