/** Everything the run-time library exports: both engines import it under these names. */
export * from "../../../../engine/runtime/exports.as";
export { breakpointInterrupt, debugInterrupt } from "../../interrupts/debug.as";
export { illegal, raise, softwareInterrupt } from "../../interrupts/deliver.as";
export {
  accessRights,
  loadSegment,
  loadSystemSegment,
  segmentLimit,
  selectorOf,
  verify,
} from "../../interrupts/load-segment.as";
export { loadFarSegment } from "../../interrupts/load-segment.as";
export { afterAlone, beforeAlone, halt } from "../../interrupts/pending.as";
export {
  returnFar,
  returnFromInterrupt,
} from "../../interrupts/transfer.as";
export { timeStamp } from "./time.as";
export { identify, processorNumber, readMsr, readTimeStamp, writeMsr } from "./msr.as";
export {
  clearInterruptFlag,
  clearTaskSwitched,
  hypercall,
  invalidateContext,
  invalidatePage,
  levelZeroOnly,
  loadMachineStatus,
  loadTable,
  machineStatus,
  popFlags,
  privileged,
  probeLoad,
  readBase,
  readControl,
  readDebug,
  setAccessFlag,
  setInterruptFlag,
  storeTable,
  tablesShown,
  waitFloat,
  writeBase,
  writeControl,
  writeDebug,
  flagsAllowed,
  protectedMode,
} from "./system.as";
export { portIn, portInMany, portOut, portOutMany } from "./ports.as";
export { readKeys, writeKeys } from "../../mmu/protection-keys.as";
export { randomBits } from "./random.as";
export { floatThere, raiseAvxBlocked, raiseBlocked, raiseFloat, raiseMmx } from "./float/facility.as";
export { loadEnvironment, restoreFloatState, saveEnvironment, saveFloatState } from "./float/environment.as";
export {
  extendedReady,
  readExtendedControl,
  restoreExtended,
  saveExtended,
  writeExtendedControl,
} from "./float/extended-state.as";
export { loadMxcsr, mxcsr, restoreFloat, saveFloat } from "./float/image.as";
export { sseArithmetic, sseCompare, sseOrder } from "./float/sse.as";
export { sseFused } from "./float/sse-fused.as";
export { sseFromHalves, sseToHalves } from "./float/sse-half.as";
export { floatFunction } from "./float/x87-function.as";
export {
  sseConvert,
  sseConvertPair,
  sseFromInteger,
  sseFromIntegers,
  sseReciprocal,
  sseRound,
  sseToInteger,
  sseToIntegers,
} from "./float/sse-convert.as";
export {
  floatArithmetic,
  floatCompare,
  floatConstant,
  floatExchange,
  floatFree,
  floatLoad,
  floatMove,
  floatOrder,
  floatPlain,
  floatStore,
} from "./float/x87.as";
export {
  floatExtract,
  floatFreePop,
  floatLoadDecimal,
  floatRemainder,
  floatScale,
  floatStoreDecimal,
} from "./float/x87-scale.as";
export {
  beginFloat,
  clearFloatExceptions,
  emptyFloat,
  floatControl,
  floatStatus,
  initializeFloat,
  loadFloatControl,
} from "./float/status.as";
export { cyclicRedundancy, depositBits, extractBits } from "./vector/bits.as";
export {
  aesDecode,
  aesDecodeLast,
  aesEncode,
  aesEncodeLast,
  aesInverseMix,
  aesKeyAssist,
  carrylessProduct,
} from "./vector/crypto.as";
export { galoisInverse, galoisProduct } from "./vector/galois.as";
export {
  sha1First,
  sha1Next,
  sha1Rounds,
  sha1Second,
  sha256First,
  sha256Rounds,
  sha256Second,
} from "./vector/sha.as";
export { compareStrings } from "./vector/string.as";
export { copyElements, fillElements } from "../../mmu/strings.as";
export { exchangePair, exchangeUnaligned, updateDone, updateSlow } from "../../mmu/update.as";
export { callFar, checkTarget, jumpFar, jumpNear, startOver } from "../../interrupts/far.as";
export { systemCall, systemEnter, systemExit, systemReturn } from "../../interrupts/system-call.as";
export {
  insideCode,
  operandAddress,
  operandOffset,
  segmentAddress,
  stackAddress,
  stackMoved,
} from "../../mmu/segmentation.as";
export { quotientOfWide } from "./division.as";
export { enterFrame } from "./frame.as";
