/** `unikvm selftest`: runs the embedded guest on each implementation in both byte orders, and prints what passed. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { buildGuest, runSelfTest, type SelfTestRun, tests } from "../../../guests/selftest/index.js";
import { messageOf } from "../../base/errors.js";
import { silent } from "../../base/log.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR, KvmError } from "../../kvm/uapi.js";
import { spawnVcpuThread } from "../../node/vcpu-thread.js";
import { addExamples, ExitStatus, type Finish } from "../command.js";
import { loadKvm } from "../kvm.js";
import { parseSeconds } from "../sizes.js";

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
  readonly type: Type;
  readonly run: SelfTestRun;
}

function parsePattern(text: string): RegExp {
  if (text === "") throw new InvalidArgumentError("It needs a pattern; leave the option out for all tests.");
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
      "Runs a guest that this package holds on each implementation, in both byte\n" +
        "orders, and prints what passed. Nothing is downloaded.\n" +
        "Ends with 0 if all passed, 1 if something failed, 2 for a usage error,\n" +
        "3 if it could not run.",
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
        .default(120_000, "120"),
    )
    .allowExcessArguments(false)
    .action(finish(run));
  addExamples(command, "unikvm selftest", "unikvm selftest --type pr --threads single --test entry");
}

async function run(options: Options): Promise<number> {
  const begin = performance.now();
  const chosen = tests.filter(({ name }) => options.test?.test(name) ?? true);
  const whole = chosen.length === tests.length;
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
        const once = () =>
          runSelfTest(guest, {
            kvm: loaded.kvm,
            type: types[type],
            shared: options.threads === "auto" ? undefined : options.threads === "worker",
            spawn: options.threads === "single" ? undefined : spawnVcpuThread,
            timeout: options.timeout,
          });
        let run = await once();
        // The thread that translates may have begun too late for so short a guest, on a machine that is busy.
        const awaited = whole && type === "hv";
        for (let more = 4; more > 0 && awaited && run.broken === undefined && regionsOf(run) === 0; more--) {
          run = await once();
        }
        columns.push({ title: `${type} ${guest.littleEndian ? "little" : "big"}`, type, run });
      }
    } finally {
      loaded.close();
    }
  }
  for (const why of absent) process.stderr.write(`unikvm: ${why}\n`);
  if (columns.length === 0) throw new KvmError("ENODEV", "there is no implementation to test");
  return print(columns, whole, performance.now() - begin);
}

const regionsOf = ({ cpus }: SelfTestRun): number => cpus[0]?.["regions"] ?? 0;

/** What only the host can see of a run, judged like the guest's own tests. */
function hostResults(type: Type, run: SelfTestRun, whole: boolean): { name: string; failures: readonly string[] }[] {
  const end = run.broken === undefined ? [] : [`expected powerOff, got ${run.broken}`];
  const results = [{ name: "the guest's end", failures: end }];
  // Of a few tests alone no loop may have run long enough.
  if (whole) {
    const regions = regionsOf(run);
    const expected = type === "hv" ? "regions of translated code" : "none";
    const failures = regions > 0 === (type === "hv") ? [] : [`expected ${expected}, got ${regions}`];
    results.push({ name: "what was translated", failures });
  }
  return results;
}

/** The table, then what went wrong. The exit status. */
function print(columns: readonly Column[], whole: boolean, milliseconds: number): number {
  const results = columns.map(({ type, run }) => [...run.tests, ...hostResults(type, run, whole)]);
  const names = (results[0] ?? []).map(({ name }) => name);
  const width = Math.max(...names.map((name) => name.length));
  const lines: string[] = [];
  const row = (name: string, cells: readonly string[]): void => {
    const padded = cells.map((cell, i) => cell.padEnd(columns[i]?.title.length ?? 0));
    lines.push([name.padEnd(width), ...padded].join("  ").trimEnd());
  };
  const titles = columns.map(({ title }) => title);
  row("", titles);
  const details: string[] = [];
  let failed = 0;
  for (const [i, name] of names.entries()) {
    const failures = results.map((column) => column[i]?.failures ?? []);
    const cells = failures.map(({ length }) => (length === 0 ? "pass" : "FAIL"));
    row(name, cells);
    failed += cells.filter((cell) => cell === "FAIL").length;
    for (const [column, title] of titles.entries()) {
      for (const failure of failures[column] ?? []) details.push(`${title}: ${name}: ${failure}`);
    }
  }
  const seconds = (time: number, digits: number): string => (time / 1000).toFixed(digits);
  const times = columns.map(({ run }) => seconds(run.milliseconds, 2));
  row("seconds", times);
  if (details.length > 0) lines.push("", ...details);
  const checks = columns.reduce((sum, { run }) => sum + run.tests.reduce((n, { passed }) => n + passed, 0), 0);
  const verdict = failed === 0 ? "all passed" : `${failed} FAILED`;
  lines.push("", `${verdict}: ${checks} checks in ${seconds(milliseconds, 1)} s`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return failed === 0 ? ExitStatus.done : ExitStatus.crashed;
}
