/**
 * What may exist once per process, though several versions of this package may be loaded in it (npm does that every day):
 * partition numbers and the budget of generated code. The table lies on globalThis under one name; its format is part
 * of the interface between versions, so it only ever grows.
 */
import { KvmError } from "../base/errors.js";

interface Shared {
  /** LPIDs in use. */
  readonly lpids: Set<number>;
  /** Bytes of generated code that all VMs of the process hold. */
  codeBytes: number;
}

const key = Symbol.for("unikvm.vac.1");

function shared(): Shared {
  const host = globalThis as unknown as Record<symbol, Shared | undefined>;
  const present = host[key];
  if (present) return present;
  const created: Shared = { lpids: new Set(), codeBytes: 0 };
  host[key] = created;
  return created;
}

/** LPIDR has 12 bits on POWER9; 0 is the host's. */
export const lpidCount = 4096;

/** A partition number that no other VM of the process has. ENOSPC: all are taken. */
export function allocateLpid(): number {
  const { lpids } = shared();
  for (let lpid = 1; lpid < lpidCount; lpid++) {
    if (lpids.has(lpid)) continue;
    lpids.add(lpid);
    return lpid;
  }
  throw new KvmError("ENOSPC", `all ${lpidCount - 1} partition numbers are in use; close a VM`);
}

export function freeLpid(lpid: number): void {
  shared().lpids.delete(lpid);
}

/** Bytes of generated code in the process. */
export const codeBytes = (): number => shared().codeBytes;

/** Accounts for code that was generated (positive) or dropped (negative). */
export function accountCode(bytes: number): void {
  shared().codeBytes += bytes;
}
