/**
 * `npm run kills -- [--guest NAME] [--rounds N] [--seed N] [--only raw|qcow2|save|cache]`: the process is killed at so many random
 * moments (default: 100 of each kind) while ext4 in the guest writes and syncs to a disk in mode "write", raw and qcow2; while a
 * snapshot is saved; while exec's cache is written. Needs e2fsprogs and qemu-img.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { architectureOfGuest } from "../../guests/index.js";
import { random as randomOf } from "../../src/vfio/random.test-support.js";
import { noGuestNamed } from "./booting.test-support.js";
import { killsOfCache, killsOfDisks, killsOfSaves, makeBase } from "./kills.js";

const kinds = ["raw", "qcow2", "save", "cache"] as const;
const { values } = parseArgs({
  options: {
    guest: { type: "string" },
    rounds: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string", multiple: true, default: [...kinds] },
  },
});
const noGuest = noGuestNamed(values.guest);
if (noGuest) throw new Error(noGuest);
const unknown = values.only.find((one) => !kinds.some((kind) => kind === one));
if (unknown !== undefined) throw new Error(`there is no ${unknown}: ${kinds.join(", ")}`);
const random = randomOf(Number(values.seed));
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(tmpdir(), "unikvm-kills-"));
try {
  console.log(`seed ${values.seed}`);
  const base = await makeBase(folder, 32 << 20, architectureOfGuest(values.guest));
  const each = (done: number, counts: string): void => {
    if (done % 10 === 0 || done === rounds) console.log(`${done} of ${rounds}: ${counts}`);
  };
  const common = { ...base, rounds, random, folder, each };
  for (const kind of kinds.filter((one) => values.only.includes(one))) {
    if (kind === "save") console.log(await killsOfSaves(common));
    else if (kind === "cache") console.log(await killsOfCache(common));
    else {
      // The interpreter is slower, and writes the same.
      const type = (round: number): "hv" | "pr" => (round % 4 === 3 ? "pr" : "hv");
      console.log(await killsOfDisks({ ...common, format: kind, type }));
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
