/** The user's terminal, or the pipes in its place, as the guest's console. */
import { fstatSync } from "node:fs";
import { Socket } from "node:net";
import { VmmError } from "../vmm/errors.js";
import { escapeHelp, escapes } from "./escape.js";
import { endingSignals } from "./interrupt.js";
import { isReaderGone, reasonOf } from "./output.js";
import { RawMode } from "./raw-mode.js";

export interface Terminal {
  /** Writes console output. A promise: the reader is slow, wait. */
  readonly output: (bytes: Uint8Array) => Promise<void> | undefined;
  /** What kept output from being written, if something did. */
  readonly lost: () => VmmError | undefined;
  /**
   * From now on what the user types goes to `input`; where that gives a promise, nothing more is read until it resolves.
   * `leave` is called when the user wants to end.
   */
  connect(input: (bytes: Uint8Array) => Promise<void> | undefined, leave: (why: LeaveReason) => void): void;
  /** Nobody is there to type to: what is typed waits outside for the next. */
  disconnect(): void;
  /** Gives the terminal back as it was. Idempotent. */
  restore(): void;
}

export type LeaveReason = "escape" | "output lost" | NodeJS.Signals;

/** Takes over stdin and stdout. In a terminal every key goes to the guest, Ctrl-C included. */
export function openTerminal(): Terminal {
  const { stdin, stderr } = process;
  const pipe = openPipe();
  const stdout = pipe ?? process.stdout;
  const raw = stdin.isTTY === true ? new RawMode(stdin) : undefined;
  let leave: (why: LeaveReason) => void = () => undefined;
  let left: LeaveReason | undefined;
  const wantLeave = (why: LeaveReason): void => {
    left ??= why;
    leave(why);
  };
  const onSignal = (signal: NodeJS.Signals): void => wantLeave(signal);
  let input: ((bytes: Uint8Array) => Promise<void> | undefined) | undefined;
  const eol = raw ? "\r\n" : "\n";
  const onData = escapes({
    send: (bytes) => {
      const to = input;
      const room = to?.(bytes);
      if (!room) return;
      stdin.pause();
      void room.then(() => {
        // Not for one that came later.
        if (input === to) stdin.resume();
      });
    },
    leave: () => wantLeave("escape"),
    help: () => void stderr.write(`${eol}${escapeHelp.join(eol)}${eol}`),
  });
  const disconnect = (): void => {
    input = undefined;
    leave = () => undefined;
    stdin.off("data", onData);
    stdin.pause();
  };
  let lost: VmmError | undefined;
  let unwritten = 0;
  const onLost = (error: Error): void => {
    lost ??= new VmmError(
      isReaderGone(error)
        ? "stdout was closed, so there is nobody left to run the guest for"
        : `the console's output cannot be written to stdout: ${reasonOf(error)}`,
    );
    wantLeave("output lost");
  };
  stdout.removeAllListeners("error");
  stdout.on("error", onLost);
  for (const signal of endingSignals) process.on(signal, onSignal);

  const restore = (): void => {
    for (const signal of endingSignals) process.off(signal, onSignal);
    process.off("exit", restore);
    disconnect();
    raw?.leave();
    // What a reader that stalls has not taken by now must not keep the process.
    if (unwritten > 0)
      lost ??= new VmmError("the reader of stdout took too long: the last of the console's output is lost");
    pipe?.destroy();
  };
  process.on("exit", restore);

  return {
    output: (bytes) => {
      if (lost) return undefined;
      unwritten += bytes.length;
      return new Promise((resolve) => {
        stdout.write(bytes, (error) => {
          unwritten -= bytes.length;
          if (error) onLost(error);
          resolve();
        });
      });
    },
    lost: () => lost,
    connect: (to, onLeave) => {
      leave = onLeave;
      if (left !== undefined) leave(left);
      stdin.off("data", onData);
      input = to;
      raw?.enter();
      if (stdin.listenerCount("error") === 0) {
        // A pipe that ends, or a stdin closed beforehand, only means that nothing is typed. A terminal that ends is gone.
        const onEnd = (): void => {
          if (raw) wantLeave("SIGHUP");
        };
        stdin.on("error", onEnd);
        stdin.on("end", onEnd);
      }
      stdin.on("data", onData);
      stdin.resume();
    },
    disconnect,
    restore,
  };
}

/**
 * Stdout if it is a pipe or socket, without blocking: Node's own stream waits inside write() for whoever reads, and neither a time
 * limit nor a signal would be heard meanwhile.
 */
function openPipe(): Socket | undefined {
  try {
    const stat = fstatSync(1);
    if (stat.isFIFO() || stat.isSocket()) return new Socket({ fd: 1, readable: false, writable: true });
  } catch {
    // Closed, or not a kind that a Socket takes.
  }
  return undefined;
}
