/** Finds the module files of a tree. Source: depmod(8). */
import { type Dirent, readdirSync, statSync } from "node:fs";
import { readRegularText } from "../../base/node/regular-file.js";
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
  const search = { config, messages, add, above: [], visits: new Map<string, number>() };
  searchFolder(folder, search, true);
  for (const external of config.external) searchFolder(external, search, false);
  return inOrder(folder, [...found.values()], messages);
}

interface Search {
  readonly config: DepmodConfig;
  readonly messages: Messages;
  readonly add: (file: string) => void;
  /** Device and inode of the folders above: a link to one of them would have no end. */
  readonly above: readonly string[];
  /** How often each folder was searched, by whatever path. */
  readonly visits: Map<string, number>;
}

/**
 * By so many paths a folder is searched: who links one into `updates` means it. A few folders that are linked into each
 * other have more paths than anyone waits for.
 */
const maxPaths = 8;

function searchFolder(folder: string, search: Search, required: boolean): void {
  const { config, messages } = search;
  let entries: Dirent[];
  let above: string[];
  try {
    const { dev, ino } = statSync(folder);
    const identity = `${dev}:${ino}`;
    if (search.above.includes(identity)) return;
    const visits = (search.visits.get(identity) ?? 0) + 1;
    search.visits.set(identity, visits);
    if (visits === maxPaths + 1)
      messages.warning(`${folder} is one folder by more than ${maxPaths} paths: passed over`);
    if (visits > maxPaths) return;
    above = [...search.above, identity];
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
    text = readRegularText(`${folder}/${name}`);
  } catch (error) {
    messages.warning(`could not open ${name} at ${folder}: ${errorText(error)}`);
    return undefined;
  }
  const lines = text.split("\n");
  const rest = lines.pop();
  if (rest !== "") messages.error(`${folder}/${name}:${lines.length + 1} corrupted line misses '\\n'`);
  return lines;
}
