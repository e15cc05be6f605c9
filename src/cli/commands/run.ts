/** `unikvm run`: boots a guest with its console on this terminal. */
import { type Command, Option } from "commander";
import { guestDriverNames, isGuestDriver } from "../../../guests/index.js";
import { type KvmConfig, loadDisassembler } from "../../kernel.js";
import type { TraceCategory } from "../../kvm/uapi.js";
import { type GuestDisk, type OpenDisks, withDisks } from "../../node/disks.js";
import { type NetworkChoice, type OpenNetwork, openNetwork } from "../../node/network.js";
import { spawnVcpuThread } from "../../node/vcpu-thread.js";
import { type Run, runMachine } from "../../vmm/core/run.js";
import { parseTraceCategories, traceCategories } from "../../vmm/core/trace.js";
import type { PciDevice } from "../../vmm/devices/pci/device.js";
import { VirtioPciDevice } from "../../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../../vmm/errors.js";
import { kernelFormats } from "../../vmm/loaders/kernel-image.js";
import type { Implementation } from "../../vmm/machines/machine-kind.js";
import { addExamples, ExitStatus, type Finish } from "../command.js";
import { type DeviceChoices, deviceNames, type HostDevices, openHostDevices, parseDevice } from "../devices.js";
import { diskSyntax, parseDisk } from "../disks.js";
import { GuestAgent } from "../guest-agent.js";
import { closeAtEnd, conclude, type End } from "../guest-end.js";
import { type Instance, type ModuleChoice, startInstance } from "../instance.js";
import { interruptible, OutOfTime } from "../interrupt.js";
import { describeLimits, type LimitChoices } from "../limits.js";
import {
  checked,
  cpuOption,
  cpusOption,
  guestOption,
  loadMachines,
  type MachineOptionValues,
  machineOption,
  memoryOption,
  settleMachine,
} from "../machine-options.js";
import { moduleOption } from "../module-option.js";
import { networkSyntax, parseNetwork } from "../network.js";
import { type Guest, type GuestChoices, loadGuest } from "../run-guest.js";
import { savingRun } from "../save-run.js";
import { parsePath, parseSeconds } from "../sizes.js";
import { formatStats } from "../stats.js";
import { type LeaveReason, openTerminal, type Terminal } from "../terminal.js";
import { TraceFile } from "../trace-file.js";

interface Options extends MachineOptionValues, GuestChoices, LimitChoices {
  readonly cpus: number;
  readonly type?: Implementation;
  readonly device?: DeviceChoices;
  readonly disk?: readonly GuestDisk[];
  readonly network?: NetworkChoice;
  readonly timeout?: number;
  readonly reboot: boolean;
  readonly threads: "auto" | "worker" | "single";
  readonly trace?: readonly TraceCategory[];
  readonly traceFile?: string;
  readonly module: readonly ModuleChoice[];
  readonly stats?: true;
}

const parseTrace = checked((text: string) => parseTraceCategories(text.split(",")));

/** It becomes one of a list on the kernel's command line. */
function parseGuestModule(name: string): string {
  if (isGuestDriver(name)) return name;
  throw new VmmError(`the default guest has no module "${name}"; there is ${guestDriverNames.join(", ")}`);
}

export async function describe(command: Command, finish: Finish): Promise<void> {
  const loaded = await loadMachines();
  const guests = loaded.map((machine) => machine.guests).join(" or ");
  command
    .description(
      "Boots a guest with its console on this terminal. Ctrl-A X leaves, Ctrl-A H helps.\n" +
        "Ends with 0 if the guest powered off, 1 if it crashed, 2 for a usage error,\n" +
        "3 if unikvm could not do it, 124 at the time limit; with test-devices=on, with\n" +
        "the status that the guest gave.",
    )
    .option(
      "--kernel <file>",
      `kernel of ${guests}: ELF, packed or not, a bzImage, or one for multiboot (default guest's); without --machine it chooses one`,
      parsePath,
    )
    .addOption(
      new Option(
        "--kernel-format <format>",
        "flat: whatever the kernel's file is, it is loaded at address 0 and entered there, on machine pseries",
      )
        .choices(kernelFormats)
        .default("auto"),
    )
    .addOption(guestOption().conflicts("kernel"))
    .option("--initrd <file>", "initial RAM disk", parsePath)
    .option("--append <string>", "the kernel's command line")
    .addOption(
      new Option(
        "--guest-module <name>",
        "a module of the default guest's kernel, which the guest loads; may be repeated",
      )
        .argParser((name, before: string[] = []) => [...before, checked(parseGuestModule)(name)])
        .conflicts("kernel"),
    )
    .addOption(memoryOption("1G", loaded))
    .addOption(cpusOption())
    .addOption(
      new Option("--type <implementation>", "hv or pr; the better that loads if left out").choices(["hv", "pr"]),
    )
    .addOption(cpuOption(loaded))
    .addOption(machineOption(loaded))
    .addOption(
      new Option("--device <name>", `adds a PCI device; can be given again: ${deviceNames}`).argParser(
        checked(parseDevice),
      ),
    )
    .addOption(
      new Option(
        "--disk <file>",
        `adds a disk, /dev/vda and on: ${diskSyntax}; can be given again. A file whose name ends with .qcow2 is one, any other is raw`,
      ).argParser(checked(parseDisk)),
    )
    .addOption(
      new Option(
        "--network <network>",
        `adds a network card: ${networkSyntax}. The guest reaches the internet (allow=: only what it names), not this host nor the networks beside it; forward: what comes to the host's port of 127.0.0.1 goes to the guest's`,
      ).argParser(checked(parseNetwork)),
    );
  describeLimits(command)
    .addOption(
      new Option("--timeout <seconds>", "end after this time, also while a guest is fetched").argParser(parseSeconds),
    )
    .option("--reboot", "start again when the guest reboots", true)
    .option("--no-reboot", "end instead of starting again when the guest reboots")
    .addOption(
      new Option("--threads <mode>", "worker: a thread for each CPU; single: all in slices on one thread")
        .choices(["auto", "worker", "single"])
        .default("auto"),
    )
    .addOption(
      new Option("--trace <list>", `what to trace, separated by commas: ${traceCategories.join(", ")}`).argParser(
        parseTrace,
      ),
    )
    .option("--trace-file <file>", "where the trace goes (default: unikvm.trace)", parsePath)
    .addOption(moduleOption())
    .option("--stats", "print counters on stderr at the end")
    .allowExcessArguments(false)
    .hook("preAction", settleMachine(loaded))
    .action(finish(run));
  addExamples(
    command,
    "unikvm run                                # Debian's kernel to a shell; `poweroff` or Ctrl-A X leaves",
    "unikvm run --guest amd64                  # the same for x86-64",
    "unikvm run --memory 2G --cpus 4 --disk data.qcow2 --network user,forward=8080:80",
    "unikvm run --disk base.qcow2,overlay      # what the guest writes is gone at the end, or in a snapshot",
    "unikvm run --kernel vmlinux --initrd initrd --append 'console=hvc0 rdinit=/init' --timeout 60",
  );
}

function run(options: Options): Promise<number> {
  // The terminal may be in raw mode.
  const end = process.stderr.isTTY ? "\r\n" : "\n";
  const report = (sentence: string): void => void process.stderr.write(`unikvm: ${sentence}${end}`);
  const use = async (disks: OpenDisks): Promise<number> => {
    const network = options.network && (await openNetwork(options.network, options.cpus));
    try {
      return await runWith(options, { disks, network });
    } finally {
      network?.close();
    }
  };
  return withDisks(options.disk ?? [], options.cpus, report, use, { limit: options.limitDisk });
}

/** What the guest's devices stand for. */
interface Behind {
  readonly disks: OpenDisks;
  readonly network: OpenNetwork | undefined;
}

async function runWith(options: Options, behind: Behind): Promise<number> {
  const begin = performance.now();
  let guest: Guest;
  const virtio = [...behind.disks.devices, ...(behind.network ? [behind.network.device] : [])];
  const models = (options.device?.models ?? []).filter((device) => device instanceof VirtioPciDevice);
  const drivers = [...new Set([...models, ...virtio].flatMap(({ aliases }) => aliases))];
  try {
    guest = await interruptible((signal) => loadGuest(options, drivers, signal), options.timeout);
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error;
    process.stderr.write(`unikvm: ${error.message}\n`);
    return ExitStatus.timeout;
  }
  // What it took to fetch a guest is gone; what it takes to load KVM is not the guest's time.
  const left = options.timeout && Math.max(1, options.timeout - (performance.now() - begin));
  // From here on signals are the terminal's: what is to be removed at the end is removed.
  const terminal = openTerminal();
  let end: End;
  try {
    const config: KvmConfig = options.threads === "single" ? { memory: "unshared" } : {};
    const instance = await startInstance(config, options.module, options.machine.machine.guest);
    try {
      end = await runGuest(options, { ...behind, guest, virtio }, instance, terminal, left);
    } finally {
      closeAtEnd(instance.close);
    }
  } finally {
    terminal.restore();
  }
  return conclude(end, terminal);
}

/** Runs the guest, again each time that it reboots, for `timeout` milliseconds in all. */
async function runGuest(
  options: Options,
  { guest, virtio, disks, network }: Behind & { readonly guest: Guest; readonly virtio: readonly PciDevice[] },
  { kvm, loader, onSnapshot, onAgent }: Instance,
  terminal: Terminal,
  timeout: number | undefined,
): Promise<End> {
  const limit = timeout === undefined ? undefined : performance.now() + timeout;
  const { machine, options: machineOptions } = options.machine;
  const createMachine = machine.maker();
  const traceFile = options.trace ? new TraceFile(options.traceFile ?? "unikvm.trace") : undefined;
  let hostDevices: HostDevices | undefined;
  /** Of the input, by the machine before. */
  let unread: Uint8Array = new Uint8Array(0);
  try {
    hostDevices = await openHostDevices(loader, options.device?.host ?? []);
    for (;;) {
      let left: LeaveReason | undefined;
      await guest.ready();
      const agent = guest.withoutAgent === undefined ? new GuestAgent() : undefined;
      const running: Run = await runMachine({
        createMachine: (control, trace) => {
          const { kernel, initrd, append } = guest.take();
          return createMachine(
            {
              kvm,
              implementation: options.type,
              shared: options.threads === "auto" ? undefined : options.threads === "worker",
              kernel,
              initrd,
              commandLine: append,
              memorySize: options.memory,
              cpus: options.cpus,
              cpuModel: options.cpu,
              options: machineOptions,
              pciDevices: [...(agent ? [agent.device] : []), ...(options.device?.models ?? []), ...virtio],
              assign: hostDevices?.assign,
            },
            control,
            trace,
          );
        },
        kind: machine.name,
        createSide: machine.createSide,
        spawn: options.threads === "single" ? undefined : spawnVcpuThread,
        output: terminal.output,
        cpuLimit: options.limitCpu,
        timeout: limit === undefined ? undefined : Math.max(1, limit - performance.now()),
        trace:
          traceFile === undefined
            ? undefined
            : { categories: options.trace ?? [], write: (text) => traceFile.write(text), loadDisassembler },
      });
      const choices = { cpus: options.cpus, own: agent ? 1 : 0, models: options.device?.names ?? [] };
      onSnapshot(savingRun(running, choices, { disks: options.disk ?? [], network: options.network }, disks, agent));
      onAgent(() => {
        if (agent) return agent.find();
        throw new VmmError(guest.withoutAgent);
      });
      void running.input(unread);
      terminal.connect(running.input, (why) => {
        left ??= why;
        running.stop();
      });
      const { outcome, stats, ...end } = await running.ended;
      onSnapshot(undefined);
      onAgent(undefined);
      agent?.close();
      terminal.disconnect();
      ({ unread } = end);
      if (options.stats)
        process.stderr.write(formatStats({ ...stats, machine: { ...stats.machine, ...network?.stats() } }));
      if (outcome.kind !== "reboot" || !options.reboot) return { outcome, left };
    }
  } finally {
    traceFile?.close();
    closeAtEnd(() => hostDevices?.close());
  }
}
