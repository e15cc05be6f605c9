/** How long the calling thread has been on a processor. */
import { openSync, readSync } from "node:fs";

/**
 * A function that tells it, milliseconds from wherever; of the thread that calls this, and for this thread only. undefined: the
 * system does not tell it. The system counts from one tick of its clock to the next, some milliseconds, and forgets nothing.
 */
export function threadTime(): (() => number) | undefined {
  const own = (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage;
  if (own) {
    return () => {
      const { user, system } = own.call(process);
      return (user + system) / 1000;
    };
  }
  // Linux, proc(5): the first number is the time on the processor, nanoseconds.
  try {
    const file = openSync("/proc/thread-self/schedstat", "r");
    const bytes = Buffer.alloc(64);
    const read = (): number => Number.parseInt(bytes.toString("latin1", 0, readSync(file, bytes, 0, 64, 0)), 10) / 1e6;
    return Number.isFinite(read()) ? read : undefined;
  } catch {
    return undefined;
  }
}
