/**
 * `npm run bench:tlbie`: microseconds that a change of a page's translation takes a guest (tlbie-guest.ts), two vCPUs, under
 * each implementation and under qemu-system-ppc64 where it is installed, in turn; the median of some rounds. Times are only
 * comparable within one run, and on a machine with nothing else to do: a processor that waits for the other is as slow as
 * its thread is scheduled.
 *
 *   npm run bench:tlbie -- --rounds 3 --changes 100000 --skip qemu
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { judge, type SelfTestGuest } from "../guests/selftest/index.js";
import { selfTestProgram } from "../test/selftest/program.js";
import { chosen, countOf, oneOf } from "../tools/own-command.js";
import { parts, stale, ticks, tlbieGuest } from "./tlbie-guest.js";

const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));
/** Time base ticks in a microsecond. */
const perMicrosecond = 512;

const usage = `usage: npm run bench:tlbie -- [options]
  --rounds N    (default: 3)
  --changes N   of a translation, in each part (default: 100000)
  --skip NAME   one of hv, pr, qemu less; can be given again
`;
const { rounds, changes, skip } = chosen({ name: "bench", usage }, () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      changes: { type: "string", default: "100000" },
      skip: { type: "string", multiple: true, default: [] },
    },
  });
  return {
    rounds: countOf("rounds", values.rounds),
    changes: countOf("changes", values.changes, 2),
    skip: values.skip.map((name) => oneOf("skip", name, ["hv", "pr", "qemu"])),
  };
});

interface Measured {
  readonly microseconds: number;
  readonly stale: bigint;
}

function subjects(kernel: string): { name: string; program: string; args: string[] }[] {
  const ours = ["hv", "pr"].map((type) => ({
    name: type,
    program: process.execPath,
    args: [main, "run", "--type", type, "--cpus", "2", "--memory", "256M", "--timeout", "600", "--kernel", kernel],
  }));
  const qemu = {
    name: "qemu",
    program: "qemu-system-ppc64",
    args: [
      ...["-M", "pseries,x-vof=on", "-cpu", "power9", "-smp", "2", "-m", "256M", "-nodefaults", "-no-reboot"],
      ...["-display", "none", "-serial", "stdio", "-kernel", kernel],
    ],
  };
  return [...ours, qemu].filter(({ name }) => !skip.some((one) => one === name));
}

/** What each part reported. Throws if the guest did not come to its end, or a part waited in vain. */
function read(guest: SelfTestGuest, output: Uint8Array): Map<string, Measured> {
  const { finished, tests, reports } = judge(guest, output);
  if (!finished) throw new Error("the guest did not come to its end");
  const failures = tests.flatMap((test) => test.failures).filter((text) => !text.startsWith(`${stale}:`));
  if (failures.length > 0) throw new Error(failures.join("\n"));
  const reported = (name: string, what: string): bigint => {
    const id = guest.checks.findIndex((check) => guest.tests[check.test]?.name === name && check.what === what);
    return reports.get(id) ?? 0n;
  };
  return new Map(
    parts.map((name) => [
      name,
      { microseconds: Number(reported(name, ticks)) / perMicrosecond / changes, stale: reported(name, stale) },
    ]),
  );
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const guest = tlbieGuest(changes / 2);
const folder = mkdtempSync(join(tmpdir(), "unikvm-tlbie-"));
const results = new Map<string, Map<string, Measured>[]>();
try {
  const kernel = join(folder, "kernel");
  writeFileSync(kernel, selfTestProgram(guest));
  for (let round = 0; round < rounds; round++) {
    for (const { name, program, args } of subjects(kernel)) {
      const { status, stdout, stderr, error } = spawnSync(program, args, {
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 600_000,
      });
      if (error || status !== 0) {
        process.stderr.write(`round ${round + 1} ${name}: SKIPPED: ${error?.message ?? stderr.toString()}\n`);
        continue;
      }
      const measured = read(guest, stdout);
      results.set(name, [...(results.get(name) ?? []), measured]);
      const figures = [...measured].map(([part, one]) => `${part} ${one.microseconds.toFixed(2)}`);
      process.stderr.write(`round ${round + 1} ${name}: ${figures.join("; ")}\n`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const time = (name: string, part: string): number =>
  median((results.get(name) ?? []).map((one) => one.get(part)?.microseconds ?? Number.NaN));
const names = [...results.keys()];
const lines = [`| microseconds a change | ${names.join(" | ")} |`, `|---|${"---|".repeat(names.length)}`];
for (const part of parts) {
  const cells = names.map((name) => {
    const ratio = name === "qemu" ? "" : ` (${(time(name, part) / time("qemu", part)).toFixed(2)} x)`;
    const late = (results.get(name) ?? []).reduce((sum, one) => sum + (one.get(part)?.stale ?? 0n), 0n);
    return `${time(name, part).toFixed(2)}${names.includes("qemu") ? ratio : ""}${late > 0n ? `, ${late} stale reads` : ""}`;
  });
  lines.push(`| ${part} | ${cells.join(" | ")} |`);
}
process.stdout.write(`${lines.join("\n")}\n`);
