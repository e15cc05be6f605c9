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
import {
  boolean,
  bytes,
  callback,
  having,
  listOf,
  oneOf,
  optional,
  options,
  size,
  taking,
  text,
  thing,
  wholeNumber,
} from "../../../base/takes.js";
import type { ForwardedExit } from "../../../kvm/uapi/exits.js";
import {
  type Device,
  KVM_CAP_IRQ_XICS,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_PPC_ENABLE_HCALL,
  KVM_CAP_PPC_FWNMI,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_CAP_PPC_PAPR,
  KVM_DEV_TYPE_XICS,
  KVM_SYSTEM_EVENT_CRASH,
  KVM_SYSTEM_EVENT_RESET,
  KvmError,
} from "../../../kvm/uapi.js";
import { GuestMemory } from "../../core/guest-memory.js";
import type { Machine, RunControl, TraceSink } from "../../core/machine.js";
import { ConsoleRing } from "../../devices/console-ring.js";
import { Nvram, nvramSize } from "../../devices/nvram.js";
import type { PciDevice } from "../../devices/pci/device.js";
import { Rtc } from "../../devices/rtc.js";
import type { Assignment, AssignmentHost } from "../../devices/vfio-pci/assignment.js";
import { flatten } from "../../devicetree/writer.js";
import { VmmError } from "../../errors.js";
import type { ElfImage } from "../../loaders/elf.js";
import { type CpuModel, cpuModel, defaultCpuModel } from "./cpu-models.js";
import { buildDeviceTree, consoleInterrupt, type InterruptMode, nvramInterrupt } from "./device-tree.js";
import { Fwnmi } from "./fwnmi.js";
import { HcallStatus, type MachineContext } from "./hcalls/hcall.js";
import { machineHcalls } from "./hcalls/index.js";
import { deviceTreeRoom, type MemoryMap, placeInMemory } from "./memory-map.js";
import { PciHostBridge } from "./pci/host-bridge.js";
import {
  bridgeUnit,
  levelInterrupt,
  levelInterruptCount,
  messageInterrupt,
  messageInterruptCount,
} from "./pci/layout.js";
import { rtasByToken, rtasCalls } from "./rtas/index.js";
import { CpuState, callRtas, type RtasHost, type RtasResult } from "./rtas/rtas.js";
import type { PseriesShared } from "./vcpu-side.js";
import { type SourceRange, XiveController } from "./xive.js";

export interface PseriesOptions {
  readonly kvm: PpcKvm;
  /** KVM_CREATE_VM's type: 0, KVM_VM_PPC_HV, KVM_VM_PPC_PR. */
  readonly type: number;
  /** Whether each vCPU is to have its thread. Default: if the platform allows. */
  readonly shared?: boolean | undefined;
  readonly kernel: ElfImage;
  readonly initrd?: Uint8Array | undefined;
  readonly commandLine: string;
  /** Bytes, a multiple of 64 KiB. */
  readonly memorySize: number;
  readonly cpus: number;
  readonly cpuModel?: string | undefined;
  /** Default: XICS. */
  readonly interruptMode?: InterruptMode | undefined;
  /** What outlives a reboot. Default: new ones. */
  readonly devices?: PseriesDevices | undefined;
  /** In slots 0, 1, ... of the PCI bus, each reset first. Default: none, and no bus. Of one machine at a time. */
  readonly pciDevices?: readonly PciDevice[] | undefined;
  /** Takes devices of the host, which follow in the next slots. */
  readonly assign?: ((host: AssignmentHost) => Assignment) | undefined;
}

/** Devices with a battery: they keep their contents when the machine is made anew. */
export interface PseriesDevices {
  readonly nvram: Nvram;
  readonly rtc: Rtc;
}

/** Sizes of RAM that make sense, bytes: below, no kernel starts; above, a 32-bit WebAssembly memory has no room. */
export const minimumMemory = 16 * 1048576;
export const maximumMemory = 3 * 1024 * 1048576;
/** The longest command line that Linux keeps on POWER, with its zero byte. */
const commandLineLimit = 2048;
const wholeAddressSpace = 0x1_0000_0000;

const msr = { sixtyFour: 1n << 63n, machineCheck: 1n << 12n, littleEndian: 1n } as const;

/** r4 = r3; r3 = 0xf000 (H_RTAS); sc 1; blr. Entered in big-endian mode with the argument buffer's address in r3. */
const rtasStub = [0x7c641b78, 0x3c600000, 0x6063f000, 0x44000022, 0x4e800020] as const;
const rtasSize = 4096;

const pseriesOptions = options<PseriesOptions>({
  kvm: thing("a kvm, as openKvm gives one", ["createVm", "checkExtension"]),
  type: wholeNumber,
  shared: optional(boolean),
  kernel: having({ entry: size, segments: listOf(having({ address: size, data: bytes })) }),
  initrd: optional(bytes),
  commandLine: text,
  memorySize: size,
  cpus: size,
  cpuModel: optional(text),
  interruptMode: optional(oneOf("xics", "xive")),
  devices: optional(options({ nvram: thing("an Nvram", ["fetch", "store"]), rtc: thing("an Rtc", ["read", "set"]) })),
  pciDevices: optional(listOf(thing("a PCI device", ["connect", "read", "write"]))),
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
    control: thing("what runMachine gives to createMachine", ["end", "wake"]),
    trace: optional(callback),
  },
  create,
);

function create(options: PseriesOptions, control: RunControl, trace?: TraceSink): Machine {
  const { kvm, type, kernel, initrd, memorySize, cpus, devices = { nvram: new Nvram(), rtc: new Rtc() } } = options;
  const { pciDevices = [], assign } = options;
  const hasPci = pciDevices.length > 0 || assign !== undefined;
  const model = options.cpuModel === undefined ? defaultCpuModel : cpuModel(options.cpuModel);
  if (options.interruptMode === "xive" && !model.xive) {
    throw new VmmError(`a ${model.name} has no XIVE; choose another processor, or ic-mode=xics`);
  }
  checkSizes(options, Math.max(1, kvm.checkExtension(KVM_CAP_MAX_VCPUS)));
  const memoryMap = placeInMemory(kernel, initrd?.length ?? 0, rtasSize, memorySize);

  const vm = createVm(kvm, type, options.shared);
  const vcpus: PpcVcpu[] = [];
  let pci: PciHostBridge | undefined;
  let assignment: Assignment | undefined;
  let xive: XiveController | undefined;
  try {
    const ram = allocateRam(vm, memorySize);
    const memory = new GuestMemory(memorySize, (address, length) => vm.bytes(ram + address, length));
    if (options.interruptMode === "xive") xive = new XiveController(vm, cpus, interruptSources(hasPci, true));
    createCpus(vm, cpus, model, { vcpus, hasPci, xive });
    for (const { name, token, handler } of rtasCalls) if (!handler) vm.rtasDefineToken(name, token);
    for (const number of turnedOnHcalls({ dma: hasPci })) {
      vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [number, 1] });
    }
    if (hasHash(model, options.commandLine)) vm.allocateHtab(hashPageTableOrder(memorySize));
    else vm.configureV3Mmu({ radix: true, gtse: true, processTable: 0n });
    const wake = (): void => control.wake();
    assignment = assign?.({ vm, ram: { address: ram, size: memorySize }, wake });
    const plugged = [...pciDevices, ...(assignment?.devices ?? [])];
    if (hasPci) pci = new PciHostBridge({ vm, memory, wake }, plugged);
    if (assignment) pci?.dma.watch(assignment);
    fillMemory({ ...options, pciDevices: plugged }, model, vm, memory, memoryMap);
    const { byteOrder, entry } = kernel;
    return new Pseries({
      vm,
      vcpus,
      memory,
      memoryMap,
      kernel: { byteOrder, entry },
      control,
      trace,
      devices,
      pci,
      assignment,
      xive,
    });
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

function checkSizes({ memorySize, cpus, commandLine }: PseriesOptions, maxCpus: number): void {
  const mebibytes = (bytes: number): string => `${bytes / 1048576}M`;
  if (memorySize < minimumMemory) {
    throw new VmmError(`a guest needs at least ${mebibytes(minimumMemory)} of memory`);
  }
  if (memorySize > maximumMemory) {
    throw new VmmError(`a guest can have at most ${mebibytes(maximumMemory)} of memory on this platform`);
  }
  if (cpus < 1 || cpus > maxCpus) throw new VmmError(`a guest can have 1 to ${maxCpus} CPUs, not ${cpus}`);
  if (new TextEncoder().encode(commandLine).length >= commandLineLimit) {
    throw new VmmError(`the kernel's command line is longer than ${commandLineLimit - 1} bytes`);
  }
}

function createVm(kvm: PpcKvm, type: number, shared: boolean | undefined): PpcVm {
  try {
    return kvm.createVm(type, { memoryLimit: wholeAddressSpace, ...(shared === undefined ? {} : { shared }) });
  } catch (error) {
    if (error instanceof KvmError) throw new VmmError(`no VM can be created: ${error.message}`, { cause: error });
    throw error;
  }
}

function allocateRam(vm: PpcVm, size: number): number {
  try {
    const address = vm.allocate(size);
    vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(size), userspaceAddr: address });
    return address;
  } catch (error) {
    if (error instanceof KvmError && error.code === "ENOMEM") {
      throw new VmmError(`the platform has no ${size / 1048576}M of memory for the guest; give it less with --memory`);
    }
    throw error;
  }
}

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

interface Parts {
  readonly vm: PpcVm;
  readonly vcpus: readonly PpcVcpu[];
  readonly memory: GuestMemory;
  readonly memoryMap: MemoryMap;
  /** Not its bytes: they are in the guest's memory, and as much as 46 MB. */
  readonly kernel: Pick<ElfImage, "byteOrder" | "entry">;
  readonly control: RunControl;
  readonly trace: TraceSink | undefined;
  readonly devices: PseriesDevices;
  readonly pci: PciHostBridge | undefined;
  readonly assignment: Assignment | undefined;
  readonly xive: XiveController | undefined;
}

class Pseries implements Machine {
  readonly vm: PpcVm;
  readonly cpus: number;
  readonly console: ConsoleRing;
  readonly #parts: Parts;
  readonly #host: RtasHost;
  readonly #rtas = rtasByToken();
  readonly #fwnmi: Fwnmi;
  readonly #counters: Record<string, number> = {};

  constructor(parts: Parts) {
    this.#parts = parts;
    this.vm = parts.vm;
    this.cpus = parts.vcpus.length;
    this.console = ConsoleRing.create(parts.vm.shared);
    this.#fwnmi = new Fwnmi(parts.memory, parts.memoryMap.rtas.address);
    this.#host = this.#createHost();
  }

  get shared(): PseriesShared {
    return { console: this.console.buffer, pci: this.#parts.pci !== undefined };
  }

  start(): void {
    const { kernel, memoryMap } = this.#parts;
    const byteOrder = kernel.byteOrder === "little" ? msr.littleEndian : 0n;
    const gpr = [BigInt(memoryMap.deviceTree.address), BigInt(memoryMap.kernel.address), 0n];
    this.#startCpu(0, kernel.entry, byteOrder, gpr);
  }

  answer(cpu: number, exit: ForwardedExit): void {
    const { control, pci } = this.#parts;
    switch (exit.reason) {
      case "papr_hcall":
        exit.ret = this.#hypercall(cpu, exit.nr, exit.args);
        break;
      case "mmio":
        if (exit.isWrite) pci?.write(exit.physAddr, exit.length, exit.data);
        else exit.data = pci?.read(exit.physAddr, exit.length) ?? 0n;
        break;
      case "system_event":
        if (exit.type === KVM_SYSTEM_EVENT_RESET) control.end({ kind: "reboot" });
        else if (exit.type === KVM_SYSTEM_EVENT_CRASH) control.end({ kind: "crash", message: checkstop(exit.flags) });
        else control.end({ kind: "powerOff" });
        break;
      case "nmi":
        this.#machineCheck(cpu, exit.flags);
        break;
      case "shutdown":
        control.end({ kind: "powerOff" });
        break;
      case "fail_entry": {
        const reason = exit.hardwareEntryFailureReason.toString(16);
        control.end({ kind: "failed", message: `KVM cannot enter the guest (reason 0x${reason})` });
        break;
      }
      default:
        exit satisfies never;
    }
  }

  consoleInput(): void {
    // An edge; the controller remembers it if the guest is not listening yet.
    this.vm.irqLine(consoleInterrupt, 1);
    this.vm.irqLine(consoleInterrupt, 0);
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#counters, ...this.#parts.pci?.stats(), ...this.vm.stats() };
  }

  close(): void {
    this.#parts.pci?.close();
    this.#parts.assignment?.close();
    this.#parts.xive?.close();
    for (const vcpu of this.#parts.vcpus) vcpu.close();
    this.vm.close();
  }

  #machineCheck(cpu: number, flags: number): void {
    const { vcpus, control } = this.#parts;
    const vcpu = vcpus[cpu];
    if (!vcpu) return;
    const what = this.#fwnmi.deliver(vcpu, flags);
    this.#parts.trace?.("exit", cpu, `machine check ${what}`);
    // One that is to come later is met again when the guest goes on.
    if (what === "delivered" || what === "later") return;
    const message = what === "nested" ? "a machine check while another was being handled" : "a machine check";
    control.end({ kind: "crash", message });
  }

  #hypercall(cpu: number, number: number, args: bigint[]): bigint {
    const hcall = machineHcalls.get(number);
    if (!hcall) return HcallStatus.function;
    const context: MachineContext = {
      cpu,
      vm: this.vm,
      xive: this.#parts.xive,
      host: this.#host,
      rtas: (buffer) => this.#callRtas(cpu, buffer),
    };
    const status = hcall.handler(context, args);
    this.#parts.trace?.("hcall", cpu, `user ${hcall.name} ret=${status}`);
    return status;
  }

  #callRtas(cpu: number, buffer: bigint): bigint {
    const address = Number(BigInt.asUintN(64, buffer));
    const result = callRtas(this.#rtas, this.#host, cpu, address);
    // The guest chooses the token: those that mean nothing are counted as one.
    const counter = `rtas_${result ? (result.name ?? "others") : "bad_buffer"}`;
    this.#counters[counter] = (this.#counters[counter] ?? 0) + 1;
    this.#parts.trace?.("rtas", cpu, result ? describeRtas(result) : "bad_buffer");
    return result ? HcallStatus.success : HcallStatus.parameter;
  }

  #startCpu(cpu: number, address: number, byteOrder: bigint, arguments_: readonly bigint[]): void {
    const vcpu = this.#parts.vcpus[cpu];
    if (!vcpu) return;
    const regs = vcpu.getRegs();
    regs.gpr.fill(0n);
    for (const [i, value] of arguments_.entries()) regs.gpr[3 + i] = value;
    regs.pc = BigInt(address) & ~3n;
    regs.msr = msr.sixtyFour | msr.machineCheck | byteOrder;
    vcpu.setRegs(regs);
    this.#parts.control.startCpu(cpu);
  }

  #createHost(): RtasHost {
    const { memory, control, devices, pci } = this.#parts;
    return {
      ...devices,
      pci,
      pciBridge: (unit) => (unit === bridgeUnit ? pci : undefined),
      memory,
      memorySize: memory.size,
      cpus: this.cpus,
      displayCharacter: (byte) => {
        control.consoleChanged();
        return this.console.write(Uint8Array.of(byte));
      },
      cpuState: (cpu) => (cpu < this.cpus ? CpuState[control.cpuState(cpu)] : undefined),
      startCpu: (cpu, address, argument) => this.#startCpu(cpu, address, 0n, [BigInt(argument)]),
      stopCpu: (cpu) => control.stopCpu(cpu),
      registerNmi: (systemReset, machineCheck) => {
        if (!this.#fwnmi.register(systemReset, machineCheck)) return false;
        this.#parts.vcpus[0]?.enableCap({ cap: KVM_CAP_PPC_FWNMI });
        return true;
      },
      releaseNmi: (cpu) => this.#fwnmi.release(cpu),
      powerOff: () => control.end({ kind: "powerOff" }),
      reboot: () => control.end({ kind: "reboot" }),
      crash: (message) => control.end({ kind: "crash", message }),
    };
  }
}

const describeRtas = ({ name, token, inputs, status }: RtasResult): string =>
  `${name ?? `token 0x${token.toString(16)}`}(${inputs.map((input) => `0x${input.toString(16)}`).join(",")}) status=${status}`;

const checkstop = (address: bigint): string =>
  `a machine check while machine checks were disabled (checkstop) at 0x${address.toString(16)}`;
