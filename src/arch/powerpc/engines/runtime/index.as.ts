/** Everything the run-time library exports: both engines import it under these names. */
export { timeBase } from "../../interrupts/time.as";
export * from "./vector/index.as";
export { floatTakeOutcome, fpscrClearField, fpscrSetBit, fpscrWrite } from "./float/fpscr.as";
export * from "./float/lanes.as";
export * from "./float/quad.as";
export * from "./float/scalar.as";
export * from "./float/vmx.as";
