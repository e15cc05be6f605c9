/**
 * Machine pseries: a partition of a POWER server as PAPR describes it, entered like a kernel started by kexec, with a
 * flattened device tree and no Open Firmware.
 */
import { turnedOnHcalls } from "../../../arch/powerpc/uapi/hcalls.js";
import {
  KVM_DEV_XICS_GRP_CTRL,
  KVM_DEV_XICS_GRP_SOURCES,
  KVM_DEV_XICS_NR_SERVERS,
  KVM_XICS_LEVEL_SENSITIVE,
  KVM_XICS_MASKED,
  KVM_XICS_PRIORITY_MASK,
  KVM_XICS_PRIORITY_SHIFT,
  type PpcKvm,
  type PpcVcpu,
  type PpcVm,
} from "../../../arch/powerpc/uapi.js";
import { callback, oneOf, optional, options, taking, thing } from "../../../base/takes.js";
import {
  type Device,
  KVM_CAP_IRQ_XICS,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_PPC_ENABLE_HCALL,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_CAP_PPC_PAPR,
  KVM_DEV_TYPE_XICS,
  KvmError,
} from "../../../kvm/uapi.js";
import type { GuestMemory } from "../../core/guest-memory.js";
import type { Machine, PlacedLatentRam, PlacedRam, RunControl, TraceSink } from "../../core/machine.js";
import { fillRam, mebibytesOf, restoredRam, VmRam, type VmRamOptions } from "../../core/vm-ram.js";
import type { WrittenPages } from "../../core/written-pages.js";
import { Nvram, nvramSize } from "../../devices/nvram.js";
import type { PciDevice } from "../../devices/pci/device.js";
import { Rtc } from "../../devices/rtc.js";
import type { Assignment, AssignmentHost } from "../../devices/vfio-pci/assignment.js";
import { flatten } from "../../devicetree/writer.js";
import { ChoiceError, describeError, VmmError } from "../../errors.js";
import {
  controlChecks,
  machineChecks,
  type OwnMachineOptions,
  type OwnRestoreOptions,
  restoreChecks,
} from "../options.js";
import { type CpuModel, cpuModel, defaultCpuModel } from "./cpu-models.js";
import { buildDeviceTree, consoleInterrupt, type InterruptMode, nvramInterrupt } from "./device-tree.js";
import { deviceTreeRoom, type MemoryMap, placeInMemory } from "./memory-map.js";
import { PciHostBridge } from "./pci/host-bridge.js";
import { levelInterrupt, levelInterruptCount, messageInterrupt, messageInterruptCount } from "./pci/layout.js";
import { Pseries, type PseriesStart } from "./pseries.js";
import { rtasCalls } from "./rtas/index.js";
import { checkState, type PseriesDevices, type PseriesPlan, type PseriesState } from "./state.js";
import { type SourceRange, XiveController } from "./xive.js";

export interface PseriesOptions extends OwnMachineOptions<PpcKvm> {
  /** Default: XICS. */
  readonly interruptMode?: InterruptMode | undefined;
  /** What outlives a reboot. Default: new ones. */
  readonly devices?: PseriesDevices | undefined;
  /** Takes devices of the host, which follow in the next slots. */
  readonly assign?: ((host: AssignmentHost) => Assignment) | undefined;
}

/** What goes on where `state` says. */
export type RestorePseriesOptions = OwnRestoreOptions<PpcKvm>;

/** Sizes of RAM that make sense, bytes: below, no kernel starts; above, a 32-bit WebAssembly memory has no room. */
export const minimumMemory = 16 * 1048576;
/** Most bytes of RAM of a machine. */
export const maximumMemory = 3 * 1024 * 1048576;
/** The longest command line that Linux keeps on POWER, with its zero byte. */
const commandLineLimit = 2048;

/** r4 = r3; r3 = 0xf000 (H_RTAS); sc 1; blr. Entered in big-endian mode with the argument buffer's address in r3. */
const rtasStub = [0x7c641b78, 0x3c600000, 0x6063f000, 0x44000022, 0x4e800020] as const;
const rtasSize = 4096;

const kvmCheck = thing("a kvm, as openKvm gives one", ["createVm", "checkExtension"]);

const pseriesOptions = options<PseriesOptions>({
  ...machineChecks,
  kvm: kvmCheck,
  interruptMode: optional(oneOf("xics", "xive")),
  devices: optional(options({ nvram: thing("an Nvram", ["fetch", "store"]), rtc: thing("an Rtc", ["read", "set"]) })),
  assign: optional(callback),
});

/**
 * Makes the machine, its memory filled and its boot CPU at the kernel's entry. Throws VmmError, or KvmError with EINVAL for
 * options of a wrong type, or that there are not; leaves nothing behind then.
 */
export const createPseries = taking(
  "createPseries",
  {
    options: pseriesOptions,
    ...controlChecks,
  },
  create,
);

function create(options: PseriesOptions, control: RunControl, trace?: TraceSink): Machine {
  const {
    kvm,
    type,
    shared,
    codeLimit,
    kernel,
    initrd,
    memorySize,
    cpus,
    commandLine,
    interruptMode = "xics",
  } = options;
  const { devices = { nvram: new Nvram(), rtc: new Rtc() }, pciDevices = [], assign } = options;
  const model = options.cpuModel === undefined ? defaultCpuModel : cpuModel(options.cpuModel);
  const plan = { memorySize, cpus, cpuModel: model.name, interruptMode };
  checkPlan(kvm, plan, model);
  if (new TextEncoder().encode(commandLine).length >= commandLineLimit) {
    throw new ChoiceError(`the kernel's command line is longer than ${commandLineLimit - 1} bytes`);
  }
  const memoryMap = placeInMemory(kernel, initrd?.length ?? 0, rtasSize, memorySize);
  const { byteOrder, entry } = kernel;
  return build({
    ...{ kvm, type, shared, codeLimit, model, control, trace, devices, pciDevices, assign },
    plan: { ...plan, rtasAddress: memoryMap.rtas.address },
    from: { byteOrder, entry, memoryMap },
    fill: (vm, memory, plugged) => {
      if (hasHash(model, commandLine)) vm.allocateHtab(hashPageTableOrder(memorySize));
      else vm.configureV3Mmu({ radix: true, gtse: true, processTable: 0n });
      fillMemory({ ...options, pciDevices: plugged }, model, vm, memory, memoryMap);
    },
  });
}

/**
 * Makes the machine that a state tells of, which goes on where that one stood, under any implementation and thread mode.
 * Throws VmmError, or KvmError with EINVAL that says what of the state cannot be, or differs from the devices that are given;
 * leaves nothing behind then.
 */
export const restorePseries = taking(
  "restorePseries",
  {
    options: options<RestorePseriesOptions>({ ...restoreChecks, kvm: kvmCheck }),
    ...controlChecks,
  },
  restore,
);

function restore(options: RestorePseriesOptions, control: RunControl, trace?: TraceSink): Machine {
  const { kvm, type, shared, codeLimit, pciDevices = [] } = options;
  const { placed, image } = restoredRam<PpcVm>(options.ram);
  const state = checkState(options.state);
  const { plan } = state;
  const model = cpuModel(plan.cpuModel);
  checkPlan(kvm, plan, model);
  return build({
    ...{ kvm, type, shared, codeLimit, model, control, trace, plan, pciDevices },
    devices: { nvram: new Nvram(state.nvram), rtc: new Rtc(state.rtc) },
    from: state,
    ram: placed,
    fill: (vm, memory, _, written, address) => {
      const latent = image && fillRam(vm, memory, written, image, address);
      vm.loadState(state.vm);
      return latent;
    },
  });
}

/** Of what a machine is made. */
interface Building {
  readonly kvm: PpcKvm;
  readonly type: number;
  readonly shared: boolean | undefined;
  readonly codeLimit: number | undefined;
  readonly plan: PseriesPlan;
  readonly model: CpuModel;
  readonly control: RunControl;
  readonly trace: TraceSink | undefined;
  readonly devices: PseriesDevices;
  readonly pciDevices: readonly PciDevice[];
  readonly assign?: PseriesOptions["assign"];
  readonly from: PseriesStart | PseriesState;
  /** Fills in what is made: memory, which is 0 and lies at `ram`, and what KVM holds. What of memory is fetched when it is used. */
  readonly fill: (
    vm: PpcVm,
    memory: GuestMemory,
    plugged: readonly PciDevice[],
    written: WrittenPages,
    ram: number,
  ) => PlacedLatentRam | undefined | void;
  /** The VM with its RAM, if it is there already. */
  readonly ram?: VmRam<PpcVm> | undefined;
}

function build({
  kvm,
  type,
  plan,
  model,
  control,
  trace,
  devices,
  pciDevices,
  assign,
  from,
  ...rest
}: Building): Machine {
  const { memorySize, cpus } = plan;
  const state = "machine" in from ? from : undefined;
  const hasPci = pciDevices.length > 0 || assign !== undefined;
  if (state && hasPci !== (state.pci !== undefined)) {
    throw new KvmError(
      "EINVAL",
      `the saved machine has ${state.pci ? "a" : "no"} PCI bus, and this one ${hasPci ? "one" : "none"}`,
    );
  }
  const place = rest.ram ?? new VmRam<PpcVm>(kvm, type, rest, memorySize);
  const vm = place.take(memorySize);
  const vcpus: PpcVcpu[] = [];
  let pci: PciHostBridge | undefined;
  let assignment: Assignment | undefined;
  let xive: XiveController | undefined;
  try {
    const ram = place.address;
    const { memory, written } = place.views();
    if (plan.interruptMode === "xive") xive = new XiveController(vm, cpus, interruptSources(hasPci, true), state?.xive);
    createCpus(vm, cpus, model, { vcpus, hasPci, xive });
    for (const { name, token, handler } of rtasCalls) if (!handler) vm.rtasDefineToken(name, token);
    for (const number of turnedOnHcalls({ dma: hasPci })) {
      vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [number, 1] });
    }
    const wake = (): void => control.wake();
    const fail = (error: unknown): void => control.end({ kind: "failed", ...describeError(error) });
    assignment = assign?.({ vm, ram: { address: ram, size: memorySize }, iommu: "spapr-tce", wake });
    const plugged = [...pciDevices, ...(assignment?.devices ?? [])];
    if (hasPci) pci = new PciHostBridge({ vm, memory, wake, fail }, plugged, state?.pci);
    if (assignment) pci?.dma.watch(assignment);
    const latent = rest.fill(vm, memory, plugged, written, ram) ?? undefined;
    const what = { vm, vcpus, memory, written, latent, plan };
    return new Pseries({ ...what, from, control, trace, devices, pci, assignment, xive });
  } catch (error) {
    pci?.close();
    assignment?.close();
    xive?.close();
    for (const vcpu of vcpus) vcpu.close();
    vm.close();
    throw error;
  }
}

/**
 * With Linux's `disable_radix` on its command line a kernel wants a hashed page table. Its own start in the firmware's
 * environment would tell the hypervisor; here the kernel begins behind that.
 */
const asksForHash = (commandLine: string): boolean =>
  /(^|\s)disable_radix(=(1|y|yes|on|true))?(\s|$)/i.test(commandLine);

const hasHash = (model: CpuModel, commandLine: string): boolean => !model.radix || asksForHash(commandLine);

/** log2 of a table's bytes: a 128th of the memory, as LoPAPR recommends at least, and no less than 256 KiB. */
const hashPageTableOrder = (memorySize: number): number => Math.max(18, Math.ceil(Math.log2(memorySize)) - 7);

function checkPlan(
  kvm: PpcKvm,
  { memorySize, cpus, interruptMode }: Omit<PseriesPlan, "rtasAddress">,
  model: CpuModel,
): void {
  if (interruptMode === "xive" && !model.xive) {
    throw new ChoiceError(`a ${model.name} has no XIVE; choose another processor, or ic-mode=xics`);
  }
  const maxCpus = Math.max(1, kvm.checkExtension(KVM_CAP_MAX_VCPUS));
  if (memorySize < minimumMemory) {
    throw new ChoiceError(`a guest needs at least ${mebibytesOf(minimumMemory)} of memory`);
  }
  if (memorySize > maximumMemory) {
    throw new ChoiceError(`a guest can have at most ${mebibytesOf(maximumMemory)} of memory on this platform`);
  }
  if (cpus < 1 || cpus > maxCpus) throw new ChoiceError(`a guest can have 1 to ${maxCpus} CPUs, not ${cpus}`);
}

/** RAM for a machine that `restorePseries` makes later. Throws VmmError, and nothing is left behind then. */
export const placePseriesRam = (kvm: PpcKvm, type: number, options: VmRamOptions, size: number): PlacedRam =>
  new VmRam(kvm, type, options, size);

interface CpuParts {
  readonly vcpus: PpcVcpu[];
  readonly hasPci: boolean;
  /** Instead of a XICS, which is made here. */
  readonly xive: XiveController | undefined;
}

/** Makes the interrupt sources and the CPUs, adding each to `vcpus` as soon as it is there to be closed. */
function createCpus(vm: PpcVm, count: number, model: CpuModel, { vcpus, hasPci, xive }: CpuParts): void {
  const xics = xive ? undefined : createXics(vm);
  try {
    xics?.setAttr(KVM_DEV_XICS_GRP_CTRL, BigInt(KVM_DEV_XICS_NR_SERVERS), BigInt(count));
    if (xics) for (const range of interruptSources(hasPci, false)) addXicsSources(xics, range);
    const [cap, fd] = xive ? [KVM_CAP_PPC_IRQ_XIVE, xive.fd] : [KVM_CAP_IRQ_XICS, xics?.fd ?? -1];
    for (let id = 0; id < count; id++) {
      const vcpu = vm.createVcpu(id);
      vcpus.push(vcpu);
      vcpu.enableCap({ cap: KVM_CAP_PPC_PAPR });
      vcpu.enableCap({ cap, args: [fd, id] });
      vcpu.setSregs({ ...vcpu.getSregs(), pvr: BigInt(model.pvr) });
    }
  } finally {
    // The controller lives as long as the VM; an open handle would keep the VM alive.
    xics?.close();
  }
}

const interruptSources = (hasPci: boolean, hasXive: boolean): readonly SourceRange[] => [
  { first: consoleInterrupt, count: 1 },
  // The guest asks for it in XIVE mode, though nothing raises it.
  ...(hasXive ? [{ first: nvramInterrupt, count: 1 }] : []),
  ...(hasPci
    ? [
        { first: levelInterrupt, count: levelInterruptCount, level: true },
        { first: messageInterrupt, count: messageInterruptCount },
      ]
    : []),
];

function createXics(vm: PpcVm): Device {
  const xics = vm.createDevice(KVM_DEV_TYPE_XICS);
  if (!xics) throw new VmmError("this KVM has no XICS interrupt controller");
  return xics;
}

function addXicsSources(xics: Device, { first, count, level = false }: SourceRange): void {
  const masked = (KVM_XICS_PRIORITY_MASK << KVM_XICS_PRIORITY_SHIFT) | KVM_XICS_MASKED;
  const state = masked | (level ? KVM_XICS_LEVEL_SENSITIVE : 0n);
  for (let irq = first; irq < first + count; irq++) xics.setAttr(KVM_DEV_XICS_GRP_SOURCES, BigInt(irq), state);
}

function fillMemory(options: PseriesOptions, model: CpuModel, vm: PpcVm, memory: GuestMemory, map: MemoryMap): void {
  for (const { address, data } of options.kernel.segments) memory.write(address, data);
  if (options.initrd && map.initrd) memory.write(map.initrd.address, options.initrd);
  const stub = new Uint8Array(rtasStub.length * 4);
  for (const [i, word] of rtasStub.entries()) new DataView(stub.buffer).setUint32(i * 4, word);
  memory.write(map.rtas.address, stub);
  const tree = buildDeviceTree({
    memorySize: options.memorySize,
    memoryMap: map,
    cpus: options.cpus,
    cpuModel: model,
    radixPageSizes: vm.getRmmuInfo().apEncodings,
    hashPageTableOrder: hasHash(model, options.commandLine) ? hashPageTableOrder(options.memorySize) : undefined,
    commandLine: options.commandLine,
    nvramSize,
    pciDevices: options.pciDevices ?? [],
    interruptMode: options.interruptMode ?? "xics",
    randomSeed: crypto.getRandomValues(new Uint8Array(32)),
  });
  const blob = flatten(tree, { reservations: [map.rtas], bootCpu: 0 });
  if (blob.length > deviceTreeRoom) throw new VmmError(`the device tree takes ${blob.length} bytes, too many`);
  memory.write(map.deviceTree.address, blob);
}
