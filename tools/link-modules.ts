/** Links the modules that have a whole of their own (kernel/module-list.ts), as `dist`/modules/ has them. */
import { readFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { build } from "esbuild";
import { copyWhole } from "../src/cli/build/whole.js";
import type { ListedModule } from "../src/kernel/module-list.js";

/**
 * The text of each such module's file: all its code, without what other modules bring, and its declaration. By the module's
 * path; with `more` in it. Throws if a name is missing that common code imports from a vendor.
 */
export async function linkModules(
  modules: readonly ListedModule[],
  dist: string,
  more: (module: ListedModule) => string,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const module of modules) {
    const { path, source, whole } = module;
    if (!whole) continue;
    const out = dirname(join(dist, "modules", path));
    const fromOut = (name: string): string => relative(out, join(dist, name)).split(sep).join("/");
    const { outputFiles } = await build({
      stdin: {
        contents: `export * from "whole";\nexport { default } from "declaration";\n${more(module)}`,
        resolveDir: dist,
      },
      bundle: true,
      write: false,
      format: "esm",
      platform: "neutral",
      target: "es2022",
      // It is read by V8 each time it is loaded, and by people seldom.
      minifyWhitespace: true,
      minifySyntax: true,
      legalComments: "none",
      logLevel: "silent",
      logOverride: { "import-is-undefined": "error" },
      plugins: [
        {
          name: "whole",
          setup: (bundler) => {
            const entry = copyWhole(bundler, {
              namespace: "whole",
              whole,
              others: (name) => ({ path: fromOut(name), external: true }),
              load: async (name) => ({ contents: await readFile(join(dist, name), "utf8"), loader: "js" }),
            });
            bundler.onResolve({ filter: /^whole$/ }, () => entry);
            bundler.onResolve({ filter: /^declaration$/ }, () => ({ path: fromOut(source), external: true }));
          },
        },
      ],
    });
    texts.set(path, outputFiles[0]?.text ?? "");
  }
  return texts;
}
