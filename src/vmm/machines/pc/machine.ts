/** Machine pc: a PC with KVM's interrupt controllers and timers, entered as a boot loader enters Linux. */
import type { X86Kvm, X86Vcpu, X86Vm } from "../../../arch/x86/uapi.js";
import { boolean, callback, optional, options, taking, thing } from "../../../base/takes.js";
import { KVM_CAP_MAX_VCPUS } from "../../../kvm/uapi.js";
import type { GuestMemory } from "../../core/guest-memory.js";
import type { Machine, PlacedLatentRam, PlacedRam, RunControl, TraceSink } from "../../core/machine.js";
import { fillRam, mebibytesOf, restoredRam, VmRam, type VmRamOptions } from "../../core/vm-ram.js";
import type { WrittenPages } from "../../core/written-pages.js";
import type { PciDevice } from "../../devices/pci/device.js";
import { Rtc } from "../../devices/rtc.js";
import type { Assignment, AssignmentHost } from "../../devices/vfio-pci/assignment.js";
import { ChoiceError, describeError } from "../../errors.js";
import {
  controlChecks,
  machineChecks,
  type OwnMachineOptions,
  type OwnRestoreOptions,
  restoreChecks,
} from "../options.js";
import { acpiTables } from "./acpi/tables.js";
import type { PcKernel } from "./boot.js";
import { cpuidOf, defaultCpuModel, modelCpuid } from "./cpu-models.js";
import { linuxBoot } from "./linux-boot.js";
import { Address, highestMemory, olderLevels } from "./memory-map.js";
import { mpTable } from "./mp-table.js";
import { Pc } from "./pc.js";
import { PciHostBridge } from "./pci/host-bridge.js";
import { checkState, type PcPlan, type PcState } from "./state.js";

export interface PcOptions extends Omit<OwnMachineOptions<X86Kvm>, "kernel"> {
  /** As kind.ts loads it: one of the multiboot protocol says how it begins. */
  readonly kernel: PcKernel;
  /** The clock, which outlives a reboot. Default: a new one. */
  readonly rtc?: Rtc | undefined;
  /** It has what test programs of others expect (test-devices.ts). Default: it has not. */
  readonly testDevices?: boolean | undefined;
  /** Takes devices of the host, which follow in the next slots. */
  readonly assign?: ((host: AssignmentHost) => Assignment) | undefined;
}

/** What goes on where `state` says. */
export type RestorePcOptions = OwnRestoreOptions<X86Kvm>;

/** Sizes of RAM that make sense, bytes: below, no kernel starts; above, devices begin. */
export const minimumMemory = 32 * 1048576;
export const maximumMemory = highestMemory;

/** Numbers of local APICs have 8 bits in the MP table, one of which is all of them's, and one the IOAPIC's. */
const mostCpus = 254;

const kvmCheck = thing("a kvm of x86's", ["createVm", "checkExtension", "getSupportedCpuid"]);

/**
 * Makes the machine, its memory filled and its first CPU at the kernel's entry. Throws VmmError, or KvmError with EINVAL for
 * options of a wrong type, or that there are not; leaves nothing behind then.
 */
export const createPc = taking(
  "createPc",
  {
    options: options<PcOptions>({
      ...machineChecks,
      kvm: kvmCheck,
      rtc: optional(thing("an Rtc", ["read", "set"])),
      testDevices: optional(boolean),
      assign: optional(callback),
    }),
    ...controlChecks,
  },
  create,
);

function create(options: PcOptions, control: RunControl, trace?: TraceSink): Machine {
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
    rtc = new Rtc(),
    testDevices = false,
    pciDevices = [],
    assign,
  } = options;
  const plan: PcPlan = { memorySize, cpus, cpuModel: options.cpuModel ?? defaultCpuModel };
  checkPlan(kvm, plan);
  const supported = modelCpuid(kvm.getSupportedCpuid(), plan.cpuModel);
  const { eax: signature = 0, edx: features = 0 } = supported.find((entry) => entry.function === 1) ?? {};
  const firmware = [
    ...(kernel.multiboot?.firmware ?? []),
    { address: Address.acpi, bytes: acpiTables(cpus) },
    { address: Address.mpTable, bytes: mpTable(cpus, signature, features) },
  ];
  const { begin = linuxBoot } = kernel;
  const boot = begin({ kernel, initrd, commandLine, memorySize, firmware, acpi: Address.acpi });
  return build({
    ...{ kvm, type, shared, codeLimit, plan, control, trace, rtc, testDevices, pciDevices, assign },
    fill: (vm, vcpus, memory) => {
      for (const [chip_id, elcr] of olderLevels.entries()) {
        const { pic } = vm.getIrqchip(chip_id);
        if (pic) vm.setIrqchip({ chip_id, pic: { ...pic, elcr } });
      }
      for (const { address, bytes } of boot.memory) memory.write(address, bytes);
      for (const [cpu, vcpu] of vcpus.entries()) vcpu.setCpuid2(cpuidOf(supported, cpu, cpus));
      const [first] = vcpus;
      first?.setSregs({ ...first.getSregs(), ...boot.sregs });
      first?.setRegs({ ...first.getRegs(), ...boot.regs, rflags: 2n });
    },
  });
}

/**
 * Makes the machine that a state tells of, which goes on where that one stood, under any implementation and thread mode.
 * Throws VmmError, or KvmError with EINVAL that says what of the state cannot be; leaves nothing behind then.
 */
export const restorePc = taking(
  "restorePc",
  {
    options: options<RestorePcOptions>({ ...restoreChecks, kvm: kvmCheck }),
    ...controlChecks,
  },
  restore,
);

function restore(options: RestorePcOptions, control: RunControl, trace?: TraceSink): Machine {
  const { kvm, type, shared, codeLimit, pciDevices = [] } = options;
  const { placed, image } = restoredRam<X86Vm>(options.ram);
  const state = checkState(options.state);
  const { plan } = state;
  checkPlan(kvm, plan);
  return build({
    ...{ kvm, type, shared, codeLimit, plan, control, trace, state, pciDevices },
    rtc: new Rtc(state.rtc),
    testDevices: false,
    ram: placed,
    fill: (vm, _vcpus, memory, written, address) => {
      const latent = image && fillRam(vm, memory, written, image, address);
      vm.loadState(state.vm);
      return latent;
    },
  });
}

/** RAM for a machine that `restorePc` makes later. Throws VmmError, and nothing is left behind then. */
export const placePcRam = (kvm: X86Kvm, type: number, options: VmRamOptions, size: number): PlacedRam =>
  new VmRam(kvm, type, options, size);

/** Of what a machine is made. */
interface Building {
  readonly kvm: X86Kvm;
  readonly type: number;
  readonly shared: boolean | undefined;
  readonly codeLimit: number | undefined;
  readonly plan: PcPlan;
  readonly control: RunControl;
  readonly trace: TraceSink | undefined;
  readonly rtc: Rtc;
  readonly testDevices: boolean;
  readonly pciDevices: readonly PciDevice[];
  readonly assign?: PcOptions["assign"];
  /** Where it goes on; undefined: it begins. */
  readonly state?: PcState;
  /** Fills in what is made: memory, which is 0 and lies at `ram`, and what KVM holds. What of memory is fetched when it is used. */
  readonly fill: (
    vm: X86Vm,
    vcpus: readonly X86Vcpu[],
    memory: GuestMemory,
    written: WrittenPages,
    ram: number,
  ) => PlacedLatentRam | undefined | void;
  /** The VM with its RAM, if it is there already. */
  readonly ram?: VmRam<X86Vm> | undefined;
}

function build({ kvm, type, shared, codeLimit, plan, fill, ram, pciDevices, assign, ...rest }: Building): Machine {
  const place = ram ?? new VmRam<X86Vm>(kvm, type, { shared, codeLimit }, plan.memorySize);
  const vm = place.take(plan.memorySize);
  const vcpus: X86Vcpu[] = [];
  let pci: PciHostBridge | undefined;
  let assignment: Assignment | undefined;
  try {
    const { memory, written } = place.views();
    vm.createIrqchip();
    vm.createPit2();
    // Guests have better clocks than its ticks, and none wants them late.
    vm.reinjectControl({ pit_reinject: 0 });
    for (let cpu = 0; cpu < plan.cpus; cpu++) vcpus.push(vm.createVcpu(cpu));
    const { control, state } = rest;
    const wake = (): void => control.wake();
    const fail = (error: unknown): void => control.end({ kind: "failed", ...describeError(error) });
    assignment = assign?.({ vm, ram: { address: place.address, size: plan.memorySize }, iommu: "none", wake });
    const plugged = [...pciDevices, ...(assignment?.devices ?? [])];
    pci = new PciHostBridge({ vm, memory, wake, fail }, plugged, state?.pci);
    const latent = fill(vm, vcpus, memory, written, place.address) ?? undefined;
    return new Pc({ vm, vcpus, memory, written, latent, plan, pci, assignment, ...rest });
  } catch (error) {
    pci?.close();
    assignment?.close();
    for (const vcpu of vcpus) vcpu.close();
    vm.close();
    throw error;
  }
}

function checkPlan(kvm: X86Kvm, { memorySize, cpus }: PcPlan): void {
  if (memorySize < minimumMemory)
    throw new ChoiceError(`a guest needs at least ${mebibytesOf(minimumMemory)} of memory`);
  if (memorySize > maximumMemory)
    throw new ChoiceError(`a guest can have at most ${mebibytesOf(maximumMemory)} of memory`);
  const most = Math.min(mostCpus, Math.max(1, kvm.checkExtension(KVM_CAP_MAX_VCPUS)));
  if (cpus < 1 || cpus > most) throw new ChoiceError(`a guest can have 1 to ${most} CPUs, not ${cpus}`);
}
