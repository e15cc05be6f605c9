/** `unikvm snapshot`: saves a guest that runs, and lets it go on from a file. */
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { KvmConfig } from "../../kernel.js";
import type { GuestDisk } from "../../node/disks.js";
import { type OpenHardware, withHardware } from "../../node/hardware.js";
import type { NetworkChoice } from "../../node/network.js";
import { snapshotNames, snapshotPath } from "../../node/snapshot-folder.js";
import { spawnVcpuThread } from "../../node/vcpu-thread.js";
import type { AgentState } from "../../vmm/agent/connection.js";
import { runMachine } from "../../vmm/core/run.js";
import { VmmError } from "../../vmm/errors.js";
import { type LoadedMachine, loadMachine, machineRow } from "../../vmm/machines/machines.js";
import type { SnapshotInfo } from "../../vmm/snapshot/format.js";
import { loadSnapshot, snapshotInfo } from "../../vmm/snapshot/node/snapshot-file.js";
import { ramImage, type Snapshot } from "../../vmm/snapshot/snapshot.js";
import { addExamples, type Finish } from "../command.js";
import { ask } from "../control/client.js";
import { diskSyntax, parseDisk } from "../disks.js";
import { GuestAgent } from "../guest-agent.js";
import { closeAtEnd, conclude, type End } from "../guest-end.js";
import { type Instance, type ModuleChoice, startInstance } from "../instance.js";
import { addPidOption } from "../kmod.js";
import { describeLimits, type LimitChoices } from "../limits.js";
import { checked } from "../machine-options.js";
import { moduleOption } from "../module-option.js";
import { networkSyntax, parseNetwork } from "../network.js";
import { savingRun } from "../save-run.js";
import { parsePath, parseSeconds } from "../sizes.js";
import { type LeaveReason, openTerminal, type Terminal } from "../terminal.js";
import { cachedVms, clearVmCache } from "../vm-cache.js";

const nameHelp = "a name, or a file: with a folder, or ending with .snapshot";

interface SaveOptions {
  readonly pid?: number;
  readonly stored?: boolean;
  readonly json?: boolean;
}

interface RestoreOptions extends LimitChoices {
  readonly type?: "hv" | "pr";
  readonly threads: "auto" | "worker" | "single";
  readonly disk?: readonly GuestDisk[];
  readonly network?: NetworkChoice;
  readonly module: readonly ModuleChoice[];
  readonly timeout?: number;
}

export function describe(command: Command, finish: Finish): void {
  addExamples(
    command,
    "unikvm run --disk base.qcow2,overlay        # in one terminal",
    "unikvm snapshot save booted                 # in another",
    "unikvm snapshot restore booted --disk base.qcow2,overlay",
    "unikvm snapshot list",
  );
  const save = addExamples(
    command.command("save"),
    "unikvm snapshot save booted                 # of unikvm run: unikvm snapshot restore booted",
    "unikvm snapshot save prepared               # of unikvm shell: unikvm shell --snapshot prepared",
    "unikvm snapshot save --pid 4711 ./booted.snapshot   # of several that run, into a file",
  )
    .description("save the guest of a running unikvm run or unikvm shell; it runs on")
    .argument("<name>", nameHelp, parsePath)
    .option("--stored", "do not compress: quicker, and four times as large")
    .option("--json", "for programs");
  addPidOption(save).action(
    finish(async (name: string, { pid, stored = false, json = false }: SaveOptions) => {
      const file = resolve(snapshotPath(name, { make: true }));
      const answer = await ask({ command: "snapshot", file, packing: stored ? "stored" : "deflate" }, pid);
      if (!answer) throw new VmmError("no unikvm runs; start one with unikvm run, or unikvm shell");
      if (!answer.snapshot) throw new VmmError(answer.failure?.message ?? "that unikvm makes no snapshots");
      const { digest, size, stopped } = answer.snapshot;
      if (json) process.stdout.write(`${JSON.stringify({ name, file, digest, size, stopped })}\n`);
      else process.stdout.write(`${name}: ${mebibytes(size)}; the guest stood still for ${Math.ceil(stopped)} ms\n`);
    }),
  );
  const restoring = addExamples(
    command.command("restore"),
    "unikvm snapshot restore booted",
    "unikvm snapshot restore ./booted.snapshot --type pr --disk base.qcow2,overlay",
  )
    .description("let a guest go on from where it was saved, its console on this terminal")
    .argument("<name>", nameHelp, parsePath)
    .addOption(new Option("--type <implementation>", "hv or pr; whichever it was saved under").choices(["hv", "pr"]))
    .addOption(
      new Option("--threads <mode>", "worker: a thread for each CPU; single: all in slices on one thread")
        .choices(["auto", "worker", "single"])
        .default("auto"),
    )
    .addOption(
      new Option("--disk <file>", `a disk that it had, in the order in which it had them: ${diskSyntax}`).argParser(
        checked(parseDisk),
      ),
    )
    .addOption(
      new Option("--network <network>", `if it had a network card: ${networkSyntax}`).argParser(checked(parseNetwork)),
    );
  describeLimits(restoring)
    .addOption(moduleOption())
    .addOption(new Option("--timeout <seconds>", "end after this time").argParser(parseSeconds))
    .action(finish(restore));
  addExamples(command.command("info"), "unikvm snapshot info booted", "unikvm snapshot info --json ./booted.snapshot")
    .description("say what a snapshot is")
    .argument("<name>", nameHelp, parsePath)
    .option("--json", "for programs")
    .action(
      finish(async (name: string, { json = false }: { json?: boolean }) => {
        const info = await snapshotInfo(snapshotPath(name));
        process.stdout.write(json ? `${JSON.stringify({ name, ...info })}\n` : described(name, info));
      }),
    );
  addExamples(command.command("list"), "unikvm snapshot list", "unikvm snapshot list --json")
    .description("the snapshots that have a name")
    .option("--json", "for programs")
    .action(
      finish(async ({ json = false }: { json?: boolean }) => {
        const all = [];
        for (const name of snapshotNames()) {
          const info = await snapshotInfo(snapshotPath(name)).catch((error: unknown) => error as Error);
          all.push({ name, info });
        }
        if (json) {
          const rows = all.map(({ name, info }) =>
            info instanceof Error ? { name, error: info.message } : { name, ...info },
          );
          process.stdout.write(`${JSON.stringify(rows)}\n`);
          return;
        }
        for (const { name, info } of all) {
          process.stdout.write(info instanceof Error ? `${name}: ${info.message}\n` : described(name, info, false));
        }
        const cached = cachedVms();
        const size = cached.reduce((sum, one) => sum + one.size, 0);
        if (cached.length > 0) process.stdout.write(`and ${cached.length} in exec's cache, ${mebibytes(size)}\n`);
      }),
    );
  addExamples(
    command.command("rm"),
    "unikvm snapshot rm booted",
    "unikvm snapshot rm --cache                  # exec and shell boot again the next time",
  )
    .description("remove snapshots")
    .argument("[name...]", nameHelp, (name: string, before: readonly string[] = []) => [...before, parsePath(name)])
    .option("--cache", "those that exec and shell go on from instead of booting")
    .action(
      finish(async (names: readonly string[], { cache = false }: { cache?: boolean }) => {
        if (names.length === 0 && !cache) throw new VmmError("name a snapshot, or give --cache");
        if (cache) await clearVmCache();
        for (const name of names) {
          const path = snapshotPath(name);
          // What is none is not removed by mistake; what is damaged may be.
          await snapshotInfo(path).catch((error: unknown) => {
            if (!/damaged|version/.test((error as Error).message)) throw error;
          });
          rmSync(path);
        }
      }),
    );
}

const mebibytes = (bytes: number): string => `${(bytes / 1048576).toFixed(1)} MiB`;

function described(name: string, { machine, created, by, size, images, digest }: SnapshotInfo, whole = true): string {
  const { ram } = images;
  const memory = ram ? `, ${mebibytes(ram.used)} of ${mebibytes(ram.size)} of memory used` : "";
  const first = `${name}: ${machine}${memory}; ${mebibytes(size)}, of ${new Date(created).toISOString()}\n`;
  if (!whole) return first;
  const overlays = Object.entries(images).filter(([image]) => image !== ramImage);
  const disks = overlays.map(([image, { used }]) => `${image}: ${mebibytes(used)} written\n`);
  // Quoted, since whoever made the file chose it.
  return [first, ...disks, `made by ${JSON.stringify(by)}\ndigest ${digest}\n`].join("");
}

async function restore(name: string, options: RestoreOptions): Promise<number> {
  const snapshot = await loadSnapshot(snapshotPath(name));
  const machine = await loadMachine(machineRow(snapshot.state.machine));
  const end = process.stderr.isTTY ? "\r\n" : "\n";
  const report = (sentence: string): void => void process.stderr.write(`unikvm: ${sentence}${end}`);
  const parts = { disks: options.disk ?? [], network: options.network };
  const use = async (open: OpenHardware): Promise<number> => {
    if (open.own.length > (isRun(snapshot) ? 1 : 0))
      throw new VmmError(
        `the snapshot is of a VM whose console nobody uses, as unikvm shell and createVm make it; it goes on with unikvm shell --snapshot ${name}, unikvm exec --snapshot ${name} -- CMD, or createVm({ snapshot })`,
      );
    const terminal = openTerminal();
    let ended: End;
    try {
      const config: KvmConfig = options.threads === "single" ? { memory: "unshared" } : {};
      const instance = await startInstance(config, options.module, machine.guest);
      // What the console showed before is gone, and an empty screen looks like nothing.
      if (process.stdin.isTTY && process.stderr.isTTY) {
        report("the guest goes on where it was saved. Enter brings a shell's prompt, Ctrl-A X leaves, Ctrl-A H helps");
      }
      try {
        ended = await goOn(machine, snapshot, options, open, instance, terminal);
      } finally {
        closeAtEnd(instance.close);
      }
    } finally {
      terminal.restore();
    }
    return conclude(ended, terminal);
  };
  return withHardware(snapshot, parts, report, use, options.limitDisk);
}

/** Beside how its devices were made (`savingRun`, and `takeSnapshot` of a VM); whoever takes it looks at it. */
const conversationOf = (hardware: unknown): AgentState | undefined =>
  (hardware as { readonly agent?: AgentState }).agent;

/** Of `unikvm run`, whose console is a terminal. */
const isRun = ({ hardware }: Snapshot): boolean => (hardware as { readonly console?: unknown }).console === "terminal";

async function goOn(
  machine: LoadedMachine,
  { state, images, hardware: made }: Snapshot,
  options: RestoreOptions,
  { hardware, own, devices, disks }: OpenHardware,
  { kvm, onSnapshot, onAgent }: Instance,
  terminal: Terminal,
): Promise<End> {
  const ram = images[ramImage];
  if (!ram) throw new VmmError("the snapshot has no memory");
  let left: LeaveReason | undefined;
  const [device] = own;
  const agent = device && new GuestAgent({ device, conversation: conversationOf(made) });
  const running = await runMachine({
    createMachine: (control, trace) =>
      machine.restore(
        {
          kvm,
          implementation: options.type,
          shared: options.threads === "auto" ? undefined : options.threads === "worker",
          state,
          ram,
          pciDevices: [...(agent ? [agent.device] : []), ...devices],
        },
        control,
        trace,
      ),
    kind: machine.name,
    createSide: machine.createSide,
    spawn: options.threads === "single" ? undefined : spawnVcpuThread,
    output: terminal.output,
    cpuLimit: options.limitCpu,
    timeout: options.timeout,
  });
  onSnapshot(savingRun(running, hardware, { disks: options.disk ?? [], network: options.network }, disks, agent));
  agent?.greet();
  onAgent(() => {
    if (agent) return agent.find();
    throw new VmmError("its guest was saved by a unikvm whose guests of run have no agent");
  });
  terminal.connect(running.input, (why) => {
    left ??= why;
    running.stop();
  });
  const { outcome } = await running.ended;
  onSnapshot(undefined);
  onAgent(undefined);
  agent?.close();
  terminal.disconnect();
  return { outcome, left };
}
