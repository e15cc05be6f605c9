/** What `exec` and `shell` have in common: the VM that a command runs in, and the statuses that its end has for a shell. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { architectureOfGuest, machineOfGuest } from "../../guests/index.js";
import { createVmOn } from "../api/create-vm.js";
import { VmError } from "../api/error.js";
import type { BootPlan, Platform } from "../api/platform.js";
import type { KeptSnapshot } from "../api/snapshot.js";
import type { ExitStatus, SignalName, Vm, VmOptions } from "../api/types.js";
import type { LinuxVm } from "../api/vm.js";
import { messageOf } from "../base/errors.js";
import type { AnyKvm } from "../kernel.js";
import type { GuestDisk } from "../node/disks.js";
import { beginGuestThread } from "../node/guest-thread.js";
import type { NetworkChoice } from "../node/network.js";
import { AgentRelay } from "../vmm/agent/relay.js";
import { loadMachine, machineForGuest, machines } from "../vmm/machines/machines.js";
import type { ControlServer } from "./control/server.js";
import { diskSyntax, parseDisk } from "./disks.js";
import { interruptible, OutOfTime } from "./interrupt.js";
import type { LoadedKvm } from "./kvm.js";
import { describeLimits, describeProcessLimit, type LimitChoices, limitsOf } from "./limits.js";
import { checked, cpuOption, cpusOption, guestOption, memoryOption, settledMachine } from "./machine-options.js";
import { networkSyntax, parseNetwork } from "./network.js";
import { parsePath, parseSeconds } from "./sizes.js";
import { vmFromCache } from "./vm-cache.js";

export interface VmChoices extends LimitChoices {
  /** What it is of, as createVm has it. Undefined: the default. */
  readonly guest?: "ppc64le" | "x86_64" | "i386";
  readonly image?: string;
  readonly snapshot?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly memory: number;
  readonly cpus: number;
  readonly type?: "hv" | "pr";
  readonly cpu?: string;
  readonly disk?: readonly GuestDisk[];
  readonly network?: NetworkChoice;
  readonly user?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout?: number;
  readonly quiet?: true;
}

/** Exit statuses, as of programs that run others (env(1), timeout(1), podman-exec(1)). */
export const RunnerStatus = { timeout: 124, failed: 125, notRunnable: 126, notFound: 127, signal: 128 } as const;

function parseVariable(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It is to be NAME=VALUE.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export async function describeVm(command: Command): Promise<void> {
  // The others are loaded when their guest is asked for.
  const usual = await loadMachine();
  command
    .addOption(guestOption().conflicts(["kernel"]))
    .addOption(
      new Option(
        "--image <image>",
        "what is booted: debian-busybox, a guest's file as debian.guest, or a disk with a root, as root.qcow2 or root.img; what is written there is gone with the VM (default: debian-busybox)",
      )
        .argParser(parsePath)
        .conflicts("kernel"),
    )
    .addOption(
      new Option(
        "--snapshot <name>",
        "instead of booting, where a VM goes on that unikvm snapshot save has kept of a shell; its disks and network are named again",
      )
        .argParser(parsePath)
        .conflicts(["image", "kernel", "initrd", "append", "memory", "cpus", "cpu", "guest"]),
    )
    .option("--kernel <file>", "a kernel of your own; its modules: in the initrd, or lib/modules beside it", parsePath)
    .option("--initrd <file>", "its initial RAM disk", parsePath)
    .option("--append <string>", "more for the kernel's command line")
    .addOption(memoryOption("512M", [usual], true))
    .addOption(cpusOption())
    .addOption(
      new Option("--type <implementation>", "hv or pr; the better that loads if left out").choices(["hv", "pr"]),
    )
    .addOption(cpuOption([usual], true))
    .addOption(
      new Option("--disk <file>", `adds a disk, /dev/vda and on: ${diskSyntax}; can be given again`).argParser(
        checked(parseDisk),
      ),
    )
    .addOption(
      new Option("--network <network>", `adds a network card: ${networkSyntax}`).argParser(checked(parseNetwork)),
    );
  describeProcessLimit(describeLimits(command))
    .option(
      "--user <user>",
      "who runs it: a name or a number, or either with :GROUP behind it (default: root)",
      parsePath,
    )
    .option("--cwd <folder>", "in which of the guest's folders (default: the user's home)", parsePath)
    .addOption(new Option("--env <variable>", "NAME=VALUE; can be given again").argParser(parseVariable))
    .addOption(new Option("--timeout <seconds>", "end after this time, with status 124").argParser(parseSeconds))
    .option("-q, --quiet", "no progress on stderr")
    .hook("preAction", settleVm);
}

/** `--guest`, or the kernel, says which machine it is, by whose measure the other options are. */
async function settleVm(command: Command): Promise<void> {
  const { guest, kernel } = command.opts<{ guest?: string; kernel?: string }>();
  const rows = kernel === undefined ? [machineForGuest(machineOfGuest(guest))] : machines;
  const machine = settledMachine(command, await Promise.all(rows.map((row) => loadMachine(row))));
  const of = guest === undefined ? kernel && machine.guest : architectureOfGuest(guest);
  if (of !== undefined) command.setOptionValue("guest", of);
}

/** How long nothing is said of what is done, milliseconds. */
const silence = 1000;

/** What it has to report while a guest runs, as of a disk that fails, is said here, too. */
export function reporting(platform: Platform): Platform {
  const end = process.stderr.isTTY ? "\r\n" : "\n";
  const tell = (plan: BootPlan): BootPlan => ({
    ...plan,
    report: (sentence) => {
      plan.report(sentence);
      process.stderr.write(`unikvm: ${sentence}${end}`);
    },
  });
  return {
    ...platform,
    boot: (plan) => platform.boot(tell(plan)),
    restore: (plan, from) => platform.restore(tell(plan), from),
  };
}

/** Boots it. Rejects with VmError, or the signal's reason; progress goes to stderr. */
async function bootVm(choices: VmChoices, signal: AbortSignal, loaded?: (kvm: LoadedKvm<AnyKvm>) => void): Promise<Vm> {
  const {
    memory,
    cpus,
    disk = [],
    quiet,
    timeout,
    user,
    cwd,
    env,
    limitCpu,
    limitDisk,
    limitProcesses,
    ...others
  } = choices;
  const say = (sentence: string): void => void (quiet || process.stderr.write(`unikvm: ${sentence}\n`));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const options: VmOptions = {
    ...others,
    // A snapshot has its own.
    ...(others.snapshot === undefined ? { memory, cpus } : {}),
    signal,
    limits: limitsOf(choices),
    disks: disk.map(({ path, from, format, readOnly = false, overlay = false, backing = [] }) => ({
      source: from ?? path,
      ...(format ? { format } : {}),
      readOnly,
      backing,
      mode: overlay ? "overlay" : "write",
    })),
    onProgress: ({ name, total }) => {
      clearTimeout(timer);
      // It takes less than what is worth a word.
      if (name === "restoring") return;
      if (name !== "booting") say(name);
      else if (total === undefined) timer = setTimeout(() => say("booting Linux; this takes some seconds"), silence);
    },
  };
  const load = async (guest: string | undefined): Promise<LoadedKvm<AnyKvm>> => {
    const { loadKvmFor } = await import("./kvm.js");
    const kvm = await loadKvmFor(guest);
    loaded?.(kvm);
    return kvm;
  };
  // Its vCPU's thread loads its code meanwhile, and WebAssembly is compiled.
  const { guest, snapshot } = choices;
  const endThread = beginGuestThread(choices.type ?? "hv", guest);
  // What a snapshot's guest is of is known when it has been read.
  let kvm = snapshot === undefined ? load(guest) : undefined;
  // Who needs it is told.
  kvm?.catch(() => undefined);
  const create = createVmOn(async () => {
    const { nodePlatform } = await import("../node/platform.js");
    return reporting(
      nodePlatform(async (wanted) => {
        kvm ??= load(wanted);
        return (await kvm).kvm;
      }),
    );
  });
  try {
    return await vmFromCache(create, options, say);
  } catch (error) {
    endThread();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Has other commands reach a VM's guest; where they cannot, it runs all the same. */
async function serve(vm: Vm, { loader }: LoadedKvm<AnyKvm>): Promise<ControlServer | undefined> {
  try {
    const { serveControl } = await import("./control/server.js");
    const control = await serveControl(loader);
    control.onAgent(() => (end) => new AgentRelay((vm as LinuxVm).programs, end));
    control.onSnapshot(async (file, packing, signal) => {
      const { digest, info, stopped = 0 } = (await vm.snapshot({ name: file, packing, signal })) as KeptSnapshot;
      return { digest, size: info.size, stopped };
    });
    return control;
  } catch (error) {
    if (process.env["UNIKVM_DEBUG"]) process.stderr.write(`unikvm: no commands can reach this: ${messageOf(error)}\n`);
    return undefined;
  }
}

/**
 * Boots a VM, and gives the status of what `use` does in it, which gets the time that is left, if there is a limit; or that of
 * what went wrong, said on stderr. With `served`, other commands reach it meanwhile (`unikvm cp`, `exec --pid`, `snapshot save`).
 */
export async function useVm(
  choices: VmChoices,
  use: (vm: Vm, limit: { timeout?: number }) => Promise<number>,
  { served = false }: { readonly served?: boolean } = {},
): Promise<number> {
  const begin = performance.now();
  let kvm: LoadedKvm<AnyKvm> | undefined;
  try {
    const vm = await interruptible(
      (signal) =>
        bootVm(choices, signal, (one) => {
          kvm = one;
        }),
      choices.timeout,
    );
    const control = served && kvm ? await serve(vm, kvm) : undefined;
    try {
      const left = choices.timeout && Math.max(1, choices.timeout - (performance.now() - begin));
      return await use(vm, left === undefined ? {} : { timeout: left });
    } finally {
      control?.close();
      // What is on disks is written; nobody waits for a VM without.
      await vm.close(choices.disk ? {} : { grace: 0 });
    }
  } catch (error) {
    if (!(error instanceof OutOfTime)) return statusOfFailure(error);
    process.stderr.write(`unikvm: ${error.message}\n`);
    return RunnerStatus.timeout;
  }
}

/** For what a program in the guest gets besides its arguments. */
export const programOptions = ({ user, cwd, env }: VmChoices) => ({
  ...(user === undefined ? {} : { user }),
  ...(cwd === undefined ? {} : { cwd }),
  ...(env === undefined ? {} : { env }),
});

/** The status for a shell, as its own `$?` has it. */
export function statusOf(
  { exitCode, signal, timedOut }: ExitStatus,
  numbers: Readonly<Record<string, number>>,
): number {
  if (timedOut) return RunnerStatus.timeout;
  return exitCode ?? RunnerStatus.signal + (typeof signal === "number" ? signal : (numbers[signal as SignalName] ?? 0));
}

/** The status of what kept a command from being run, and the sentence on stderr with what the guest's console last said. */
export function statusOfFailure(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  const lines = error instanceof VmError ? error.console : [];
  const details = process.env["UNIKVM_DEBUG"] && error instanceof Error ? `${error.stack}\n` : "";
  const said =
    lines.length > 0 ? `unikvm: the guest's console ended with\n${lines.map((line) => `  ${line}\n`).join("")}` : "";
  process.stderr.write(`unikvm: ${message.replace(/^[A-Z_]+: (createVm: )?/, "")}\n${said}${details}`);
  if (!(error instanceof VmError) || error.code !== "EXEC_FAILED") return RunnerStatus.failed;
  return error.errno === 2 ? RunnerStatus.notFound : RunnerStatus.notRunnable;
}
