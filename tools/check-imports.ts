/** Checks the repository against the table of import-rules.ts, and for imports that nothing uses (unused-imports.ts); run from its root. Prints each violation. */
import { readdirSync, readFileSync } from "node:fs";
import { checkImports, type Source } from "./import-rules.js";
import { unusedImports } from "./unused-imports.js";

const folders = ["src", "guests", "tools", "test", "bench"];
const sources: Source[] = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((path) => /\.m?ts$|\.mjs$/.test(path))
    .map((path) => ({ path, text: readFileSync(path, "utf8") })),
);
const violations = [...checkImports(sources), ...sources.flatMap(unusedImports)];
for (const { file, message } of violations) console.log(`${file}: ${message}`);
console.log(`${sources.length} files, ${violations.length} violations of the import rules`);
process.exitCode = violations.length > 0 ? 1 : 0;
