/**
 * `npm run kills -- [--guest NAME] [--rounds N] [--seed N] [--only raw|qcow2|save|cache]`: the process is killed at so many random
 * moments (default: 100 of each kind) while ext4 in the guest writes and syncs to a disk in mode "write", raw and qcow2; while a
 * snapshot is saved; while exec's cache is written. Needs e2fsprogs and qemu-img.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { guestNames } from "../../guests/index.js";
import { random as randomOf } from "../../src/vfio/random.test-support.js";
import { chosen, countOf, guestArchitectureOf, oneOf } from "../../tools/own-command.js";
import { requireGuest } from "./booting.test-support.js";
import { killsOfCache, killsOfDisks, killsOfSaves, makeBase } from "./kills.js";

const kinds = ["raw", "qcow2", "save", "cache"] as const;
const usage = `usage: npm run kills -- [options]
  --guest NAME   ${guestNames.join(" or ")} (default: the first)
  --rounds N     kills of each kind (default: 100)
  --seed N       repeats a run
  --only NAME    ${kinds.join(", ")}; can be given again (default: all)
`;
const { guest, rounds, seed, only } = chosen({ name: "kills", usage }, () => {
  const { values } = parseArgs({
    options: {
      guest: { type: "string" },
      rounds: { type: "string", default: "100" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      only: { type: "string", multiple: true, default: [...kinds] },
    },
  });
  const choices = {
    guest: guestArchitectureOf(values.guest),
    rounds: countOf("rounds", values.rounds),
    seed: countOf("seed", values.seed, 0),
    only: values.only.map((kind) => oneOf("only", kind, kinds)),
  };
  requireGuest(values.guest);
  return choices;
});
const random = randomOf(seed);
const folder = mkdtempSync(join(tmpdir(), "unikvm-kills-"));
try {
  console.log(`seed ${seed}`);
  const base = await makeBase(folder, 32 << 20, guest);
  const each = (done: number, counts: string): void => {
    if (done % 10 === 0 || done === rounds) console.log(`${done} of ${rounds}: ${counts}`);
  };
  const common = { ...base, rounds, random, folder, each };
  for (const kind of kinds.filter((one) => only.includes(one))) {
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
