/** What the engine cannot go on from: the exit's reason, for the KVM core to put into words. */
import { EXIT_internalError, S_exitCode, S_exitData, S_fault } from "../engines/runtime/layout.generated";

/** Translation is on, and the guest is to use a hashed page table that it has not got. */
export const ERROR_NO_HPT = 1;
/** A machine check with MSR[ME] = 0. */
export const ERROR_CHECKSTOP = 2;
/** One instruction makes more accesses outside memory than the exit record holds. */
export const ERROR_TOO_MUCH_MMIO = 3;

export function internalError(s: i32, reason: i32): void {
  store<i32>(s, EXIT_internalError, S_exitCode);
  store<i64>(s, reason, S_exitData);
  store<i32>(s, 1, S_fault);
}
