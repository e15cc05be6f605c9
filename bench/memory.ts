/**
 * `npm run bench:memory`: what a process holds resident while VMs come and go: 1,000 VMs, 1,000 machines and 100 reboots, with
 * shared memory (and a thread for each vCPU) and without. What each takes at the most stands beside one machine's memory.
 *
 *   node dist/bench/memory.js [--vms 1000] [--reboots 100] [--mebibytes 64]
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chosen, countOf } from "../tools/own-command.js";
import { type Kind, kinds, type Residence } from "./memory-case.js";

const usage = `usage: npm run bench:memory -- [options]
  --vms N         VMs, and as many machines (default: 1000)
  --reboots N     (default: 100)
  --mebibytes N   of RAM that each has (default: 64)
`;

/** Runs one row. */
export function measure(kind: Kind, memory: "shared" | "unshared", count: number, mebibytes: number): Residence {
  const program = fileURLToPath(new URL("memory-case.js", import.meta.url));
  const args = [program, kind, memory, String(count), String(mebibytes)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const line = /^\{.*\}$/m.exec(stdout)?.[0];
  if (line === undefined) throw new Error(`${args.join(" ")}: ${stderr}`);
  return JSON.parse(line) as Residence;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { vms, reboots, mebibytes } = chosen({ name: "bench", usage }, () => {
    const { values } = parseArgs({
      options: {
        vms: { type: "string", default: "1000" },
        reboots: { type: "string", default: "100" },
        mebibytes: { type: "string", default: "64" },
      },
    });
    return {
      vms: countOf("vms", values.vms),
      reboots: countOf("reboots", values.reboots),
      mebibytes: countOf("mebibytes", values.mebibytes, 1, 3072),
    };
  });
  const shown = (bytes: number): string => (bytes / 1048576).toFixed(0).padStart(8);
  process.stdout.write(`Resident MiB; each has ${mebibytes}.\n                            before    most   seconds\n`);
  for (const kind of kinds) {
    const count = kind === "reboots" ? reboots : vms;
    for (const memory of ["shared", "unshared"] as const) {
      const start = performance.now();
      const { before, most } = measure(kind, memory, count, mebibytes);
      const seconds = ((performance.now() - start) / 1000).toFixed(0).padStart(9);
      const row = `${String(count).padStart(5)} ${kind}, ${memory}`;
      process.stdout.write(`${row.padEnd(26)}${shown(before)}${shown(most)}${seconds}\n`);
    }
  }
}
