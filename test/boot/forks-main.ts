/**
 * `npm run forks -- [--guest NAME] [--count N] [--alive N] [--pause SECONDS] [--seed N] [--type hv|pr]`: twins of a guest at work
 * (default: 200, of each implementation) at random moments, each looked at and closed, `alive` of them at once (default: 1);
 * `pause` lies between two rounds of each of the guest's workers. Prints what the process holds every twentieth time, and fails
 * if that grows: threads, files and handles from the twentieth on, memory from the first half's most to the second's.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { guestNames } from "../../guests/index.js";
import { createVm } from "../../src/index-node.js";
import { chosen, countOf, guestArchitectureOf, oneOf, secondsOf } from "../../tools/own-command.js";
import { implementations, requireGuest } from "./booting.test-support.js";
import { forkAgain, holding, startWork } from "./forks.js";
import { mostGrowth } from "./use-soak.js";

const usage = `usage: npm run forks -- [options]
  --guest NAME     ${guestNames.join(" or ")} (default: the first)
  --count N        of each implementation (default: 200)
  --alive N        so many at once (default: 1)
  --pause SECONDS  between two rounds of each of the guest's workers (default: 0.01)
  --seed N         repeats a run
  --type NAME      hv or pr; can be given again (default: both)
`;
const { guest, count, alive, seconds, seed, types } = chosen({ name: "forks", usage }, () => {
  const { values } = parseArgs({
    options: {
      guest: { type: "string" },
      count: { type: "string", default: "200" },
      alive: { type: "string", default: "1" },
      pause: { type: "string", default: "0.01" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      type: { type: "string", multiple: true, default: [...implementations] },
    },
  });
  const choices = {
    guest: guestArchitectureOf(values.guest),
    count: countOf("count", values.count),
    alive: countOf("alive", values.alive),
    seconds: secondsOf("pause", values.pause),
    seed: countOf("seed", values.seed, 0),
    types: values.type.map((type) => oneOf("type", type, implementations)),
  };
  requireGuest(values.guest);
  return choices;
});
let state = seed;
const random = (below: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const folder = mkdtempSync(join(tmpdir(), "unikvm-forks-"));
try {
  for (const type of types) {
    console.log(`${type}: ${count} forks, ${alive} alive at once, seed ${seed}`);
    const disk = join(folder, `${type}.img`);
    writeFileSync(disk, new Uint8Array(1 << 20));
    const vm = await createVm({ type, guest, cpus: 2, memory: "256M", disks: [{ source: disk }], network: {} });
    try {
      await startWork(vm, seconds);
      // Caches and spare threads are there after the first.
      let early: ReturnType<typeof holding> | undefined;
      // From fork to fork memory goes up and down by a hundred MiB, and what is translated has a limit that is reached late.
      const most = { first: 0, second: 0 };
      await forkAgain(vm, {
        ...{ count, alive, random },
        each: (done, took) => {
          const now = holding();
          if (done === Math.min(20, Math.ceil(count / 4))) early = now;
          const half = done <= count / 2 ? "first" : "second";
          most[half] = Math.max(most[half], now.megabytes);
          if (done % 20 !== 0 && done !== count && done !== 1) return;
          console.log(`${type}: ${done} forks, the last in ${Math.round(took)} ms: ${JSON.stringify(now)}`);
        },
      });
      const now = holding();
      const grown =
        early && (now.threads > early.threads + 1 || now.files > early.files + 4 || now.handles > early.handles + 2);
      console.log(`${type}: at most ${most.second} MiB resident in the second half, ${most.first} in the first`);
      if (grown || most.second > most.first + mostGrowth / 2 ** 20) {
        console.log(`${type}: it grows: ${JSON.stringify(early)} became ${JSON.stringify(now)}`);
        process.exitCode = 1;
      }
    } finally {
      await vm.close({ grace: 0 });
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
