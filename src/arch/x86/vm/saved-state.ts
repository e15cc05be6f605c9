/**
 * x86's part of kvm/save-state.ts: the interrupt controllers and timers of a VM, and its vCPUs' registers, without a place in
 * the VM's memory. What comes in may be from a hostile file.
 */
import { KvmError } from "../../../base/errors.js";
import type { FieldList, Struct } from "../../../base/struct.js";
import { anything, boolean, having, listOf, optional, recordOf, shown, text } from "../../../base/takes.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { restoreFields } from "../../../kvm/saved.js";
import { msrPlaces } from "../engines/msrs.js";
import { irqchipParts } from "../interrupts/irqchip/irqchip.js";
import { lapicState } from "../interrupts/irqchip/lapic.js";
import { mostMissed } from "../interrupts/irqchip/pit.js";
import { stateComponents } from "../processor/cpuid.js";
import { isXcr0 } from "../processor/extended-state.js";
import { requireMode } from "../processor/regs.js";
import { type StateField, tscRate } from "../processor/vcpu.js";
import {
  KVM_MP_STATE_HALTED,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_UNINITIALIZED,
} from "../uapi.js";
import { checkVcpuState, restoreVcpu, type SavedX86Vcpu, type SavedX86Vm, saveVm, vendorFault } from "./saved.js";
import { x86Settings, x86Vcpu, x86Vm } from "./state.js";
import { started, x86VmOf } from "./x86-vm.js";

/** The most that each element of a field may be; others may have all that fits. */
type Bounds = Readonly<Record<string, number>>;

/** Of the older controllers: eight inputs a chip. What is acknowledged is a vector of these and an input. */
const inputs = 0xff;
const picBounds: Bounds = {
  ...{ requests: inputs, masked: inputs, inService: inputs, lines: inputs, levels: inputs, first: 7, vectorBase: 0xf8 },
  ...{ readsService: 1, polled: 1, specialMask: 1, initialisation: 4, fourth: 1, autoEnd: 1, rotates: 1, nested: 1 },
};
const pitBounds: Bounds = {
  ...{ count: 65536, mode: 5, decimal: 1, gate: 1, access: 3, readsHigh: 1, writesHigh: 1, lowWritten: 0xff },
  ...{ latchedCount: 65536, latchedStatus: 256, speaker: 1, reinject: 1, missed: mostMissed },
};
const ioapicBounds: Bounds = { id: 15, selected: 0xff, lines: 0xff_ffff };
const partBounds: Readonly<Record<string, Bounds>> = { pic: picBounds, pit: pitBounds, ioapic: ioapicBounds };

/** Guests can set no timer later: a counter of 64 bits, with a sign. ms. */
const latest = 2 ** 63 / tscRate;
const mpStates: readonly unknown[] = [
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_UNINITIALIZED,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_HALTED,
];

const fields = recordOf(anything);
const vmCheck = having({
  vendor: text,
  irqchip: optional(recordOf(fields)),
  hasPit: boolean,
  settings: optional(fields),
});
const vcpuCheck = having({ state: recordOf(listOf(anything)), record: fields, lapic: fields });

export const saveState = (vm: VmInside): SavedX86Vm => saveVm(vm);

export function loadState(vm: VmInside, saved: unknown): void {
  vmCheck(saved, "vm.loadState", "archVm");
  const { irqchip, hasPit, settings = {}, ...rest } = saved as SavedX86Vm;
  const wrong = vendorFault(rest.vendor);
  if (wrong) refuse(wrong);
  const { mem } = vm;
  const x86 = x86VmOf(vm);
  const without = (there: boolean): string => (there ? "has none" : "has them");
  if ((irqchip !== undefined) !== (x86.irqchip !== undefined))
    refuse(
      `${irqchip ? "has" : "lacks"} interrupt controllers (KVM_CREATE_IRQCHIP), and this VM ${without(!!irqchip)}`,
    );
  requireFields(settings, x86Settings, "the VM");
  const split = Number(settings["split"] ?? 0) !== 0;
  if (split !== (x86.userPins !== undefined))
    refuse(`has ${split ? "local APICs alone (KVM_CAP_SPLIT_IRQCHIP)" : "all controllers"}, and this VM has not`);
  if (hasPit !== (x86.irqchip?.hasPit ?? false))
    refuse(`${hasPit ? "has" : "lacks"} a timer (KVM_CREATE_PIT2), and this VM ${hasPit ? "has none" : "has one"}`);
  // What is enabled is this VM's; its clock is the guest's.
  const { clockOffset } = settings;
  if (clockOffset !== undefined) restoreFields(mem, x86Settings, x86.address, { clockOffset });
  if (!irqchip) return;
  const base = mem.u32(x86.address + x86Vm.offset.irqchip);
  const parts = Object.entries(irqchipParts).map(([name, [at, layout]]) => {
    if (!Object.hasOwn(irqchip, name)) return refuse(`has no ${name}`);
    const values = irqchip[name] ?? {};
    requireFields(values, layout, name, partBounds[name]);
    return { at: base + at, layout, values };
  });
  for (const { at, layout, values } of parts) restoreFields(mem, layout, at, values);
}

export function loadVcpu(vcpu: VcpuInside, saved: unknown): void {
  const who = `vCPU ${vcpu.id}`;
  vcpuCheck(saved, "vm.loadState", `the ${who}`);
  const { state: values, record, lapic } = saved as SavedX86Vcpu;
  checkVcpuState(values, who);
  const one = (field: StateField, index: number): bigint => values[field]?.[index] ?? 0n;
  requireMode(`vm.loadState: ${who}`, {
    ...{ cr0: one("control", 0), cr3: one("control", 3), cr4: one("control", 4), efer: one("msrs", msrPlaces.efer) },
    cr8: one("taskPriority", 0),
  });
  if ((one("debug", 6) | one("debug", 7)) >> 32n) refuse(`has ${who} with DR6 or DR7 of more than 32 bits`);
  if (values["xcr0"] && !isXcr0(one("xcr0", 0), stateComponents()))
    refuse(`has ${who} with 0x${one("xcr0", 0).toString(16)} as XCR0`);
  requireFields(record, x86Vcpu, `the record of ${who}`, {
    startVector: started | 0xff,
    initPending: 1,
    window: 1,
    external: 256,
    endOwed: 256,
    priorityReports: 1,
    accessOwed: 2,
    kicked: 1,
  });
  const mpState = record["mpState"] ?? KVM_MP_STATE_RUNNABLE;
  if (!mpStates.includes(mpState)) refuse(`has ${who} in the state ${String(mpState)} (KVM_GET_MP_STATE)`);
  requireFields(lapic, lapicState, `the local APIC of ${who}`, { endOffered: 1 });
  restoreVcpu(vcpu, { state: values, record, lapic });
}

/** Every field that is there is as many values as it has, each of its type and within its bounds. */
function requireFields<F extends FieldList>(
  values: Readonly<Record<string, unknown>>,
  { fields: declared }: Struct<F>,
  what: string,
  bounds: Bounds = {},
): void {
  for (const [name, field] of Object.entries(declared)) {
    if (!Object.hasOwn(values, name)) continue;
    const [type, count] = typeof field === "string" ? [field, 1] : field;
    const given = typeof field === "string" ? [values[name]] : values[name];
    if (!Array.isArray(given) || given.length !== count) refuse(`has not ${count} values as ${name} of ${what}`);
    for (const value of given as readonly unknown[]) {
      if (!fitsIn(type, value, bounds[name])) refuse(`has ${shown(value)} as ${name} of ${what}`);
    }
  }
}

function fitsIn(type: "i32" | "i64" | "f64", value: unknown, most: number | undefined): boolean {
  if (type === "i64") return typeof value === "bigint" && BigInt.asIntN(64, value) === value;
  if (type === "f64") return typeof value === "number" && value >= 0 && value <= latest;
  return Number.isInteger(value) && (value as number) >= (most === undefined ? -(2 ** 31) : 0)
    ? (value as number) <= (most ?? 2 ** 32 - 1)
    : false;
}

function refuse(what: string): never {
  throw new KvmError("EINVAL", `vm.loadState: the state ${what}`);
}
