/** x86: the core's list of hooks, filled in, for one vendor's processors. */
import { KvmError } from "../../base/errors.js";
import { vcpuSizeOf } from "../../engine/layout.js";
import type { Arch } from "../../kvm/arch.js";
import { allocate } from "../../kvm/heap.js";
import type { VcpuInside, VmInside } from "../../kvm/inside.js";
import { vmLayout } from "../../kvm/layout.js";
import { vcpuRecord } from "../../kvm/state.js";
import { cumulative, type Statistic } from "../../kvm/stats-fd.js";
import { isAnswered } from "../../kvm/uapi/exits.js";
import type { Stats } from "../../kvm/uapi.js";
import { capabilities, maxVcpuId, maxVcpus } from "./calls/capabilities.js";
import { systemMethods, vcpuMethods, vmMethods } from "./calls/methods.js";
import { vfioDevices } from "./devices/vfio-device.js";
import { ExitCode, Request, state, vcpu as vcpuLayout } from "./engines/layout.js";
import { completeExit, handleExit, owedExit } from "./exits/exits.js";
import { pins } from "./interrupts/irqchip/ioapic.js";
import { engineEvent, memoryChanged, saveVm } from "./module/untracked.js";
import { rests } from "./paravirt/steal-time.js";
import { takeVapic } from "./paravirt/vapic.js";
import { guestDebugControl, setGuestDebug, stepped } from "./processor/debug.js";
import { instructionPointer } from "./processor/instruction-pointer.js";
import { msrExits } from "./processor/msr-filter.js";
import { getRegs, getSregs, setRegs, setSregs } from "./processor/regs.js";
import { powerOn } from "./processor/reset.js";
import { createCodeMaps, enter, resumed, runnable, takeInit, wakeTime } from "./processor/running.js";
import {
  addressOf,
  dropCode,
  getField,
  notifyInterrupt,
  recordAt,
  request,
  setField,
  tscRate,
} from "./processor/vcpu.js";
import {
  KVM_MP_STATE_HALTED,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_SIPI_RECEIVED,
  KVM_MP_STATE_UNINITIALIZED,
} from "./uapi.js";
import * as vendor from "./vendor.js";
import { restoreVcpu, restoreVm, saveVcpu } from "./vm/saved.js";
import { loadState, loadVcpu, saveState } from "./vm/saved-state.js";
import { vcpuRecordSize, x86Vm, x86VmPointer } from "./vm/state.js";
import { started, x86VcpuOf, x86VmOf } from "./vm/x86-vm.js";

function createVm(vm: VmInside): void {
  const { mem } = vm;
  mem.setF64(vmLayout.clockRate, tscRate);
  const address = allocate(mem, x86Vm.size);
  mem.setI32(x86VmPointer, address);
  mem.setI32(address + x86Vm.offset.number, vm.vac.allocateNumber("vpid"));
}

const vmNumber = (vm: VmInside): number => vm.mem.i32(x86VmOf(vm).address + x86Vm.offset.number);

function destroyVm(vm: VmInside): () => void {
  const number = vmNumber(vm);
  // Translators are on the vCPUs' threads, which may be gone.
  const code = vm.vcpus().reduce((sum, vcpu) => sum + vm.mem.i32(addressOf(vcpu, "codeBytes")), 0);
  return () => {
    vm.vac.freeNumber("vpid", number);
    vm.vac.page.accountCode(-code);
  };
}

function createVcpu(vcpu: VcpuInside, isUsed: boolean): void {
  const one = x86VcpuOf(vcpu);
  powerOn(vcpu, BigInt(vendor.signature), one.isBoot);
  one.lapic.reset(vcpu.id, one.isBoot);
  createCodeMaps(vcpu, isUsed);
  setField(vcpu, "msrExits", msrExits(vcpu.vm));
  setField(vcpu, "priorityExits", one.vm.irqchip ? 0n : 1n);
  // With local APICs, one starts the others.
  if (one.isBoot || !one.vm.irqchip) return;
  vcpu.vm.mem.store(recordAt(vcpu, "mpState"), KVM_MP_STATE_UNINITIALIZED);
  vcpu.halt();
}

function interrupt(vcpu: VcpuInside, irq: number): void {
  const { irqchip, userPins } = x86VmOf(vcpu.vm);
  if (irqchip && userPins === undefined) {
    throw new KvmError("ENXIO", "KVM_INTERRUPT: the VM has its interrupt controllers in the kernel side");
  }
  if (!(irq >= 0 && irq < 256)) throw new KvmError("EINVAL", `KVM_INTERRUPT: ${irq} is no vector`);
  const waits = irqchip ? recordAt(vcpu, "external") : addressOf(vcpu, "interruptPending");
  if (vcpu.vm.mem.compareExchange(waits, 0, irq + 1) !== 0) {
    throw new KvmError("EEXIST", "KVM_INTERRUPT: another interrupt waits");
  }
  // A local APIC is asked whether it lets it through.
  if (irqchip) x86VcpuOf(vcpu).request();
  else notifyInterrupt(vcpu);
}

/** EINVAL: no controller whose pins they are. */
function irqchipPins(vm: VmInside): readonly number[] {
  const { irqchip, userPins } = x86VmOf(vm);
  if (irqchip) return userPins === undefined ? [8, 8, pins] : [];
  throw new KvmError("EINVAL", "KVM_SET_GSI_ROUTING: the VM has no interrupt controllers (KVM_CREATE_IRQCHIP)");
}

function setIrq(vm: VmInside, pin: number, level: boolean, chip?: number): boolean {
  const { irqchip, userPins } = x86VmOf(vm);
  // As with a table that has no entries: lines are the user side's.
  if (userPins !== undefined) return true;
  if (chip === undefined) return irqchip?.setLine(pin, level) ?? false;
  irqchip?.setPin(chip, pin, level);
  return irqchip !== undefined;
}

function mpState(vcpu: VcpuInside): number {
  const { mem } = vcpu.vm;
  const state = mem.load(recordAt(vcpu, "mpState"));
  const begins = state === KVM_MP_STATE_INIT_RECEIVED && (mem.load(recordAt(vcpu, "startVector")) & started) !== 0;
  // One that was kicked is about to run.
  if (state === KVM_MP_STATE_HALTED && mem.load(recordAt(vcpu, "kicked")) !== 0) return KVM_MP_STATE_RUNNABLE;
  return begins ? KVM_MP_STATE_SIPI_RECEIVED : state;
}

function setMpState(vcpu: VcpuInside, value: number): void {
  if (!(value >= KVM_MP_STATE_RUNNABLE && value <= KVM_MP_STATE_SIPI_RECEIVED)) {
    throw new KvmError("EINVAL", `KVM_SET_MP_STATE: ${value} is no state of an x86 processor`);
  }
  if (value !== KVM_MP_STATE_RUNNABLE && !x86VmOf(vcpu.vm).irqchip) {
    throw new KvmError("EINVAL", "KVM_SET_MP_STATE: without local APICs a processor only runs");
  }
  const { mem } = vcpu.vm;
  // It waits, and what it waits for is there: it begins where KVM_SET_VCPU_EVENTS has said.
  const begins = value === KVM_MP_STATE_SIPI_RECEIVED;
  const vector = mem.load(recordAt(vcpu, "startVector")) & 0xff;
  mem.store(recordAt(vcpu, "startVector"), vector | (begins ? started : 0));
  mem.store(recordAt(vcpu, "mpState"), begins ? KVM_MP_STATE_INIT_RECEIVED : value);
  if (value === KVM_MP_STATE_RUNNABLE) mem.store(vcpu.record + vcpuRecord.offset.halted, 0);
  else vcpu.halt();
}

// The engine counts places where an instruction may begin, which are bytes here: some 3.3 an instruction in Linux.
const counters = {
  code_bytes: "instructions",
  tlb_misses: "statTlbMiss",
  decoded: "statDecode",
  interrupts: "statInterrupt",
  slices: "statSlices",
} as const;
const vcpuStatistics: readonly Statistic<VcpuInside>[] = Object.entries(counters).map(([name, field]) =>
  cumulative(name, (vcpu) => getField(vcpu, field)),
);
function vcpuStats(vcpu: VcpuInside): Stats {
  const names = {
    codeBytesRun: "instructions",
    tlbMisses: "statTlbMiss",
    decoded: "statDecode",
    interrupts: "statInterrupt",
    translated: "statTranslated",
    regionRuns: "statRegionRuns",
    slices: "statSlices",
  } as const;
  return Object.fromEntries(Object.entries(names).map(([name, field]) => [name, Number(getField(vcpu, field))]));
}

/** For processors of the vendor with which it is linked. */
export const x86: Arch = {
  name: "x86",
  vcpuSize: vcpuSizeOf(vcpuLayout),
  vcpuZeroed: vcpuLayout.tlb,
  wakeOffset: state.wake.offset,
  immediateExitOffset: state.immediateExit.offset,
  inGuestOffset: state.inGuest.offset,
  dirtyRingOffset: state.dirtyRing.offset,
  vcpuRecordSize,
  maxVcpus,
  hasPorts: true,
  linesBesideRoutes: false,
  maxVcpuId,
  capabilities,
  devices: vfioDevices,

  createVm,
  destroyVm,
  systemMethods,
  vmMethods,
  vcpuMethods,
  parts: {},
  createVcpu,
  saveVm,
  saveVcpu,
  keptRanges: () => [],
  restoreVm,
  restoreVcpu,
  saveState,
  loadState,
  loadVcpu,
  memoryChanged,
  memoryWritten: dropCode,

  irqchipPins,
  hasInterruptController: (vm) => x86VmOf(vm).irqchip !== undefined,
  hearsEnds: (vm) => x86VmOf(vm).userPins === undefined,
  setIrq,
  setMsi: (vm, address, data) => {
    const x86 = x86VmOf(vm);
    return x86.irqchip?.signal(address, data, x86.wideIds) ?? -1;
  },
  interrupt,

  enter,
  traceStep: (vcpu) => vcpu.engineStep(),
  engineEvent,
  handleExit: (vcpu, code) => {
    takeVapic(vcpu);
    const exit = handleExit(vcpu, code) ?? owedExit(vcpu);
    // What the user side is to answer is another instruction's after an INIT: that comes behind it.
    if (!(exit && isAnswered(exit)) && takeInit(vcpu)) vcpu.halt();
    if (code === ExitCode.halt || !vcpu.vm.shared) rests(vcpu, code !== ExitCode.halt);
    return exit;
  },
  completeExit: (vcpu, answered) => {
    const exit = completeExit(vcpu, answered) ?? owedExit(vcpu);
    takeVapic(vcpu);
    return exit;
  },
  runnable,
  wakeTime,
  resumed,
  kick: (vcpu) => request(vcpu, Request.leave),
  pc: instructionPointer,
  guestDebugControl,
  setGuestDebug,
  stepped,

  getOneReg: (_, id) => noRegister(id),
  setOneReg: (_, id) => noRegister(id),
  getRegList: () => [],
  getMpState: mpState,
  setMpState,
  vmNumber,
  vmStatistics: [],
  vcpuStatistics,
  getRegs,
  setRegs: setRegs as Arch["setRegs"],
  getSregs,
  setSregs: setSregs as Arch["setSregs"],
  vmStats: () => ({}),
  vcpuStats,
};

function noRegister(id: bigint): never {
  throw new KvmError(
    "ENOENT",
    `there is no register 0x${id.toString(16)}: x86 has KVM_GET_REGS, KVM_GET_SREGS, KVM_GET_MSRS`,
  );
}
