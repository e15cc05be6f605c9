/** The user's terminal, or the pipes in its place, as the guest's console. */
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
  const { stdin, stdout, stderr } = process;
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
  };
  process.on("exit", restore);

  return {
    output: (bytes) => {
      if (closed) return undefined;
      if (stdout.write(bytes)) return undefined;
      return new Promise((resolve) => {
        const done = (): void => {
          stdout.off("drain", done);
          stdout.off("error", done);
          resolve();
        };
        stdout.on("drain", done);
        stdout.on("error", done);
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
