/**
 * Fault injection: what takes memory, numbers or threads asks here first, so that a test can make each fail once and see
 * that nothing is left behind. Without a test this does nothing. Source: Documentation/fault-injection.
 */

/** Throws what the failing allocation is to throw. `site` says what is about to be taken. */
export type FaultHook = (site: string) => void;

const key = Symbol.for("unikvm.fault");
type Host = Record<symbol, FaultHook | undefined>;

/** Called before something is taken. */
export function mayFail(site: string): void {
  (globalThis as unknown as Host)[key]?.(site);
}

/** Has `hook` called at each site of this thread while `work` runs. */
export async function withFaults<T>(hook: FaultHook, work: () => Promise<T>): Promise<T> {
  const host = globalThis as unknown as Host;
  const before = host[key];
  host[key] = hook;
  try {
    return await work();
  } finally {
    if (before) host[key] = before;
    else delete host[key];
  }
}
