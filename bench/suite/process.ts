/** What Linux tells of a running process; NaN where there is no /proc, or the process has ended. */
import { readdirSync, readFileSync } from "node:fs";

/** Ticks a second of /proc/PID/stat, whatever the kernel's own are (Linux, USER_HZ). */
const ticks = 100;

function read(pid: number | undefined, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** CPU time of all its threads so far, in seconds. */
export function cpuSeconds(pid: number | undefined): number {
  // The name, in parentheses, may hold anything; after it comes the third field.
  const fields = read(pid, "stat")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11] ?? Number.NaN) + Number(fields[12] ?? Number.NaN)) / ticks;
}

/** Seconds that each of its threads has run, and was ready to run while the host's processors were others'; by the thread's id. */
export function threadTimes(
  pid: number | undefined,
): ReadonlyMap<string, { readonly run: number; readonly wait: number }> {
  let threads: readonly string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return new Map();
  }
  return new Map(
    threads.map((thread) => {
      const [run = Number.NaN, wait = Number.NaN] = read(pid, `task/${thread}/schedstat`).split(" ").map(Number);
      return [thread, { run: run / 1e9, wait: wait / 1e9 }];
    }),
  );
}

/** MB that it has resident, mappings of at least `memory` MB left out: the guest's memory is one. */
export function residentBeside(pid: number | undefined, memory: number): number {
  return residentOf(read(pid, "smaps"), memory);
}

/** The same, of the text of /proc/PID/smaps. */
export function residentOf(smaps: string, memory: number): number {
  if (smaps === "") return Number.NaN;
  let sum = 0;
  for (const [, size, resident] of smaps.matchAll(/^Size: +(\d+) kB$[\s\S]*?^Rss: +(\d+) kB$/gm)) {
    if (Number(size) / 1024 < memory) sum += Number(resident) / 1024;
  }
  return sum;
}
