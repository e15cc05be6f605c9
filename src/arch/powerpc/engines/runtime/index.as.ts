/** Everything the run-time library exports: both engines import it under these names. */
export { timeBase } from "../../interrupts/time.as";
export * from "./vector/index.as";
