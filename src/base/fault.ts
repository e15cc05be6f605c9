/**
 * Fault injection: what takes memory, numbers or threads asks here first, so that a test can make each fail once and see
 * that nothing is left behind. Without a test this does nothing. Source: Documentation/fault-injection.
 */

import { ProcessWide } from "./process-wide.js";

/** Throws what the failing allocation is to throw. `site` says what is about to be taken. */
export type FaultHook = (site: string) => void;

const hook = new ProcessWide<FaultHook>("unikvm.fault");

/** Called before something is taken. */
export function mayFail(site: string): void {
  hook.value?.(site);
}

/** Has `faults` called at each site of this thread while `work` runs. */
export async function withFaults<T>(faults: FaultHook, work: () => Promise<T>): Promise<T> {
  const before = hook.value;
  hook.value = faults;
  try {
    return await work();
  } finally {
    hook.value = before;
  }
}
