/** The user side's view of an x86 VM. Source: Documentation/virt/kvm/api.rst, arch/x86/include/uapi/asm/kvm.h. */
import type { Kvm, Registers, Vcpu, Vm } from "../../kvm/uapi.js";

/** Types of a VM here (KVM_CREATE_VM): Linux's 1 to 5 are protected ones, which there are none of. */
export const KVM_X86_UNIKVM_HV = 0x101;
export const KVM_X86_UNIKVM_PR = 0x102;

/** KVM_GET_MP_STATE. */
export const KVM_MP_STATE_RUNNABLE = 0;
export const KVM_MP_STATE_UNINITIALIZED = 1;
export const KVM_MP_STATE_INIT_RECEIVED = 2;
export const KVM_MP_STATE_HALTED = 3;
export const KVM_MP_STATE_SIPI_RECEIVED = 4;

/** struct kvm_regs. */
export interface X86Regs extends Registers {
  rax: bigint;
  rbx: bigint;
  rcx: bigint;
  rdx: bigint;
  rsi: bigint;
  rdi: bigint;
  rsp: bigint;
  rbp: bigint;
  r8: bigint;
  r9: bigint;
  r10: bigint;
  r11: bigint;
  r12: bigint;
  r13: bigint;
  r14: bigint;
  r15: bigint;
  rip: bigint;
  rflags: bigint;
}

/** struct kvm_segment. */
export interface X86Segment {
  base: bigint;
  limit: number;
  selector: number;
  type: number;
  present: number;
  dpl: number;
  db: number;
  s: number;
  l: number;
  g: number;
  avl: number;
  unusable: number;
}

/** struct kvm_dtable. */
export interface X86DescriptorTable {
  base: bigint;
  limit: number;
}

/** struct kvm_sregs. */
export interface X86Sregs extends Registers {
  cs: X86Segment;
  ds: X86Segment;
  es: X86Segment;
  fs: X86Segment;
  gs: X86Segment;
  ss: X86Segment;
  tr: X86Segment;
  ldt: X86Segment;
  gdt: X86DescriptorTable;
  idt: X86DescriptorTable;
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  cr8: bigint;
  efer: bigint;
  apic_base: bigint;
  /** 256 bits; at most one is set: an external interrupt that waits. */
  interrupt_bitmap: bigint[];
}

/** KVM_CPUID_FLAG_SIGNIFCANT_INDEX. */
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1;
/** Most entries of KVM_SET_CPUID2. */
export const KVM_MAX_CPUID_ENTRIES = 128;

/** struct kvm_cpuid_entry2. */
export interface X86CpuidEntry {
  readonly function: number;
  readonly index: number;
  readonly flags: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** struct kvm_msr_entry. */
export interface X86MsrEntry {
  readonly index: number;
  data: bigint;
}

export interface X86Vcpu extends Vcpu {
  getRegs(): X86Regs;
  setRegs(regs: X86Regs): void;
  getSregs(): X86Sregs;
  setSregs(sregs: X86Sregs): void;
  /** KVM_SET_CPUID2. E2BIG: more than KVM_MAX_CPUID_ENTRIES. EINVAL: it has run with other ones. */
  setCpuid2(entries: readonly X86CpuidEntry[]): void;
  getCpuid2(): X86CpuidEntry[];
  /** KVM_GET_MSRS: fills in `data`, in order; how many, up to the first that there is none of. */
  getMsrs(entries: readonly X86MsrEntry[]): number;
  /** KVM_SET_MSRS: how many, up to the first that there is none of or that does not take the value. */
  setMsrs(entries: readonly X86MsrEntry[]): number;
  /** KVM_NMI. */
  nmi(): void;
  /** KVM_GET_TSC_KHZ. */
  getTscKhz(): number;
}

export interface X86Vm extends Vm<X86Vcpu> {
  /** KVM_CREATE_IRQCHIP. EEXIST: there is one. EINVAL: there is a vCPU. */
  createIrqchip(): void;
  /** KVM_CREATE_PIT2. EEXIST: there is one. ENOENT: there is no KVM_CREATE_IRQCHIP's. */
  createPit2(): void;
}

export interface X86Kvm extends Kvm<X86Vm> {
  /** KVM_GET_SUPPORTED_CPUID: what the engines have, as the module's vendor says it. */
  getSupportedCpuid(): X86CpuidEntry[];
  /** KVM_GET_MSR_INDEX_LIST: what KVM_GET_MSRS knows and a guest would miss. */
  getMsrIndexList(): number[];
}
