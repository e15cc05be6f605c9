/** The user side's view of a POWER VM: Book3S calls and registers. Source: Documentation/virt/kvm/api.rst. */
import type { Kvm, Registers, SharedVm, Vcpu, Vm } from "../../kvm/uapi.js";

export * from "./registers-uapi.js";

/** struct kvm_regs. */
export interface PpcRegs extends Registers {
  pc: bigint;
  cr: bigint;
  ctr: bigint;
  lr: bigint;
  xer: bigint;
  msr: bigint;
  srr0: bigint;
  srr1: bigint;
  pid: bigint;
  /** sprg0 to sprg7; Book3S has 0 to 3. */
  sprg: bigint[];
  gpr: bigint[];
}

/** struct kvm_sregs, what of it Book3S with radix has. */
export interface PpcSregs extends Registers {
  pvr: bigint;
}

export interface PpcVcpu extends Vcpu {
  getRegs(): PpcRegs;
  setRegs(regs: PpcRegs): void;
  getSregs(): PpcSregs;
  setSregs(sregs: PpcSregs): void;
}

/** KVM_CREATE_SPAPR_TCE_64. */
export interface CreateSpaprTce {
  readonly liobn: bigint;
  /** Of a TCE page: 12, 16... */
  readonly pageShift: number;
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
  readonly liobn: bigint;
  readonly pageShift: number;
  /** First bus address, in pages. */
  readonly offset: bigint;
  readonly size: bigint;
  /** Address in `Vm.memory` of `size` 64-bit entries in the host's (little-endian) order: real page address | 2 write | 1 read. */
  readonly address: number;
  /** The entry of page `index` (from `offset` on). */
  get(index: number): bigint;
  close(): void;
}

/** KVM_PPC_CONFIGURE_V3_MMU. */
export interface PpcMmuV3 {
  readonly radix: boolean;
  /** Guest translation shootdown: always on. */
  readonly gtse: boolean;
  /** Second doubleword of the partition table entry: process table base | size - 12. 0: none. */
  readonly processTable: bigint;
}

/** KVM_PPC_GET_RMMU_INFO: geometry of radix trees and encodings of page sizes. */
export interface PpcRmmuInfo {
  readonly geometries: readonly { readonly pageShift: number; readonly levelBits: readonly number[] }[];
  /** AP encoding << 29 | page shift, as the device tree's ibm,processor-radix-AP-encodings wants it. */
  readonly apEncodings: readonly number[];
}

export interface PpcVm extends Vm<PpcVcpu> {
  /** EINVAL: flags, page shift or size. EBUSY: the liobn has a table. ENOMEM. */
  createSpaprTce(tce: CreateSpaprTce): SpaprTce;
  /** A handle of a table that exists. ENOENT: the liobn has none. */
  openSpaprTce(liobn: bigint): SpaprTce;
  /** ENOENT: no kernel-side handler of that name. EEXIST: the token is another call's. Token 0 forgets. */
  rtasDefineToken(name: string, token: number): void;
  /** EINVAL: no such MMU, or a malformed process table. */
  configureV3Mmu(config: PpcMmuV3): void;
  getRmmuInfo(): PpcRmmuInfo;
}

export type PpcKvm = Kvm<PpcVm>;
export type PpcAttachVm = (shared: SharedVm) => Promise<PpcVm>;
