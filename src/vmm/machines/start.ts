/** Starts a machine of the table for `createVm`: from a kernel, or where another one stood. Runs anywhere. */
import { collectGarbageSoon } from "../../base/garbage.js";
import type { Kvm } from "../../kvm/uapi.js";
import type { PlacedRam, PlatformThread } from "../core/machine.js";
import { type Run, type RunOptions, runMachine } from "../core/run.js";
import type { VirtioPciDevice, VirtioPciState } from "../devices/virtio/virtio-pci.js";
import { VmmError } from "../errors.js";
import { ramImage, type Snapshot, type Twin } from "../snapshot/snapshot.js";
import type { Implementation, MachineOptions } from "./machine-kind.js";
import { type LoadedMachine, loadMachine, machineForGuest, machineMemory, machineRow } from "./machines.js";

/** What either way takes. */
export interface Starting {
  /** One that runs such guests, as a machine of the table has them. */
  readonly openKvm: (guest: string) => Promise<Kvm>;
  /** Default: the better that is loaded. */
  readonly implementation: Implementation | undefined;
  /** In the bus's slots, in their order. */
  readonly devices: readonly VirtioPciDevice[];
  /** Makes threads for vCPUs. Without it, or if memory is not shared, all run on this thread. */
  readonly spawn: (() => PlatformThread) | undefined;
  readonly output: RunOptions["output"];
  readonly cpuLimit?: RunOptions["cpuLimit"];
  readonly codeLimit?: MachineOptions["codeLimit"];
  /** Ends it until it runs. */
  readonly signal: AbortSignal;
}

/** What a guest is booted with. */
export interface BootFiles {
  readonly kernel: Uint8Array;
  /** For sentences. */
  readonly kernelName: string;
  readonly initrd: Uint8Array;
  readonly commandLine: string;
}

export interface Booting extends BootFiles, Pick<MachineOptions, "memorySize" | "cpus" | "cpuModel"> {
  /** What the guest is of. */
  readonly guest: string;
}

/** A machine of the table that runs. */
export interface Started {
  readonly run: Run;
  readonly machine: LoadedMachine;
}

/** Boots the machine that such a guest needs. Rejects with VmmError, KvmError, the signal's reason; nothing is left behind then. */
export async function begin(starting: Starting, booting: Booting): Promise<Started> {
  const machine = await loadMachine(machineForGuest(booting.guest));
  const createMachine = machine.maker();
  const memorySize = machineMemory(machine, booting.memorySize);
  const kernel = await machine.loadKernel(booting.kernel, memorySize, booting.kernelName);
  const { initrd, commandLine, cpus, cpuModel } = booting;
  const started = await run(machine, starting, (how, control, trace) =>
    createMachine({ ...how, kernel, initrd, commandLine, memorySize, cpus, cpuModel }, control, trace),
  );
  // The files' bytes are in the guest's memory now; 60 MB of them would stay here until the engine had other garbage.
  collectGarbageSoon();
  return started;
}

/** A machine that goes on where one stood when the snapshot was made. Rejects as `begin`, and with KvmError for a wrong state. */
export async function goOn(starting: Starting, from: Snapshot | Twin): Promise<Started> {
  const { state, images } = from;
  const ram = "ram" in from ? from.ram : images[ramImage];
  if (!ram) throw new VmmError("the snapshot has no memory");
  const machine = await loadMachine(machineRow(state.machine));
  return run(machine, starting, (how, control, trace) => machine.restore({ ...how, state, ram }, control, trace));
}

/** What makes RAM for machines that go on later with the same options. Rejects with VmmError. */
export async function placing(
  { openKvm, implementation, codeLimit }: Pick<Starting, "openKvm" | "implementation" | "codeLimit">,
  { guest, place }: LoadedMachine,
): Promise<(size: number) => PlacedRam> {
  const kvm = await openKvm(guest);
  return (size) => place({ kvm, implementation, codeLimit }, size);
}

type How = Required<Pick<MachineOptions, "kvm" | "implementation" | "codeLimit" | "pciDevices">>;
type Create = (how: How, ...rest: Parameters<RunOptions["createMachine"]>) => ReturnType<RunOptions["createMachine"]>;

async function run(machine: LoadedMachine, starting: Starting, create: Create): Promise<Started> {
  const { openKvm, implementation, codeLimit, devices, spawn, output, cpuLimit, signal } = starting;
  const kvm = await openKvm(machine.guest);
  signal.throwIfAborted();
  const running = await runMachine({
    createMachine: (control, trace) => create({ kvm, implementation, codeLimit, pciDevices: devices }, control, trace),
    kind: machine.name,
    createSide: machine.createSide,
    spawn,
    output,
    cpuLimit,
  });
  return { run: running, machine };
}

/** States of the devices in the bus's slots: the console, then the disks, then the card. */
export const deviceStates = ({ state }: Snapshot): readonly VirtioPciState[] =>
  ((state as Partial<PciMachineState>).pci?.slots ?? []).map((slot) => slot?.function?.device as VirtioPciState);

/** Of what others have made, before it is looked at. */
interface PciMachineState {
  readonly pci?: { readonly slots?: readonly ({ readonly function?: { readonly device?: unknown } } | null)[] };
}
