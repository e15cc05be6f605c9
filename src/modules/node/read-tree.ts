/** Reads a tree of modules: from the files that depmod left, or where there are none, from the modules themselves. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NotReadable, readRegularText } from "../../base/node/regular-file.js";
import { formatAlias, formatDep, formatSoftdep, formatSymbols } from "../depfiles.js";
import { resolve } from "../graph.js";
import { ModuleTree } from "../tree.js";
import { readModules } from "./depmod.js";
import { readDepmodConfig } from "./depmod-config.js";
import { Messages } from "./messages.js";
import { scanTree } from "./scan.js";

/**
 * From the files of `folder`; one that is missing is as good as empty, as for modprobe, and so is one that is no regular
 * file, which `messages` is told.
 */
export function readTree(folder: string, messages = silent()): ModuleTree {
  const text = (name: string) => textOf(folder, name, messages);
  const optional = {
    alias: text("modules.alias"),
    symbols: text("modules.symbols"),
    softdep: text("modules.softdep"),
    builtin: text("modules.builtin"),
    builtinModinfo: text("modules.builtin.modinfo"),
  };
  return new ModuleTree(folder, { dep: text("modules.dep") ?? "", ...present(optional) });
}

const silent = () => new Messages("depmod", () => {});

function textOf(folder: string, name: string, messages: Messages): string | undefined {
  try {
    return readRegularText(join(folder, name));
  } catch (error) {
    if (error instanceof NotReadable) messages.error(error.message);
    return undefined;
  }
}

/** Without what is not there. */
const present = <T extends object>(texts: T) =>
  Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

/**
 * The same for a tree that depmod has not seen, as a package leaves it: the modules are read, nothing is written. What is
 * wrong with one of them is told to `messages`. Throws the file system's error if there is no such folder.
 */
export async function openTree(folder: string, messages = silent()): Promise<ModuleTree> {
  if (existsSync(join(folder, "modules.dep"))) return readTree(folder, messages);
  const files = scanTree(folder, readDepmodConfig([], "", messages), messages);
  const graph = resolve(await readModules(files, messages));
  return new ModuleTree(folder, {
    dep: graph.cyclic > 0 ? "" : formatDep(graph),
    alias: formatAlias(graph),
    symbols: formatSymbols(graph),
    softdep: formatSoftdep(graph),
    ...present({
      builtin: textOf(folder, "modules.builtin", messages),
      builtinModinfo: textOf(folder, "modules.builtin.modinfo", messages),
    }),
  });
}
