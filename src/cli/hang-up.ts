/** What a process does at its end whose terminal is gone. */
import { isatty } from "node:tty";

/**
 * At its exit Node.js gives back the terminals that it was started with, and takes it for a fault of its own if one of them is gone: a
 * stack, and a core. A process whose terminal was closed ends by SIGHUP instead, as others do. To be called at its beginning.
 */
export function endWithTerminal(): void {
  const terminals = [0, 1, 2].filter(isatty);
  const end = (code: number): void => {
    if (terminals.every(isatty)) return;
    process.off("exit", end);
    // What others do at the exit comes first.
    for (const listener of process.listeners("exit")) listener.call(process, code);
    process.removeAllListeners("SIGHUP");
    process.kill(process.pid, "SIGHUP");
  };
  if (terminals.length > 0) process.on("exit", end);
}
