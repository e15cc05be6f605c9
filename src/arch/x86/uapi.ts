/** The user side's view of an x86 VM. Source: Documentation/virt/kvm/api.rst, arch/x86/include/uapi/asm/kvm.h. */
import type { GuestDebug, Kvm, Registers, Vcpu, Vm } from "../../kvm/uapi.js";
import type { X86Clock, X86Irqchip, X86PitState, X86Translation, X86VcpuEvents } from "./uapi/devices.js";
import type { X86MsrFilter } from "./uapi/msr-access.js";

export * from "./uapi/devices.js";
export * from "./uapi/hypercalls.js";
export * from "./uapi/msr-access.js";

/** Type of a VM (KVM_CREATE_VM) whose code is translated. Linux's types 1 to 5 are protected VMs, which there are none of. */
export const KVM_X86_UNIKVM_HV = 0x101;
/** Type of a VM (KVM_CREATE_VM) whose code is interpreted. */
export const KVM_X86_UNIKVM_PR = 0x102;

/** KVM_GET_MP_STATE: it runs. */
export const KVM_MP_STATE_RUNNABLE = 0;
/** KVM_GET_MP_STATE: not the first processor, and nobody has started it. */
export const KVM_MP_STATE_UNINITIALIZED = 1;
/** KVM_GET_MP_STATE: it was reset by INIT and waits for a start-up message. */
export const KVM_MP_STATE_INIT_RECEIVED = 2;
/** KVM_GET_MP_STATE: it waits in HLT. */
export const KVM_MP_STATE_HALTED = 3;
/** KVM_GET_MP_STATE: it has a start-up message and is about to begin. */
export const KVM_MP_STATE_SIPI_RECEIVED = 4;

/** struct kvm_regs. */
export interface X86Regs extends Registers {
  /** RAX, 64 bits. */
  rax: bigint;
  /** RBX, 64 bits. */
  rbx: bigint;
  /** RCX, 64 bits. */
  rcx: bigint;
  /** RDX, 64 bits. */
  rdx: bigint;
  /** RSI, 64 bits. */
  rsi: bigint;
  /** RDI, 64 bits. */
  rdi: bigint;
  /** RSP, 64 bits. */
  rsp: bigint;
  /** RBP, 64 bits. */
  rbp: bigint;
  /** R8, 64 bits. */
  r8: bigint;
  /** R9, 64 bits. */
  r9: bigint;
  /** R10, 64 bits. */
  r10: bigint;
  /** R11, 64 bits. */
  r11: bigint;
  /** R12, 64 bits. */
  r12: bigint;
  /** R13, 64 bits. */
  r13: bigint;
  /** R14, 64 bits. */
  r14: bigint;
  /** R15, 64 bits. */
  r15: bigint;
  /** RIP: where the vCPU goes on, less the base of CS outside 64-bit mode. */
  rip: bigint;
  /** RFLAGS. */
  rflags: bigint;
}

/** struct kvm_segment. */
export interface X86Segment {
  /** Linear address of its first byte. */
  base: bigint;
  /** Offset of its last byte. */
  limit: number;
  /** What the segment register holds. */
  selector: number;
  /** The descriptor's type, 4 bits. */
  type: number;
  /** P: 1 if it is present. */
  present: number;
  /** Privilege level, 0 to 3. */
  dpl: number;
  /** D/B: 1 if code in it, or its stack, is of 32 bits. */
  db: number;
  /** S: 1 of code and data, 0 of system segments. */
  s: number;
  /** L: 1 if code in it is of 64 bits. */
  l: number;
  /** G: 1 if its descriptor counts the limit in pages of 4 KiB. */
  g: number;
  /** AVL: for the guest to use. */
  avl: number;
  /** 1 if nothing may be accessed through it. */
  unusable: number;
}

/** struct kvm_dtable. */
export interface X86DescriptorTable {
  /** Linear address. */
  base: bigint;
  /** Offset of its last byte. */
  limit: number;
}

/** What struct kvm_sregs and struct kvm_sregs2 have in common. */
export interface X86SystemRegisters extends Registers {
  /** Code. */
  cs: X86Segment;
  /** Data. */
  ds: X86Segment;
  /** Data; where string instructions write. */
  es: X86Segment;
  /** Data. */
  fs: X86Segment;
  /** Data. */
  gs: X86Segment;
  /** Stack. */
  ss: X86Segment;
  /** The task register: the task-state segment. */
  tr: X86Segment;
  /** The local descriptor table. */
  ldt: X86Segment;
  /** The global descriptor table. */
  gdt: X86DescriptorTable;
  /** The interrupt descriptor table. */
  idt: X86DescriptorTable;
  /** CR0: protection, paging and the like. */
  cr0: bigint;
  /** CR2: the address of the last page fault. */
  cr2: bigint;
  /** CR3: where the page tables begin. */
  cr3: bigint;
  /** CR4: which extensions are on. */
  cr4: bigint;
  /** CR8: the task's priority, 0 to 15. */
  cr8: bigint;
  /** IA32_EFER: long mode, SYSCALL, no-execute. */
  efer: bigint;
  /** IA32_APIC_BASE: where the local APIC is, and its mode. */
  apic_base: bigint;
}

/** struct kvm_sregs. */
export interface X86Sregs extends X86SystemRegisters {
  /** 256 bits; at most one is set: an external interrupt that waits. */
  interrupt_bitmap: bigint[];
}

/** Of struct kvm_sregs2: `pdptrs` are those that paging goes by. */
export const KVM_SREGS2_FLAGS_PDPTRS_VALID = 1;

/** struct kvm_sregs2. */
export interface X86Sregs2 extends X86SystemRegisters {
  /** KVM_SREGS2_FLAGS_PDPTRS_VALID where there is PAE paging, or 0. */
  flags: bigint;
  /** The four entries that CR3 leads to then. Processors here read them in memory, each time: what is set is not kept apart. */
  pdptrs: bigint[];
}

/** KVM_CPUID_FLAG_SIGNIFCANT_INDEX. */
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1;
/** Most entries of KVM_SET_CPUID2. */
export const KVM_MAX_CPUID_ENTRIES = 128;

/** struct kvm_cpuid_entry2. */
export interface X86CpuidEntry {
  /** The leaf: EAX as CPUID is given it. */
  readonly function: number;
  /** The subleaf: ECX as CPUID is given it, where `flags` says so. */
  readonly index: number;
  /** KVM_CPUID_FLAG_SIGNIFCANT_INDEX, or 0. */
  readonly flags: number;
  /** What CPUID answers in EAX. */
  readonly eax: number;
  /** What CPUID answers in EBX. */
  readonly ebx: number;
  /** What CPUID answers in ECX. */
  readonly ecx: number;
  /** What CPUID answers in EDX. */
  readonly edx: number;
}

/** struct kvm_msr_entry. */
export interface X86MsrEntry {
  /** The register's number. */
  readonly index: number;
  /** Its value, 64 bits. */
  data: bigint;
}

/** Most entries of KVM_GET_MSRS and KVM_SET_MSRS. */
export const KVM_MAX_MSR_ENTRIES = 256;

/** struct kvm_fpu. */
export interface X86Fpu {
  /** ST0 to ST7 as the stack has them, 16 bytes each, of which 10 count. */
  readonly fpr: Uint8Array;
  /** The control word. */
  readonly fcw: number;
  /** The status word. */
  readonly fsw: number;
  /** A bit for each register that is not empty, in the order of their places. */
  readonly ftwx: number;
  /** Eleven bits of the last instruction's opcode. */
  readonly last_opcode: number;
  /** Where the last instruction was. */
  readonly last_ip: bigint;
  /** Where its operand was. */
  readonly last_dp: bigint;
  /** XMM0 to XMM15, 16 bytes each. */
  readonly xmm: Uint8Array;
  /** MXCSR. */
  readonly mxcsr: number;
}

/** struct kvm_tpr_access_ctl. */
export interface X86TprAccessCtl {
  /** 0: accesses are not reported. */
  readonly enabled: number;
  /** 0. */
  readonly flags?: number;
}

/** Bytes of struct kvm_xsave, and what KVM_CAP_XSAVE2 answers: no area is larger. */
export const KVM_XSAVE_SIZE = 4096;

/** struct kvm_xcrs. */
export interface X86Xcrs {
  /** 0. */
  readonly flags: number;
  /** Of which there is XCR0. */
  readonly xcrs: readonly {
    /** The register's number. */
    readonly xcr: number;
    /** Its value. */
    readonly value: bigint;
  }[];
}

/** `control` of KVM_SET_GUEST_DEBUG: the vCPU goes on with a #DB, of which DR6 says nothing. */
export const KVM_GUESTDBG_INJECT_DB = 0x40000;
/** `control` of KVM_SET_GUEST_DEBUG: the vCPU goes on with a #BP; if it stands before an INT3, with that one's. */
export const KVM_GUESTDBG_INJECT_BP = 0x80000;
/** `control` of KVM_SET_GUEST_DEBUG: no interrupt is taken, nor an NMI. */
export const KVM_GUESTDBG_BLOCKIRQ = 0x100000;

/** struct kvm_debugregs. */
export interface X86Debugregs {
  /** DR0 to DR3. */
  readonly db: readonly bigint[];
  /** DR6, what has happened; 32 bits. */
  readonly dr6: bigint;
  /** DR7, what is looked for; 32 bits. */
  readonly dr7: bigint;
  /** 0. */
  readonly flags: number;
}

export interface X86Vcpu extends Vcpu {
  getRegs(): X86Regs;
  setRegs(regs: X86Regs): void;
  getSregs(): X86Sregs;
  setSregs(sregs: X86Sregs): void;
  /** KVM_GET_SREGS2. */
  getSregs2(): X86Sregs2;
  /** KVM_SET_SREGS2: an interrupt that waits stays. EINVAL: as KVM_SET_SREGS, unknown flags, or `pdptrs` without PAE paging. */
  setSregs2(sregs: X86Sregs2): void;
  /** KVM_SET_CPUID2. E2BIG: more than KVM_MAX_CPUID_ENTRIES. EINVAL: it has run with other ones. */
  setCpuid2(entries: readonly X86CpuidEntry[]): void;
  /** KVM_GET_CPUID2: what was set. */
  getCpuid2(): X86CpuidEntry[];
  /** KVM_GET_MSRS: fills in `data`, in order; how many, up to the first that there is none of. E2BIG: more than KVM_MAX_MSR_ENTRIES. */
  getMsrs(entries: readonly X86MsrEntry[]): number;
  /** KVM_SET_MSRS: how many, up to the first that there is none of or that does not take the value. E2BIG: as KVM_GET_MSRS. */
  setMsrs(entries: readonly X86MsrEntry[]): number;
  /** KVM_GET_FPU: x87 and SSE. */
  getFpu(): X86Fpu;
  /** KVM_SET_FPU. EINVAL: MXCSR has bits that the processor lacks. */
  setFpu(fpu: X86Fpu): void;
  /** KVM_GET_XSAVE: an area as XSAVE writes it, in KVM_XSAVE_SIZE bytes. */
  getXsave(): Uint8Array<ArrayBuffer>;
  /** KVM_GET_XSAVE2: as many bytes as KVM_CAP_XSAVE2 says. */
  getXsave2(): Uint8Array<ArrayBuffer>;
  /** KVM_SET_XSAVE. EINVAL: no area, components that the vCPU has not, bits of MXCSR that there are none of. */
  setXsave(area: Uint8Array): void;
  /** KVM_GET_XCRS. */
  getXcrs(): X86Xcrs;
  /** KVM_SET_XCRS. EINVAL: flags, more than 16, or what XCR0 cannot be; other registers are left alone. */
  setXcrs(xcrs: X86Xcrs): void;
  /**
   * KVM_SET_GUEST_DEBUG. With KVM_GUESTDBG_USE_HW_BP the guest's debug registers are not looked at, but `debugreg` is; with it or
   * KVM_GUESTDBG_SINGLESTEP all #DB are the user side's, with KVM_GUESTDBG_USE_SW_BP every INT3. A
   * breakpoint stops a step too, until it is gone or RF is set. EBUSY: something is to be put in,
   * and an exception waits. EINVAL: unknown bits, not eight registers, a DR7 of more than 32 bits, or `breakpoints`.
   */
  setGuestDebug(debug: GuestDebug): void;
  /** KVM_GET_DEBUGREGS. */
  getDebugregs(): X86Debugregs;
  /** KVM_SET_DEBUGREGS. EINVAL: flags, not four addresses, or DR6 or DR7 of more than 32 bits. */
  setDebugregs(debugregs: X86Debugregs): void;
  /** KVM_NMI. */
  nmi(): void;
  /** KVM_GET_TSC_KHZ. */
  getTscKhz(): number;
  /** KVM_SET_TSC_KHZ: 0 is what it is anyway. EINVAL: another rate, since the counter is not scaled. */
  setTscKhz(khz: number): void;
  /** KVM_GET_LAPIC: KVM_APIC_REG_SIZE bytes. EINVAL: it has no local APIC. */
  getLapic(): Uint8Array;
  /** KVM_SET_LAPIC. EINVAL: it has none, or an x2APIC's identifier is not its own. */
  setLapic(regs: Uint8Array): void;
  /** KVM_TPR_ACCESS_REPORTING: each access to the local APIC's task priority leaves with "tpr_access", once it is done. EINVAL: flags. */
  tprAccessReporting(control: X86TprAccessCtl): void;
  /**
   * KVM_SET_VAPIC_ADDR: a word of guest memory, from which the task's priority is taken when the guest leaves, and where it is
   * put (byte 0), with the class of what is being handled (byte 1) and the highest vector that waits (byte 3), before it goes on.
   * 0: none. EINVAL: there is no local APIC in the kernel side, or no memory there that can be written.
   */
  setVapicAddr(address: bigint): void;
  /** cr8 of struct kvm_run: CR8, as it is now. */
  getCr8(): number;
  /** cr8 of struct kvm_run: CR8 when the guest goes on, where the local APIC is the user side's; nothing happens else. */
  setCr8(value: number): void;
  /** KVM_SMI. ENOTTY, always: there is no system management mode. */
  smi(): void;
  /** KVM_GET_NESTED_STATE. EINVAL, always: guests have no guests. */
  getNestedState(): Uint8Array;
  /** KVM_SET_NESTED_STATE. EINVAL, always. */
  setNestedState(state: Uint8Array): void;
  /** KVM_GET_VCPU_EVENTS. */
  getVcpuEvents(): X86VcpuEvents;
  /** KVM_SET_VCPU_EVENTS. EINVAL: flags, or an exception that there is none of, or what no capability has been enabled for. */
  setVcpuEvents(events: X86VcpuEvents): void;
  /** KVM_TRANSLATE: by the page tables as they are; nothing is marked in them. */
  translate(linearAddress: bigint): X86Translation;
  /** request_interrupt_window of struct kvm_run: run() returns "irq_window_open" as soon as KVM_INTERRUPT would be taken. [any thread] */
  requestInterruptWindow(wanted: boolean): void;
  /** ready_for_interrupt_injection of struct kvm_run: whether KVM_INTERRUPT would be taken now. */
  readyForInterruptInjection(): boolean;
  /** KVM_KVMCLOCK_CTRL: tells the guest that it was stopped. EINVAL: it has no KVM clock. */
  kvmclockCtrl(): void;
}

export interface X86Vm extends Vm<X86Vcpu> {
  /** KVM_CREATE_IRQCHIP. EEXIST: there is one. EINVAL: there is a vCPU. */
  createIrqchip(): void;
  /** KVM_CREATE_PIT2. EEXIST: there is one. ENOENT: there is no KVM_CREATE_IRQCHIP's. EINVAL: unknown flags. */
  createPit2(config?: { readonly flags?: number }): void;
  /** KVM_GET_IRQCHIP. ENXIO: there is none. EINVAL: no such chip. */
  getIrqchip(chip: number): X86Irqchip;
  /** KVM_SET_IRQCHIP. ENXIO: there is none. EINVAL: no such chip, or another one's state. */
  setIrqchip(irqchip: X86Irqchip): void;
  /** KVM_GET_PIT2. ENXIO: there is none. */
  getPit2(): X86PitState;
  /** KVM_SET_PIT2: its counters begin anew. ENXIO: there is none. EINVAL: what no counter can be. */
  setPit2(pit: X86PitState): void;
  /** KVM_REINJECT_CONTROL: whether ticks that the guest has not taken in time are delivered later. ENXIO: there is no timer. */
  reinjectControl(control: { readonly pit_reinject: number }): void;
  /** KVM_GET_CLOCK. */
  getClock(): X86Clock;
  /** KVM_SET_CLOCK: with KVM_CLOCK_REALTIME, what has passed since is added. EINVAL: unknown flags. */
  setClock(clock: X86Clock): void;
  /** KVM_SET_TSS_ADDR, for Intel's processors that cannot run real mode; these can. EINVAL: it does not lie below 4 GiB. */
  setTssAddr(address: bigint): void;
  /** KVM_SET_IDENTITY_MAP_ADDR, likewise. EINVAL: there is a vCPU. */
  setIdentityMapAddr(address: bigint): void;
  /** KVM_SET_BOOT_CPU_ID: which vCPU starts the others. EBUSY: there is a vCPU. EINVAL: no number of a vCPU. */
  setBootCpuId(id: number): void;
  /** KVM_X86_SET_MSR_FILTER. EINVAL: flags, ranges or bitmaps that cannot be, or that nothing could be accessed. ENOMEM. */
  setMsrFilter(filter: X86MsrFilter): void;
  /** KVM_GET_TSC_KHZ of a VM. */
  getTscKhz(): number;
  /** KVM_SET_TSC_KHZ of a VM. EINVAL: as of a vCPU. */
  setTscKhz(khz: number): void;
}

export interface X86Kvm extends Kvm<X86Vm> {
  /** KVM_GET_SUPPORTED_CPUID: what the engines have, as the module's vendor says it. E2BIG: more than `nent` entries. */
  getSupportedCpuid(nent?: number): X86CpuidEntry[];
  /** KVM_GET_EMULATED_CPUID: none, since every feature that there is is a supported one. */
  getEmulatedCpuid(nent?: number): X86CpuidEntry[];
  /** KVM_GET_MSR_INDEX_LIST: what KVM_GET_MSRS knows and a guest would miss. E2BIG: more than `nmsrs`. */
  getMsrIndexList(nmsrs?: number): number[];
  /** KVM_GET_MSR_FEATURE_INDEX_LIST: what `getMsrs` of the system knows. E2BIG: more than `nmsrs`. */
  getMsrFeatureIndexList(nmsrs?: number): number[];
  /** KVM_GET_MSRS of the system: the processor's features, as `Vcpu.getMsrs`. E2BIG: more than KVM_MAX_MSR_ENTRIES. */
  getMsrs(entries: readonly X86MsrEntry[]): number;
}
