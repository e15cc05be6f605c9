/**
 * Modules that are linked whole: a copy of their own of the code that they have in common with others, in which one file has
 * a meaning of its own. A bundler keeps a file's copies apart by namespaces: one for each such module.
 */
import { dirname, join, relative, sep } from "node:path";
import type { OnLoadResult, OnResolveResult, PluginBuild } from "esbuild";
import type { WholeModule } from "../../kernel/module-list.js";

/**
 * Whether the file is among what each such module has a copy of: the kernel side of its architecture and the neutral core.
 * Engines know no vendor and are the same files for all; so is what says of itself where it lies.
 */
function isCopied(name: string, { entry }: WholeModule): boolean {
  const arch = dirname(entry);
  if (name === `${arch}/module/assets.js`) return false;
  if (["isa", "engines", "mmu"].some((folder) => name.startsWith(`${arch}/${folder}/`))) return false;
  return name.startsWith(`${arch}/`) || name.startsWith("src/kvm/") || name === "src/engine/kvm-module.js";
}

export interface WholePluginOptions {
  /** The namespace of the module's copies. */
  readonly namespace: string;
  readonly whole: WholeModule;
  /** What stands for a file that is not copied. */
  readonly others: (name: string) => OnResolveResult;
  /** A copied file. `others` and this name files by their places among the package's built ones. */
  readonly load: (name: string) => Promise<OnLoadResult>;
}

/** Has the bundler keep the module's copies apart, from its entry on, which is to be resolved to this. */
export function copyWhole(build: PluginBuild, { namespace, whole, others, load }: WholePluginOptions): OnResolveResult {
  const resolved = (name: string): OnResolveResult => {
    const meant = whole.meaning[name] ?? name;
    return isCopied(meant, whole) ? { path: meant, namespace } : others(meant);
  };
  build.onResolve({ filter: /^\./, namespace }, ({ path, importer }) =>
    resolved(join(dirname(importer), path).split(sep).join("/")),
  );
  build.onLoad({ filter: /\.js$/, namespace }, ({ path }) => load(path));
  return resolved(whole.entry);
}

/** A file's place in `dist`, with slashes. */
export const nameIn = (dist: string, path: string): string => relative(dist, path).split(sep).join("/");
