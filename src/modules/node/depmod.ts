/** depmod: reads a tree of modules and writes the files that describe it. Source: depmod(8). */
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  conflictMessages,
  cycleMessages,
  depLine,
  formatAlias,
  formatDep,
  formatDevname,
  formatSoftdep,
  formatSymbols,
  formatWeakdep,
  problemMessages,
} from "../depfiles.js";
import { graphModule } from "../elf/graph-module.js";
import { type Graph, type GraphModule, resolve } from "../graph.js";
import { IndexBuilder } from "../index-file.js";
import { moduleNameOf, normaliseAlias } from "../names.js";
import { type DepmodConfig, defaultDepmodConfig, readDepmodConfig } from "./depmod-config.js";
import { errorText, Fatal, type Messages } from "./messages.js";
import { withModule } from "./module-file.js";
import { type ModuleFile, moduleFile, readLines, scanTree } from "./scan.js";
import { builtinInfo, readSymvers, readSystemMap } from "./symbol-files.js";

export interface DepmodOptions {
  /** The tree: `ROOT/lib/modules/VERSION`. */
  readonly folder: string;
  readonly version: string;
  /** Only these, by absolute paths, instead of all of the tree. */
  readonly files?: readonly string[];
  /** Configuration folders or files, instead of the system's. */
  readonly config?: readonly string[];
  /** Given text is printed and nothing written. */
  readonly print?: (text: string) => void;
  /** Only if a module is newer than modules.dep. */
  readonly ifOutdated?: boolean;
  /** The kernel's symbols: Module.symvers, or System.map. */
  readonly symvers?: string;
  readonly systemMap?: string;
  /** Whether unknown symbols and differing versions are reported. */
  readonly reportSymbols?: boolean;
  readonly reportDuplicates?: boolean;
  readonly symbolPrefix?: string;
  /** Told of each dependency, in words. */
  readonly verbose?: (line: string) => void;
  readonly messages: Messages;
}

/** Does what the options say; returns depmod's exit status. */
export async function depmod(options: DepmodOptions): Promise<0 | 1> {
  const { messages } = options;
  try {
    if (options.ifOutdated && (options.print || isUpToDate(options.folder, messages))) return 0;
    const kernel = kernelSymbols(options);
    const files = findFiles(options);
    const modules = await readModules(files, messages);
    const absolute = new Map(files.map(({ path, file }) => [path, file]));
    const pathOf = ({ path }: GraphModule) => absolute.get(path) ?? path;
    const graph = resolve(modules, {
      ...(kernel && { kernelSymbols: kernel }),
      ...(options.symbolPrefix !== undefined && { symbolPrefix: options.symbolPrefix }),
    });
    if (options.reportSymbols && kernel) {
      const reported = graph.problems.filter(({ kind }) => kind === "unknown" || options.symvers !== undefined);
      for (const line of problemMessages({ ...graph, problems: reported }, pathOf)) messages.warning(line);
    }
    for (const line of conflictMessages(graph, pathOf)) messages.warning(line);
    if (options.verbose) sayDependencies(graph, pathOf, options.verbose);
    const cycles = cycleMessages(graph);
    for (const line of cycles) messages.error(line);
    if (graph.cyclic > 0) return 1;
    return options.print ? print(graph, options, options.print) : write(graph, options);
  } catch (error) {
    if (error instanceof Fatal) return 1;
    throw error;
  }
}

function kernelSymbols({ symvers, systemMap, reportSymbols, messages, symbolPrefix = "" }: DepmodOptions) {
  const file = symvers ?? systemMap;
  if (file === undefined) {
    if (reportSymbols) messages.warning("-e needs -E or -F");
    return undefined;
  }
  try {
    return symvers !== undefined ? readSymvers(file, messages) : readSystemMap(file, symbolPrefix, messages);
  } catch (error) {
    throw messages.fatal(`could not load ${file}: ${errorText(error)}`);
  }
}

function findFiles({ folder, version, files, config, messages }: DepmodOptions): ModuleFile[] {
  if (files) {
    return files.map((file) => {
      if (!file.startsWith("/")) throw messages.fatal(`${file}: not absolute path.`);
      if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
        throw messages.fatal(`could not create module ${file}: ${errorText({ code: "ENOENT" })}`);
      }
      return moduleFile(folder, file);
    });
  }
  const read: DepmodConfig = readDepmodConfig(config ?? defaultDepmodConfig, version, messages);
  try {
    return scanTree(folder, read, messages);
  } catch (error) {
    throw messages.fatal(`could not search modules: ${errorText(error)}`);
  }
}

/** Reads them one after the other; one that cannot be read is reported and is a module without content. */
export async function readModules(files: readonly ModuleFile[], messages: Messages): Promise<GraphModule[]> {
  const modules: GraphModule[] = [];
  for (const file of files) {
    try {
      modules.push(await withModule(file.file, (module) => graphModule(file, module)));
    } catch (error) {
      messages.error(`failed to load symbols from ${file.file}: ${errorText(error)}`);
      modules.push(emptyModule(file));
    }
  }
  return modules;
}

const emptyModule = ({ name, path }: ModuleFile): GraphModule => ({
  name,
  path,
  exports: [],
  imports: [],
  aliases: [],
  softdeps: [],
});

function sayDependencies(graph: Graph, pathOf: (module: GraphModule) => string, say: (line: string) => void): void {
  for (const module of graph.modules) {
    const told = new Set<GraphModule>();
    for (const symbol of module.imports) {
      const owner = graph.provider(module, symbol);
      if (!owner || told.has(owner)) continue;
      told.add(owner);
      say(`${pathOf(module)} needs "${symbol}": ${pathOf(owner)}`);
    }
  }
}

/** Whether no module is newer than modules.dep; one that cannot be looked at is not. */
function isUpToDate(folder: string, messages: Messages): boolean {
  let written: number;
  try {
    written = statSync(join(folder, "modules.dep")).mtimeMs;
  } catch (error) {
    messages.error(`could not fstatat(${folder}, modules.dep): ${errorText(error)}`);
    return false;
  }
  const everything: DepmodConfig = { search: [], overrides: [], external: [], exclude: [] };
  const quiet = Object.create(messages, { say: { value: () => {} } }) as Messages;
  return scanTree(folder, everything, quiet).every(({ file }) => statSync(file).mtimeMs <= written);
}

const deviceWarning = (messages: Messages) => (module: string, devname: string) =>
  messages.error(`Module '${module}' has devname (${devname}) but lacks major and minor information. Ignoring.`);

/** Everything that is text, in the order in which depmod writes it. */
function textFiles(graph: Graph, messages: Messages): readonly (readonly [name: string, format: () => string])[] {
  return [
    ["modules.dep", () => formatDep(graph)],
    ["modules.alias", () => formatAlias(graph)],
    ["modules.softdep", () => formatSoftdep(graph)],
    ["modules.weakdep", () => formatWeakdep(graph)],
    ["modules.symbols", () => formatSymbols(graph)],
    ["modules.devname", () => formatDevname(graph, deviceWarning(messages))],
  ];
}

function print(graph: Graph, { messages }: DepmodOptions, out: (text: string) => void): 0 {
  const weak = graph.modules.some(({ weakdeps = [] }) => weakdeps.length > 0);
  for (const [name, format] of textFiles(graph, messages)) {
    // kmod before 33 knows no weak dependencies: the section is there if there is something in it.
    if (name !== "modules.weakdep" || weak) out(format());
  }
  return 0;
}

function write(graph: Graph, options: DepmodOptions): 0 | 1 {
  const { folder, messages } = options;
  const files: (readonly [string, () => string | Uint8Array])[] = [
    ...textFiles(graph, messages),
    ...indexFiles(graph, options),
  ];
  for (const [name, make] of files) {
    const temporary = join(folder, `${name}.${process.pid}.${Date.now()}`);
    try {
      writeFileSync(temporary, make(), { flag: "wx", mode: 0o644 });
      renameSync(temporary, join(folder, name));
    } catch (error) {
      rmSync(temporary, { force: true });
      if (error instanceof RangeError) throw messages.fatal(error.message);
      messages.error(`Could not write index '${name}': ${errorText(error)}`);
      return 1;
    }
  }
  return 0;
}

/** What depmod leaves where there is nothing to make an index of: a file without content. */
const noIndex = new Uint8Array();

/** The indexes that kmod's modprobe reads instead of the text. */
function indexFiles(graph: Graph, { folder, messages, reportDuplicates }: DepmodOptions) {
  const builderOf = (what: string) => {
    const builder = new IndexBuilder();
    const add = (key: string, value: string, priority: number, said = `${key} ${value}`) => {
      if (builder.add(key, value, priority) && reportDuplicates) messages.warning(`duplicate module ${what}:\n${said}`);
    };
    return { add, build: () => builder.build() };
  };
  const normal = (alias: string): string | undefined => {
    const normalised = normaliseAlias(alias);
    if (normalised === undefined) messages.warning(`Unmatched bracket in ${alias}`);
    return normalised;
  };
  return [
    [
      "modules.dep.bin",
      () => {
        const { add, build } = builderOf("deps");
        for (const [index, module] of graph.modules.entries()) {
          const line = depLine(graph, module);
          add(module.name, line, index, line);
        }
        return build();
      },
    ],
    [
      "modules.alias.bin",
      () => {
        const { add, build } = builderOf("alias");
        for (const [index, { name, aliases }] of graph.modules.entries()) {
          for (const alias of aliases) {
            const key = normal(alias);
            if (key !== undefined) add(key, name, index);
          }
        }
        return build();
      },
    ],
    [
      "modules.symbols.bin",
      () => {
        const { add, build } = builderOf("syms");
        const indexes = new Map(graph.modules.map((module, index) => [module, index]));
        for (const [symbol, module] of graph.symbols) add(`symbol:${symbol}`, module.name, indexes.get(module) ?? 0);
        return build();
      },
    ],
    [
      "modules.builtin.bin",
      () => {
        const { add, build } = builderOf("builtin");
        const lines = readLines(folder, "modules.builtin", messages);
        if (!lines) return noIndex;
        for (const line of lines) {
          if (/^[A-Za-z]/.test(line)) add(moduleNameOf(line), "", 0);
          else messages.error(`Invalid modules.builtin line: ${line}`);
        }
        return build();
      },
    ],
    [
      "modules.builtin.alias.bin",
      () => {
        const { add, build } = builderOf("builtin alias");
        const fields = builtinInfo(folder, messages);
        if (!fields) return noIndex;
        for (const { module, key, value } of fields) {
          const alias = key === "alias" ? normal(value) : undefined;
          if (alias !== undefined) add(alias, module, 0);
        }
        return build();
      },
    ],
  ] as const satisfies readonly (readonly [string, () => Uint8Array])[];
}
