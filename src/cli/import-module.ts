/** A module from a file that somebody names. */
import { existsSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { KvmError, messageOf } from "../base/errors.js";
import { requireDeclared } from "../modules/declared.js";
import type { ModuleDefinition } from "../modules/define-module.js";

/** The default export of a file. EINVAL: the path is relative. ENOENT: it cannot be read. ENOEXEC: it holds no module. */
export async function importModule(file: string): Promise<ModuleDefinition> {
  if (!isAbsolute(file)) throw new KvmError("EINVAL", `${file} is no absolute path`);
  if (!existsSync(file)) throw new KvmError("ENOENT", `${file} is not there, and is no module of unikvm's own`);
  if (statSync(file).isDirectory()) throw new KvmError("ENOEXEC", `${file} is a folder, and no module's file`);
  let found: { readonly default?: ModuleDefinition };
  try {
    found = (await import(pathToFileURL(file).href)) as typeof found;
  } catch (cause) {
    const code = (cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND" ? "ENOENT" : "ENOEXEC";
    const why = cause instanceof SyntaxError ? `it is no JavaScript (${cause.message})` : messageOf(cause);
    throw new KvmError(code, `${file} cannot be loaded: ${why}`, { cause });
  }
  if (!found.default) throw new KvmError("ENOEXEC", `${file} has no default export, which would be the module`);
  if (typeof found.default !== "object") {
    throw new KvmError("ENOEXEC", `${file} has a default export that is not what defineModule gives`);
  }
  requireDeclared(found.default);
  return found.default;
}

/** The bytes of code that a module's file says it brings, as unikvm's own do; undefined: it says nothing. */
export async function saidSize(file: string): Promise<number | undefined> {
  const { size } = (await import(pathToFileURL(file).href)) as { readonly size?: unknown };
  return typeof size === "number" ? size : undefined;
}

/** How large a module is that came from a file: what it says, else the file's length. */
export const sizeOf = async (file: string): Promise<number> => (await saidSize(file)) ?? statSync(file).size;
