/**
 * The check of a build: does every module get what it imports, and may it? And the files that a checked build leaves.
 * Sources: scripts/mod/modpost.c, Documentation/kbuild/modules.rst, modules.dep(5).
 */
import type { Exports, Imports, ModuleDefinition } from "./define-module.js";
import { conflictMessages, cycleMessages, formatAlias, formatDep, formatSoftdep, formatSymbols } from "./depfiles.js";
import { type Graph, resolve } from "./graph.js";
import { gplCompatible } from "./licence.js";
import { builtinModinfo, graphModule } from "./modinfo.js";
import { mayImport, namesModules, normalise } from "./namespace.js";

/** A module of the build. */
export interface BuiltModule {
  /** The module's file, from the root of the tree. */
  readonly path: string;
  readonly definition: ModuleDefinition;
  /** Linked in rather than loaded (`y` in the configuration). */
  readonly builtIn?: boolean;
}

export interface Checked {
  /** In the words of modpost and depmod, without "ERROR: ". */
  readonly errors: readonly string[];
  /** What builds and cannot be loaded. */
  readonly warnings: readonly string[];
  /** By name. Empty if there are errors: a build that fails writes nothing. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * `modules` in the order of modules.order. Two of them may export one symbol if they are alternatives to each other; who
 * imports it gets the exporter with which it can be loaded.
 */
export function modpost(modules: readonly BuiltModule[]): Checked {
  const repeated = modules.filter(
    ({ definition }, at) => modules.findIndex((other) => sameName(other.definition, definition)) !== at,
  );
  if (repeated.length > 0) {
    return failed(repeated.map(({ definition, path }) => `same module names found: ${definition.name} (${path})`));
  }
  const graph = resolve(modules.map(({ definition, path }) => graphModule(definition, path)));
  const alternatives = new Map(modules.map(({ definition }) => [normalise(definition.name), definition.alternative]));
  const duplicates = graph.duplicates.filter(({ owner, other }) => {
    const group = alternatives.get(owner.name);
    return group === undefined || group !== alternatives.get(other.name);
  });
  const errors = [
    ...duplicates.map(
      ({ symbol, owner, other }) =>
        `modpost: ${other.name}: '${symbol}' exported twice. Previous export was in ${owner.name}`,
    ),
    ...modules.flatMap(({ definition }) => checkModule(definition, modules, graph)),
    ...cycleMessages(graph).map((message) => `depmod: ${message}`),
  ];
  if (errors.length > 0) return failed(errors);
  const warnings = conflictMessages(graph, ({ name }) => name).map((message) => `modpost: ${message}`);
  return { errors, warnings, files: buildFiles(modules, graph) };
}

const failed = (errors: readonly string[]): Checked => ({ errors, warnings: [], files: new Map() });
const sameName = (a: ModuleDefinition, b: ModuleDefinition): boolean => normalise(a.name) === normalise(b.name);

function checkModule(definition: ModuleDefinition, modules: readonly BuiltModule[], graph: Graph): string[] {
  const { license, imports = {}, importNamespaces = [] } = definition;
  const name = normalise(definition.name);
  const errors = importNamespaces
    .filter(namesModules)
    .map((namespace) => `modpost: module ${name} tries to import module namespace: ${namespace}`);
  if (license === "") errors.push(`modpost: missing MODULE_LICENSE() in ${name}`);
  for (const { name: symbol } of Object.values(imports as Imports)) {
    const importer = graph.modules.find((module) => module.name === name);
    const owner = importer && graph.provider(importer, symbol)?.name;
    const exported = Object.values(
      (modules.find((module) => normalise(module.definition.name) === owner)?.definition.exports ?? {}) as Exports,
    ).find((candidate) => candidate.symbol.name === symbol);
    if (!exported) {
      errors.push(`modpost: "${symbol}" [${name}] undefined!`);
      continue;
    }
    if (exported.gplOnly && !gplCompatible(license)) {
      errors.push(`modpost: GPL-incompatible module ${name} uses GPL-only symbol '${symbol}'`);
    }
    if (!mayImport(exported.namespace, name, importNamespaces)) {
      errors.push(
        `modpost: module ${name} uses symbol ${symbol} from namespace ${exported.namespace}, but does not import it.`,
      );
    }
  }
  return errors;
}

function buildFiles(modules: readonly BuiltModule[], whole: Graph): ReadonlyMap<string, string> {
  const isBuiltIn = ({ builtIn = false }: BuiltModule) => builtIn;
  const loadable = modules.filter((module) => !isBuiltIn(module));
  const paths = (of: readonly BuiltModule[]) => of.map(({ path }) => `${path}\n`).join("");
  // What is linked in is always there: nothing depends on it.
  const graph = resolve(loadable.map(({ definition, path }) => graphModule(definition, path)));
  const builtIn = new Set(modules.filter(isBuiltIn).map(({ path }) => path));
  return new Map([
    ["Module.symvers", formatSymvers(whole, builtIn)],
    ["modules.order", paths(loadable)],
    ["modules.builtin", paths(modules.filter(isBuiltIn))],
    ["modules.builtin.modinfo", formatBuiltinModinfo(modules.filter(isBuiltIn))],
    ["modules.dep", formatDep(graph)],
    ["modules.alias", formatAlias(graph)],
    ["modules.symbols", formatSymbols(graph)],
    ["modules.softdep", formatSoftdep(graph)],
  ]);
}

/** modules.builtin.modinfo: `module.field=value`, each ended by a zero byte. */
function formatBuiltinModinfo(modules: readonly BuiltModule[]): string {
  const fields = modules.flatMap(({ definition, path }) =>
    builtinModinfo(definition, path).map(([field, value]) => `${normalise(definition.name)}.${field}=${value}\0`),
  );
  return fields.join("");
}

/** Module.symvers: checksum (none is computed), symbol, owner, how it is exported, namespace; tabs between. */
export function formatSymvers({ modules, symbols }: Graph, builtIn: ReadonlySet<string> = new Set()): string {
  const rows = modules.flatMap((module) =>
    module.exports
      .filter(({ name }) => symbols.get(name) === module)
      .map(({ name, gplOnly, namespace = "", crc = 0 }) =>
        [
          `0x${crc.toString(16).padStart(8, "0")}`,
          name,
          builtIn.has(module.path) ? "vmlinux" : module.path.replace(/\.js$/, ""),
          gplOnly ? "EXPORT_SYMBOL_GPL" : "EXPORT_SYMBOL",
          namespace,
        ].join("\t"),
      ),
  );
  return rows.map((row) => `${row}\n`).join("");
}
