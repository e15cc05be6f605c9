import { helper } from "../../../../semantics/signature.js";

/** Storage control and translation. Implemented in `mmu/*.as.ts`. */
export const storageHelpers = {
  /** icbi. */
  invalidateInstructionBlock: helper("faults", ["i64"], "void"),
  /** tlbie: RB, RS, and RIC, PRS, R as operands. */
  tlbInvalidateEntry: helper("context", ["i64", "i64", "i32", "i32", "i32"], "void"),
  /** tlbiel: as tlbInvalidateEntry, for this vCPU only. */
  tlbInvalidateEntryLocal: helper("context", ["i64", "i64", "i32", "i32", "i32"], "void"),
  /** slbmte: RS, RB. */
  slbMoveTo: helper("context", ["i64", "i64"], "void"),
  /** slbie, slbieg: RB. */
  slbInvalidateEntry: helper("context", ["i64"], "void"),
  /** slbia: IH. */
  slbInvalidateAll: helper("context", ["i32"], "void"),
  /** slbmfee, slbmfev: RB. */
  slbMoveFromEsid: helper("state", ["i64"], "i64"),
  slbMoveFromVsid: helper("state", ["i64"], "i64"),
  /** slbfee.: RB; 1 if there is a segment, and its VSID's doubleword or 0. */
  slbFound: helper("state", ["i64"], "i32"),
  slbFindVsid: helper("state", ["i64"], "i64"),
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
