/** `unikvm selftest`: runs the embedded guest on each implementation in both byte orders, and prints what passed. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { buildGuest, runSelfTest, type SelfTest, type SelfTestRun, tests } from "../../../guests/selftest/index.js";
import { messageOf } from "../../base/errors.js";
import { silent } from "../../base/log.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR, KvmError } from "../../kvm/uapi.js";
import { ExitStatus, type Finish } from "../command.js";
import { loadKvm } from "../kvm.js";
import { parseSeconds } from "../sizes.js";
import { spawnVcpuThread } from "../vcpu-thread.js";

const types = { hv: KVM_VM_PPC_HV, pr: KVM_VM_PPC_PR } as const;
type Type = keyof typeof types;

interface Options {
  readonly type?: Type;
  readonly threads: "auto" | "worker" | "single";
  readonly timeout: number;
  readonly test?: RegExp;
}

/** One column of the table. */
interface Column {
  readonly title: string;
  readonly run: SelfTestRun;
}

function parsePattern(text: string): RegExp {
  try {
    const pattern = new RegExp(text);
    if (tests.some(({ name }) => pattern.test(name))) return pattern;
  } catch {
    throw new InvalidArgumentError("It is not a regular expression.");
  }
  throw new InvalidArgumentError(`No test fits. There is: ${tests.map(({ name }) => name).join(", ")}.`);
}

export function describe(command: Command, finish: Finish): void {
  command
    .description(
      "Runs a guest that this package holds on each implementation: modes, memory management, interrupts,\n" +
        "hypercalls, atomics, floating point, vectors, code that changes itself. Nothing is downloaded.\n" +
        "Ends with 0 if all passed, 1 if something failed, 2 for a usage error, 3 if it could not run.",
    )
    .addOption(new Option("--type <implementation>", "only this one").choices(["hv", "pr"]))
    .addOption(
      new Option("--threads <mode>", "worker: a thread for each CPU; single: all in slices on one thread")
        .choices(["auto", "worker", "single"])
        .default("auto"),
    )
    .addOption(new Option("--test <pattern>", "only tests whose name fits").argParser(parsePattern))
    .addOption(
      new Option("--timeout <seconds>", "limit for each run of the guest")
        .argParser(parseSeconds)
        .default(30_000, "30"),
    )
    .allowExcessArguments(false)
    .action(finish(run));
}

async function run(options: Options): Promise<number> {
  const begin = performance.now();
  const chosen = tests.filter(({ name }) => options.test?.test(name) ?? true);
  const guests = [true, false].map((littleEndian) => buildGuest(chosen, littleEndian));
  const columns: Column[] = [];
  const absent: string[] = [];
  for (const type of ["hv", "pr"] as const) {
    if (options.type && options.type !== type) continue;
    const loaded = await loadKvm(
      { implementations: [type], ...(options.threads === "single" ? { memory: "unshared" as const } : {}) },
      silent,
    ).catch((error: unknown) => absent.push(messageOf(error)));
    if (typeof loaded === "number") continue;
    try {
      for (const guest of guests) {
        const run = await runSelfTest(guest, {
          kvm: loaded.kvm,
          type: types[type],
          shared: options.threads === "auto" ? undefined : options.threads === "worker",
          spawn: options.threads === "single" ? undefined : spawnVcpuThread,
          timeout: options.timeout,
        });
        columns.push({ title: `${type} ${guest.littleEndian ? "little" : "big"}`, run });
      }
    } finally {
      loaded.close();
    }
  }
  for (const why of absent) process.stderr.write(`unikvm: ${why}\n`);
  if (columns.length === 0) throw new KvmError("ENODEV", "there is no implementation to test");
  return print(chosen, columns, performance.now() - begin);
}

/** The table, then what went wrong. The exit status. */
function print(chosen: readonly SelfTest[], columns: readonly Column[], milliseconds: number): number {
  const lines: string[] = [];
  const names = [...chosen.map(({ name }) => name), "the guest's end", "seconds"];
  const width = Math.max(...names.map((name) => name.length));
  const row = (name: string, cells: readonly string[]) =>
    lines.push(
      [name.padEnd(width), ...cells.map((cell, i) => cell.padEnd(columns[i]?.title.length ?? 0))].join("  ").trimEnd(),
    );
  row(
    "",
    columns.map(({ title }) => title),
  );
  const details: string[] = [];
  let failed = 0;
  chosen.forEach(({ name }, i) => {
    const results = columns.map(({ run }) => run.tests[i]);
    row(
      name,
      results.map((result) => (result?.failures.length === 0 ? "pass" : "FAIL")),
    );
    results.forEach((result, column) => {
      if (result?.failures.length === 0) return;
      failed++;
      for (const failure of result?.failures ?? []) details.push(`${columns[column]?.title}: ${name}: ${failure}`);
    });
  });
  row(
    "the guest's end",
    columns.map(({ run }) => (run.broken === undefined ? "pass" : "FAIL")),
  );
  for (const { title, run } of columns) {
    if (run.broken === undefined) continue;
    failed++;
    details.push(`${title}: the guest's end: expected powerOff, got ${run.broken}`);
  }
  row(
    "seconds",
    columns.map(({ run }) => (run.milliseconds / 1000).toFixed(2)),
  );
  if (details.length > 0) lines.push("", ...details);
  const checks = columns.reduce((sum, { run }) => sum + run.tests.reduce((n, { passed }) => n + passed, 0), 0);
  lines.push(
    "",
    `${failed === 0 ? "all passed" : `${failed} FAILED`}: ${checks} checks in ${(milliseconds / 1000).toFixed(1)} s`,
  );
  process.stdout.write(`${lines.join("\n")}\n`);
  return failed === 0 ? ExitStatus.done : ExitStatus.crashed;
}
