/** What an x86 VM and its vCPUs are besides what every VM is, as plain values under names (kvm/saved.ts). */
import { KvmError } from "../../../base/errors.js";
import { shown } from "../../../base/takes.js";
import { type SavedState, savedVcpuState } from "../../../engine/vcpu-saved.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { restoreFields, type SavedFields, saveFields } from "../../../kvm/saved.js";
import { cpuidEntries, Request, state } from "../engines/layout.js";
import { Irqchip, irqchipParts } from "../interrupts/irqchip/irqchip.js";
import { lapicState } from "../interrupts/irqchip/lapic.js";
import { getCpuid, setCpuid } from "../processor/cpuid.js";
import { guestDebugControl } from "../processor/debug.js";
import { getMsrFilter, setMsrFilter } from "../processor/msr-filter.js";
import { contextChanged, getField, recordAt, request, type StateField, setField } from "../processor/vcpu.js";
import type { X86MsrFilter } from "../uapi.js";
import * as vendor from "../vendor.js";
import { lapicAt, x86Settings, x86Vcpu, x86Vm } from "./state.js";
import { x86VmOf } from "./x86-vm.js";

const vcpuState = savedVcpuState<StateField>({ getField, setField }, state, {
  derived: [
    "jumpContext",
    "jumpGeneration",
    "exitsToSample",
    "largePages",
    "hugePages",
    "localEntries",
    "localCount",
    "flagSource",
    "keysSeen",
    "recordCount",
    "updateAddress",
    "nestedFault",
    "nestedError",
    "crossing",
    "leaveAt",
    "sseBlocked",
    "avxBlocked",
    "floatBlocked",
    "mmxBlocked",
    "sseFault",
    "floatImage",
    "breaking",
    "watching",
    "debugHits",
    "ending",
    "piecemeal",
    "ioCount",
    "ioAhead",
    "ioFrom",
    "ioPort",
    "ioBuffer",
  ],
  most: {
    cpl: 3n,
    taskPriority: 15n,
    xcr0: 0x207n,
    floatControl: 0xffffn,
    floatStatus: 0xffffn,
    floatTags: 0xffn,
    floatOpcode: 0x7ffn,
    segmentAccess: 0xffffn,
    selector: 0xffffn,
    gdtLimit: 0xffffn,
    idtLimit: 0xffffn,
    cpuidCount: BigInt(cpuidEntries),
    msrExits: 2n,
    msrRefused: 2n,
    shadow: 4n,
    debugPending: 0x400fn,
    guestDebug: BigInt(guestDebugControl),
    interruptPending: 256n,
    interruptRequest: 1n,
    nmiPending: 2n,
    nmiBlocked: 1n,
    exceptionPending: 256n,
    exceptionPayloadValid: 1n,
    priorityExits: 1n,
  },
});
export const checkVcpuState = vcpuState.check;

export interface SavedX86Vm {
  /** Of its processors: the module's name. */
  readonly vendor: string;
  readonly irqchip?: Readonly<Record<string, SavedFields>>;
  readonly hasPit: boolean;
  /** What the user side has set of it. */
  readonly settings?: SavedFields;
  readonly msrFilter?: X86MsrFilter;
}

export interface SavedX86Vcpu {
  readonly state: SavedState;
  readonly record: SavedFields;
  readonly lapic: SavedFields;
}

export function saveVm(vm: VmInside): SavedX86Vm {
  const x86 = x86VmOf(vm);
  const { irqchip } = x86;
  const { module } = vendor;
  const msrFilter = getMsrFilter(vm);
  const own = {
    vendor: module,
    settings: saveFields(vm.mem, x86Settings, x86.address),
    ...(msrFilter ? { msrFilter } : {}),
  };
  if (!irqchip) return { ...own, hasPit: false };
  const base = vm.mem.u32(x86.address + x86Vm.offset.irqchip);
  const parts = Object.entries(irqchipParts).map(
    ([name, [at, layout]]) => [name, saveFields(vm.mem, layout, base + at)] as const,
  );
  return { ...own, irqchip: Object.fromEntries(parts), hasPit: irqchip.hasPit };
}

/** Guests know whose processor they have, and use what only that has. Undefined: nothing is wrong with it. */
export const vendorFault = (saved: string): string | undefined =>
  saved === vendor.module
    ? undefined
    : `has processors of ${shown(saved)}, and this VM those of ${vendor.module}: a guest cannot change its processor's vendor; load ${shown(saved)}`;

/** What createVm made is there. */
export function restoreVm(vm: VmInside, saved: unknown): void {
  const { irqchip, hasPit, settings, msrFilter, vendor: whose = vendor.module } = saved as Partial<SavedX86Vm>;
  const wrong = vendorFault(whose);
  if (wrong) throw new KvmError("EOPNOTSUPP", `vm.moveTo: the VM ${wrong}`);
  const x86 = x86VmOf(vm);
  if (settings) restoreFields(vm.mem, x86Settings, x86.address, settings);
  if (msrFilter) setMsrFilter(vm, msrFilter);
  if (!irqchip) return;
  const base = Irqchip.create(vm.mem);
  vm.mem.setI32(x86.address + x86Vm.offset.irqchip, base);
  if (hasPit) x86.irqchip?.createPit();
  for (const [name, [at, layout]] of Object.entries(irqchipParts)) {
    const fields = irqchip[name];
    if (fields) restoreFields(vm.mem, layout, base + at, fields);
  }
}

export function saveVcpu(vcpu: VcpuInside): SavedX86Vcpu {
  const { mem } = vcpu.vm;
  return {
    state: vcpuState.save(vcpu),
    record: saveFields(mem, x86Vcpu, vcpu.archRecord, ["ready"]),
    lapic: saveFields(mem, lapicState, vcpu.archRecord + lapicAt),
  };
}

/** The vCPU is as createVcpu made it; when it first runs, its engine makes what is derived. */
export function restoreVcpu(vcpu: VcpuInside, saved: unknown): void {
  const { mem } = vcpu.vm;
  const { state: values, record, lapic } = saved as SavedX86Vcpu;
  vcpuState.restore(vcpu, values);
  restoreFields(mem, x86Vcpu, vcpu.archRecord, record, ["ready"]);
  restoreFields(mem, lapicState, vcpu.archRecord + lapicAt, lapic);
  // In another version, features may have other places.
  const entries = getCpuid(vcpu);
  if (entries.length > 0) setCpuid(vcpu, entries);
  mem.setI32(recordAt(vcpu, "ready"), 0);
  // An INIT may wait.
  request(vcpu, Request.interrupt | Request.leave);
  contextChanged(vcpu);
}
