/** Signals by name and number. Source: signal(7), the numbers that all of our guests' architectures have. */
import { VmError } from "./error.js";
import type { SignalName } from "./types.js";

const signals = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGCONT: 18,
  SIGSTOP: 19,
} as const satisfies Readonly<Record<SignalName, number>>;

/** VmError, EINVAL: no such name. */
export function signalNumber(name: SignalName): number {
  if (Object.hasOwn(signals, name)) return signals[name];
  throw new VmError(
    "EINVAL",
    `there is no signal ${JSON.stringify(name)}; there are ${Object.keys(signals).join(", ")}`,
  );
}

/** Its name, if it has one here. */
export const signalName = (number: number): SignalName | number =>
  (Object.keys(signals) as SignalName[]).find((name) => signals[name] === number) ?? number;
