/** Reads a tree of modules: from the files that depmod left, or where there are none, from the modules themselves. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { formatAlias, formatDep, formatSoftdep, formatSymbols } from "../depfiles.js";
import { resolve } from "../graph.js";
import { ModuleTree } from "../tree.js";
import { readModules } from "./depmod.js";
import { readDepmodConfig } from "./depmod-config.js";
import { Messages } from "./messages.js";
import { scanTree } from "./scan.js";

/** From the files of `folder`; one that is missing is as good as empty, as for modprobe. */
export function readTree(folder: string): ModuleTree {
  const text = (name: string): string | undefined => {
    try {
      return readFileSync(join(folder, name), "utf8");
    } catch {
      return undefined;
    }
  };
  const optional = {
    alias: text("modules.alias"),
    symbols: text("modules.symbols"),
    softdep: text("modules.softdep"),
    builtin: text("modules.builtin"),
    builtinModinfo: text("modules.builtin.modinfo"),
  };
  const there = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined));
  return new ModuleTree(folder, { dep: text("modules.dep") ?? "", ...there });
}

/**
 * The same for a tree that depmod has not seen, as a package leaves it: the modules are read, nothing is written. What is
 * wrong with one of them is told to `messages`. Throws the file system's error if there is no such folder.
 */
export async function openTree(folder: string, messages = new Messages("depmod", () => {})): Promise<ModuleTree> {
  if (existsSync(join(folder, "modules.dep"))) return readTree(folder);
  const files = scanTree(folder, readDepmodConfig([], "", messages), messages);
  const graph = resolve(await readModules(files, messages));
  const { builtin, builtinModinfo } = builtinTexts(folder);
  return new ModuleTree(folder, {
    dep: graph.cyclic > 0 ? "" : formatDep(graph),
    alias: formatAlias(graph),
    symbols: formatSymbols(graph),
    softdep: formatSoftdep(graph),
    ...(builtin !== undefined && { builtin }),
    ...(builtinModinfo !== undefined && { builtinModinfo }),
  });
}

function builtinTexts(folder: string): { builtin?: string; builtinModinfo?: string } {
  const [builtin, builtinModinfo] = ["modules.builtin", "modules.builtin.modinfo"].map((name) =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : undefined,
  );
  return { ...(builtin !== undefined && { builtin }), ...(builtinModinfo !== undefined && { builtinModinfo }) };
}
