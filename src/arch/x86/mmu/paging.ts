/** Paging, as tables in memory have it. Source: Intel SDM, volume 3, "Paging". */

/** Bits of an entry, of whatever level. */
export const PageEntry = {
  present: 0x1n,
  writable: 0x2n,
  user: 0x4n,
  accessed: 0x20n,
  dirty: 0x40n,
  large: 0x80n,
  /** A write to CR3 leaves its translation, if CR4.PGE is set. */
  global: 0x100n,
  noExecute: 0x8000000000000000n,
  /** The address in it. */
  address: 0x000ffffffffff000n,
  /** What is reserved with 40 bits of physical address. */
  reserved: 0x000fff0000000000n,
} as const;

/** Bits of a page fault's error code. */
export const PageFault = { protection: 1, write: 2, user: 4, reserved: 8, fetch: 16, key: 32 } as const;

/**
 * Causes of failed translations: a page fault's error code, or this. Neither is 0, so that a page fault of error code 0 has a bit
 * that is no part of the code.
 */
export const Untranslated = { pageFault: 0x10000, notCanonical: 0x20000 } as const;

/** Contexts of the soft TLB, by what decides about rights. Fetches have those of the first and the last. */
export const Context = {
  supervisor: 0,
  /** With EFLAGS.AC, which lets it access users' pages under SMAP. */
  supervisorAccess: 1,
  user: 2,
  count: 3,
} as const;

/** Bits of a physical address, as CPUID 0x80000008 says by default. */
export const physicalBits = 40;

/** Whether a linear address of 64 bits is one that 48 bits say. */
export const isCanonical = (linear: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, linear)) === linear;
