/**
 * What a POWER VM and its vCPUs are besides what every VM is, as plain values under names (kvm/saved.ts). All that is not
 * listed here as derived is saved.
 */
import { type SavedState, savedVcpuState } from "../../../engine/vcpu-saved.js";
import type { Range } from "../../../kvm/heap.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { restoreFields, type SavedFields, saveFields } from "../../../kvm/saved.js";
import { archLayout, Request, type StateField, state } from "../engines/layout.js";
import { hptRange } from "../mmu/hpt.js";
import { rtasCalls } from "../papr/rtas/list.js";
import { processorChanged } from "../processor/processor.js";
import { contextChanged, getField, recordAt, request, setField } from "../processor/vcpu.js";
import type { SavedTceTable } from "../vio/tce-table.js";
import { ppcVmOf } from "./ppc-vm.js";
import { ppcVcpu, ppcVm } from "./state.js";

/** Of the architecture's words that the engines read: those that hold state, with their type. */
const words = {
  radix: "i32",
  processTableBase: "i64",
  processTableSize: "i32",
  ail: "i32",
  interruptLittleEndian: "i32",
  smt: "i32",
  fwnmi: "i32",
  pvCalls: "i32",
  hpt: "i32",
} as const satisfies Partial<Record<keyof typeof archLayout, "i32" | "i64">>;
/** The others are made when the VM runs. */
export const derivedWords = [
  "ramLimit",
  "codeOwners",
  "codeMapSize",
  "quadLock",
  "hptLock",
] as const satisfies readonly Exclude<keyof typeof archLayout, keyof typeof words>[];
export const savedWords = Object.keys(words);

const vmDerived = ["lpid", "xics", "xive", "rtasTokens", "tceTableCount", "tceTables"] as const;
const vcpuDerived = ["ready"] as const;

const vcpuState = savedVcpuState<StateField>({ getField, setField }, state, {
  derived: [
    "hashContext",
    "prefixed",
    "nextPrefixed",
    // A reservation that is lost makes a store conditional fail, as it may at any time.
    "reserveAddress",
    "reserveSize",
    "reserveValue",
    "facilities",
    "smallDecrementer",
    // The partition's number is this kvm's.
    "lpid",
  ],
  most: {},
  addresses: ["branchEntry"],
});
export const checkVcpuState = vcpuState.check;

/** Requests that are the guest's business; the others are about what is derived. */
const lastingRequests = Request.systemReset;

interface SavedPpcVm {
  readonly words: Readonly<Record<string, bigint>>;
  readonly vm: SavedFields;
  readonly rtasTokens: Readonly<Record<string, number>>;
  readonly tceTables: readonly SavedTceTable[];
}

export interface SavedPpcVcpu {
  readonly state: SavedState;
  readonly requests: number;
  readonly record: SavedFields;
}

export function saveVm(vm: VmInside): SavedPpcVm {
  const { mem } = vm;
  const { address, tceTables } = ppcVmOf(vm);
  const tokens = rtasCalls.map(({ name }, i) => [name, mem.u32(address + ppcVm.offset.rtasTokens + 4 * i)] as const);
  return {
    words: Object.fromEntries(
      Object.entries(words).map(([name, type]) => {
        const at = archLayout[name as keyof typeof words];
        return [name, type === "i64" ? mem.i64(at) : BigInt(mem.i32(at))];
      }),
    ),
    vm: saveFields(mem, ppcVm, address, vmDerived),
    rtasTokens: Object.fromEntries(tokens),
    tceTables: tceTables.save(),
  };
}

/** What createVm made is there. */
export function restoreVm(vm: VmInside, saved: unknown): void {
  const { words: values, vm: fields, rtasTokens, tceTables } = saved as SavedPpcVm;
  const { mem } = vm;
  const ppc = ppcVmOf(vm);
  for (const [name, type] of Object.entries(words)) {
    const value = values[name];
    if (value === undefined) continue;
    const at = archLayout[name as keyof typeof words];
    if (type === "i64") mem.setI64(at, value);
    else mem.setI32(at, Number(value));
  }
  restoreFields(mem, ppcVm, ppc.address, fields, vmDerived);
  for (const [i, { name }] of rtasCalls.entries()) {
    mem.setI32(ppc.address + ppcVm.offset.rtasTokens + 4 * i, rtasTokens[name] ?? 0);
  }
  ppc.tceTables.restore(tceTables);
}

/** What stays where it is: TCE tables, whose addresses the user side knows, and hashed page tables, for their size. */
export function keptRanges(vm: VmInside): Range[] {
  const { tceTables, hptTables } = ppcVmOf(vm);
  const tables = tceTables.save().map(({ address, size }) => ({ address, bytes: Number(size) * 8 }));
  return [...tables, ...hptTables.map(hptRange)];
}

export function saveVcpu(vcpu: VcpuInside): SavedPpcVcpu {
  return {
    state: vcpuState.save(vcpu),
    requests: Number(getField(vcpu, "requests")) & lastingRequests,
    record: saveFields(vcpu.vm.mem, ppcVcpu, vcpu.archRecord, vcpuDerived),
  };
}

/** The vCPU is as createVcpu made it; when it first runs, its engine makes what is derived. */
export function restoreVcpu(vcpu: VcpuInside, saved: unknown): void {
  const { state: values, requests, record } = saved as SavedPpcVcpu;
  vcpuState.restore(vcpu, values);
  restoreFields(vcpu.vm.mem, ppcVcpu, vcpu.archRecord, record, vcpuDerived);
  vcpu.vm.mem.setI32(recordAt(vcpu, "ready"), 0);
  request(vcpu, requests | Request.interrupt);
  processorChanged(vcpu);
  contextChanged(vcpu);
}
