/** The text files that describe a tree of modules. Source: depmod(8), modules.dep(5), and the files that depmod writes. */
import type { Graph, GraphModule } from "./graph.js";

/** `modules.dep`: each module's path and all that it needs; the last is to be loaded first. */
export function formatDep(graph: Graph): string {
  return lines(graph.modules.map((module) => depLine(graph, module)));
}

/** One line of modules.dep. */
export function depLine(graph: Graph, module: GraphModule): string {
  return [`${module.path}:`, ...graph.dependencies(module).map(({ path }) => path)].join(" ");
}

/** `modules.alias`: what modprobe may be asked for, with shell patterns. */
export function formatAlias({ modules }: Graph): string {
  const entries = modules.flatMap(({ name, aliases }) => aliases.map((alias) => `alias ${alias} ${name}`));
  return lines(["# Aliases extracted from modules themselves.", ...entries]);
}

/** `modules.symbols`: who exports a symbol, for symbol_request(). depmod's order is that of a hash table; ours the graph's. */
export function formatSymbols({ symbols }: Graph): string {
  const entries = [...symbols].map(([symbol, { name }]) => `alias symbol:${symbol} ${name}`);
  return lines(["# Aliases for symbols, used by symbol_request().", ...entries]);
}

/** `modules.softdep`: what modprobe loads before or after a module without need. */
export function formatSoftdep({ modules }: Graph): string {
  const entries = modules.flatMap(({ name, softdeps }) => softdeps.map((value) => `softdep ${name} ${value}`));
  return lines(["# Soft dependencies extracted from modules themselves.", ...entries]);
}

/** `modules.weakdep`: what an initramfs should hold beside a module; modprobe loads none of them. Since kmod 33. */
export function formatWeakdep({ modules }: Graph): string {
  const entries = modules.flatMap(({ name, weakdeps = [] }) => weakdeps.map((value) => `weakdep ${name} ${value}`));
  return lines(["# Weak dependencies extracted from modules themselves.", ...entries]);
}

/**
 * `modules.devname`: device nodes that exist before their module does. A module that gives a name but no number is
 * handed to `ignored`.
 */
export function formatDevname(
  { modules }: Graph,
  ignored: (module: string, devname: string) => void = () => {},
): string {
  const entries: string[] = [];
  for (const { name, aliases } of modules) {
    const { devname, number } = deviceOf(aliases);
    if (devname === undefined) continue;
    if (number === undefined) ignored(name, devname);
    else entries.push(`${name} ${devname} ${number}`);
  }
  return entries.length === 0 ? "" : lines(["# Device nodes to trigger on-demand module loading.", ...entries]);
}

function deviceOf(aliases: readonly string[]): { devname?: string; number?: string } {
  let devname: string | undefined;
  let number: string | undefined;
  for (const alias of aliases) {
    const match = /^(char|block)-major-(\d+)-(\d+)/.exec(alias);
    if (alias.startsWith("devname:")) devname = alias.slice("devname:".length);
    else if (match) number = `${match[1] === "char" ? "c" : "b"}${match[2]}:${match[3]}`;
    if (devname !== undefined && number !== undefined) break;
  }
  return { ...(devname === undefined ? {} : { devname }), ...(number === undefined ? {} : { number }) };
}

/** What depmod says of the graph's loops; a tree that has one gets no files. */
export function cycleMessages({ cycles, cyclic }: Graph): string[] {
  if (cycles.length === 0) return [];
  return [
    ...cycles.map((cycle) => `Cycle detected: ${cycle.map(({ name }) => name).join(" -> ")}`),
    `Found ${cyclic} modules in dependency cycles!`,
  ];
}

/** What the build and depmod say of modules for which no choice among the exporters of a symbol can be loaded. */
export function conflictMessages({ conflicts }: Graph, nameOf: (module: GraphModule) => string): string[] {
  return conflicts.map(({ module, symbol, exporters: [one, other] }) =>
    one === module || other === module
      ? `${nameOf(module)} cannot be loaded: it needs ${(one === module ? other : one).name}, and both export ${symbol}`
      : `${nameOf(module)} cannot be loaded: it needs ${one.name} and ${other.name}, which both export ${symbol}`,
  );
}

/** What `depmod -e` says of imports that nobody exports or whose checksum differs. */
export function problemMessages({ problems }: Graph, pathOf: (module: GraphModule) => string): string[] {
  return problems.map(({ module, symbol, kind }) =>
    kind === "unknown"
      ? `${pathOf(module)} needs unknown symbol ${symbol}`
      : `${pathOf(module)} disagrees about version of symbol ${symbol}`,
  );
}

const lines = (all: readonly string[]) => all.map((line) => `${line}\n`).join("");
