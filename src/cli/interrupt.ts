/** Work that a signal or a time limit ends in order, so that it can clear away what it has begun. */

/** Signals by which users and systems end programs. */
export const endingSignals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** The time limit came before the work was done. */
export class OutOfTime extends Error {
  override readonly name = "OutOfTime";

  constructor() {
    super("the time limit was reached");
  }
}

/**
 * Does the work, which ends soon after `signal` is aborted. A signal then has its own effect, which is the end of this
 * process; a second one at once. Throws OutOfTime after `limit` milliseconds.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>, limit?: number): Promise<T> {
  const controller = new AbortController();
  let caught: NodeJS.Signals | undefined;
  const release = (): void => {
    for (const signal of endingSignals) process.off(signal, onSignal);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    caught = signal;
    release();
    controller.abort();
  };
  for (const signal of endingSignals) process.on(signal, onSignal);
  const timer = limit === undefined ? undefined : setTimeout(() => controller.abort(new OutOfTime()), limit);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    release();
    if (caught !== undefined) process.kill(process.pid, caught);
  }
}
