/** How a guest's run ended, for the shell and for who reads the terminal. */
import { constants } from "node:os";
import { messageOf } from "../base/errors.js";
import type { Outcome } from "../vmm/core/machine.js";
import { VmmError } from "../vmm/errors.js";
import { ExitStatus } from "./command.js";
import type { LeaveReason, Terminal } from "./terminal.js";

/** How the last of a guest's runs ended, and what the user wanted. */
export interface End {
  readonly outcome: Outcome;
  readonly left: LeaveReason | undefined;
}

/** After a thread had to be ended by force, KVM still counts it as a user; the process is about to end anyway. */
export function closeAtEnd(close: () => void): void {
  try {
    close();
  } catch (error) {
    if (process.env["UNIKVM_DEBUG"]) process.stderr.write(`unikvm: ${messageOf(error)}\n`);
  }
}

/** The exit status, and a sentence where there is something to say. */
export function conclude({ outcome, left }: End, terminal: Terminal): number {
  const lost = terminal.lost();
  const say = (sentence: string): void => void process.stderr.write(`unikvm: ${sentence}\n`);
  switch (outcome.kind) {
    case "powerOff":
    case "reboot":
      if (lost) throw lost;
      return outcome.kind === "powerOff" ? (outcome.status ?? ExitStatus.done) : ExitStatus.done;
    case "crash":
      say(`the guest crashed: ${outcome.message}`);
      if (lost) say(lost.message);
      return ExitStatus.crashed;
    case "timeout":
      say("the time limit was reached");
      if (lost) say(lost.message);
      return ExitStatus.timeout;
    case "failed": {
      const error = new VmmError(outcome.message);
      if (outcome.stack !== undefined) error.stack = outcome.stack;
      throw error;
    }
    case "stopped":
      if (left === "output lost" && lost) throw lost;
      // The terminal is gone, and Node aborts if it has to give one back that is gone: die of the signal instead.
      if (left === "SIGHUP") process.kill(process.pid, left);
      return left === undefined || left === "escape" || left === "output lost"
        ? ExitStatus.done
        : 128 + constants.signals[left];
    default:
      return outcome satisfies never;
  }
}
