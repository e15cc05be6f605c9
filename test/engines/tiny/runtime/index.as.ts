/** What the tiny processor's run-time library exports. */
import { EXIT_halt, EXIT_illegal, S_exitCode, S_fault } from "./layout.generated";

export * from "../../../../src/engine/runtime/exports.as";

export function halt(s: i32): void {
  store<i32>(s, EXIT_halt, S_exitCode);
  store<i32>(s, 1, S_fault);
}

export function illegal(s: i32): void {
  store<i32>(s, EXIT_illegal, S_exitCode);
}
