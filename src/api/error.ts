/** What goes wrong with a VM, as codes for programs and sentences for people. */
import type { ExecResult } from "./types.js";

/**
 * A VM could not do what it was asked. `code`: an errno's name, as "ENOENT", where the guest's system said so or an argument is
 * wrong ("EINVAL"); or one of these:
 * BOOT_FAILED: the guest did not come up. CRASHED: it died. VM_CLOSED: it was closed, or turned itself off.
 * EXEC_FAILED: there is no such program, or it cannot be run. NO_USER, NO_FOLDER: the guest has none of that name.
 * SNAPSHOT_FOREIGN: it is no snapshot, or not one that can go on here. SNAPSHOT_DAMAGED: it is not as it was written.
 * SNAPSHOT_FAILED: it could not be made. AGENT_FAILED: what came from the guest is not what its agent says. NOT_SUPPORTED: not yet; the message names the option.
 */
export class VmError extends Error {
  /** "VmError", of an ExecError "ExecError". */
  override readonly name: string = "VmError";
  /** What went wrong: an errno's name, or one of those above. */
  readonly code: string;
  /** Linux's number, where the guest's system gave one. */
  readonly errno?: number;
  /** The last lines of the guest's console, where the guest has ended by itself; at most 40. */
  readonly console: readonly string[];

  constructor(code: string, message: string, options: VmErrorOptions = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    if (options.errno !== undefined) this.errno = options.errno;
    this.console = options.console ?? [];
  }
}

/** What else is known of it. */
export interface VmErrorOptions {
  /** Linux's number. */
  readonly errno?: number;
  /** The last lines of its console. */
  readonly console?: readonly string[];
  /** What led to it. */
  readonly cause?: unknown;
}

/** With `check`: the command ended with a status that is not 0, by a signal, or at its time limit. */
export class ExecError extends VmError {
  /** "ExecError". */
  override readonly name = "ExecError";
  /** What the command left. */
  readonly result: ExecResult;

  constructor(message: string, result: ExecResult) {
    super("EXEC_STATUS", message);
    this.result = result;
  }
}

/** It comes later: the message names the option or the method. */
export const notSupported = (what: string, instead: string): VmError =>
  new VmError("NOT_SUPPORTED", `${what} is not there yet; ${instead}`);

/** Throws EINVAL: the guest that `name` holds is not of the architecture that the VM is to be of. */
export function requireGuest(architecture: string, name: string, wanted: string): void {
  if (architecture === wanted) return;
  throw new VmError(
    "EINVAL",
    `createVm: ${name} is a guest for ${architecture}, and the option guest is ${wanted}; they are to be the same`,
  );
}
