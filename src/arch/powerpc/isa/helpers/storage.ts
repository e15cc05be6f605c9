import { helper } from "./signature.js";

/** Storage control and translation. Implemented in `mmu/*.as.ts`. */
export const storageHelpers = {
  /** icbi. */
  invalidateInstructionBlock: helper("faults", ["i64"], "void"),
  /** dcbz: clears the 128-byte block that holds the address. */
  zeroBlock: helper("faults", ["i64"], "void"),
  /** tlbie: RB, RS, and RIC, PRS, R as operands. */
  tlbInvalidateEntry: helper("context", ["i64", "i64", "i32", "i32", "i32"], "void"),
  /** tlbiel: as tlbInvalidateEntry, for this vCPU only. */
  tlbInvalidateEntryLocal: helper("context", ["i64", "i64", "i32", "i32", "i32"], "void"),
  /**
   * lwat, ldat: address, bytes (4 or 8), function code, the two further operands, 1 if big-endian; the result for RT.
   * Implemented in `engines/runtime/atomic.as.ts`.
   */
  atomicLoadOperation: helper("faults", ["i64", "i32", "i32", "i64", "i64", "i32"], "i64"),
  /** stwat, stdat: address, bytes, function code, operand, 1 if big-endian. */
  atomicStoreOperation: helper("faults", ["i64", "i32", "i32", "i64", "i32"], "void"),
  /** ptesync and tlbsync: waits until other vCPUs have dropped what tlbie named. */
  synchronizeTranslations: helper("context", [], "void"),
};
