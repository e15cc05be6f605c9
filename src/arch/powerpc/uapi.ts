/** The user side's view of a POWER VM: Book3S calls and registers. Source: Documentation/virt/kvm/api.rst. */
import type { Kvm, Registers, SharedVm, Vcpu, Vm } from "../../kvm/uapi.js";

export * from "./uapi/registers.js";
export * from "./uapi/xive.js";

/** struct kvm_regs. */
export interface PpcRegs extends Registers {
  /** Where it goes on: guest effective address. */
  pc: bigint;
  /** Condition register, 32 bits. */
  cr: bigint;
  /** Count register. */
  ctr: bigint;
  /** Link register. */
  lr: bigint;
  /** Fixed-point exception register. */
  xer: bigint;
  /** Machine state register. */
  msr: bigint;
  /** Where the last interrupt came from. */
  srr0: bigint;
  /** The MSR that it had there, and why it came. */
  srr1: bigint;
  /** Process identifier. */
  pid: bigint;
  /** sprg0 to sprg7; Book3S has 0 to 3. */
  sprg: bigint[];
  /** r0 to r31. */
  gpr: bigint[];
}

/** struct kvm_sregs, what of it Book3S with radix has. */
export interface PpcSregs extends Registers {
  /** Processor version register: which processor it is. */
  pvr: bigint;
}

/** A vCPU of POWER. */
export interface PpcVcpu extends Vcpu {
  /** KVM_GET_REGS. */
  getRegs(): PpcRegs;
  /** KVM_SET_REGS. EINVAL: one is missing, or no number of 64 bits. */
  setRegs(regs: PpcRegs): void;
  /** KVM_GET_SREGS. */
  getSregs(): PpcSregs;
  /** KVM_SET_SREGS. EINVAL: no processor that this implementation can be. */
  setSregs(sregs: PpcSregs): void;
}

/** KVM_CREATE_SPAPR_TCE_64. */
export interface CreateSpaprTce {
  /** The bus's number, by which hypercalls name the table; 32 bits. */
  readonly liobn: bigint;
  /** Of a TCE page: 12, 16... */
  readonly pageShift: number;
  /** 0: there are none. */
  readonly flags?: number;
  /** First bus address, in pages. */
  readonly offset: bigint;
  /** Pages. */
  readonly size: bigint;
}

/** A TCE table. What Linux maps for user space lies in the VM's memory. */
export interface SpaprTce {
  /** The number that stands for the table in KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE. */
  readonly fd: number;
  /** The bus's number, by which hypercalls name it. */
  readonly liobn: bigint;
  /** log2 of a TCE page's bytes. */
  readonly pageShift: number;
  /** First bus address, in pages. */
  readonly offset: bigint;
  /** Pages. */
  readonly size: bigint;
  /** Address in `Vm.memory` of `size` 64-bit entries in the host's (little-endian) order: real page address | 2 write | 1 read. */
  readonly address: number;
  /** The entry of page `index` (from `offset` on). EINVAL: it has none. */
  get(index: number): bigint;
  /** Lets go of it; the table goes with its last handle. */
  close(): void;
}

/** KVM_PPC_CONFIGURE_V3_MMU. */
export interface PpcMmuV3 {
  /** Radix, or else hashed. */
  readonly radix: boolean;
  /** Guest translation shootdown: always on. */
  readonly gtse: boolean;
  /** Second doubleword of the partition table entry: process table base | size - 12. 0: none. */
  readonly processTable: bigint;
}

/** KVM_PPC_GET_RMMU_INFO: geometry of radix trees and encodings of page sizes. */
export interface PpcRmmuInfo {
  /** For each size of leaf pages how many bits of an address each level takes, from the root on. */
  readonly geometries: readonly {
    /** log2 of a leaf page's bytes. */
    readonly pageShift: number;
    /** Of each level, from the root on. */
    readonly levelBits: readonly number[];
  }[];
  /** AP encoding << 29 | page shift, as the device tree's ibm,processor-radix-AP-encodings wants it. */
  readonly apEncodings: readonly number[];
}

/** KVM_PPC_GET_PVINFO: how a guest makes KVM's own hypercalls. */
export interface PpcPvinfo {
  /** Bit 0: EV_IDLE can be called. */
  readonly flags: number;
  /** Four instructions that make a call, for the device tree's hcall-instructions. */
  readonly hcall: readonly number[];
}

/**
 * KVM_PPC_GET_CPU_CHAR, for H_GET_CPU_CHARACTERISTICS: H_CPU_CHAR_* and H_CPU_BEHAV_* bits, and which of them are known.
 */
export interface PpcCpuChar {
  /** H_CPU_CHAR_* that the processor has. */
  readonly character: bigint;
  /** H_CPU_BEHAV_* that are recommended. */
  readonly behaviour: bigint;
  /** Which of `character` are known. */
  readonly characterMask: bigint;
  /** Which of `behaviour` are known. */
  readonly behaviourMask: bigint;
}
/** Nothing behind an indirect branch runs before its target is known. */
export const H_CPU_CHAR_BCCTRL_SERIALISED = 1n << 62n;
/** Security comes before speed. */
export const H_CPU_BEHAV_FAVOUR_SECURITY = 1n << 63n;
/** The L1 data cache is to be flushed before privilege goes down. */
export const H_CPU_BEHAV_L1D_FLUSH_PR = 1n << 62n;
/** Checks of bounds need a speculation barrier. */
export const H_CPU_BEHAV_BNDS_CHK_SPEC_BAR = 1n << 61n;
/** The count cache is to be flushed when the context changes. */
export const H_CPU_BEHAV_FLUSH_COUNT_CACHE = 1n << 58n;
/** No flush is needed on entry to the kernel, none around its accesses to user memory, no barrier from stores to loads. */
export const H_CPU_BEHAV_NO_L1D_FLUSH_ENTRY = 1n << 56n;
/** No flush is needed after the kernel's accesses to user memory. */
export const H_CPU_BEHAV_NO_L1D_FLUSH_UACCESS = 1n << 55n;
/** No barrier is needed from stores to loads. */
export const H_CPU_BEHAV_NO_STF_BARRIER = 1n << 54n;

/** KVM_PPC_GET_HTAB_FD. */
export interface GetHtabFd {
  /** KVM_GET_HTAB_BOLTED_ONLY, KVM_GET_HTAB_WRITE. */
  readonly flags?: number;
  /** Of reading: the first entry. */
  readonly startIndex?: bigint;
}
/** Flag of KVM_PPC_GET_HTAB_FD: only entries that the guest bolted. */
export const KVM_GET_HTAB_BOLTED_ONLY = 1;
/** Flag of KVM_PPC_GET_HTAB_FD: for writing. */
export const KVM_GET_HTAB_WRITE = 2;

/**
 * The hashed page table as a stream of blocks: struct kvm_get_htab_header {index u32, n_valid u16, n_invalid u16}, in
 * little-endian order, and n_valid entries of 16 bytes, big-endian. It keeps the VM alive until it is closed. EBADF: it is
 * closed, or for the other direction. ESTALE: the VM has moved to another kvm; open another one there.
 */
export interface HtabFd {
  /** Fills `buffer` with whole blocks: first all of the table, then what has changed. 0: nothing at present. */
  read(buffer: Uint8Array): number;
  /** How much of `buffer` were whole blocks. EINVAL: no such entries. EBUSY: a vCPU runs. EIO: no entry that H_ENTER takes. */
  write(buffer: Uint8Array): number;
  /** Lets go of it. EBADF: it is closed. */
  close(): void;
}

/** struct kvm_ppc_resize_hpt. */
export interface ResizeHpt {
  /** 0: there are none. */
  readonly flags?: number;
  /** log2 of the new table's bytes; 0 of KVM_PPC_RESIZE_HPT_PREPARE gives up what was prepared. */
  readonly shift: number;
}

/** struct kvm_ppc_smmu_info: what of hashed translation a guest may use. */
export interface PpcSmmuInfo {
  /** KVM_PPC_PAGE_SIZES_REAL, KVM_PPC_1T_SEGMENTS, KVM_PPC_NO_HASH. */
  readonly flags: number;
  /** Entries of the segment lookaside buffer. */
  readonly slbSize: number;
  /** Storage keys for data and for instructions. */
  readonly dataKeys: number;
  /** For instructions. */
  readonly instrKeys: number;
  /** Base page sizes with their encoding in an SLB entry, and for each the page sizes with their encoding in a PTE. */
  readonly sps: readonly {
    /** log2 of the base page's bytes. */
    readonly pageShift: number;
    /** L and LP of an SLB entry. */
    readonly slbEnc: number;
    /** The page sizes that a segment of this base page size can have. */
    readonly enc: readonly {
      /** log2 of the page's bytes. */
      readonly pageShift: number;
      /** LP of a PTE. */
      readonly pteEnc: number;
    }[];
  }[];
}
/** Flag of struct kvm_ppc_smmu_info: pages are to be backed by pages as large. */
export const KVM_PPC_PAGE_SIZES_REAL = 1;
/** Flag: there are segments of 1 TiB. */
export const KVM_PPC_1T_SEGMENTS = 2;
/** Flag: there is no hashed translation. */
export const KVM_PPC_NO_HASH = 4;

/** A VM of POWER. Each method throws KvmError. */
export interface PpcVm extends Vm<PpcVcpu> {
  /**
   * KVM_PPC_ALLOCATE_HTAB: a hashed page table of 2^order bytes, or the one that there is emptied; the guest has hashed
   * translation from here on. EINVAL: not 18 to 46. EBUSY: a vCPU runs. ENOMEM.
   */
  allocateHtab(order: number): number;
  /** EINVAL: flags. */
  getHtabFd(options?: GetHtabFd): HtabFd;
  /** KVM_PPC_RESIZE_HPT_PREPARE: 0, the table is ready. EINVAL: flags, size, or no hashed page table. ENOMEM. */
  resizeHptPrepare(resize: ResizeHpt): number;
  /** ENXIO: that size has not been prepared. ENOSPC: bolted entries collide. EINVAL as above. */
  resizeHptCommit(resize: ResizeHpt): void;
  /** KVM_PPC_GET_SMMU_INFO. */
  getSmmuInfo(): PpcSmmuInfo;
  /** EINVAL: flags, page shift or size. EBUSY: the liobn has a table. ENOMEM. */
  createSpaprTce(tce: CreateSpaprTce): SpaprTce;
  /** A handle of a table that exists. ENOENT: the liobn has none. */
  openSpaprTce(liobn: bigint): SpaprTce;
  /** ENOENT: no kernel-side handler of that name. EEXIST: the token is another call's. Token 0 forgets. */
  rtasDefineToken(name: string, token: number): void;
  /**
   * Which kind of translation the guest has. EINVAL: radix without GTSE, or a malformed process table. EBUSY: a vCPU runs,
   * and it is another kind. ENOMEM: hashed, and no memory for a table of the size that it has by default.
   */
  configureV3Mmu(config: PpcMmuV3): void;
  /** KVM_PPC_GET_RMMU_INFO. */
  getRmmuInfo(): PpcRmmuInfo;
  /** KVM_PPC_GET_PVINFO. */
  getPvinfo(): PpcPvinfo;
  /** KVM_PPC_GET_CPU_CHAR. */
  getCpuChar(): PpcCpuChar;
}

/** The kvm whose VMs are of POWER. */
export type PpcKvm = Kvm<PpcVm>;
/** `attachVm` of a VM of POWER. */
export type PpcAttachVm = (shared: SharedVm) => Promise<PpcVm>;
