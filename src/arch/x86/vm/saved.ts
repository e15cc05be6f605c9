/** What an x86 VM and its vCPUs are besides what every VM is, as plain values under names (kvm/saved.ts). */
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { restoreFields, type SavedFields, saveFields } from "../../../kvm/saved.js";
import { Request, state } from "../engines/layout.js";
import { Irqchip, irqchipParts } from "../interrupts/irqchip/irqchip.js";
import { lapicState } from "../interrupts/irqchip/lapic.js";
import { contextChanged, getField, recordAt, request, type StateField, setField } from "../processor/vcpu.js";
import { lapicAt, x86Vcpu, x86Vm } from "./state.js";
import { x86VmOf } from "./x86-vm.js";

/** Of a vCPU's state: what the engine makes anew, what only lives while it runs, and where things lie. */
const derived: ReadonlySet<string> = new Set([
  ...["fault", "exitCode", "budget", "recheck", "sampling", "sliceLength", "shortSlices", "tlb", "asid", "fetchTlb"],
  ...["fetchAsid", "contexts", "contextGeneration", "tableNext", "codeBytes", "vcpuIndex", "codeMaps", "codeMap"],
  ...["nextCodePage", "codePagesTaken", "mode", "fetchPage", "decodeRoot", "inGuest", "mailHead", "mailTail", "mail"],
  ...["dropSets", "dropWords", "requests", "jumpContext", "jumpGeneration", "exitsToSample", "largePages", "hugePages"],
  ...["recordCount", "updateAddress", "nestedFault", "nestedError", "crossing", "leaveAt"],
]);

interface SavedX86Vm {
  readonly irqchip?: Readonly<Record<string, SavedFields>>;
  readonly hasPit: boolean;
}

interface SavedX86Vcpu {
  readonly state: Readonly<Record<string, readonly bigint[]>>;
  readonly record: SavedFields;
  readonly lapic: SavedFields;
}

export function saveVm(vm: VmInside): SavedX86Vm {
  const x86 = x86VmOf(vm);
  const { irqchip } = x86;
  if (!irqchip) return { hasPit: false };
  const base = vm.mem.u32(x86.address + x86Vm.offset.irqchip);
  const parts = Object.entries(irqchipParts).map(
    ([name, [at, layout]]) => [name, saveFields(vm.mem, layout, base + at)] as const,
  );
  return { irqchip: Object.fromEntries(parts), hasPit: irqchip.hasPit };
}

/** What createVm made is there. */
export function restoreVm(vm: VmInside, saved: unknown): void {
  const { irqchip, hasPit } = saved as SavedX86Vm;
  if (!irqchip) return;
  const base = Irqchip.create(vm.mem);
  const x86 = x86VmOf(vm);
  vm.mem.setI32(x86.address + x86Vm.offset.irqchip, base);
  if (hasPit) x86.irqchip?.createPit();
  for (const [name, [at, layout]] of Object.entries(irqchipParts)) {
    const fields = irqchip[name];
    if (fields) restoreFields(vm.mem, layout, base + at, fields);
  }
}

export function saveVcpu(vcpu: VcpuInside): SavedX86Vcpu {
  const { mem } = vcpu.vm;
  const fields = (Object.keys(state) as StateField[]).filter((field) => !derived.has(field));
  const values = fields.map((field) => {
    const { count } = state[field];
    return [field, Array.from({ length: count }, (_, i) => getField(vcpu, field, i))] as const;
  });
  return {
    state: Object.fromEntries(values),
    record: saveFields(mem, x86Vcpu, vcpu.archRecord, ["ready"]),
    lapic: saveFields(mem, lapicState, vcpu.archRecord + lapicAt),
  };
}

/** The vCPU is as createVcpu made it; when it first runs, its engine makes what is derived. */
export function restoreVcpu(vcpu: VcpuInside, saved: unknown): void {
  const { mem } = vcpu.vm;
  const { state: values, record, lapic } = saved as SavedX86Vcpu;
  for (const [name, elements] of Object.entries(values)) {
    if (!(name in state) || derived.has(name)) continue;
    const field = name as StateField;
    for (const [i, value] of elements.slice(0, state[field].count).entries()) setField(vcpu, field, value, i);
  }
  restoreFields(mem, x86Vcpu, vcpu.archRecord, record, ["ready"]);
  restoreFields(mem, lapicState, vcpu.archRecord + lapicAt, lapic);
  mem.setI32(recordAt(vcpu, "ready"), 0);
  request(vcpu, Request.interrupt);
  contextChanged(vcpu);
}
