/** Every test of the guest, in the order in which they run. */
import type { SelfTest } from "../author.js";
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
import { byteOrder, entryState, narrowMode } from "./modes.js";

export const tests: readonly SelfTest[] = [
  entryState,
  narrowMode,
  byteOrder,
  programInterrupts,
  problemState,
  systemCalls,
  facilityInterrupts,
  traceInterrupts,
  asynchronousInterrupts,
  doorbell,
  alternateLocation,
  machineCheck,
];
