/**
 * A kernel's drivers as an archive for its initramfs: the modules that are asked for with all they need, unpacked, and
 * the files by which modprobe finds them. Needs no kmod, and runs in every runtime.
 */
import { formatAlias, formatDep, formatSoftdep, formatSymbols } from "../src/modules/depfiles.js";
import { bytesSource } from "../src/modules/elf/bytes.js";
import { ElfModule } from "../src/modules/elf/elf-module.js";
import { graphModule } from "../src/modules/elf/graph-module.js";
import { type GraphModule, resolve } from "../src/modules/graph.js";
import { moduleNameOf } from "../src/modules/names.js";
import { modulesFor } from "../src/modules/probe.js";
import type { ModuleTree } from "../src/modules/tree.js";
import { type CpioEntry, cpio } from "./cpio.js";

export interface ModuleArchive {
  /** For /lib/modules/VERSION; may be appended to an initramfs. */
  readonly archive: Uint8Array;
  /** The modules in it, in an order in which they can be loaded. */
  readonly included: readonly string[];
  /** Their paths in the guest, in the same order. */
  readonly paths: readonly string[];
  /** Names that the tree does not know. */
  readonly unknown: readonly string[];
}

/**
 * The archive for the modules or aliases `names` of a tree, whose folder is `.../VERSION`; `read` gives the bytes of a
 * module, unpacked. Throws ModuleFileError, what `read` rejects with, or an error if modules.dep leads elsewhere.
 */
export async function archiveModules(
  tree: ModuleTree,
  names: readonly string[],
  read: (file: string) => Promise<Uint8Array>,
): Promise<ModuleArchive> {
  const { folder } = tree;
  const { paths, unknown } = modulesFor(tree, names);
  const modules: { module: GraphModule; data: Uint8Array }[] = [];
  for (const file of paths) {
    // modules.dep can claim anything.
    if (!file.startsWith(`${folder}/`) || file.includes("/../")) throw new Error(`${file} is not in ${folder}`);
    const path = file.slice(folder.length + 1).replace(/\.(gz|xz|zst)$/, "");
    const data = await read(file);
    modules.push({ module: graphModule({ name: moduleNameOf(path), path }, new ElfModule(bytesSource(data))), data });
  }
  const graph = resolve(modules.map(({ module }) => module));
  const place = `lib/modules/${folder.slice(folder.lastIndexOf("/") + 1)}`;
  const file = (path: string, data: Uint8Array | string): CpioEntry => ({
    path: `${place}/${path}`,
    type: "file",
    data,
  });
  const files = [
    ...modules.map(({ module, data }) => file(module.path, data)),
    file("modules.dep", formatDep(graph)),
    file("modules.alias", formatAlias(graph)),
    file("modules.symbols", formatSymbols(graph)),
    file("modules.softdep", formatSoftdep(graph)),
  ];
  const folders = new Set(files.flatMap(({ path }) => parents(path)));
  const directories = [...folders].sort().map((path): CpioEntry => ({ path, type: "directory" }));
  return {
    archive: cpio([...directories, ...files]),
    included: graph.modules.map(({ name }) => name),
    paths: graph.modules.map(({ path }) => `/${place}/${path}`),
    unknown,
  };
}

/** "a/b/c": "a" and "a/b". */
const parents = (path: string): string[] =>
  path.split("/").flatMap((_, index, parts) => (index === 0 ? [] : [parts.slice(0, index).join("/")]));
