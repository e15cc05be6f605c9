/** What the engine cannot go on from: the exit's reason, for the KVM core to put into words. */
import { EXIT_internalError, S_exitCode, S_exitData, S_fault } from "./layout.target";

export function internalError(s: i32, reason: i32): void {
  store<i32>(s, EXIT_internalError, S_exitCode);
  store<i64>(s, reason, S_exitData);
  store<i32>(s, 1, S_fault);
}
