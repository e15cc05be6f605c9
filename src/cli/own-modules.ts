/** unikvm's own modules as the commands see them: a tree of files, as /lib/modules/VERSION/ is. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { moduleList } from "../module-list.js";
import { ModuleLoader } from "../modules/loader.js";
import { normalise } from "../modules/namespace.js";

/** dist/modules: what the build left. */
export const modulesFolder = fileURLToPath(new URL("../../modules", import.meta.url));

/** A loader that only knows and never loads. */
export const ownModules = (): ModuleLoader => new ModuleLoader(moduleList().map(({ definition }) => definition));

/** A module's file; undefined if it is none of unikvm's own. */
export function modulePath(name: string): string | undefined {
  const found = moduleList().find(({ definition }) => normalise(definition.name) === normalise(name));
  return found && join(modulesFolder, found.path);
}

/** Bytes of code; 0 for a module of somebody else's. */
export async function moduleSize(name: string): Promise<number> {
  const path = modulePath(name);
  if (path === undefined || !existsSync(path)) return 0;
  const { size } = (await import(pathToFileURL(path).href)) as { size?: unknown };
  return typeof size === "number" ? size : 0;
}
