/** Finds the module files of a tree. Source: depmod(8). */
import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import { isModuleFileName, moduleNameOf } from "../names.js";
import { type DepmodConfig, givesWay } from "./depmod-config.js";
import { byKmodOrder } from "./kmod-order.js";
import { errorText, type Messages } from "./messages.js";

/** A module's file: where it lies, and how modules.dep names it. */
export interface ModuleFile {
  readonly name: string;
  /** Absolute. */
  readonly file: string;
  /** Relative to the tree, or absolute if it lies elsewhere. */
  readonly path: string;
}

/** A module's file in or beside the tree in `folder`. */
export function moduleFile(folder: string, file: string): ModuleFile {
  const path = file.startsWith(`${folder}/`) ? file.slice(folder.length + 1) : file;
  return { name: moduleNameOf(file), file, path };
}

/**
 * The tree's modules in the order of modules.order; then those it does not list. Where two files are
 * one module, the configuration decides. Throws the file system's error if the tree cannot be opened.
 */
export function scanTree(folder: string, config: DepmodConfig, messages: Messages): ModuleFile[] {
  const found = new Map<string, ModuleFile>();
  const add = (file: string) => {
    const module = moduleFile(folder, file);
    const before = found.get(module.name);
    if (before && !givesWay(config, folder, before.file, file)) return;
    found.set(module.name, module);
  };
  searchFolder(folder, { config, messages, add, above: [] }, true);
  for (const external of config.external) searchFolder(external, { config, messages, add, above: [] }, false);
  return inOrder(folder, [...found.values()], messages);
}

interface Search {
  readonly config: DepmodConfig;
  readonly messages: Messages;
  readonly add: (file: string) => void;
  /** Device and inode of the folders above: a link to one of them would have no end. */
  readonly above: readonly string[];
}

function searchFolder(folder: string, search: Search, required: boolean): void {
  const { config, messages } = search;
  let entries: Dirent[];
  let above: string[];
  try {
    const { dev, ino } = statSync(folder);
    if (search.above.includes(`${dev}:${ino}`)) return;
    above = [...search.above, `${dev}:${ino}`];
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    messages.error(`could not open directory ${folder}: ${errorText(error)}`);
    if (required) throw error;
    return;
  }
  for (const entry of entries) {
    const { name } = entry;
    if (name === "build" || name === "source" || config.exclude.includes(name)) continue;
    const path = `${folder}/${name}`;
    const type = typeOf(entry, path, messages);
    if (type === "folder") searchFolder(path, { ...search, above }, false);
    else if (type === "file" && isModuleFileName(name)) search.add(path);
  }
}

function typeOf(entry: Dirent, path: string, messages: Messages): "file" | "folder" | undefined {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  try {
    const stat = statSync(path);
    if (stat.isFile()) return "file";
    if (stat.isDirectory()) return "folder";
    messages.error(`unsupported file type ${path}: ${(stat.mode & 0o170000).toString(8)}`);
  } catch (error) {
    messages.error(`could not stat ${path}: ${errorText(error)}`);
  }
  return undefined;
}

/** Sorts by modules.order, whose paths have no ending of a compression; the others after it as depmod does. */
function inOrder(folder: string, modules: readonly ModuleFile[], messages: Messages): ModuleFile[] {
  const lines = readLines(folder, "modules.order", messages);
  if (!lines) return byKmodOrder(modules);
  const rest = new Map(modules.map((module) => [module.path.replace(/\.ko(\.[a-z]+)?$/, ".ko"), module]));
  const ordered: ModuleFile[] = [];
  for (const line of lines) {
    const module = rest.get(line);
    if (!module) continue;
    ordered.push(module);
    rest.delete(line);
  }
  return [...ordered, ...byKmodOrder([...rest.values()])];
}

/** The lines of a file of the tree; undefined, with a warning, if there is none. */
export function readLines(folder: string, name: string, messages: Messages): string[] | undefined {
  let text: string;
  try {
    text = readFileSync(`${folder}/${name}`, "utf8");
  } catch (error) {
    messages.warning(`could not open ${name} at ${folder}: ${errorText(error)}`);
    return undefined;
  }
  const lines = text.split("\n");
  const rest = lines.pop();
  if (rest !== "") messages.error(`${folder}/${name}:${lines.length + 1} corrupted line misses '\\n'`);
  return lines;
}
