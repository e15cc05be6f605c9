/**
 * `node dist/bench/depmod.js [ROUNDS]`: depmod -n on Debian's trees of modules beside kmod's, in turn; the best of some
 * rounds, processes and all. Fetches the trees through apt the first time. The last column must not pass 5.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Architecture, debianTree, metapackages } from "../test/differential/module-trees.test-support.js";
import { missing } from "../test/oracles/oracles.js";

const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));
const rounds = Number(process.argv[2] ?? 3);
const say = (...cells: readonly string[]) =>
  process.stdout.write(`${cells.map((cell) => cell.padStart(10)).join("")}\n`);

/** Seconds. */
function timed(program: string, args: readonly string[]): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed:\n${stderr}`);
  return (performance.now() - start) / 1000;
}

const noKmod = missing("kmod");
if (noKmod) throw new Error(noKmod);
say("tree", "modules", "kmod", "unikvm", "ratio");
for (const architecture of Object.keys(metapackages) as Architecture[]) {
  const tree = await debianTree(architecture);
  if (typeof tree === "string") {
    process.stdout.write(`${architecture}: ${tree}\n`);
    continue;
  }
  const args = ["-n", "-b", tree.root, "-C", join(tree.root, "none"), tree.version];
  const best = { kmod: Number.POSITIVE_INFINITY, unikvm: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round++) {
    best.kmod = Math.min(best.kmod, timed("depmod", args));
    best.unikvm = Math.min(best.unikvm, timed(process.execPath, [main, "depmod", ...args]));
  }
  const { stdout } = spawnSync("depmod", args, { encoding: "utf8", maxBuffer: 1 << 28 });
  const modules = stdout.split("\n").findIndex((line) => line.startsWith("#"));
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  say(architecture, String(modules), seconds(best.kmod), seconds(best.unikvm), (best.unikvm / best.kmod).toFixed(1));
}
