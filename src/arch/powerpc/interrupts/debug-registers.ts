/** Fields of the registers for debuggers. Source: Power ISA v3.0B, Book III "Debug Facilities". */
export const Ciabr = {
  /** 0 off, 1 problem state, 2 privileged. */
  privilege: 3n,
} as const;

export const Dawrx = {
  problem: 1n,
  privileged: 2n,
  /** Translation does not matter; else `translated` says which it must be. */
  anyTranslation: 8n,
  translated: 0x10n,
  load: 0x20n,
  store: 0x40n,
} as const;
