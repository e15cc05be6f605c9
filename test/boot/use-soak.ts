/**
 * Mixed work in one process for some time: programs, files, disks, the network, twins, aborted calls; and whether anything of
 * it grows: memory, handles, sockets, timers.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestArchitecture } from "../../guests/index.js";
import { collectGarbage } from "../../src/base/garbage.js";
import { createVm, type LinuxVm } from "../../src/index-node.js";
import { holding } from "./forks.js";

export interface UseOptions {
  readonly type?: "hv" | "pr";
  readonly guest?: GuestArchitecture;
  readonly seconds: number;
  /** Told of each count. */
  readonly report: (line: string) => void;
}

/** How many of each kind keep the process alive, by Node's name. */
type Handles = Readonly<Record<string, number>>;

/** Bytes that a process may at most hold more in the second half than it did in the first. */
export const mostGrowth = 96 << 20;

function handlesHeld(): Handles {
  collectGarbage();
  const handles: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) handles[name] = (handles[name] ?? 0) + 1;
  return handles;
}

const same = (what: string, value: unknown, expected: unknown): void => {
  if (value !== expected) throw new Error(`${what}: ${JSON.stringify(value)}, not ${JSON.stringify(expected)}`);
};

/** What is done, one after the other, again and again; each returns when nothing of it is left. */
const works: Readonly<Record<string, (vm: LinuxVm, round: number) => Promise<void>>> = {
  exec: async (vm, round) => {
    const { stdout, exitCode } = await vm.exec("cat; exit 3", { stdin: `round ${round}` });
    same("exec", `${stdout} ${exitCode}`, `round ${round} 3`);
  },
  many: async (vm) => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => vm.exec(`echo ${i}`)));
    same("many", all.map(({ stdout }) => stdout.trim()).join(), Array.from({ length: 20 }, (_, i) => i).join());
  },
  files: async (vm, round) => {
    await vm.fs.writeFile("/tmp/soak", `${round}`.repeat(50_000));
    same("files", (await vm.fs.readFile("/tmp/soak", "utf8")).length, `${round}`.length * 50_000);
    await vm.fs.rm("/tmp/soak");
  },
  disk: async (vm, round) => {
    const script = `printf %08d ${round} | dd of=/dev/vda bs=512 seek=${round % 100} conv=sync,fsync 2>/dev/null; dd if=/dev/vda bs=8 skip=${(round % 100) * 64} count=1 2>/dev/null`;
    same("disk", (await vm.exec(script)).stdout, `${round}`.padStart(8, "0"));
  },
  network: async (vm) => {
    // The gateway answers; nothing else is let through.
    const { stdout } = await vm.exec(
      "ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p' | xargs ping -c 1 -W 10 -q",
    );
    if (!stdout.includes("1 packets received")) throw new Error(`network: ${stdout}`);
  },
  abort: async (vm) => {
    const controller = new AbortController();
    const running = vm.exec("sleep 1000", { signal: controller.signal });
    controller.abort(new Error("enough"));
    same("abort", await running.catch((error: Error) => error.message), "enough");
  },
  timeout: async (vm) => same("timeout", (await vm.exec("sleep 1000", { timeout: 50 })).timedOut, true),
  stream: async (vm) => {
    const program = await vm.spawn("cat /dev/zero");
    const reader = program.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await program.exited;
  },
};

/** Works for so long; what is wrong, empty if nothing is. */
export async function useSoak({ type, guest, seconds, report }: UseOptions): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-soak-"));
  const disk = join(folder, "disk.raw");
  writeFileSync(disk, new Uint8Array(1 << 20));
  const faults: string[] = [];
  const done: Record<string, number> = {};
  const before = handlesHeld();
  try {
    const options = { ...(type && { type }), ...(guest && { guest }) };
    const vm = await createVm({ ...options, disks: [{ source: disk }], network: {} });
    try {
      const begin = performance.now();
      let middle: Handles | undefined;
      /** The most bytes resident in each half: from round to round they go up and down by a hundred MiB. */
      const most = { first: 0, second: 0 };
      let tenths = 0;
      for (let round = 0; ; round++) {
        const part = (performance.now() - begin) / (seconds * 1000);
        // Rows of figures, so that it can be seen whether one climbs or has only risen once.
        if (part >= tenths / 10) {
          report(`${Math.round(part * 100)} %, ${round} rounds: ${JSON.stringify(holding())}`);
          tenths = Math.floor(part * 10) + 1;
        }
        if (part >= 0.5) middle ??= handlesHeld();
        const half = part < 0.5 ? "first" : "second";
        most[half] = Math.max(most[half], process.memoryUsage.rss());
        if (part >= 1 && round > 0) break;
        for (const [name, work] of Object.entries(works)) {
          await work(vm, round);
          done[name] = (done[name] ?? 0) + 1;
        }
        // A twin takes the longest: one in eight rounds, and one in any case.
        if (round % 8 === 0) {
          const [twin] = await vm.fork();
          same("fork", (await twin?.exec("echo twin"))?.stdout, "twin\n");
          await twin?.close({ grace: 0 });
          done["fork"] = (done["fork"] ?? 0) + 1;
        }
      }
      const end = handlesHeld();
      const growth = most.second - most.first;
      report(
        `${Object.entries(done)
          .map(([name, times]) => `${name} ${times}`)
          .join(", ")}; all as they should be`,
      );
      report(`at most ${mib(most.second)} MiB resident in the second half, ${mib(most.first)} in the first`);
      if (growth > mostGrowth)
        faults.push(`${mib(growth)} MiB more were resident in the second half than in the first`);
      for (const [name, count] of Object.entries(end)) {
        const was = middle?.[name] ?? count;
        if (count > was + 4) faults.push(`${count} of ${name}, and ${was} in the middle`);
      }
    } finally {
      await vm.close();
    }
    const after = handlesHeld();
    report(`handles before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
    for (const name of ["TCPSocketWrap", "TCPServerWrap", "UDPWrap", "FSReqCallback", "Timeout"]) {
      const [now = 0, was = 0] = [after[name], before[name]];
      if (now > was) faults.push(`${now - was} of ${name} are left`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return faults;
}

const mib = (bytes: number): string => (bytes / 1048576).toFixed(0);
