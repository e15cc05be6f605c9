/** Drivers for an initramfs from a tree of modules on disk, whether depmod has seen it or not. */
import { withModuleBytes } from "../src/modules/node/module-file.js";
import { openTree } from "../src/modules/node/read-tree.js";
import { archiveModules, type ModuleArchive } from "./module-archive.js";

/** As archiveModules, of the tree in `folder` (`.../lib/modules/VERSION`). Throws the file system's error, too. */
export async function moduleArchive(folder: string, names: readonly string[]): Promise<ModuleArchive> {
  return archiveModules(await openTree(folder), names, (file) => withModuleBytes(file, (_, bytes) => bytes));
}
