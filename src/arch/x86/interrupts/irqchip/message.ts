/** Messages to local APICs: from the lines' controller, from devices, from one another. Source: Intel SDM, volume 3, "APIC". */

/** Delivery modes. */
export const Mode = { fixed: 0, lowest: 1, smi: 2, nmi: 4, init: 5, startUp: 6, external: 7 } as const;

export interface Message {
  readonly vector: number;
  /** `Mode`. */
  readonly mode: number;
  /** How the destination is meant: 8 bits, or 32 of an x2APIC. */
  readonly logical: boolean;
  readonly destination: number;
  readonly level: boolean;
  /** From an x2APIC, whose destinations have 32 bits. */
  readonly wide?: boolean;
}

/** To all, in 8 bits and in 32. */
export const broadcast = 0xff;
export const wideBroadcast = 0xffff_ffff;

/**
 * What a device writes to make an interrupt. Undefined: the address is no local APIC's. `wideIds`: bits 40 to 63 of the address
 * are the identifier's upper ones.
 */
export function messageOf(address: bigint, data: number, wideIds = false): Message | undefined {
  const upper = address >> 32n;
  if ((address & 0xffff_ffffn) >> 20n !== 0xfeen || upper & (wideIds ? 0xffn : -1n)) return undefined;
  return {
    vector: data & 0xff,
    mode: (data >> 8) & 7,
    logical: (address & 4n) !== 0n,
    destination: Number(((address >> 12n) & 0xffn) | upper),
    level: (data & 0x8000) !== 0,
  };
}
