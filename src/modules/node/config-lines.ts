/** Configuration files of kmod: which are read, and their logical lines. Source: depmod.d(5), modprobe.d(5). */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { readRegularText } from "../../base/node/regular-file.js";
import { errorText, type Messages } from "./messages.js";

export interface ConfigLine {
  readonly file: string;
  /** Of the logical line's last physical line, from 1. */
  readonly number: number;
  readonly text: string;
}

/**
 * The files that `paths` (folders or files) hold, by their names' order; of two of one name the first path's counts.
 * `first` stands among them under its own name.
 */
export function configFiles(
  paths: readonly string[],
  options: { endings: readonly string[]; messages: Messages; first?: string },
): string[] {
  const found = new Map<string, string>();
  const add = (name: string, path: string) => {
    if (!found.has(name)) found.set(name, path);
  };
  if (options.first !== undefined) add(basename(options.first), options.first);
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) continue;
    if (!stat.isDirectory()) {
      add(basename(path), path);
      continue;
    }
    for (const name of namesIn(path, options.messages)) {
      const matches = options.endings.some((ending) => name.length > ending.length && name.endsWith(ending));
      if (name.startsWith(".") || !matches) continue;
      const file = join(path, name);
      if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
        options.messages.error(`Directories inside directories are not supported: ${file}`);
      } else {
        add(name, file);
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}

function namesIn(folder: string, messages: Messages): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    messages.error(`opendir(${folder}): ${errorText(error)}`);
    return [];
  }
}

/** The lines that say something; a backslash at a line's end joins the next. Throws as readRegular. */
export function* configLines(file: string): Generator<ConfigLine> {
  const physical = readRegularText(file).split("\n");
  if (physical.at(-1) === "") physical.pop();
  let text = "";
  for (const [index, line] of physical.entries()) {
    if (line.endsWith("\\") && index + 1 < physical.length) {
      text += line.slice(0, -1);
      continue;
    }
    text += line;
    if (text !== "" && !text.startsWith("#")) yield { file, number: index + 1, text };
    text = "";
  }
}

/** The words between blanks and tabs. */
export const wordsOf = (text: string): string[] => text.split(/[ \t]+/).filter((word) => word !== "");
