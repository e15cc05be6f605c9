/**
 * Attributes of the XIVE device, names and numbers as in Linux's arch/powerpc/include/uapi/asm/kvm.h, and two groups for
 * what user space has by mmap there. Source: Documentation/virt/kvm/devices/xive.rst.
 */
import { bigint, integer, options, taking, u32, wholeNumber } from "../../../base/takes.js";

/** The group whose attributes are KVM_DEV_XIVE_RESET, _EQ_SYNC and _NR_SERVERS. */
export const KVM_DEV_XIVE_GRP_CTRL = 1;
/** Attribute: sources and queues are as after power-on. */
export const KVM_DEV_XIVE_RESET = 1n;
/** Attribute: what is on the way to queues has come, and the dirty log has their pages. */
export const KVM_DEV_XIVE_EQ_SYNC = 2n;
/** Attribute: how many servers there are at the most; before a vCPU is connected. */
export const KVM_DEV_XIVE_NR_SERVERS = 3n;
/** Attribute: a source's number; value: KVM_XIVE_LEVEL_*. */
export const KVM_DEV_XIVE_GRP_SOURCE = 2;
/** Attribute: a source's number; value: KVM_XIVE_SOURCE_*. */
export const KVM_DEV_XIVE_GRP_SOURCE_CONFIG = 3;
/** Attribute: KVM_XIVE_EQ_*; value: struct kvm_ppc_xive_eq as a little-endian number (kvmPpcXiveEq). */
export const KVM_DEV_XIVE_GRP_EQ_CONFIG = 4;
/** Attribute: a source's number. */
export const KVM_DEV_XIVE_GRP_SOURCE_SYNC = 5;

/**
 * In place of mmap and a memory slot: attribute KVM_XIVE_TIMA_PAGE_OFFSET or KVM_XIVE_ESB_PAGE_OFFSET, value the guest
 * physical address where the guest is to find those pages, a multiple of 64 KiB; KVM_DEV_XIVE_NO_PAGES for nowhere.
 */
export const KVM_DEV_XIVE_GRP_PAGES = 0x100;
/** The four pages of the thread interrupt management area, 64 KiB each, of which the third, the OS's, answers. */
export const KVM_XIVE_TIMA_PAGE_OFFSET = 0n;
/** Two pages of 64 KiB for each source: an even one that triggers it, an odd one that manages it. */
export const KVM_XIVE_ESB_PAGE_OFFSET = 4n;
/** Value of KVM_DEV_XIVE_GRP_PAGES: nowhere. */
export const KVM_DEV_XIVE_NO_PAGES = (1n << 64n) - 1n;
/**
 * In place of user space's own accesses to the pages that manage sources. Attribute: kvmXiveEsb(source, offset); getting
 * it is a load there, setting it a store.
 */
export const KVM_DEV_XIVE_GRP_ESB = 0x101;
/**
 * The attribute of KVM_DEV_XIVE_GRP_ESB: a source's number, and an offset in its page, bytes. EINVAL: beyond either.
 */
export const kvmXiveEsb = taking(
  "kvmXiveEsb",
  { source: u32, offset: integer(0, 0xfff) },
  (source: number, offset: number): bigint => (BigInt(source) << 12n) | BigInt(offset),
);

/** The source is level sensitive. */
export const KVM_XIVE_LEVEL_SENSITIVE = 1n;
/** It is raised now. */
export const KVM_XIVE_LEVEL_ASSERTED = 2n;

/** Of a source's configuration: from this bit on its priority. */
export const KVM_XIVE_SOURCE_PRIORITY_SHIFT = 0n;
/** The bits of the priority. */
export const KVM_XIVE_SOURCE_PRIORITY_MASK = 0x7n;
/** From this bit on its server. */
export const KVM_XIVE_SOURCE_SERVER_SHIFT = 3n;
/** The bits of the server. */
export const KVM_XIVE_SOURCE_SERVER_MASK = 0xffff_fff8n;
/** This bit: it is masked. */
export const KVM_XIVE_SOURCE_MASKED_SHIFT = 32n;
/** The same bit. */
export const KVM_XIVE_SOURCE_MASKED_MASK = 0x1_0000_0000n;
/** From this bit on its effective number, which its queue gets. */
export const KVM_XIVE_SOURCE_EISN_SHIFT = 33n;
/** The bits of the effective number. */
export const KVM_XIVE_SOURCE_EISN_MASK = 0xffff_fffe_0000_0000n;

/** Of a queue's identifier: from this bit on its priority. */
export const KVM_XIVE_EQ_PRIORITY_SHIFT = 0n;
/** The bits of the priority. */
export const KVM_XIVE_EQ_PRIORITY_MASK = 0x7n;
/** From this bit on its server. */
export const KVM_XIVE_EQ_SERVER_SHIFT = 3n;
/** The bits of the server. */
export const KVM_XIVE_EQ_SERVER_MASK = 0xffff_fff8n;
/** Each entry notifies its server. */
export const KVM_XIVE_EQ_ALWAYS_NOTIFY = 1;

/** struct kvm_ppc_xive_eq. */
export interface PpcXiveEq {
  /** KVM_XIVE_EQ_ALWAYS_NOTIFY. */
  readonly flags: number;
  /** log2 of its bytes; 0: there is no queue. */
  readonly qshift: number;
  /** Guest physical address. */
  readonly qaddr: bigint;
  /** The bit 31 that the next entry gets. */
  readonly qtoggle: number;
  /** Where the next entry goes. */
  readonly qindex: number;
}

const word = (value: number): bigint => BigInt.asUintN(32, BigInt(value));

/** The value of KVM_DEV_XIVE_GRP_EQ_CONFIG. */
export const kvmPpcXiveEq = taking(
  "kvmPpcXiveEq",
  {
    eq: options({ flags: wholeNumber, qshift: wholeNumber, qaddr: bigint, qtoggle: wholeNumber, qindex: wholeNumber }),
  },
  ({ flags, qshift, qaddr, qtoggle, qindex }: PpcXiveEq): bigint =>
    word(flags) |
    (word(qshift) << 32n) |
    (BigInt.asUintN(64, qaddr) << 64n) |
    (word(qtoggle) << 128n) |
    (word(qindex) << 160n),
);

/** What the value says. */
export const ppcXiveEq = taking("ppcXiveEq", { value: bigint }, (value: bigint): PpcXiveEq => {
  const at = (shift: bigint): number => Number(BigInt.asUintN(32, value >> shift));
  return {
    flags: at(0n),
    qshift: at(32n),
    qaddr: BigInt.asUintN(64, value >> 64n),
    qtoggle: at(128n),
    qindex: at(160n),
  };
});
