/** POWER (Book3S, PAPR guests): the core's list of hooks, filled in. */

import { KvmError } from "../../base/errors.js";
import { codeMaps } from "../../engine/code-maps.js";
import { vcpuSizeOf } from "../../engine/layout.js";
import type { Arch } from "../../kvm/arch.js";
import { KVM_INTERRUPT_SET, KVM_INTERRUPT_SET_LEVEL, KVM_INTERRUPT_UNSET } from "../../kvm/constants.js";
import { allocate } from "../../kvm/heap.js";
import type { VcpuInside, VmInside } from "../../kvm/inside.js";
import { vmLayout } from "../../kvm/layout.js";
import { cumulative, type Statistic } from "../../kvm/stats-fd.js";
import type { Stats } from "../../kvm/uapi.js";
import { capabilities, maxVcpuId, maxVcpus } from "./calls/capabilities.js";
import { vmMethods } from "./calls/vm-methods.js";
import { vfioDevices } from "./devices/vfio-device.js";
import { xicsDevices } from "./devices/xics-device.js";
import { xiveDevices } from "./devices/xive-device.js";
import { archLayout, codePage, Request, state, stateSize, vcpuLayout } from "./engines/layout.js";
import { completeExit, handleExit } from "./exits/exits.js";
import { Msr } from "./isa/msr.js";
import { hcalls } from "./papr/list.js";
import { guestDebugControl, setGuestDebug } from "./processor/debug.js";
import { getOneReg, registerIds, setOneReg } from "./processor/one-reg.js";
import { processorChanged } from "./processor/processor.js";
import { getRegs, getSregs, setRegs, setSregs } from "./processor/regs.js";
import { clockRate, decrementerExpiry, timeBase, timeBaseAt } from "./processor/time.js";
import { addressOf, contextChanged, getField, recordAt, request, setField } from "./processor/vcpu.js";
import { emitMmuEvent } from "./trace/mmu-trace.js";
import { prepareTrace, traceStep } from "./trace/trace.js";
import { hcallName } from "./uapi/hcalls.js";
import type { PpcVm, SpaprTce } from "./uapi.js";
import { ppcVcpuOf, ppcVmOf, setExternal } from "./vm/ppc-vm.js";
import { keptRanges, restoreVcpu, restoreVm, saveVcpu, saveVm } from "./vm/saved.js";
import { loadState, loadVcpu, saveState } from "./vm/saved-state.js";
import { hcallLimit, ppcVcpu, ppcVm, ppcVmPointer } from "./vm/state.js";
import { dropCode, flushTranslations } from "./vm/translations.js";

/** POWER9 DD2.3. */
const defaultPvr = 0x004e1203n;
/** 64-bit mode, machine checks enabled. */
const resetMsr = Msr.SF | Msr.ME;
/** Program priority: medium. */
const resetPpr = 2n << 50n;
/** A map for each byte order; the soft TLB's pages have 64 KiB. */
const { prepareCode, createCodeMaps } = codeMaps(addressOf, { maps: 2, ownedPage: 65536n, codePage });

function createVm(vm: VmInside): void {
  const { mem } = vm;
  mem.setF64(vmLayout.clockRate, clockRate);
  mem.setI32(archLayout.radix, 1);
  const address = allocate(mem, ppcVm.size);
  mem.setI32(ppcVmPointer, address);
  mem.setI32(address + ppcVm.offset.lpid, vm.vac.allocateNumber("lpid"));
  const ppc = ppcVmOf(vm);
  for (const { number, enabled } of hcalls) if (number < hcallLimit) ppc.enableHcall(number, enabled);
}

function destroyVm(vm: VmInside): () => void {
  const lpid = vm.mem.i32(ppcVmOf(vm).address + ppcVm.offset.lpid);
  // Translators are on the vCPUs' threads, which may be gone.
  const code = vm.vcpus().reduce((sum, vcpu) => sum + vm.mem.i32(addressOf(vcpu, "codeBytes")), 0);
  return () => {
    vm.vac.freeNumber("lpid", lpid);
    vm.vac.page.accountCode(-code);
  };
}

function createVcpu(vcpu: VcpuInside, isUsed: boolean): void {
  const { mem } = vcpu.vm;
  const threads = Math.max(mem.i32(archLayout.smt), 1);
  const initial: readonly (readonly [Parameters<typeof setField>[1], bigint])[] = [
    ["pvr", defaultPvr],
    ["msr", resetMsr],
    ["ppr", resetPpr],
    ["pir", BigInt(vcpu.id)],
    ["tir", BigInt(vcpu.id % threads)],
    ["lpid", BigInt(vcpu.vm.mem.i32(ppcVmOf(vcpu.vm).address + ppcVm.offset.lpid))],
    ["ctrl", 1n],
    ["amor", -1n],
  ];
  for (const [field, value] of initial) setField(vcpu, field, value);
  processorChanged(vcpu);
  createCodeMaps(vcpu, isUsed);
  contextChanged(vcpu);
}

function enter(vcpu: VcpuInside, deadline: number): void {
  const { mem } = vcpu.vm;
  prepareCode(vcpu.vm);
  if (mem.i32(recordAt(vcpu, "ready")) === 0) {
    const decrementer = mem.i64(addressOf(vcpu, "decExpiry"));
    vcpu.engineReset();
    if (decrementer !== 0n) mem.setI64(addressOf(vcpu, "decExpiry"), decrementer);
    mem.setI32(recordAt(vcpu, "ready"), 1);
  }
  prepareTrace(vcpu);
  const leaveAt = deadline === Number.POSITIVE_INFINITY ? 0n : timeBaseAt(vcpu, deadline);
  mem.setI64(addressOf(vcpu, "leaveAt"), leaveAt);
}

function runnable(vcpu: VcpuInside): boolean {
  const { mem } = vcpu.vm;
  const pending = (field: "externalPending" | "doorbellPending" | "prodded" | "decPending") =>
    mem.load(addressOf(vcpu, field)) !== 0;
  if (pending("externalPending") || pending("prodded") || pending("doorbellPending")) return true;
  if ((mem.load(addressOf(vcpu, "requests")) & Request.systemReset) !== 0) return true;
  if (pending("decPending")) return true;
  if (timeBase(vcpu) < mem.i64(addressOf(vcpu, "decExpiry"))) return false;
  // The engine would look at the clock only at the end of its next slice.
  mem.store(addressOf(vcpu, "decPending"), 1);
  setField(vcpu, "recheck", 1n);
  return true;
}

function interrupt(vcpu: VcpuInside, irq: number): void {
  switch (irq >>> 0) {
    case KVM_INTERRUPT_SET:
    case KVM_INTERRUPT_SET_LEVEL:
      setExternal(vcpu, true);
      return;
    case KVM_INTERRUPT_UNSET:
      setExternal(vcpu, false);
      return;
    default:
      throw new KvmError("EINVAL", `KVM_INTERRUPT: 0x${(irq >>> 0).toString(16)} is no kind of interrupt`);
  }
}

function vmStats(vm: VmInside): Stats {
  const base = ppcVmOf(vm).address + ppcVm.offset.hcallCount;
  const counts: [string, number][] = [];
  for (let slot = 0; slot <= hcallLimit / 4; slot++) {
    const count = vm.mem.load(base + 4 * slot);
    if (count === 0) continue;
    const name = slot === hcallLimit / 4 ? "others" : hcallName(slot * 4);
    counts.push([`hcall.${name}`, count]);
  }
  return Object.fromEntries(counts);
}

function vcpuStats(vcpu: VcpuInside): Stats {
  const counters = [
    "statTlbMiss",
    "statDecode",
    "statInterrupt",
    "statTranslated",
    "statRegionRuns",
    "statSlices",
  ] as const;
  const names = { statTlbMiss: "tlbMisses", statDecode: "decoded", statInterrupt: "interrupts" } as const;
  const more = { statTranslated: "translated", statRegionRuns: "regionRuns", statSlices: "slices" } as const;
  const all: Record<(typeof counters)[number], string> = { ...names, ...more };
  const entries = counters.map((counter) => [all[counter], Number(getField(vcpu, counter))]);
  return { instructions: Number(getField(vcpu, "instructions")), ...Object.fromEntries(entries) };
}

const vcpuCounter = (name: string, field: "statTlbMiss" | "statDecode" | "statInterrupt" | "statSlices") =>
  cumulative<VcpuInside>(name, (vcpu) => getField(vcpu, field));

const vcpuStatistics: readonly Statistic<VcpuInside>[] = [
  cumulative("instructions", (vcpu) => getField(vcpu, "instructions")),
  vcpuCounter("tlb_misses", "statTlbMiss"),
  vcpuCounter("decoded", "statDecode"),
  vcpuCounter("interrupts", "statInterrupt"),
  vcpuCounter("slices", "statSlices"),
];

const vmStatistics: readonly Statistic<VmInside>[] = hcalls
  .filter(({ number }) => number < hcallLimit)
  .map(({ number, name }) =>
    cumulative(`hcall_${name}`, (vm) => vm.mem.u32(ppcVmOf(vm).address + ppcVm.offset.hcallCount + number)),
  );

const noMpState = (): never => {
  throw new KvmError("EINVAL", "there is no MP_STATE on POWER: the user side starts and stops processors itself");
};

export const powerpc = {
  name: "powerpc",
  vcpuSize: vcpuSizeOf(vcpuLayout),
  vcpuZeroed: stateSize,
  wakeOffset: state.wake.offset,
  immediateExitOffset: state.immediateExit.offset,
  inGuestOffset: state.inGuest.offset,
  dirtyRingOffset: state.dirtyRing.offset,
  vcpuRecordSize: ppcVcpu.size,
  maxVcpus,
  hasPorts: false,
  linesBesideRoutes: true,
  maxVcpuId,
  capabilities,
  devices: [...xicsDevices, ...xiveDevices, ...vfioDevices],

  createVm,
  destroyVm,
  systemMethods: () => ({}),
  vmMethods,
  vcpuMethods: () => ({}),
  parts: {
    createSpaprTce: {
      key: ({ liobn }: SpaprTce) => `tce ${liobn}`,
      reopen: (vm: PpcVm, { liobn }: SpaprTce) => vm.openSpaprTce(liobn),
    },
  },
  createVcpu,
  saveVm,
  saveVcpu,
  keptRanges,
  restoreVm,
  restoreVcpu,
  saveState,
  loadState,
  loadVcpu,
  memoryChanged: flushTranslations,
  memoryWritten: dropCode,

  hasInterruptController: (vm) => ppcVmOf(vm).controller !== undefined,
  hearsEnds: () => true,
  irqchipPins: () => [2 ** 32],
  setIrq: (vm, pin, level) => ppcVmOf(vm).controller?.setIrq(pin, level) ?? false,
  // A PAPR message carries its source's number.
  setMsi: (vm, _address, data) => (ppcVmOf(vm).controller?.setIrq(data, true) ? 1 : -1),
  interrupt,

  enter,
  traceStep,
  engineEvent: emitMmuEvent,
  handleExit,
  completeExit,
  runnable,
  wakeTime: decrementerExpiry,
  resumed: (vcpu) => ppcVcpuOf(vcpu).resumed(),
  kick: (vcpu) => request(vcpu, Request.leave),
  pc: (vcpu) => getField(vcpu, "pc"),
  guestDebugControl,
  setGuestDebug,
  stepped: (vcpu) => ({ reason: "debug", address: getField(vcpu, "pc"), status: 0 }),

  getOneReg,
  setOneReg,
  getRegList: () => [...registerIds],
  getMpState: noMpState,
  setMpState: noMpState,
  vmNumber: (vm) => vm.mem.i32(ppcVmOf(vm).address + ppcVm.offset.lpid),
  vmStatistics,
  vcpuStatistics,
  getRegs,
  setRegs,
  getSregs,
  setSregs,
  vmStats,
  vcpuStats,
} as const satisfies Arch as Arch;
