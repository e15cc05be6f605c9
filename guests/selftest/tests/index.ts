/** Every test of the guest, in the order in which they run. */
import type { SelfTest } from "../author.js";
import { atomicOperations, reservations } from "./atomics.js";
import { changingCode, changingHotCode } from "./code.js";
import { fixedPoint } from "./fixed.js";
import { floatArithmetic, floatExceptions } from "./float.js";
import { disturbedLoops, hotLoops } from "./hot.js";
import { ceding, emptyBus, firmware, hypercalls } from "./hypercalls.js";
import {
  alternateLocation,
  asynchronousInterrupts,
  doorbell,
  facilityInterrupts,
  machineCheck,
  problemState,
  programInterrupts,
  systemCalls,
  traceInterrupts,
} from "./interrupts.js";
import { invalidation, keys, mixedTranslation, pageSizes, storageFaults } from "./mmu.js";
import { byteOrder, entryState, narrowMode } from "./modes.js";
import { betweenProcessors, contention, secondProcessor, sharedMemory, stopProcessor } from "./processors.js";
import { alignment } from "./storage.js";
import { vectors } from "./vector.js";

/** All tests, in the order in which they run. */
export const tests: readonly SelfTest[] = [
  entryState,
  narrowMode,
  byteOrder,
  fixedPoint,
  floatArithmetic,
  floatExceptions,
  vectors,
  programInterrupts,
  problemState,
  systemCalls,
  facilityInterrupts,
  traceInterrupts,
  asynchronousInterrupts,
  alternateLocation,
  pageSizes,
  storageFaults,
  invalidation,
  keys,
  mixedTranslation,
  alignment,
  reservations,
  atomicOperations,
  changingCode,
  changingHotCode,
  hotLoops,
  disturbedLoops,
  hypercalls,
  ceding,
  firmware,
  emptyBus,
  secondProcessor,
  contention,
  betweenProcessors,
  sharedMemory,
  stopProcessor,
  doorbell,
  machineCheck,
];
