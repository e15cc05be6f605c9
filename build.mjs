#!/usr/bin/env node
/** Builds everything into dist/: TypeScript, the layout constants, the run-time library, the interpreter, modules.*, the bundled command line. */
import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
function run(...args) {
  runWith("inherit", args);
}
function runWith(output, args) {
  const { status } = spawnSync(process.execPath, args, { stdio: ["inherit", output, "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}
const only = process.argv[2]; // "ts": TypeScript only
// With options, as `npm run build -- --config FILE` gives them, a bundle is made of it afterwards.
const bundle = only?.startsWith("-") ? process.argv.slice(2) : undefined;
run(require.resolve("@typescript/native/package.json").replace("package.json", "bin/tsc"), "-p", ".");
// What a guest runs is loaded from beside the code that hands it on.
for (const name of readdirSync("guests/agent")) {
  if (/^unikvm-(?:agent|start)\.(?!json)/.test(name)) copyFileSync(`guests/agent/${name}`, `dist/guests/agent/${name}`);
}
// An older bundle would be taken for what was just built.
rmSync("dist/command", { recursive: true, force: true });
if (only !== "ts") run("dist/tools/build-wasm.js");
run("dist/tools/modpost.js");
if (only === "ts") process.exit();
// The command line in a file for each of its threads: it begins in a fraction of the time (launch.mjs, package.json).
const command = ["--command", "--no-minify", "--output", "dist/command"];
runWith("ignore", ["dist/src/cli/main.js", "build", ...command]);
if (bundle) run("dist/src/cli/main.js", "build", ...bundle);
