/**
 * Forks at random moments of a guest at work: two processors, timers, memory, a disk, a network. Twins and parent go on right,
 * and nothing on the host grows.
 */
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { LinuxVm } from "../../src/index-node.js";

/** Each worker counts its rounds, and says what came out otherwise than it went in. `pause`: seconds between two. */
const work = (pause: number): string => `
  worker() {
    i=0
    while :; do
      i=$((i+1))
      head -c $((20000 + i % 7 * 30000)) /dev/urandom >/tmp/from.$1
      sum=$(sha256sum </tmp/from.$1)
      sleep ${pause}
      cat /tmp/from.$1 | cat >/tmp/to.$1
      [ "$sum" = "$(sha256sum </tmp/to.$1)" ] || echo "memory of $1" >>/tmp/wrong
      echo $i >/tmp/count.$1
    done
  }
  disk() {
    i=0
    while :; do
      i=$((i+1))
      head -c 65536 /dev/urandom >/tmp/block
      dd if=/tmp/block of=/dev/vda bs=65536 seek=$((i % 8)) conv=notrunc,fsync 2>/dev/null
      echo 1 >/proc/sys/vm/drop_caches
      back=$(dd if=/dev/vda bs=65536 skip=$((i % 8)) count=1 2>/dev/null | sha256sum)
      [ "$back" = "$(sha256sum </tmp/block)" ] || echo disk >>/tmp/wrong
      echo $i >/tmp/count.disk
      sleep ${pause}
    done
  }
  net() {
    while :; do ping -c 1 -W 1 "$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')"; sleep ${pause}; done
  }
  worker a & worker b & disk & net &
`;

/** A twin may be made before the first round is done: there is a count from the beginning. */
const noneYet = "for name in a b disk; do echo 0 >/tmp/count.$name; done";

export const startWork = (vm: LinuxVm, pause = 0.01): Promise<unknown> =>
  vm.exec(`${noneYet}; (${work(pause)}) >/dev/null 2>&1 &`, { check: true });

/** What is wrong with it: undefined if each of its workers goes on, and none has complained. */
async function complaint(vm: LinuxVm): Promise<string | undefined> {
  const counts = async (): Promise<readonly number[]> =>
    (await vm.exec("cat /tmp/count.a /tmp/count.b /tmp/count.disk", { check: true })).stdout.split(/\s+/).map(Number);
  const before = await counts();
  const end = performance.now() + 120_000;
  for (let now = before; now.some((count, i) => count <= (before[i] ?? 0) && i < 3); now = await counts()) {
    if (performance.now() > end) return `workers stand still: ${before.join(" ")} and then ${now.join(" ")}`;
    await sleep(20);
  }
  const { stdout } = await vm.exec("cat /tmp/wrong 2>/dev/null; dmesg | grep -E 'BUG|Oops|lockup|Call Trace'");
  return stdout === "" ? undefined : stdout;
}

/** What this process holds. */
export function holding(): Readonly<Record<"threads" | "files" | "handles" | "megabytes", number>> {
  const count = (folder: string): number => {
    try {
      return readdirSync(folder).length;
    } catch {
      return 0; // Not on Linux.
    }
  };
  return {
    threads: count("/proc/self/task"),
    files: count("/proc/self/fd"),
    handles: process.getActiveResourcesInfo().filter((name) => name !== "Timeout" && name !== "Immediate").length,
    megabytes: Math.round(process.memoryUsage.rss() / 1048576),
  };
}

export interface Forks {
  readonly count: number;
  /** So many twins run beside their parent; the one that has lived longest is looked at again and closed. */
  readonly alive?: number;
  /** A number below. */
  readonly random: (below: number) => number;
  /** Told how many were made, and in which time the last twin answered, ms. */
  readonly each?: (done: number, took: number) => void;
}

/** Forks it, looks whether all is right, and closes the twin, again and again. Throws what is wrong. */
export async function forkAgain(vm: LinuxVm, { count, alive = 1, random, each }: Forks): Promise<void> {
  const twins: LinuxVm[] = [];
  let done = 0;
  const look = async (one: LinuxVm, which: string): Promise<void> => {
    const wrong = await complaint(one);
    if (wrong !== undefined) throw new Error(`after ${done} forks: ${which}: ${wrong}`);
  };
  const closeOldest = async (): Promise<void> => {
    const oldest = twins[0];
    // One that has just been made was looked at.
    if (oldest && twins.length > 1) await look(oldest, `a twin beside ${twins.length - 1}`);
    await twins.shift()?.close({ grace: 0 });
  };
  try {
    while (done < count) {
      await sleep(random(400));
      const since = performance.now();
      const [twin] = await vm.fork(1);
      if (!twin) throw new Error("no twin");
      const took = performance.now() - since;
      twins.push(twin);
      done++;
      await look(twin, "the new twin");
      if (done % 8 === 1) await look(vm, "the parent");
      if (twins.length >= alive) await closeOldest();
      each?.(done, took);
    }
    while (twins.length > 0) await closeOldest();
  } finally {
    await Promise.all(twins.map((twin) => twin.close({ grace: 0 })));
  }
}
