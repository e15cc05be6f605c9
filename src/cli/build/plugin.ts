/**
 * What a configuration changes while the bundler reads our files: what is n gives way to its stub, what is y is linked
 * in, what is m is imported when its module is loaded. `import.meta.url` keeps meaning the file's place in the tree: all
 * bundled files lie in the output's folder itself.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Plugin } from "esbuild";
import { moduleList } from "../../kernel/module-list.js";
import type { BuildConfiguration } from "./configuration.js";
import { implementationFiles, kbuild, refusedCommand } from "./kbuild.js";
import { copyWhole, nameIn } from "./whole.js";

export type Platform = "node" | "browser";

export interface KbuildPluginOptions {
  readonly configuration: BuildConfiguration;
  readonly platform: Platform;
  /** Of the package's built files. */
  readonly dist: string;
  /** Modules that are linked whole, and are not linked in, are files beside that `wholeEntry` names. */
  readonly apart?: boolean;
  /** Where `dist` is from the output's folder, if what lies beside code is left there; else it is beside the output. */
  readonly distFrom?: string;
}

/** The name of what `unikvm build` makes of a module's whole, which its declaration imports. */
export const wholeEntry = (module: string): string => `${module}-whole`;

/** Marks the import of a module's own code by the stub that declares it. */
const codeSuffix = "?code";

export function kbuildPlugin({ configuration, platform, dist, apart = false, distFrom }: KbuildPluginOptions): Plugin {
  const instead = new Map([[buildCommand, distFrom === undefined ? notFromABuild : fromPackage(distFrom)]]);
  const linked = new Set<string>();
  const modules = new Set<string>();
  const left = new Set<string>();
  for (const row of kbuild) {
    const setting = configuration.setting(row.option);
    const texts = setting === "n" ? row.absent : row.present;
    for (const [path, text] of Object.entries(texts ?? {})) instead.set(path, text);
    if (setting === "y") for (const path of row.linked ?? []) linked.add(path);
    if (row.module === undefined) continue;
    if (setting === "n") left.add(row.module);
    if (setting === "m" && !row.linked) modules.add(row.module);
  }
  for (const [option, files] of Object.entries(implementationFiles)) {
    if (configuration.setting(option) === "y") for (const path of files) linked.add(path);
  }
  const nameOf = (path: string): string => nameIn(dist, path);
  /** A file's code, as it is bundled. */
  const code = async (name: string): Promise<string> => {
    const other = instead.get(name);
    if (other !== undefined) return other;
    const text = await readFile(join(dist, name), "utf8");
    const own = distFrom !== undefined && /\/module\/assets\.js$/.test(name) ? `${distFrom}/${name}` : name;
    return placed(linked.has(name) ? link(text) : text, own);
  };
  return {
    name: "kbuild",
    setup(build) {
      build.onResolve({ filter: /\?code$/ }, ({ path }) => ({
        path: join(dist, path.slice(0, -codeSuffix.length)),
        suffix: codeSuffix,
      }));
      for (const { definition, option, whole } of moduleList()) {
        if (!whole) continue;
        const entry = copyWhole(build, {
          ...{ whole, namespace: definition.name },
          others: (name) => ({ path: join(dist, name) }),
          load: async (name) => ({ contents: await code(name), loader: "js" }),
        });
        const beside = { path: `./${wholeEntry(definition.name)}.js`, external: true };
        const isApart = apart && configuration.setting(option) !== "y";
        const stub = new RegExp(`/${basename(dirname(whole.stub))}/${basename(whole.stub).replace(".", "\\.")}$`);
        build.onResolve({ filter: stub }, () => (isApart ? beside : entry));
      }
      build.onLoad({ filter: /\.js$/, namespace: "file" }, async ({ path, suffix }) => {
        const name = nameOf(path);
        if (name.startsWith("..")) return undefined;
        if (left.has(name)) return { contents: await absentModule(path) };
        // A page has none of Node's modules; where a file of such a folder is asked for, the answer is an error.
        if (platform === "browser" && /(^|\/)node\//.test(name)) return { contents: onlyInNode(name) };
        if (modules.has(name) && suffix !== codeSuffix) return { contents: await lazyModule(path, name) };
        return { contents: await code(name) };
      });
    },
  };
}

const buildCommand = "src/cli/commands/build.js";

/** The command line that is bundled alone has the package beside it, and builds from that: what it takes is read when it is asked for. */
const fromPackage = (distFrom: string): string =>
  `const place = new URL("${distFrom}/${buildCommand}", import.meta.url).href;
  export const describe = async (...all) => (await import(place)).describe(...all);`;

/** Another build is made from the whole package. */
const notFromABuild = refusedCommand("this is a build itself: build from the package unikvm");

const onlyInNode = (name: string): string =>
  `const refuse = () => { throw new Error("${name} is for Node.js, and this is a build for browsers"); };\nexport { refuse as loadAssetFile };`;

/** A file's own URL, as if it lay where it came from. */
const placed = (text: string, name: string): string =>
  text.replaceAll("import.meta.url", `new URL("${name}", import.meta.url).href`);

/** Imports on demand become imports. Not those that only debugging needs. */
export function link(text: string): string {
  const imports: string[] = [];
  const body = text.replace(/await import\(("\.[^"]+")\)/g, (all, path: string) => {
    if (/disassembler/.test(path)) return all;
    const name = `linked${imports.length}`;
    imports.push(`import * as ${name} from ${path};`);
    return name;
  });
  return `${imports.join("\n")}\n${body}`;
}

/** The names that a module's file exports, with nothing behind them; what would be called gives nothing. */
async function absentModule(path: string): Promise<string> {
  const names = Object.entries((await import(pathToFileURL(path).href)) as object);
  return names
    .map(([name, value]) => {
      const nothing = typeof value === "function" ? "() => undefined" : "undefined";
      return name === "default" ? `export default ${nothing};` : `export const ${name} = ${nothing};`;
    })
    .join("\n");
}

/** The module's declaration without its code: what modinfo tells, and an init that imports the rest. */
async function lazyModule(path: string, name: string): Promise<string> {
  const exported = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  const lines: string[] = [];
  for (const [key, value] of Object.entries(exported)) {
    if (key === "default") continue;
    lines.push(`export const ${key} = ${isModule(value) ? lazyDefinition(value, key, name) : plain(value, key)};`);
    if (value === exported["default"]) lines.push(`export default ${key};`);
  }
  return lines.join("\n");
}

interface Definition {
  readonly init: unknown;
  readonly exit?: unknown;
  readonly vermagic: unknown;
}
const isModule = (value: unknown): value is Definition =>
  typeof value === "object" && value !== null && "vermagic" in value && "init" in value;

function lazyDefinition({ init: _, exit, ...rest }: Definition, key: string, name: string): string {
  const code = `import("${name}${codeSuffix}")`;
  const leave = exit === undefined ? "" : "exit(context) { code.exit(context); },";
  return `(() => { let code; return {
    ...${plain(rest, key)},
    async init(context) { code = (await ${code}).${key}; return code.init(context); },
    ${leave}
  }; })()`;
}

function plain(value: unknown, key: string): string {
  return JSON.stringify(value, (at, part: unknown) => {
    if (typeof part !== "function") return part;
    throw new Error(`${key}.${at} is a function, and a module that is loaded on demand has only init and exit`);
  });
}
