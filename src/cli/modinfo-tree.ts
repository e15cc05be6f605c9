/** modinfo on a module's file, or on a tree of a kernel's modules. Source: modinfo(8). */
import { statSync } from "node:fs";
import { release } from "node:os";
import { resolve } from "node:path";
import { builtinHead, type Fields, type ModinfoFormat, modinfoText } from "../modules/modinfo-text.js";
import { isModuleFileName, moduleNameOf } from "../modules/names.js";
import { errorText, type Messages } from "../modules/node/messages.js";
import { withModule } from "../modules/node/module-file.js";
import { readTree } from "../modules/node/read-tree.js";
import { Probe, type Target } from "../modules/probe.js";
import type { ModuleTree } from "../modules/tree.js";

export interface TreeChoice {
  readonly basedir?: string;
  readonly setVersion?: string;
  /** The argument is a module's name, no alias or file. */
  readonly modname?: boolean;
}

/** Whether the options mean a kernel's tree and not unikvm's own modules. */
export const meansTree = ({ basedir, setVersion }: TreeChoice): boolean =>
  basedir !== undefined || setVersion !== undefined;

/** Whether it is the file of a kernel's module. */
export const isModuleFile = (path: string): boolean =>
  isModuleFileName(path) && (statSync(path, { throwIfNoEntry: false })?.isFile() ?? false);

/** Prints what the file says of itself; false if it cannot be read. */
export async function modinfoFile(path: string, format: ModinfoFormat, messages: Messages): Promise<boolean> {
  return printFile(resolve(path), moduleNameOf(path), format, messages);
}

/** Prints what the modules say of themselves that the name or alias stands for; false if there are none. */
export async function modinfoTree(
  name: string,
  choice: TreeChoice,
  format: ModinfoFormat,
  messages: Messages,
): Promise<boolean> {
  const tree = readTree(`${choice.basedir ?? ""}/lib/modules/${choice.setVersion ?? release()}`, messages);
  const probe = new Probe(tree);
  const byName = choice.modname ? probe.lookupName(name) : undefined;
  const targets = choice.modname ? (byName ? [byName] : []) : probe.lookup(name);
  if (targets.length === 0) {
    messages.error(choice.modname ? `Module name ${name} not found.` : `Module ${name} not found.`);
    return false;
  }
  let done = true;
  for (const target of targets) if (!(await printTarget(tree, target, format, messages))) done = false;
  return done;
}

async function printTarget(tree: ModuleTree, target: Target, format: ModinfoFormat, messages: Messages) {
  if (target.path !== undefined) return printFile(target.path, target.name, format, messages);
  print(builtinHead(target.name), tree.builtinInfo(target.name) ?? [], format);
  return true;
}

async function printFile(path: string, name: string, format: ModinfoFormat, messages: Messages): Promise<boolean> {
  if (format.field === "filename") {
    print([["filename", path]], [], format);
    return true;
  }
  try {
    print(
      [["filename", path]],
      await withModule(path, (module) => [...module.info(), ...module.buildId(), ...module.signature()]),
      format,
    );
    return true;
  } catch (error) {
    if (format.field === undefined) print([["filename", path]], [], format);
    messages.error(`could not get modinfo from '${name}': ${errorText(error)}`);
    return false;
  }
}

const print = (head: Fields, fields: Fields, format: ModinfoFormat) =>
  process.stdout.write(modinfoText(head, fields, format));
