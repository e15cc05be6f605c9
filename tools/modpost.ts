/**
 * The last step of the build: checks what modules import and export, and writes Module.symvers and modules.* into dist/.
 * If something is wrong it says what, and nothing is written.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { moduleList } from "../src/module-list.js";
import { type BuiltModule, modpost } from "../src/modules/modpost.js";

/** Writes the files of a checked build into `folder`, each whole or not at all; returns what is wrong instead. */
export function writeModuleFiles(modules: readonly BuiltModule[], folder: string): readonly string[] {
  const { errors, files } = modpost(modules);
  if (errors.length > 0) return errors;
  const written: [temporary: string, final: string][] = [];
  try {
    for (const [name, text] of files) {
      const final = join(folder, name);
      const temporary = `${final}.${process.pid}.tmp`;
      written.push([temporary, final]);
      writeFileSync(temporary, text);
    }
    for (const [temporary, final] of written) renameSync(temporary, final);
  } finally {
    for (const [temporary] of written) rmSync(temporary, { force: true });
  }
  return [];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dist = dirname(dirname(fileURLToPath(import.meta.url)));
  const errors = writeModuleFiles(moduleList(), dist);
  for (const error of errors) process.stderr.write(`ERROR: ${error}\n`);
  if (errors.length > 0) process.exitCode = 1;
}
