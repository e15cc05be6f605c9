/**
 * The last step of the build: checks what modules import and export, and writes dist/modules/: each module's file, which
 * has it as default export, Module.symvers and modules.*. If something is wrong it says what, and nothing is written.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ListedModule, moduleList } from "../src/kernel/module-list.js";
import { modpost } from "../src/modules/modpost.js";
import { importsOf } from "./import-rules.js";
import { linkModules } from "./link-modules.js";

/**
 * Writes the files of a checked build into `dist`/modules, each whole or not at all; returns what is wrong instead.
 * `linked` has the modules that are linked whole, by their paths; `warn` is told of what builds and cannot be loaded.
 */
export function writeModuleFiles(
  modules: readonly ListedModule[],
  dist: string,
  linked: ReadonlyMap<string, string> = new Map(),
  warn: (warning: string) => void = () => {},
): readonly string[] {
  const { errors, warnings, files } = modpost(modules);
  for (const warning of warnings) warn(warning);
  if (errors.length > 0) return errors;
  const folder = join(dist, "modules");
  mkdirSync(folder, { recursive: true });
  const texts = [
    ...files,
    ...modules.map((module) => [module.path, moduleFile(module, dist, linked.get(module.path))] as const),
  ];
  const written: [temporary: string, final: string][] = [];
  try {
    for (const [name, text] of texts) {
      const final = join(folder, name);
      const temporary = `${final}.${process.pid}.tmp`;
      written.push([temporary, final]);
      writeFileSync(temporary, text);
    }
    for (const [temporary, final] of written) renameSync(temporary, final);
    // What an earlier build left of modules that are configured out by now.
    for (const name of readdirSync(folder)) {
      if (!texts.some(([kept]) => kept === name) && /\.js$/.test(name)) rmSync(join(folder, name));
    }
  } finally {
    for (const [temporary] of written) rmSync(temporary, { force: true });
  }
  return [];
}

function moduleFile({ source }: ListedModule, dist: string, linked?: string): string {
  return linked ?? `export { default } from "../${source}";\n${sizeLine(source, dist)}`;
}

const sizeLine = (source: string, dist: string): string =>
  `/** Bytes of code that it brings. */\nexport const size = ${codeSize(join(dist, source))};\n`;

/** What stands for linked modules in the sources gives way to them. */
function useLinked(modules: readonly ListedModule[], dist: string): void {
  for (const { path, whole } of modules) {
    if (!whole) continue;
    const up = "../".repeat(whole.stub.split("/").length - 1);
    writeFileSync(join(dist, whole.stub), `export * from "${up}modules/${path}";\n`);
  }
}

/** Bytes of the file and all it imports, now or later, and of the WebAssembly that lies beside them. */
function codeSize(file: string): number {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    for (const name of importsOf(readFileSync(path, "utf8"))) {
      if (name.startsWith(".")) visit(join(dirname(path), name));
    }
  };
  visit(file);
  const folders = new Set([...found].map(dirname));
  for (const folder of folders) {
    for (const name of readdirSync(folder)) if (name.endsWith(".wasm")) found.add(join(folder, name));
  }
  return [...found].reduce((sum, path) => sum + statSync(path).size, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dist = dirname(dirname(fileURLToPath(import.meta.url)));
  const modules = moduleList();
  const linked = await linkModules(modules, dist, ({ source }) => sizeLine(source, dist));
  const errors = writeModuleFiles(modules, dist, linked, (text) => process.stderr.write(`WARNING: ${text}\n`));
  if (errors.length === 0) useLinked(modules, dist);
  for (const error of errors) process.stderr.write(`ERROR: ${error}\n`);
  if (errors.length > 0) process.exitCode = 1;
}
