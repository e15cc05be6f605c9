/**
 * Formats AssemblyScript (`*.as.ts`) as Biome formats TypeScript. Biome refuses decorators on functions, so they are
 * comments while it works.
 *
 *   node dist/tools/format-assemblyscript.js           says which files are not in format
 *   node dist/tools/format-assemblyscript.js --write   formats them
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const mask = (text: string) => text.replace(/^@(\w+(?:\([^)\n]*\))?)/gm, "/*@$1*/");
const unmask = (text: string) => text.replace(/^\/\*@(\w+(?:\([^)\n]*\))?)\*\//gm, "@$1");

const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");
const { formatter, javascript } = JSON.parse(readFileSync("biome.json", "utf8")) as Record<string, unknown>;
const files = ["src", "test"].flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".as.ts"))
    .map((name) => join(root, name)),
);
const folder = mkdtempSync(join(tmpdir(), "unikvm-format-"));
let different = 0;
try {
  writeFileSync(join(folder, "biome.json"), JSON.stringify({ formatter, javascript }));
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), mask(readFileSync(file, "utf8")));
  }
  const args = [biome, "format", "--write", "--config-path", folder, "--max-diagnostics=20", folder];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) console.log(`${stdout}${stderr}`);
  process.exitCode = status ?? 1;
  for (const file of files) {
    const formatted = unmask(readFileSync(join(folder, file), "utf8"));
    if (formatted === readFileSync(file, "utf8")) continue;
    different++;
    console.log(file);
    if (process.argv.includes("--write")) writeFileSync(file, formatted);
    else process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${files.length} AssemblyScript files, ${different} not in format`);
