/**
 * Why an access to storage is not possible, at the same place in DSISR (data) and SRR1 (fetch).
 * Source: Power ISA v3.0B, Book III "Data Storage Interrupt", "Instruction Storage Interrupt".
 */
export const CAUSE_NO_TRANSLATION = 0x40000000;
/** Fetch only: no-execute or guarded storage. */
export const CAUSE_NO_EXECUTE = 0x10000000;
export const CAUSE_PROTECTION = 0x08000000;
/** Data only: a reservation on storage that cannot have one. */
export const CAUSE_RESERVATION = 0x04000000;
export const CAUSE_STORE = 0x02000000;
/** Data only: DAWR0 watches it. */
export const CAUSE_WATCH = 0x00400000;
/** The tables themselves are malformed. */
export const CAUSE_BAD_CONFIGURATION = 0x00080000;
