/** ONE_REG identifiers of Book3S, names and numbers as in Linux's arch/powerpc/include/uapi/asm/kvm.h. */
import { integer, taking } from "../../../base/takes.js";
import { KVM_REG_PPC, KVM_REG_SIZE_U32, KVM_REG_SIZE_U64, KVM_REG_SIZE_U128 } from "../../../kvm/constants.js";

/** Hypervisor interrupt offset, of 32-bit and old 64-bit processors. */
export const KVM_REG_PPC_HIOR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x1n;
/** Data address breakpoint, of processors before POWER8. */
export const KVM_REG_PPC_DABR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x8n;
/** Its extension. */
export const KVM_REG_PPC_DABRX = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb8n;
/** Data stream control. */
export const KVM_REG_PPC_DSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x9n;
/** Processor utilization of resources: ticks of the time base. */
export const KVM_REG_PPC_PURR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xan;
/** The same, scaled. */
export const KVM_REG_PPC_SPURR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xbn;
/** Data address: where an access failed. */
export const KVM_REG_PPC_DAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xcn;
/** Why it failed. */
export const KVM_REG_PPC_DSISR = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xdn;
/** Authority mask, for keys of data pages. */
export const KVM_REG_PPC_AMR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xen;
/** What of the AMR problem state may change. */
export const KVM_REG_PPC_UAMOR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xfn;
/** Performance monitor control 0. */
export const KVM_REG_PPC_MMCR0 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x10n;
/** Performance monitor control 1. */
export const KVM_REG_PPC_MMCR1 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x11n;
/** Performance monitor control A. */
export const KVM_REG_PPC_MMCRA = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x12n;
/** Performance monitor control 2. */
export const KVM_REG_PPC_MMCR2 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x13n;
/** Performance monitor control S, POWER8's. */
export const KVM_REG_PPC_MMCRS = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x14n;
/** Address of the instruction that was sampled. */
export const KVM_REG_PPC_SIAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x15n;
/** Address of the data that was sampled. */
export const KVM_REG_PPC_SDAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x16n;
/** What the sampled instruction did. */
export const KVM_REG_PPC_SIER = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x17n;
/** Performance monitor counter 1. */
export const KVM_REG_PPC_PMC1 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x18n;
/** Performance monitor counter 2. */
export const KVM_REG_PPC_PMC2 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x19n;
/** Performance monitor counter 3. */
export const KVM_REG_PPC_PMC3 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1an;
/** Performance monitor counter 4. */
export const KVM_REG_PPC_PMC4 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1bn;
/** Performance monitor counter 5: instructions. */
export const KVM_REG_PPC_PMC5 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1cn;
/** Performance monitor counter 6: cycles. */
export const KVM_REG_PPC_PMC6 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1dn;
/** Performance monitor counter 7, of processors before POWER8. */
export const KVM_REG_PPC_PMC7 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1en;
/** Performance monitor counter 8, of processors before POWER8. */
export const KVM_REG_PPC_PMC8 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1fn;
/** The first floating-point register; `KVM_REG_PPC_FPR` gives any. */
export const KVM_REG_PPC_FPR0 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x20n;
/** The first vector register; `KVM_REG_PPC_VR` gives any. */
export const KVM_REG_PPC_VR0 = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x40n;
/** The first vector-scalar register; `KVM_REG_PPC_VSR` gives any. */
export const KVM_REG_PPC_VSR0 = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x60n;
/** Floating-point status and control. */
export const KVM_REG_PPC_FPSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x80n;
/** Vector status and control. */
export const KVM_REG_PPC_VSCR = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x81n;
/** Virtual processor area: guest real address, 0 for none. */
export const KVM_REG_PPC_VPA_ADDR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x82n;
/** SLB shadow buffer: guest real address, and bytes in the upper half. */
export const KVM_REG_PPC_VPA_SLB = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x83n;
/** Dispatch trace log: guest real address, and bytes in the upper half. */
export const KVM_REG_PPC_VPA_DTL = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x84n;
/** The word that is a software breakpoint. */
export const KVM_REG_PPC_DEBUG_INST = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x8bn;
/** What the guest's time base is ahead of the host's. */
export const KVM_REG_PPC_TB_OFFSET = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x9cn;
/** Supervisor's performance monitor counter 1, POWER8's. */
export const KVM_REG_PPC_SPMC1 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x9dn;
/** Supervisor's performance monitor counter 2, POWER8's. */
export const KVM_REG_PPC_SPMC2 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x9en;
/** Instruction authority mask. */
export const KVM_REG_PPC_IAMR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x9fn;
/** Which facilities problem state may use. */
export const KVM_REG_PPC_FSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa3n;
/** How long problem state may raise its priority. */
export const KVM_REG_PPC_PSPB = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xa4n;
/** Where event-based branches go. */
export const KVM_REG_PPC_EBBHR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa5n;
/** Where the last one came from. */
export const KVM_REG_PPC_EBBRR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa6n;
/** Event-based branches: status and control. */
export const KVM_REG_PPC_BESCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa7n;
/** Target address of bctar. */
export const KVM_REG_PPC_TAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa8n;
/** Directed privileged doorbells that are pending. */
export const KVM_REG_PPC_DPDES = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa9n;
/** Data address watchpoint 0. */
export const KVM_REG_PPC_DAWR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xaan;
/** Its extension. */
export const KVM_REG_PPC_DAWRX = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xabn;
/** Completed instruction address breakpoint. */
export const KVM_REG_PPC_CIABR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xacn;
/** Instructions that were completed. */
export const KVM_REG_PPC_IC = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xadn;
/** Virtual time base: ticks in which the processor ran. */
export const KVM_REG_PPC_VTB = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xaen;
/** Core's signature, POWER8's. */
export const KVM_REG_PPC_CSIGR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xafn;
/** Thread array control, POWER8's. */
export const KVM_REG_PPC_TACR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb0n;
/** Thread control, POWER8's. */
export const KVM_REG_PPC_TCSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb1n;
/** Process identifier. */
export const KVM_REG_PPC_PID = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb2n;
/** Available coprocessors, POWER8's. */
export const KVM_REG_PPC_ACOP = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb3n;
/** Which vector registers are in use, as programs say. */
export const KVM_REG_PPC_VRSAVE = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb4n;
/** Kinds of hardware breakpoints, and what a debug exit says. */
export const KVMPPC_DEBUG_BREAKPOINT = 2;
/** A store. */
export const KVMPPC_DEBUG_WATCH_WRITE = 4;
/** A load. */
export const KVMPPC_DEBUG_WATCH_READ = 8;

/** Logical partitioning control, its lower half. */
export const KVM_REG_PPC_LPCR = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb5n;
/** Logical partitioning control. */
export const KVM_REG_PPC_LPCR_64 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb5n;
/** Program priority. */
export const KVM_REG_PPC_PPR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb6n;
/** The logical version (PVR) of the processor whose facilities the guest has; 0: all. */
export const KVM_REG_PPC_ARCH_COMPAT = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb7n;
/** Workload optimisation, POWER8's. */
export const KVM_REG_PPC_WORT = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb9n;
/** Thread identifier, POWER9's. */
export const KVM_REG_PPC_TIDR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xbcn;
/** Processor stop status and control. */
export const KVM_REG_PPC_PSSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xbdn;
/** When the decrementer expires: the guest's time base. */
export const KVM_REG_PPC_DEC_EXPIRY = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xben;
/** Whether the vCPU is online: 1 or 0. */
export const KVM_REG_PPC_ONLINE = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xbfn;
/** Partition table control, of guests that have guests. */
export const KVM_REG_PPC_PTCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc0n;
/** Performance monitor control 3, POWER10's. */
export const KVM_REG_PPC_MMCR3 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc1n;
/** More of SIER, POWER10's. */
export const KVM_REG_PPC_SIER2 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc2n;
/** More of SIER, POWER10's. */
export const KVM_REG_PPC_SIER3 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc3n;
/** The vCPU's interrupt presentation in the XICS. */
export const KVM_REG_PPC_ICP_STATE = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x8cn;
/** The vCPU's thread context in the XIVE: two words, and what Linux keeps beside them. */
export const KVM_REG_PPC_VP_STATE = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x8dn;

/** The n-th of 32. EINVAL: there is none. */
const file = (name: string, first: bigint) =>
  taking(name, { n: integer(0, 31) }, (n: number): bigint => first + BigInt(n));
/** Identifier of floating-point register n, 0 to 31. EINVAL: there is none. */
export const KVM_REG_PPC_FPR = file("KVM_REG_PPC_FPR", KVM_REG_PPC_FPR0);
/** Identifier of vector register n, 0 to 31. EINVAL: there is none. */
export const KVM_REG_PPC_VR = file("KVM_REG_PPC_VR", KVM_REG_PPC_VR0);
/** Identifier of vector-scalar register n, 0 to 31. EINVAL: there is none. */
export const KVM_REG_PPC_VSR = file("KVM_REG_PPC_VSR", KVM_REG_PPC_VSR0);

// Attributes of the XICS device (Documentation/virt/kvm/devices/xics.rst).
/** Attribute: the source's number; value: its state. */
export const KVM_DEV_XICS_GRP_SOURCES = 1;
/** The group whose attribute is KVM_DEV_XICS_NR_SERVERS. */
export const KVM_DEV_XICS_GRP_CTRL = 2;
/** Attribute: how many servers there are at the most; before a vCPU is connected. */
export const KVM_DEV_XICS_NR_SERVERS = 1;
/** Of a source's state: the server. */
export const KVM_XICS_DESTINATION_MASK = 0xffffffffn;
/** Of a source's state: from this bit on its priority. */
export const KVM_XICS_PRIORITY_SHIFT = 32n;
/** The bits of the priority, shifted down. */
export const KVM_XICS_PRIORITY_MASK = 0xffn;
/** It is level sensitive. */
export const KVM_XICS_LEVEL_SENSITIVE = 1n << 40n;
/** It is masked; its priority is what it had. */
export const KVM_XICS_MASKED = 1n << 41n;
/** It is pending. */
export const KVM_XICS_PENDING = 1n << 42n;
/** It is presented to a server, and not ended. */
export const KVM_XICS_PRESENTED = 1n << 43n;
/** It came again before it was ended. */
export const KVM_XICS_QUEUED = 1n << 44n;
