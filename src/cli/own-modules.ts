/** unikvm's own modules as the commands see them: a tree of files, as /lib/modules/VERSION/ is. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { moduleList } from "../kernel/module-list.js";
import { ModuleLoader } from "../modules/loader.js";
import { moduleNameOf } from "../modules/names.js";
import { readTree } from "../modules/node/read-tree.js";
import type { ModuleTree } from "../modules/tree.js";
import { saidSize } from "./import-module.js";

/** dist/modules: what the build left. */
export const modulesFolder = fileURLToPath(new URL("../../modules", import.meta.url));

/** The same as its files describe it, with what is linked in. */
export const ownTree = (): ModuleTree => readTree(modulesFolder);

/** A loader that only knows and never loads. */
export class OwnModules extends ModuleLoader {
  readonly #tree = ownTree();

  constructor() {
    super(moduleList().map(({ definition }) => definition));
  }

  /** Whether it is linked in. */
  isBuiltin(name: string): boolean {
    return this.#tree.isBuiltin(moduleNameOf(name));
  }

  /** What is linked in need not be loaded. */
  override showDepends(name: string, loaded: readonly string[] = []): string[] {
    const builtin = this.available.map((module) => module.name).filter((each) => this.isBuiltin(each));
    return super.showDepends(name, [...loaded, ...builtin]);
  }
}

export const ownModules = (): OwnModules => new OwnModules();

/** A module's file; undefined if it is linked in, or none of unikvm's own. */
export const modulePath = (name: string): string | undefined => ownTree().line(moduleNameOf(name))?.path;

/** Bytes of code; 0 for a module that is linked in or somebody else's. */
export async function moduleSize(name: string): Promise<number> {
  const path = modulePath(name);
  if (path === undefined || !existsSync(path)) return 0;
  return (await saidSize(path)) ?? 0;
}
