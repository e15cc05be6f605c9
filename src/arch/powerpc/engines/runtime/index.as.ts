/** Everything the run-time library exports: both engines import it under these names. */
export * from "../../../../engine/runtime/exports.as";
export { clearDoorbell, sendDoorbell } from "../../interrupts/doorbell.as";
export { contextChanged, setMsr } from "../../interrupts/msr.as";
export { raise } from "../../interrupts/program.as";
export { facilityUnavailable, raiseAlignment, raiseUnavailable } from "../../interrupts/raise.as";
export { traced } from "../../interrupts/traced.as";
export {
  returnFromInterrupt,
  returnFromSystemCallVectored,
  systemCall,
  systemCallVectored,
} from "../../interrupts/system-call.as";
export { decrementer, setDecrementer, timeBase } from "../../interrupts/time.as";
export { tlbInvalidateEntry, tlbInvalidateEntryLocal } from "../../mmu/invalidate.as";
export { loadReserve, loadReserveQuad, storeConditional, storeConditionalQuad } from "../../mmu/reservation.as";
export {
  slbFindVsid,
  slbFound,
  slbInvalidateAll,
  slbInvalidateEntry,
  slbMoveFromEsid,
  slbMoveFromVsid,
  slbMoveTo,
} from "../../mmu/slb.as";
export { invalidateInstructionBlock, zeroBlock } from "../../mmu/storage-control.as";
export { comeFrom, setComeFrom, settleComeFrom } from "./come-from.as";
export { firstWord } from "./prefixed.as";
export * from "./atomic.as";
export {
  bitPermute,
  declets,
  decletsFromDecimal,
  deliverRandom,
  divideExtendedS,
  divideExtendedU,
  depositBits,
  extractBits,
} from "./fixed-point.as";
export * from "./decimal/arithmetic.as";
export * from "./decimal/convert.as";
export * from "./decimal/test.as";
export { floatTakeOutcome, fpscrClearField, fpscrRead, fpscrSetBit, fpscrWrite } from "./float/fpscr.as";
export { floatSettle, settleFloat } from "./float/pending.as";
export * from "./float/lanes.as";
export * from "./float/quad.as";
export * from "./float/scalar.as";
export * from "./float/vmx.as";
export * from "./vector/index.as";
