/** The user's terminal, or the pipes in its place, as the guest's console. */
import { fstatSync } from "node:fs";
import { Socket } from "node:net";
import { escapeHelp, escapes } from "./escape.js";

export interface Terminal {
  /** Writes console output. A promise: the reader is slow, wait. */
  readonly output: (bytes: Uint8Array) => Promise<void> | undefined;
  /** From now on what the user types goes to `input`; `leave` is called when the user wants to end. */
  connect(input: (bytes: Uint8Array) => void, leave: (why: LeaveReason) => void): void;
  /** Gives the terminal back as it was. Idempotent. */
  restore(): void;
}

export type LeaveReason = "escape" | "stdout closed" | NodeJS.Signals;

const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Takes over stdin and stdout. In a terminal every key goes to the guest, Ctrl-C included. */
export function openTerminal(): Terminal {
  const { stdin, stderr } = process;
  const pipe = openPipe();
  const stdout = pipe ?? process.stdout;
  const raw = stdin.isTTY === true;
  let leave: (why: LeaveReason) => void = () => undefined;
  let left: LeaveReason | undefined;
  const wantLeave = (why: LeaveReason): void => {
    left ??= why;
    leave(why);
  };
  const onSignal = (signal: NodeJS.Signals): void => wantLeave(signal);
  let onData: ((chunk: Uint8Array) => void) | undefined;
  let closed = false;
  stdout.removeAllListeners("error");
  stdout.on("error", () => {
    closed = true;
    wantLeave("stdout closed");
  });
  for (const signal of signals) process.on(signal, onSignal);

  const restore = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
    process.off("exit", restore);
    if (onData) stdin.off("data", onData);
    onData = undefined;
    if (raw) stdin.setRawMode(false);
    stdin.pause();
    // What a reader that stalls has not taken by now must not keep the process.
    pipe?.destroy();
  };
  process.on("exit", restore);

  return {
    output: (bytes) => {
      if (closed) return undefined;
      return new Promise((resolve) => {
        stdout.write(bytes, () => resolve());
      });
    },
    connect: (input, onLeave) => {
      leave = onLeave;
      if (left !== undefined) leave(left);
      if (onData) stdin.off("data", onData);
      const eol = raw ? "\r\n" : "\n";
      onData = escapes({
        send: input,
        leave: () => wantLeave("escape"),
        help: () => void stderr.write(`${eol}${escapeHelp.join(eol)}${eol}`),
      });
      if (raw) stdin.setRawMode(true);
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
