/** Machines for `createVm` in Node.js: the default guest or files of the host, vCPUs on threads of their own. */
import { agentArchive, agentPath } from "../../guests/agent/index.js";
import { ensureDefaultGuest, guestDrivers } from "../../guests/index.js";
import { notSupported, VmError } from "../api/error.js";
import type { BootPlan, Platform, RunningMachine } from "../api/platform.js";
import type { Disk, Network } from "../api/types.js";
import type { PpcKvm } from "../arch/powerpc/uapi.js";
import { messageOf } from "../base/errors.js";
import { readRegular } from "../base/node/regular-file.js";
import type { Outcome } from "../vmm/core/machine.js";
import { type Run, runMachine } from "../vmm/core/run.js";
import { fillFrom } from "../vmm/core/sparse-image.js";
import { VirtioConsole, type VirtioConsoleState } from "../vmm/devices/virtio/console.js";
import { VirtioPciDevice, type VirtioPciState } from "../vmm/devices/virtio/virtio-pci.js";
import { loadMachine, machineMemory, machineRow } from "../vmm/machines/machines.js";
import { nodePlatform as snapshots } from "../vmm/snapshot/node/platform.js";
import { capture, ramImage, type Snapshot } from "../vmm/snapshot/snapshot.js";
import { prepareV8 } from "../wasm/node/v8.js";
import { type GuestDisk, withDisks } from "./disks.js";
import { type NetworkChoice, openNetwork } from "./network.js";
import { spawnVcpuThread } from "./vcpu-thread.js";

/** No file that a guest is booted with is larger. */
const mostFile = 2 ** 31;

/** What a machine starts with. */
interface Files {
  readonly kernel: Uint8Array;
  readonly kernelName: string;
  readonly initrd: Uint8Array;
  readonly commandLine: string;
}

/** `openKvm` gives the kvm that machines are made with. */
export function nodePlatform(openKvm: () => Promise<PpcKvm>): Platform {
  return {
    boot: (plan) => run(openKvm, plan),
    restore: (plan, snapshot) => run(openKvm, plan, snapshot),
  };
}

/** States of the devices in the bus's slots: the console, then the disks, then the card. */
const deviceStates = ({ state }: Snapshot): readonly VirtioPciState[] =>
  ((state as Partial<PciMachineState>).pci?.slots ?? []).map((slot) => slot.function.device as VirtioPciState);

interface PciMachineState {
  readonly pci?: { readonly slots: readonly { readonly function: { readonly device: unknown } }[] };
}

async function run(openKvm: () => Promise<PpcKvm>, plan: BootPlan, from?: Snapshot): Promise<RunningMachine> {
  const { options } = plan;
  const cpus = options.cpus ?? 1;
  const states = from && deviceStates(from);
  const saved = from && states ? { states: states.slice(1), images: from.images } : undefined;
  // Disks and network live as long as the machine: what opens them closes them after it.
  return new Promise((resolve, reject) => {
    let failure: unknown;
    const behind = withDisks(
      (options.disks ?? []).map(guestDisk),
      cpus,
      plan.report,
      async (disks) => {
        const network = options.network && (await openNetwork(networkChoice(options.network), cpus, states?.at(-1)));
        try {
          const others = [...disks.devices, ...(network ? [network.device] : [])];
          const run = await start(openKvm, plan, others, from);
          const ended = run.ended.then(({ outcome }) => outcome);
          // What a disk could not write at the end is how the machine ended.
          const closed = ended.then((outcome) => over.then(() => failure ?? outcome) as Promise<Outcome>);
          const images = () => disks.images();
          const capturing = { images, isZero: snapshots.isZero };
          resolve({
            input: run.input,
            stop: run.stop,
            ended: closed,
            capture: (also) => run.whilePaused((machine) => ({ snapshot: capture(machine, capturing), also: also() })),
          });
          await ended;
        } finally {
          network?.close();
        }
      },
      saved,
    );
    const over = behind.catch((error: unknown) => {
      failure = { kind: "failed", message: messageOf(error) } satisfies Outcome;
      reject(error);
    });
  });
}

/** What the user means by a disk of `createVm`, as a file of the host. */
function guestDisk({ source, format, readOnly = false, backing = [], mode = "overlay" }: Disk): GuestDisk {
  if (typeof source !== "string") {
    throw notSupported("createVm: the option disks with a Blob or a URL", "give the name of a file");
  }
  return { path: source, format, readOnly, backing, overlay: mode === "overlay" };
}

function networkChoice({ allow = [], forward = [], via, onConnect }: Network): NetworkChoice {
  if (via !== undefined && via !== "sockets") {
    throw notSupported("createVm: the option network.via", 'leave it out: it is "sockets"');
  }
  if (onConnect) throw notSupported("createVm: the option network.onConnect", "use network.allow");
  return { allow, forward };
}

async function start(
  openKvm: () => Promise<PpcKvm>,
  plan: BootPlan,
  others: readonly VirtioPciDevice[],
  from: Snapshot | undefined,
): Promise<Run> {
  const { options, signal } = plan;
  const state = from && deviceStates(from)[0];
  const console = new VirtioConsole(plan.ports, state?.device as VirtioConsoleState | undefined);
  plan.connected(console.ports);
  const devices = [new VirtioPciDevice(console, state), ...others];
  if (from) return goOn(openKvm, plan, devices, from);
  const aliases = [...new Set(devices.flatMap((device) => device.aliases))];
  const files = await (options.kernel === undefined ? defaultFiles(plan, aliases) : ownFiles(plan));
  const machine = await loadMachine();
  const createMachine = machine.maker();
  const memorySize = machineMemory(machine, options.memory);
  const kernel = await machine.loadKernel(files.kernel, memorySize, files.kernelName);
  prepareV8();
  const kvm = await openKvm();
  signal.throwIfAborted();
  return runMachine({
    createMachine: (control, trace) =>
      createMachine(
        {
          kvm,
          implementation: options.type,
          kernel,
          initrd: files.initrd,
          commandLine: files.commandLine,
          memorySize,
          cpus: options.cpus ?? 1,
          cpuModel: options.cpu,
          pciDevices: devices,
        },
        control,
        trace,
      ),
    kind: machine.name,
    createSide: machine.createSide,
    spawn: spawnVcpuThread,
    output: (bytes) => void plan.output(bytes),
  });
}

async function goOn(
  openKvm: () => Promise<PpcKvm>,
  plan: BootPlan,
  pciDevices: readonly VirtioPciDevice[],
  { state, images }: Snapshot,
): Promise<Run> {
  const { [ramImage]: ram } = images;
  if (!ram) throw new VmError("EINVAL", "the snapshot has no memory");
  const machine = await loadMachine(machineRow(state.machine));
  prepareV8();
  const kvm = await openKvm();
  plan.signal.throwIfAborted();
  return runMachine({
    createMachine: (control, trace) =>
      machine.restore(
        { kvm, implementation: plan.options.type, state, ram: (bytes) => fillFrom(ram, bytes), pciDevices },
        control,
        trace,
      ),
    kind: machine.name,
    createSide: machine.createSide,
    spawn: spawnVcpuThread,
    output: (bytes) => void plan.output(bytes),
  });
}

/** The default guest: its init loads the drivers and starts the agent. */
async function defaultFiles({ options, progress, signal }: BootPlan, aliases: readonly string[]): Promise<Files> {
  const fetching = { signal, report: (line: string) => progress({ name: line, done: 0 }) };
  const guest = await ensureDefaultGuest(fetching);
  const drivers = await guestDrivers(guest, aliases, fetching);
  const append = `quiet unikvm.modules=${aliases.join(",")} unikvm.run=${agentPath}`;
  return {
    kernel: readFile(guest.kernel, "kernel"),
    kernelName: guest.kernel,
    initrd: Buffer.concat([readFile(guest.initrd, "initrd"), drivers, agentArchive("ppc64le")]),
    commandLine: [guest.append, append, options.append].filter(Boolean).join(" "),
  };
}

/** A kernel that has the drivers built in; the agent is its first program. */
async function ownFiles({ options }: BootPlan): Promise<Files> {
  const { kernel = "", initrd, append } = options;
  const given = initrd === undefined ? [] : [readFile(initrd, "initrd")];
  return {
    kernel: readFile(kernel, "kernel"),
    kernelName: kernel,
    initrd: Buffer.concat([...given, agentArchive("ppc64le")]),
    commandLine: ["console=hvc0 quiet", `rdinit=${agentPath}`, append].filter(Boolean).join(" "),
  };
}

function readFile(path: string, what: string): Uint8Array {
  try {
    return readRegular(path, mostFile);
  } catch (error) {
    const { code = "BOOT_FAILED", message } = error as NodeJS.ErrnoException;
    throw new VmError(code, `the ${what} ${path} cannot be read: ${message}`, { cause: error });
  }
}
