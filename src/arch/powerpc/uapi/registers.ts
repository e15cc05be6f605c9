/** ONE_REG identifiers of Book3S, names and numbers as in Linux's arch/powerpc/include/uapi/asm/kvm.h. */
import { integer, taking } from "../../../base/takes.js";
import { KVM_REG_PPC, KVM_REG_SIZE_U32, KVM_REG_SIZE_U64, KVM_REG_SIZE_U128 } from "../../../kvm/constants.js";

export const KVM_REG_PPC_HIOR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x1n;
export const KVM_REG_PPC_DABR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x8n;
export const KVM_REG_PPC_DABRX = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb8n;
export const KVM_REG_PPC_DSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x9n;
export const KVM_REG_PPC_PURR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xan;
export const KVM_REG_PPC_SPURR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xbn;
export const KVM_REG_PPC_DAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xcn;
export const KVM_REG_PPC_DSISR = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xdn;
export const KVM_REG_PPC_AMR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xen;
export const KVM_REG_PPC_UAMOR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xfn;
export const KVM_REG_PPC_MMCR0 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x10n;
export const KVM_REG_PPC_MMCR1 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x11n;
export const KVM_REG_PPC_MMCRA = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x12n;
export const KVM_REG_PPC_MMCR2 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x13n;
export const KVM_REG_PPC_MMCRS = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x14n;
export const KVM_REG_PPC_SIAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x15n;
export const KVM_REG_PPC_SDAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x16n;
export const KVM_REG_PPC_SIER = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x17n;
export const KVM_REG_PPC_PMC1 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x18n;
export const KVM_REG_PPC_PMC2 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x19n;
export const KVM_REG_PPC_PMC3 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1an;
export const KVM_REG_PPC_PMC4 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1bn;
export const KVM_REG_PPC_PMC5 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1cn;
export const KVM_REG_PPC_PMC6 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1dn;
export const KVM_REG_PPC_PMC7 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1en;
export const KVM_REG_PPC_PMC8 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x1fn;
export const KVM_REG_PPC_FPR0 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x20n;
export const KVM_REG_PPC_VR0 = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x40n;
export const KVM_REG_PPC_VSR0 = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x60n;
export const KVM_REG_PPC_FPSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x80n;
export const KVM_REG_PPC_VSCR = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x81n;
export const KVM_REG_PPC_VPA_ADDR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x82n;
export const KVM_REG_PPC_VPA_SLB = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x83n;
export const KVM_REG_PPC_VPA_DTL = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x84n;
/** The word that is a software breakpoint. */
export const KVM_REG_PPC_DEBUG_INST = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x8bn;
export const KVM_REG_PPC_TB_OFFSET = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x9cn;
export const KVM_REG_PPC_SPMC1 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x9dn;
export const KVM_REG_PPC_SPMC2 = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0x9en;
export const KVM_REG_PPC_IAMR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x9fn;
export const KVM_REG_PPC_FSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa3n;
export const KVM_REG_PPC_PSPB = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xa4n;
export const KVM_REG_PPC_EBBHR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa5n;
export const KVM_REG_PPC_EBBRR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa6n;
export const KVM_REG_PPC_BESCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa7n;
export const KVM_REG_PPC_TAR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa8n;
export const KVM_REG_PPC_DPDES = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xa9n;
export const KVM_REG_PPC_DAWR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xaan;
export const KVM_REG_PPC_DAWRX = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xabn;
export const KVM_REG_PPC_CIABR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xacn;
export const KVM_REG_PPC_IC = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xadn;
export const KVM_REG_PPC_VTB = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xaen;
export const KVM_REG_PPC_CSIGR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xafn;
export const KVM_REG_PPC_TACR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb0n;
export const KVM_REG_PPC_TCSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb1n;
export const KVM_REG_PPC_PID = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb2n;
export const KVM_REG_PPC_ACOP = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb3n;
export const KVM_REG_PPC_VRSAVE = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb4n;
/** Kinds of hardware breakpoints, and what a debug exit says. */
export const KVMPPC_DEBUG_BREAKPOINT = 2;
export const KVMPPC_DEBUG_WATCH_WRITE = 4;
export const KVMPPC_DEBUG_WATCH_READ = 8;

export const KVM_REG_PPC_LPCR = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb5n;
export const KVM_REG_PPC_LPCR_64 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb5n;
export const KVM_REG_PPC_PPR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb6n;
export const KVM_REG_PPC_ARCH_COMPAT = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xb7n;
export const KVM_REG_PPC_WORT = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xb9n;
export const KVM_REG_PPC_TIDR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xbcn;
export const KVM_REG_PPC_PSSCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xbdn;
export const KVM_REG_PPC_DEC_EXPIRY = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xben;
export const KVM_REG_PPC_ONLINE = KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xbfn;
export const KVM_REG_PPC_PTCR = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc0n;
export const KVM_REG_PPC_MMCR3 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc1n;
export const KVM_REG_PPC_SIER2 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc2n;
export const KVM_REG_PPC_SIER3 = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xc3n;
export const KVM_REG_PPC_ICP_STATE = KVM_REG_PPC | KVM_REG_SIZE_U64 | 0x8cn;
export const KVM_REG_PPC_VP_STATE = KVM_REG_PPC | KVM_REG_SIZE_U128 | 0x8dn;

/** The n-th of 32. EINVAL: there is none. */
const file = (name: string, first: bigint) =>
  taking(name, { n: integer(0, 31) }, (n: number): bigint => first + BigInt(n));
export const KVM_REG_PPC_FPR = file("KVM_REG_PPC_FPR", KVM_REG_PPC_FPR0);
export const KVM_REG_PPC_VR = file("KVM_REG_PPC_VR", KVM_REG_PPC_VR0);
export const KVM_REG_PPC_VSR = file("KVM_REG_PPC_VSR", KVM_REG_PPC_VSR0);

// Attributes of the XICS device (Documentation/virt/kvm/devices/xics.rst).
/** Attribute: the source's number; value: its state. */
export const KVM_DEV_XICS_GRP_SOURCES = 1;
export const KVM_DEV_XICS_GRP_CTRL = 2;
export const KVM_DEV_XICS_NR_SERVERS = 1;
export const KVM_XICS_DESTINATION_MASK = 0xffffffffn;
export const KVM_XICS_PRIORITY_SHIFT = 32n;
export const KVM_XICS_PRIORITY_MASK = 0xffn;
export const KVM_XICS_LEVEL_SENSITIVE = 1n << 40n;
export const KVM_XICS_MASKED = 1n << 41n;
export const KVM_XICS_PENDING = 1n << 42n;
export const KVM_XICS_PRESENTED = 1n << 43n;
export const KVM_XICS_QUEUED = 1n << 44n;
