/** This package with changes in its compiled files: another version of it, or one with something more. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Names as the compiled files have them, from dist/src. */
export type Change = readonly [file: string, from: string, to: string];

/** Calls `use` with what imports a file of a changed copy, which is gone afterwards. */
export async function withChangedCopy<T>(
  changes: readonly Change[],
  use: (load: <Module>(file: string) => Promise<Module>) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-copy-"));
  try {
    const copy = join(folder, "dist/src");
    cpSync(fileURLToPath(new URL("../src", import.meta.url)), copy, {
      recursive: true,
      filter: (path) => !/\.(test|map)\b|\.d\.ts$/.test(path),
    });
    writeFileSync(join(folder, "package.json"), '{"type": "module"}\n');
    for (const [file, from, to] of changes) {
      const path = join(copy, file);
      const text = readFileSync(path, "utf8");
      if (!text.includes(from)) throw new Error(`${file} has no ${from}: the copy would be the same`);
      writeFileSync(path, text.replace(from, to));
    }
    return await use(async <Module>(file: string) => (await import(pathToFileURL(join(copy, file)).href)) as Module);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
