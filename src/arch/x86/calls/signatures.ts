/** What the calls take that only x86 has (uapi.ts). */
import {
  anything,
  bigint,
  boolean,
  bytes,
  bytesOf,
  having,
  integer,
  listOf,
  optional,
  options,
  type Signatures,
  u32,
  u64,
  wholeNumber,
} from "../../../base/takes.js";
import {
  deviceSignatures,
  eventFdSignatures,
  kvmSignatures,
  statsFdSignatures,
  vcpuSignatures,
  vmSignatures,
} from "../../../kvm/signatures.js";
import type { Kvm, Vcpu, Vm } from "../../../kvm/uapi.js";
import { takesEvents } from "../processor/events.js";
import {
  KVM_APIC_REG_SIZE,
  KVM_XSAVE_SIZE,
  type X86Clock,
  type X86CpuidEntry,
  type X86Debugregs,
  type X86Fpu,
  type X86Irqchip,
  type X86Kvm,
  type X86MsrEntry,
  type X86MsrFilter,
  type X86MsrFilterRange,
  type X86PitState,
  type X86TprAccessCtl,
  type X86Vcpu,
  type X86Vm,
  type X86Xcrs,
} from "../uapi.js";

const entry = options<X86CpuidEntry>({ function: u32, index: u32, flags: u32, eax: u32, ebx: u32, ecx: u32, edx: u32 });
const u16 = integer(0, 0xffff);
const fpu = options<X86Fpu>({
  ...{ fpr: bytesOf(128), fcw: u16, fsw: u16, ftwx: integer(0, 0xff), last_opcode: u16, last_ip: u64, last_dp: u64 },
  ...{ xmm: bytesOf(256), mxcsr: u32 },
});
const xcrs = options<X86Xcrs>({ flags: u32, xcrs: listOf(options({ xcr: u32, value: u64 })) });
const debugregs = options<X86Debugregs>({ db: listOf(u64), dr6: u64, dr7: u64, flags: u32 });
const msr = options<X86MsrEntry>({ index: u32, data: bigint });

const range = options<X86MsrFilterRange>({ flags: u32, base: u32, nmsrs: u32, bitmap: bytes });
/** The chips' and the counters' own fields are looked at where it is known whose they are (interrupts/irqchip/states.ts). */
const irqchip = options<X86Irqchip>({ chip_id: u32, pic: optional(having({})), ioapic: optional(having({})) });

export const x86KvmSignatures = {
  getSupportedCpuid: { nent: optional(u32) },
  getEmulatedCpuid: { nent: optional(u32) },
  getMsrIndexList: { nmsrs: optional(u32) },
  getMsrFeatureIndexList: { nmsrs: optional(u32) },
  getMsrs: { entries: listOf(msr) },
} as const satisfies Signatures<Omit<X86Kvm, keyof Kvm>>;
export const x86VmSignatures = {
  createIrqchip: {},
  createPit2: { config: optional(options<{ flags?: number }>({ flags: optional(u32) })) },
  getIrqchip: { chip: u32 },
  setIrqchip: { irqchip },
  getPit2: {},
  setPit2: { pit: options<X86PitState>({ channels: listOf(having({})), flags: u32 }) },
  reinjectControl: { control: options({ pit_reinject: u32 }) },
  getClock: {},
  setClock: { clock: options<X86Clock>({ clock: u64, flags: u32, realtime: optional(u64), host_tsc: optional(u64) }) },
  setTssAddr: { address: u64 },
  setIdentityMapAddr: { address: u64 },
  setBootCpuId: { id: wholeNumber },
  setMsrFilter: { filter: options<X86MsrFilter>({ flags: optional(u32), ranges: listOf(range) }) },
  getTscKhz: {},
  setTscKhz: { khz: u32 },
} as const satisfies Signatures<Omit<X86Vm, keyof Vm>>;
export const x86VcpuSignatures = {
  getSregs2: {},
  setSregs2: { sregs: having({}) },
  setCpuid2: { entries: listOf(entry) },
  getCpuid2: {},
  getMsrs: { entries: listOf(msr) },
  setMsrs: { entries: listOf(msr) },
  getFpu: {},
  setFpu: { fpu },
  getXsave: {},
  getXsave2: {},
  setXsave: { area: bytesOf(KVM_XSAVE_SIZE) },
  getXcrs: {},
  setXcrs: { xcrs },
  getDebugregs: {},
  setDebugregs: { debugregs },
  nmi: {},
  getTscKhz: {},
  setTscKhz: { khz: u32 },
  getLapic: {},
  setLapic: { regs: bytesOf(KVM_APIC_REG_SIZE) },
  tprAccessReporting: { control: options<X86TprAccessCtl>({ enabled: u32, flags: optional(u32) }) },
  setVapicAddr: { address: u64 },
  getCr8: {},
  setCr8: { value: integer(0, 15) },
  smi: {},
  // They answer all there is: EINVAL.
  getNestedState: {},
  setNestedState: { state: anything },
  getVcpuEvents: {},
  setVcpuEvents: { events: takesEvents },
  translate: { linearAddress: u64 },
  requestInterruptWindow: { wanted: boolean },
  readyForInterruptInjection: {},
  kvmclockCtrl: {},
} as const satisfies Signatures<Omit<X86Vcpu, keyof Vcpu>>;

/** Every call, by the object that it is made on (calls.ts). */
export const x86Signatures = {
  kvm: { ...kvmSignatures, ...x86KvmSignatures },
  vm: { ...vmSignatures, ...x86VmSignatures },
  vcpu: { ...vcpuSignatures, ...x86VcpuSignatures },
  device: deviceSignatures,
  eventfd: eventFdSignatures,
  stats: statsFdSignatures,
} as const;
