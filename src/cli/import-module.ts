/** A module from a file that somebody names. */
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { KvmError, messageOf } from "../base/errors.js";
import { requireDeclared } from "../modules/declared.js";
import type { ModuleDefinition } from "../modules/define-module.js";

/** The default export of a file. EINVAL: the path is relative. ENOENT: it cannot be read. ENOEXEC: it holds no module. */
export async function importModule(file: string): Promise<ModuleDefinition> {
  if (!isAbsolute(file)) throw new KvmError("EINVAL", `${file} is no absolute path`);
  let found: { readonly default?: ModuleDefinition };
  try {
    found = (await import(pathToFileURL(file).href)) as typeof found;
  } catch (cause) {
    const code = (cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND" ? "ENOENT" : "ENOEXEC";
    throw new KvmError(code, `${file} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
  if (!found.default) throw new KvmError("ENOEXEC", `${file} has no default export, which would be the module`);
  requireDeclared(found.default);
  return found.default;
}
