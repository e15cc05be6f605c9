/** What the calls take that only x86 has (uapi.ts). */
import { bigint, listOf, options, type Signatures, u32 } from "../../../base/takes.js";
import {
  eventFdSignatures,
  kvmSignatures,
  statsFdSignatures,
  vcpuSignatures,
  vmSignatures,
} from "../../../kvm/signatures.js";
import type { Kvm, Vcpu, Vm } from "../../../kvm/uapi.js";
import type { X86CpuidEntry, X86Kvm, X86MsrEntry, X86Vcpu, X86Vm } from "../uapi.js";

const entry = options<X86CpuidEntry>({ function: u32, index: u32, flags: u32, eax: u32, ebx: u32, ecx: u32, edx: u32 });
const msr = options<X86MsrEntry>({ index: u32, data: bigint });

export const x86KvmSignatures = { getSupportedCpuid: {}, getMsrIndexList: {} } as const satisfies Signatures<
  Omit<X86Kvm, keyof Kvm>
>;
export const x86VmSignatures = { createIrqchip: {}, createPit2: {} } as const satisfies Signatures<
  Omit<X86Vm, keyof Vm>
>;
export const x86VcpuSignatures = {
  setCpuid2: { entries: listOf(entry) },
  getCpuid2: {},
  getMsrs: { entries: listOf(msr) },
  setMsrs: { entries: listOf(msr) },
  nmi: {},
  getTscKhz: {},
} as const satisfies Signatures<Omit<X86Vcpu, keyof Vcpu>>;

/** Every call, by the object that it is made on (calls.ts). */
export const x86Signatures = {
  kvm: { ...kvmSignatures, ...x86KvmSignatures },
  vm: { ...vmSignatures, ...x86VmSignatures },
  vcpu: { ...vcpuSignatures, ...x86VcpuSignatures },
  eventfd: eventFdSignatures,
  stats: statsFdSignatures,
} as const;
