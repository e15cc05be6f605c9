#!/usr/bin/env node
/** Builds everything into dist/: TypeScript, the layout constants, the run-time library, the interpreter, modules.*. */
import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
function run(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
const only = process.argv[2]; // "ts": TypeScript only
// With options, as `npm run build -- --config FILE` gives them, a bundle is made of it afterwards.
const bundle = only?.startsWith("-") ? process.argv.slice(2) : undefined;
run(require.resolve("typescript/package.json").replace("package.json", "bin/tsc"), "-p", ".");
// What a guest runs is loaded from beside the code that hands it on.
for (const name of readdirSync("guests/agent")) {
  if (/^unikvm-(?:agent|start)\.(?!json)/.test(name)) copyFileSync(`guests/agent/${name}`, `dist/guests/agent/${name}`);
}
if (only !== "ts") run("dist/tools/build-wasm.js");
run("dist/tools/modpost.js");
if (bundle) run("dist/src/cli/main.js", "build", ...bundle);
