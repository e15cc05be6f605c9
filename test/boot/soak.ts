/** Many processors under parallel work (smp-work.sh), some unplugged and plugged again all the time. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { boot, type Implementation, root } from "./booting.test-support.js";

export interface SoakOptions {
  readonly type: Implementation;
  /** Its name; the default one if left out. */
  readonly guest?: string | undefined;
  readonly cpus: number;
  /** How long the guest works. */
  readonly seconds: number;
  /** Seconds that a processor may do nothing for the kernel's watchdogs before they complain. */
  readonly patience: number;
}

export interface SoakResult {
  /** What is wrong; empty if nothing is. */
  readonly faults: readonly string[];
  /** Rounds of work that were done, and times that a processor came back. */
  readonly rounds: number;
  readonly plugged: number;
  readonly console: string;
}

/** Boots the guest, lets it work, and judges what it says. */
export async function soak({ type, guest, cpus, seconds, patience }: SoakOptions): Promise<SoakResult> {
  // soft lockup: after twice watchdog_thresh.
  const watchdogs = `rcupdate.rcu_cpu_stall_timeout=${patience} watchdog_thresh=${Math.ceil(patience / 2)}`;
  const { status, stdout, stderr } = await boot({
    ...{ type, guest },
    append: `quiet unikvm.run=/work.sh ${watchdogs} SECONDS_OF_WORK=${seconds}`,
    args: ["--cpus", String(cpus)],
    files: [{ path: "work.sh", type: "file", mode: 0o755, data: readFileSync(join(root, "test/boot/smp-work.sh")) }],
    timeout: 4 * seconds + 300,
  });
  const faults: string[] = stdout.split("\n").filter((line) => line.startsWith("complaint: "));
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? -1);
  const rounds = number(/^workers 6 rounds some \((\d+)\) wrong 0$/m);
  const plugged = number(/^plugged some \((\d+)\) failed 0$/m);
  if (status !== 0) faults.push(`exit status ${status}`);
  if (rounds < 0) faults.push("no work was done, or not right");
  if (plugged < 0) faults.push("no processor was plugged again, or one failed to be");
  if ((stdout.match(new RegExp(`^processors ${cpus}$`, "gm")) ?? []).length !== 2)
    faults.push(`not ${cpus} processors`);
  if (!stdout.includes("complaints end")) faults.push("it did not come to its end");
  return { faults, rounds, plugged, console: `${stdout}\n${stderr}` };
}
