/**
 * `npm run kvm-unit-tests -- FOLDER [--type hv|pr] [--arch i386] [--only REGEXP] [--seconds N] [--module NAME]`: the programs
 * of kvm-unit-tests for x86, from a folder of theirs that is built (`./configure --arch=x86_64 && make`), as x86/unittests.cfg
 * lists them, each under hv and pr, each at most so long (default: 90 seconds, or as long as the list says, if that is more); what
 * passes, what fails, what does not end. What asks for something that is not here is left out, and said why.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chosen, countOf, oneOf, patternOf, Unavailable, UsageError } from "../../tools/own-command.js";

/** What is not here, and who asks for it. */
const absent: readonly (readonly [what: string, who: (entry: Entry) => boolean])[] = [
  ["guests of the guest's", ({ file }) => /^(vmx|svm|svm_npt)\.flat$/.test(file)],
  ["Hyper-V's interface", ({ file }) => file.startsWith("hyperv_")],
  ["a PMU", ({ file }) => file.startsWith("pmu")],
  ["an IOMMU", ({ file }) => file === "intel-iommu.flat"],
  ["KVM's prefix that forces emulation", ({ args }) => args.includes("force_emulation")],
  ["sleep: machine pc has no _S3", ({ file }) => file === "s3.flat"],
  ["what it checks of Linux's modules", ({ check }) => check !== undefined],
];
const types = ["hv", "pr"] as const;
const architectures = ["x86_64", "i386"] as const;
const vendors = ["kvm-intel", "kvm-amd"] as const;

interface Entry {
  readonly name: string;
  readonly file: string;
  readonly args: string;
  readonly cpus: number;
  /** Bytes, as --memory takes them. */
  readonly memory: string;
  /** Whose processor it wants, if it says so. */
  readonly module: string | undefined;
  /** FILE=VALUE: it runs where this file of the host has this value, as one of a parameter of Linux's kvm has. */
  readonly check: string | undefined;
  /** Seconds. */
  readonly timeout: number;
}

/** A shell's time in a program's arguments. */
const now = (args: string): string => args.replace("`date +%s`", String(Math.floor(Date.now() / 1000)));

/** [name], then lines of KEY = VALUE. */
function entriesOf(text: string, wanted: string): readonly Entry[] {
  return text
    .split(/^(?=\[)/m)
    .filter((part) => part.startsWith("["))
    .map((part): Entry & { arch: string } => {
      const value = (key: string): string | undefined =>
        new RegExp(`^${key}\\s*=\\s*(.*)$`, "m").exec(part)?.[1]?.trim();
      const args = (value("test_args") ?? "").replace(/^(['"])(.*)\1$/, "$2");
      const [, megabytes] = /-m (\d+)\b/.exec(value("qemu_params") ?? "") ?? [];
      return {
        name: /^\[([^\]]+)\]/.exec(part)?.[1] ?? "",
        file: value("file") ?? "",
        args,
        cpus: Number(value("smp") ?? 1),
        module: /vendor=AuthenticAMD/.test(value("qemu_params") ?? "") ? "kvm-amd" : undefined,
        memory: megabytes ? `${megabytes}M` : "128M",
        check: value("check"),
        timeout: Number(value("timeout") ?? 0),
        arch: value("arch") ?? "",
      };
    })
    .filter(({ arch }) => arch === "" || arch === wanted);
}

interface Run {
  readonly status: number | null;
  readonly text: string;
  readonly seconds: number;
}

/** The command line runs it, as a user would. */
function run(command: string, args: readonly string[]): Promise<Run> {
  const begin = performance.now();
  const child = spawn(process.execPath, [command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      // What a program says when it fails is at the end.
      text = (text + bytes.toString("latin1")).slice(-200_000);
    });
  }
  return new Promise((done) => {
    child.on("close", (status) => done({ status, text, seconds: (performance.now() - begin) / 1000 }));
  });
}

const usage = `usage: npm run kvm-unit-tests -- FOLDER [options]
  FOLDER         of kvm-unit-tests, built
  --arch NAME    ${architectures.join(" or ")}, as it was built (default: the first)
  --type NAME    ${types.join(" or ")}; can be given again (default: both)
  --module NAME  ${vendors.join(" or ")} (default: the first)
  --only REGEXP  programs whose names match
  --seconds N    for each, at most, unless its list says more (default: 90)
  --verbose      what each writes
`;

const whyNot = (entry: Entry): string | undefined => absent.find(([, who]) => who(entry))?.[0];
const { folder, entries, running, ...values } = chosen({ name: "kvm-unit-tests", usage }, () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      type: { type: "string", multiple: true, default: [...types] },
      arch: { type: "string", default: "x86_64" },
      only: { type: "string", default: "" },
      seconds: { type: "string", default: "90" },
      module: { type: "string", default: "kvm-intel" },
      verbose: { type: "boolean", default: false },
    },
  });
  const [given, another] = positionals;
  if (given === undefined) throw new UsageError("which folder of kvm-unit-tests?");
  if (another !== undefined) throw new UsageError(`one folder at a time, not "${another}" too`);
  const arch = oneOf("arch", values.arch, architectures);
  const only = patternOf("only", values.only);
  const own = {
    type: values.type.map((name) => oneOf("type", name, types)),
    module: oneOf("module", values.module, vendors),
    seconds: countOf("seconds", values.seconds),
    verbose: values.verbose,
  };
  const folder = join(resolve(given), "x86");
  const list = join(folder, "unittests.cfg");
  if (!existsSync(list)) throw new UsageError(`${list} is not there: is ${given} a folder of kvm-unit-tests?`);
  const entries = entriesOf(readFileSync(list, "utf8"), arch).filter(({ name }) => only.test(name));
  const running = entries.filter((entry) => whyNot(entry) === undefined);
  const missing = running.filter(({ file }) => !existsSync(join(folder, file)));
  if (missing.length > 0) {
    throw new Unavailable(
      `not built: ${missing.map(({ file }) => file).join(", ")}; ./configure --arch=${arch} && make`,
    );
  }
  return { ...own, folder, entries, running };
});
const main = join(dirname(fileURLToPath(import.meta.url)), "../../src/cli/main.js");
for (const [what] of absent) {
  const without = entries.filter((entry) => whyNot(entry) === what).map(({ name }) => name);
  if (without.length > 0) console.log(`left out, for want of ${what}: ${without.join(", ")}`);
}
for (const type of values.type) {
  const counts = { passed: 0, failed: 0, skipped: 0, unended: 0 };
  for (const { name, file, args, cpus, memory, module, timeout } of running) {
    const { status, text, seconds } = await run(main, [
      ...["run", "--kernel", join(folder, file), "--append", now(args), "--cpus", String(cpus), "--memory", memory],
      ...["--machine", "pc,test-devices=on", "--module", module ?? values.module, "--type", type, "--no-reboot"],
      ...["--timeout", String(Math.max(values.seconds, timeout))],
    ]);
    const said = (word: string): number => text.split("\n").filter((line) => line.startsWith(`${word}: `)).length;
    // What they write is half of the status that QEMU ends with: 77 is "skipped", 127 "aborted". Some check nothing, and pass.
    const result = ({ 0: "passed", 38: "skipped", 124: "unended" } as const)[status ?? -1] ?? "failed";
    counts[result]++;
    console.log(
      `${type} ${name}: ${result} (status ${status}), ${said("PASS")} PASS, ${said("FAIL")} FAIL, ${said("SKIP")} SKIP, ${seconds.toFixed(1)} s`,
    );
    if (result === "passed" && !values.verbose) continue;
    const lines = text.split("\n");
    const shown = values.verbose
      ? lines
      : [...lines.filter((line) => line.startsWith("FAIL: ")).slice(0, 20), ...lines.slice(-6)];
    for (const line of shown) console.log(`    ${line.trimEnd()}`);
  }
  console.log(
    `${type}: ${running.length} entries, ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ` +
      `${counts.unended} not ended in time; ${entries.length - chosen.length} left out`,
  );
}
