/** depmod's configuration: which of two files of one module counts. Source: depmod.d(5). */
import { configFiles, configLines, wordsOf } from "./config-lines.js";
import { errorText, type Messages } from "./messages.js";

export const defaultDepmodConfig = ["/etc/depmod.d", "/run/depmod.d", "/usr/local/lib/depmod.d", "/lib/depmod.d"];

export interface DepmodConfig {
  /** Folders of the tree, or `built-in` and `external`; what stands first has precedence. */
  readonly search: readonly string[];
  /** Paths in the tree without their ending that have precedence over everything. */
  readonly overrides: readonly string[];
  /** Folders outside the tree; what stands first has precedence. */
  readonly external: readonly string[];
  /** Names of folders that are passed over. */
  readonly exclude: readonly string[];
}

/** Reads the configuration for a kernel's version from folders or files. A bad line is reported and passed over. */
export function readDepmodConfig(paths: readonly string[], version: string, messages: Messages): DepmodConfig {
  const search: string[] = [];
  const overrides: string[] = [];
  const external: string[] = [];
  const exclude: string[] = [];
  for (const file of configFiles(paths, { endings: [".conf"], messages })) {
    try {
      for (const { text, number } of configLines(file)) {
        const [command, ...words] = wordsOf(text);
        const [first, second, third] = words;
        const otherVersion = (what: string, pattern: string): boolean => {
          if (versionMatches(pattern, version)) return false;
          messages.info(`${file}:${number}: ${what} did not match ${pattern}`);
          return true;
        };
        if (command === undefined) continue;
        else if (command === "search") search.push(...words);
        else if (command === "exclude") exclude.push(...words);
        else if (command === "override" && first !== undefined && second !== undefined && third !== undefined) {
          if (!otherVersion("override kernel", second)) overrides.push(`${third}/${first}`);
        } else if (command === "external" && first !== undefined && second !== undefined) {
          if (!otherVersion("external directory", first)) external.push(second);
        } else if (command === "include" || command === "make_map_files") {
          messages.info(`${file}:${number}: command ${command} not implemented yet`);
        } else messages.error(`${file}:${number}: ignoring bad line starting with '${command}'`);
      }
    } catch (error) {
      messages.error(`file parse ${file}: ${errorText(error)}`);
    }
  }
  // Without a word on the order, what an administrator added goes before what the kernel came with.
  return { search: search.length > 0 ? search : ["updates"], overrides, external, exclude };
}

/** `*`, or a regular expression that is found in the version. */
function versionMatches(pattern: string, version: string): boolean {
  if (pattern === "*") return true;
  try {
    return new RegExp(pattern).test(version);
  } catch {
    return false;
  }
}

/**
 * Whether the module at `other` gives way to the one at `path`: both absolute, in or out of the tree in `folder`. Of two
 * with equal claims the one that was found first stays.
 */
export function givesWay(config: DepmodConfig, folder: string, other: string, path: string): boolean {
  const [oldPath, newPath] = [withoutEnding(other), withoutEnding(path)];
  const [oldInTree, newInTree] = [inTree(folder, oldPath), inTree(folder, newPath)];
  for (const override of [...config.overrides].reverse()) {
    if (override === newInTree) return true;
    if (override === oldInTree) return false;
  }
  const rank = (absolute: string, relative: string | undefined): number => {
    const builtIn = config.search.indexOf("built-in");
    let best = Number.POSITIVE_INFINITY;
    for (const [index, place] of config.search.entries()) {
      if (place === "external") {
        const at = config.external.findIndex((one) => absolute.startsWith(`${one}/`));
        if (at >= 0) best = Math.min(best, index + at / (config.external.length + 1));
      } else if (place !== "built-in" && relative?.startsWith(`${place}/`)) {
        best = Math.min(best, index);
      }
    }
    return best < Number.POSITIVE_INFINITY || builtIn < 0 ? best : builtIn;
  };
  return rank(newPath, newInTree) < rank(oldPath, oldInTree);
}

/** A module's path up to the first point of its name, dashes as they are told apart by nobody. */
function withoutEnding(path: string): string {
  const slash = path.lastIndexOf("/");
  const point = path.indexOf(".", slash);
  return point < 0 ? path : path.slice(0, point);
}

const inTree = (folder: string, path: string): string | undefined =>
  path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : undefined;
