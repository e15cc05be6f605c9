/** Bundles what a configuration asks for, with esbuild. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { BuildOptions, BuildResult, Metafile, Plugin } from "esbuild";
import { agentArchitectures, guestPrograms } from "../../../guests/agent/archive.js";
import { type ListedModule, moduleList } from "../../kernel/module-list.js";
import type { Exports } from "../../modules/define-module.js";
import { modpost } from "../../modules/modpost.js";
import { VmmError } from "../../vmm/errors.js";
import { withoutNames } from "../../wasm/binary.js";
import type { BuildConfiguration } from "./configuration.js";
import { kbuild } from "./kbuild.js";
import { dist, packageRoot } from "./package-root.js";
import { kbuildPlugin, type Platform, wholeEntry } from "./plugin.js";
import { nameIn } from "./whole.js";
import { makeWhole } from "./whole-folder.js";

export { dist, packageRoot };

const library = {
  vmm: "src/vmm/index.js",
  selftest: "guests/selftest/index.js",
};

/** The files that others import or start, by name; their sources from dist/. The modules come to them. */
const entries: Readonly<Record<Platform, Readonly<Record<string, string>>>> = {
  node: {
    ...library,
    index: "src/index.js",
    unikvm: "src/cli/main.js",
    "vcpu-worker": "src/node/vcpu-worker.js",
  },
  browser: {
    ...library,
    index: "src/index-web.js",
    web: "src/web/index.js",
    "machine-worker": "src/web/machine-worker.js",
    "vcpu-worker": "src/web/vcpu-worker.js",
  },
};

/** The command line's: what begins it, all else of it, and its threads. Each becomes one file. */
const commandEntries: Readonly<Record<string, string>> = {
  unikvm: "src/cli/main.js",
  program: "src/cli/program.js",
  "vcpu-worker": "src/node/vcpu-worker.js",
};

/** What begins the command line imports the rest when a thread has begun to load its code. */
const programApart: Plugin = {
  name: "program-apart",
  setup: (build) =>
    build.onResolve({ filter: /\/program\.js$/ }, ({ importer }) =>
      importer.endsWith(join("cli", "main.js")) ? { path: "./program.js", external: true } : undefined,
    ),
};

/** The WebAssembly of an architecture, of which what is for shared memory is made; and which options need it. */
const engines: Readonly<Record<string, readonly string[]>> = {
  powerpc: ["KVM_BOOK3S_64"],
  x86: ["KVM_INTEL", "KVM_AMD"],
};
/** What is looked for beside our files' own URL: that, if it is not taken from the package's own files, and the agent. */
const assetsOf = ({ setting }: BuildConfiguration, command: boolean): readonly string[] => [
  ...Object.entries(command ? {} : engines)
    .filter(([, options]) => options.some((option) => setting(option) !== "n"))
    .flatMap(([arch]) => ["runtime.wasm", "interpreter.wasm"].map((file) => `src/arch/${arch}/engines/${file}`)),
  ...guestPrograms.flatMap((which) => agentArchitectures.map((one) => `guests/agent/unikvm-${which}.${one}`)),
];

export interface Bundle {
  readonly metafile: Metafile;
  /** Bytes of each file in the folder, the largest first. */
  readonly sizes: readonly { readonly file: string; readonly bytes: number }[];
}

/** The package is an optional one: most users never bundle. */
async function loadEsbuild(): Promise<typeof import("esbuild")> {
  try {
    return await import("esbuild");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new VmmError("build needs the package esbuild, which is not installed: npm install esbuild", { cause });
  }
}

export interface BundleOptions {
  /** Default: true. Else names stay, and without `command` the code is readable. */
  readonly minify?: boolean;
  /**
   * Only the command line and the modules: each of its threads loads one file instead of a hundred. Without line breaks also where
   * names stay, since V8 reads all that it loads. WebAssembly is taken from the package that it was made of. Node.js only.
   */
  readonly command?: boolean;
}

/**
 * Makes the bundle in place of `folder`, which is as it was until all of it is there. VmmError: esbuild is absent, or it finds
 * faults.
 */
export function bundle(
  configuration: BuildConfiguration,
  platform: Platform,
  folder: string,
  options: BundleOptions = {},
): Promise<Bundle> {
  return makeWhole(folder, async (work) => {
    const { metafile, sizes } = await bundleInto(work, configuration, platform, options);
    const placeOf = (path: string): string => JSON.stringify(`${nameIn(dist, path)}/`).slice(1, -1);
    const outputs = JSON.stringify(metafile.outputs).replaceAll(placeOf(work), placeOf(folder));
    return { sizes, metafile: { ...metafile, outputs: JSON.parse(outputs) as Metafile["outputs"] } };
  });
}

async function bundleInto(
  folder: string,
  configuration: BuildConfiguration,
  platform: Platform,
  { minify = true, command = false }: BundleOptions,
): Promise<Bundle> {
  const kvms = Object.values(engines).flat();
  if (kvms.every((option) => configuration.setting(option) === "n")) {
    throw new VmmError(`${kvms.join(", ")} are n: there is nothing to build`);
  }
  const { build } = await loadEsbuild();
  const modules = await checkedModules(configuration);
  const left = kbuild.flatMap(({ option, entry }) => (configuration.setting(option) === "n" ? (entry ?? []) : []));
  const chosen = (all: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !left.includes(name)));
  const moduleSources = Object.fromEntries(modules.list.map(({ definition, source }) => [definition.name, source]));
  const wholes = Object.fromEntries(
    modules.list.flatMap(({ definition, whole, builtIn }) =>
      whole && !builtIn ? [[wholeEntry(definition.name), whole.stub]] : [],
    ),
  );
  const shared = { ...(command ? {} : chosen(entries[platform])), ...moduleSources };
  const apart = command ? commandEntries : {};
  const sources = { ...shared, ...apart };
  const options: BuildOptions = {
    absWorkingDir: dist,
    outdir: folder,
    entryNames: "[name]",
    chunkNames: "[name]-[hash]",
    bundle: true,
    format: "esm",
    platform: platform === "node" ? "node" : "browser",
    target: platform === "node" ? "node20" : "es2022",
    minify,
    // For traces of stacks.
    keepNames: !minify && !command,
    legalComments: "none",
    logLevel: "silent",
    // A name that a vendor's file lacks.
    logOverride: { "import-is-undefined": "error" },
    // What no page has: the way without it is all that is left.
    define: platform === "browser" ? { setImmediate: "undefined" } : {},
    // Packages in the older format ask for Node's modules by require.
    banner:
      platform === "node"
        ? {
            js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
          }
        : {},
    external: ["esbuild"],
  };
  const plugin = (apart: boolean) =>
    kbuildPlugin({ configuration, platform, dist, apart, ...(command ? { distFrom: nameIn(folder, dist) } : {}) });
  const metafile: Metafile = { inputs: {}, outputs: {} };
  const add = async (more: BuildOptions): Promise<void> => {
    const { metafile: made }: BuildResult<{ metafile: true }> = await build({ ...options, ...more, metafile: true });
    Object.assign(metafile.inputs, made.inputs);
    Object.assign(metafile.outputs, made.outputs);
  };
  try {
    const dense = { minifyWhitespace: true, minifySyntax: true, minifyIdentifiers: true };
    await add({
      ...(command ? dense : {}),
      entryPoints: { ...shared, ...wholes },
      splitting: true,
      plugins: [plugin(false)],
    });
    // What the commands do keeps its names, for traces of stacks.
    for (const [name, entry] of Object.entries(apart)) {
      const minifyIdentifiers = name !== "program";
      await add({ ...dense, minifyIdentifiers, entryPoints: { [name]: entry }, plugins: [programApart, plugin(true)] });
    }
  } catch (cause) {
    throw new VmmError(`esbuild could not bundle: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  dropBareImports(folder, metafile);
  if (platform === "browser") shortenNames(folder, metafile);
  for (const asset of assetsOf(configuration, command)) {
    mkdirSync(dirname(join(folder, asset)), { recursive: true });
    const bytes = readFileSync(join(dist, asset));
    writeFileSync(join(folder, asset), minify && asset.endsWith(".wasm") ? withoutNames(bytes) : bytes);
  }
  writeForwarders(folder, sources, modules.list);
  if (platform === "node") writeModules(folder, modules, metafile);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  return { metafile, sizes: sizesOf(folder) };
}

/** The modules that are configured, with modpost's files. */
async function checkedModules(configuration: BuildConfiguration): Promise<{
  list: ListedModule[];
  files: ReadonlyMap<string, string>;
}> {
  const implementations = (["hv", "pr"] as const).filter(
    (name) => configuration.setting(`KVM_BOOK3S_${name.toUpperCase()}_POSSIBLE`) === "y",
  );
  const settingOf = ({ option }: ListedModule) => configuration.setting(option);
  const list = moduleList({ implementations })
    .filter((module) => settingOf(module) !== "n")
    .map((module) => ({ ...module, builtIn: settingOf(module) === "y" }));
  for (const { option, exports: more } of kbuild) {
    if (!more || configuration.setting(option) === "n") continue;
    const { exported } = (await import(pathToFileURL(join(dist, more.file)).href)) as { readonly exported: Exports };
    for (const [at, module] of list.entries()) {
      const { definition } = module;
      if (!more.modules.includes(definition.name)) continue;
      list[at] = { ...module, definition: { ...definition, exports: { ...definition.exports, ...exported } } };
    }
  }
  const { errors, files } = modpost(list);
  if (errors.length > 0) throw new VmmError(errors.join("; "));
  return { list, files };
}

/**
 * Chunks import each other also for what they do when they are loaded, a third of all imports in what a page loads. Ours do
 * nothing then (package.json, "sideEffects"), and what of them is used is imported by name.
 */
function dropBareImports(folder: string, metafile: Metafile): void {
  const ours = Object.entries(metafile.outputs)
    .filter(
      ([, { inputs, entryPoint }]) =>
        !entryPoint && !Object.keys(inputs).some((path) => path.includes("node_modules/")),
    )
    .map(([path]) => basename(path));
  const bare = new RegExp(`import ?"\\./(?:${ours.map((name) => name.replaceAll(".", "\\.")).join("|")})";\\n?`, "g");
  for (const output of Object.keys(metafile.outputs)) {
    const path = join(folder, basename(output));
    const text = readFileSync(path, "utf8");
    const less = text.replace(bare, "");
    if (less !== text) writeFileSync(path, less);
  }
}

/** What esbuild puts at the end of chunks' names: 40 bits of what is in them. */
const nameEnds = /-([A-Z0-9]{8})\.js/g;
/** Letters of it that stay: versions of a chunk have the same in one of 33 million. */
const lettersKept = 5;

/**
 * Each file names those that it imports, some three hundred times in what a page loads until a VM runs, and these letters are what
 * cannot be compressed of that.
 */
function shortenNames(folder: string, metafile: Metafile): void {
  const files = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const shorter = new Map(
    files
      .flatMap((name) => [...name.matchAll(nameEnds)])
      .map(([, letters = ""]) => [letters, letters.slice(0, lettersKept)] as const),
  );
  // Who has the same as another keeps all.
  const kept = [...shorter.values()];
  for (const [letters, short] of shorter) if (kept.filter((one) => one === short).length > 1) shorter.delete(letters);
  const shorten = (text: string): string =>
    text.replace(nameEnds, (_, letters: string) => `-${shorter.get(letters) ?? letters}.js`);
  for (const name of files) {
    const path = join(folder, name);
    const text = shorten(readFileSync(path, "utf8"));
    rmSync(path);
    writeFileSync(join(folder, shorten(name)), text);
  }
  metafile.outputs = JSON.parse(shorten(JSON.stringify(metafile.outputs))) as Metafile["outputs"];
}

/** Small files at the places where the sources look for each other. */
function writeForwarders(
  folder: string,
  sources: Readonly<Record<string, string>>,
  modules: readonly ListedModule[],
): void {
  for (const [name, source] of Object.entries(sources)) {
    const path = join(folder, source);
    mkdirSync(dirname(path), { recursive: true });
    const target = JSON.stringify(`${"../".repeat(source.split("/").length - 1)}${name}.js`);
    const isModule = modules.some((module) => module.source === source);
    writeFileSync(path, `export * from ${target};\n${isModule ? `export { default } from ${target};\n` : ""}`);
  }
}

/** modules/: what modpost writes, and each module's file, as the package's own build has them. */
function writeModules(
  folder: string,
  { list, files }: { readonly list: readonly ListedModule[]; readonly files: ReadonlyMap<string, string> },
  metafile: Metafile,
): void {
  const target = join(folder, "modules");
  mkdirSync(target, { recursive: true });
  for (const [name, text] of files) writeFileSync(join(target, name), text);
  // What is linked in has no file.
  for (const { path, source } of list.filter(({ builtIn }) => !builtIn)) {
    const size = Object.values(metafile.outputs)
      .flatMap(({ inputs }) => Object.entries(inputs))
      .filter(([input]) => input.startsWith(`${dirname(source)}/`))
      .reduce((sum, [, { bytesInOutput }]) => sum + bytesInOutput, 0);
    const text = `export { default } from "../${source}";\n/** Bytes of code that it brings. */\nexport const size = ${size};\n`;
    writeFileSync(join(target, path), text);
  }
}

function sizesOf(folder: string): Bundle["sizes"] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ file: relative(folder, path), bytes: statSync(path).size }))
    .sort((a, b) => b.bytes - a.bytes);
}
