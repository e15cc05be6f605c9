/**
 * An entry of a hashed page table: two doublewords, eight entries a group.
 * Source: Power ISA v2.07, Book III-S "Page Table".
 */

/** Bytes of an entry, entries of a group. */
export const hpteSize = 16;
export const hpteGroup = 8;

/** First doubleword. */
export const HpteV = {
  valid: 1n,
  secondary: 2n,
  large: 4n,
  /** Software's: the guest needs the entry to run, so that it survives a resize. */
  bolted: 0x10n,
  /** Bits that belong to the hypervisor. */
  hypervisor: 0x60n,
  avpn: 0x3fff_ffff_ffff_ff80n,
  avpnShift: 7n,
  segment1T: 1n << 62n,
} as const;

/** Second doubleword. */
export const HpteR = {
  pp0: 1n << 63n,
  keyHigh: 0x3000_0000_0000_0000n,
  page: 0x0fff_ffff_ffff_f000n,
  pp: 3n,
  noExecute: 4n,
  guarded: 8n,
  coherent: 0x10n,
  inhibited: 0x20n,
  writeThrough: 0x40n,
  changed: 0x80n,
  referenced: 0x100n,
  keyLow: 0xe00n,
  /** Bits that no processor has. */
  reserved: 0x4000_0000_0000_0000n,
} as const;
