/**
 * Who may import whom, in one table, and the check of it. ARCHITECTURE.md explains the reasons; this decides.
 * A row names a folder of the repository, and what its files may import besides their own folder; `X` stands for one
 * architecture, the same throughout a row. A file belongs to the first row that fits it. AssemblyScript (`*.as.ts`) is
 * held to the same rows. Tests beside their file may import anything.
 */
import { dirname, join, normalize } from "node:path/posix";
import { standIns } from "./target-files.js";

interface Row {
  readonly folder: string;
  /** Folders, or files without their ending; with `$`, only the file, not the folder of the same name. "*": anything. */
  readonly may: readonly string[];
}

/** Constants and types of the interface, as Linux's uapi headers are shared by kernel and user side. */
const uapi = ["src/arch/X/uapi"];
/** The layout of a vCPU's state is data that every kernel-side part reads; the rest of engines/ is not. */
const stateLayout = ["src/arch/X/engines/layout", "src/arch/X/engines/runtime/layout.generated"];
/**
 * The run-time library is one program: the engine's half, and the architecture's, whose entry lies in engines/runtime/ and the
 * rest with its subject.
 */
const runtimeLibrary = ["src/engine/runtime", "src/arch/X/engines/runtime"];

/** What the engine may import: no architecture. */
const engineMay = ["src/base", "src/wasm", "src/vac", "src/kvm", "src/semantics"];
/** The user side for those above it: all but its machines, of which they see the table. */
const userSide = [
  ...["agent", "core", "devices", "devicetree", "errors", "loaders", "network", "snapshot", "storage"],
  ...["machines/machines", "machines/machine-kind", "machines/start"],
].map((part) => `src/vmm/${part}`);
/** What the interpreter and the translator share. */
const engineShared = [
  "fold",
  "implementation",
  "ir",
  "layout",
  "look-up",
  "memory-access",
  "recorder",
  "region-entry",
  "routines",
  "target",
].map((file) => `src/engine/${file}`);

export const rows: readonly Row[] = [
  { folder: "src/base", may: [] },
  { folder: "src/wasm", may: ["src/base"] },
  { folder: "src/kconfig", may: ["src/base"] },
  { folder: "src/modules", may: ["src/base"] },
  { folder: "src/vac", may: ["src/modules", "src/base"] },
  { folder: "src/kvm", may: ["src/modules", "src/vac", "src/base"] },
  { folder: "src/semantics", may: [] },
  { folder: "src/arch/X/isa", may: ["src/base", "src/semantics"] },
  {
    folder: "src/arch/X/mmu",
    may: [
      "src/base",
      "src/kvm",
      "src/arch/X/isa/registers",
      "src/arch/X/isa/msr",
      "src/arch/X/interrupts",
      "src/arch/X/vio",
      "src/arch/X/vm/state",
      ...uapi,
      ...stateLayout,
      ...runtimeLibrary,
    ],
  },
  {
    folder: "src/arch/X/interrupts",
    may: [
      "src/base",
      "src/kvm",
      "src/arch/X/isa/registers",
      "src/arch/X/isa/msr",
      "src/arch/X/mmu",
      ...uapi,
      ...stateLayout,
      ...runtimeLibrary,
    ],
  },
  {
    folder: "src/arch/X/papr",
    may: [
      "src/base",
      "src/kvm",
      "src/arch/X/isa/registers",
      "src/arch/X/isa/msr",
      "src/arch/X/mmu",
      "src/arch/X/interrupts",
      "src/arch/X/vio",
      "src/arch/X/vm/state",
      ...uapi,
      ...stateLayout,
    ],
  },
  // What it needs of an architecture are files that stand for each one's own (target-files.ts).
  { folder: "src/engine/runtime", may: Object.keys(standIns) },
  // The interpreter does not know the translator.
  { folder: "src/engine/interpret", may: [...engineMay, ...engineShared] },
  { folder: "src/engine/translate", may: [...engineMay, ...engineShared, "src/engine/interpret/interpreter"] },
  { folder: "src/engine", may: [...engineMay, "src/modules"] },
  {
    folder: "src/arch/X/engines",
    may: [
      "src/base",
      "src/wasm",
      "src/kvm",
      "src/semantics",
      "src/engine",
      "src/arch/X/isa",
      "src/arch/X/mmu",
      "src/arch/X/interrupts",
      ...uapi,
    ],
  },
  {
    folder: "src/arch/X/uapi",
    may: ["src/base", "src/kvm/uapi", "src/kvm/constants", "src/arch/X/isa/registers"],
  },
  { folder: "src/arch/X", may: ["src/base", "src/wasm", "src/kvm", "src/engine", "src/modules", "src/vac"] },
  { folder: "src/vfio", may: ["src/modules", "src/base", "src/kvm/uapi"] },
  // Modules that offer VFIO devices of the host.
  { folder: "src/host", may: ["src/modules", "src/base", "src/vfio/index", "src/vmm/devices"] },
  { folder: "src/vmm", may: ["src/base", "src/kvm/uapi", "src/arch/X/uapi", "src/vfio/index"] },
  // Names no machine and no architecture: a platform brings them.
  {
    folder: "src/api",
    may: [
      "src/base",
      ...["agent", "core", "devices/virtio/console", "errors", "network/host", "network/policy"].map(
        (part) => `src/vmm/${part}`,
      ),
      ...["format", "packing", "platform", "snapshot"].map((file) => `src/vmm/snapshot/${file}`),
    ],
  },
  ...["cli", "web", "node"].map((end) => ({
    folder: `src/${end}`,
    may: [
      "src/base",
      "src/wasm",
      "src/modules",
      "src/kconfig",
      "src/kvm/uapi",
      "src/vfio/index",
      "src/host",
      ...userSide,
      "src/api",
      "src/kernel",
      "src/arch/X/uapi",
      "guests",
      ...(end === "cli" ? ["src/node"] : []),
    ],
  })),
  // The door to kvm, and the list of modules: what is outside of src/kvm, src/arch, src/modules and src/vac comes this way.
  {
    folder: "src/kernel",
    may: [
      "src/base",
      "src/modules",
      "src/kvm/uapi",
      "src/engine/kvm-config",
      ...["src/vac", "src/vfio", "src/host"].map((folder) => `${folder}/module$`),
      ...["module", "module-intel", "module-amd"].map((file) => `src/arch/X/${file}$`),
      "src/arch/X/uapi",
    ],
  },
  // The package's public names.
  { folder: "src/index", may: ["*"] },
  { folder: "src/index-node", may: ["*"] },
  { folder: "src/index-web", may: ["*"] },
  { folder: "src/index-powerpc", may: ["*"] },
  { folder: "src/index-x86", may: ["*"] },
  // Runs wherever the VMM does, so that it is no place for Node's modules either.
  { folder: "guests/selftest", may: ["src/base", "src/arch/X/isa", "src/arch/X/uapi", "src/kvm/uapi", "src/vmm"] },
  { folder: "guests", may: ["src/base", "src/modules", "src/arch/X/isa", "src/vmm/loaders"] },
  { folder: "tools", may: ["*"] },
  { folder: "test", may: ["*"] },
  { folder: "bench", may: ["*"] },
];

/** Files here may use Node's modules and globals; of guests/ not what a page boots a guest's file with. */
const nodePlaces =
  /^(src\/cli|guests(?!\/(?:selftest\/|(?:consoles|cpio|debian-parts|drivers|guest-file|init|module-archive|unavailable)\.ts$))|tools|test|bench)\/|\/node\//;
/** Files here may use a page's globals. */
const pagePlaces = /^(src\/web|test\/browser)\/|\/browser\//;
const nodeGlobals =
  /\bprocess\.(?:env|argv|std(?:in|out|err)|exit|exitCode|hrtime|platform|versions?|nextTick|on)\b|\bBuffer\.|\b__dirname\b/;
const pageGlobals = /\b(?:document|window|localStorage)\.|\bHTML\w*Element\b/;

export interface Violation {
  readonly file: string;
  readonly message: string;
}

/** A source file: its path from the repository's root, with slashes, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

const isTest = (path: string) => /(\.test|\.test-support|\.test-worker|-fixture)\.ts$/.test(path);

/** The code without comments; strings are kept if they can be a module's name. */
export function codeOf(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*")|('(?:[^'\\\n]|\\.)*')|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (all, double, single) => double ?? single ?? (all.startsWith("`") ? '""' : " "),
  );
}

/** The names of what the code imports or re-exports, types too. */
export function importsOf(text: string): string[] {
  const pattern = /\b(?:import|export)\s+[^"';]*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g;
  return [...codeOf(text).matchAll(pattern)].map(([, from, plain]) => from ?? plain ?? "");
}

const withoutEnding = (path: string) => path.replace(/(\.d)?\.m?[jt]s$/, "");

/** The row's folder with X bound, as a test of paths, or undefined if `path` does not lie in it. */
function bind(folder: string, path: string): ((other: string) => string) | undefined {
  const pattern = new RegExp(`^${folder.replace("/X", "/([^/]+)")}(?:/|\\.|$)`);
  const match = pattern.exec(path);
  return match ? (other) => other.replace("/X", `/${match[1] ?? "[^/]+"}`) : undefined;
}

/** A place is a folder or a file without its ending; `place` may hold a pattern for X. */
const liesIn = (path: string, place: string) =>
  new RegExp(`^${place.replaceAll(".", "\\.").replaceAll("[^/]", "[^/]")}(?:/|$)`).test(path);

function allowed(from: string, to: string): boolean {
  for (const row of rows) {
    const resolve = bind(row.folder, from);
    if (!resolve) continue;
    const target = withoutEnding(to);
    return [row.folder, ...row.may].some((place) => place === "*" || liesIn(target, resolve(place)));
  }
  return false;
}

/** The source that `name`, imported by `from`, means; undefined if it is a package. */
function resolveImport(from: string, name: string, paths: ReadonlySet<string>): string | undefined {
  if (!name.startsWith(".")) return undefined;
  const base = normalize(join(dirname(from), name));
  // TypeScript imports name the built file; AssemblyScript imports have no ending.
  const candidates = [
    base,
    base.replace(/\.js$/, ".ts"),
    base.replace(/\.mjs$/, ".mts"),
    `${base}.ts`,
    `${base}/index.ts`,
  ];
  return candidates.find((path) => paths.has(path)) ?? base;
}

/** What an import leads to: of a file that stands for each architecture's own, all of these. */
function leadsTo(target: string, paths: ReadonlySet<string>): readonly string[] {
  const file = new Map<string, string>(Object.entries(standIns)).get(target);
  return file === undefined ? [target] : [...paths].filter((path) => path.endsWith(`/runtime/${file}.ts`));
}

function checkFile({ path, text }: Source, targets: readonly string[], names: readonly string[]): Violation[] {
  if (isTest(path)) return [];
  const out: Violation[] = [];
  const say = (message: string) => out.push({ file: path, message });
  for (const target of targets) if (!allowed(path, target)) say(`may not import ${target}`);
  const code = codeOf(text);
  if (!nodePlaces.test(path)) {
    for (const name of names)
      if (name.startsWith("node:")) say(`may not import ${name}: not a place for Node's modules`);
    const use = nodeGlobals.exec(code);
    if (use) say(`may not use ${use[0]}: not a place for Node's globals`);
  }
  const use = pagePlaces.test(path) || nodePlaces.test(path) ? null : pageGlobals.exec(code);
  if (use) say(`may not use ${use[0]}: not a place for a page's globals`);
  return out;
}

/** One violation for each cycle's first file. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): Violation[] {
  const done = new Set<string>();
  const out: Violation[] = [];
  const walk = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      out.push({ file, message: `is in an import cycle: ${[...trail.slice(at), file].join(" -> ")}` });
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return out;
}

/**
 * Everything that the sources do against the table, and every import cycle. An import of types counts, and AssemblyScript,
 * though neither loads anything: files in a cycle can only be understood, tested and moved together.
 */
export function checkImports(sources: readonly Source[]): Violation[] {
  const paths = new Set(sources.map(({ path }) => path));
  const graph = new Map<string, string[]>();
  const out: Violation[] = [];
  for (const source of sources) {
    const names = importsOf(source.text);
    const targets = names.flatMap((name) => resolveImport(source.path, name, paths) ?? []);
    graph.set(
      source.path,
      targets.flatMap((target) => leadsTo(target, paths)),
    );
    out.push(...checkFile(source, targets, names));
  }
  return [...out, ...cycles(graph)];
}
