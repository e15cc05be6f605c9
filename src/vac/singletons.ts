/** The kinds of thing that vac keeps once for all its members: numbers, timers, what is switched on while it is used. */
import { KvmError } from "../base/errors.js";
import { mayFail } from "../base/fault.js";

/** Numbers that tag translations, and how many there are. 0 is always the host's. */
export const numberKinds = {
  /** Partitions of POWER: LPIDR has 12 bits on POWER9. */
  lpid: 4096,
  /** Virtual processors of Intel (VPID has 16 bits) and address spaces of AMD (ASID; 15 bits are what processors have). */
  vpid: 65536,
  asid: 32768,
} as const;
export type NumberKind = keyof typeof numberKinds;

export class Numbers {
  readonly #used = new Map<NumberKind, Set<number>>();

  /** The lowest free one. ENOSPC: all are taken. */
  allocate(kind: NumberKind): number {
    mayFail(`${kind} number`);
    const used = this.#used.get(kind) ?? new Set();
    this.#used.set(kind, used);
    for (let number = 1; number < numberKinds[kind]; number++) {
      if (used.has(number)) continue;
      used.add(number);
      return number;
    }
    throw new KvmError("ENOSPC", `all ${numberKinds[kind] - 1} ${kind} numbers are in use; close a VM`);
  }

  free(kind: NumberKind, number: number): void {
    this.#used.get(kind)?.delete(number);
  }
}

/** Things that are on while anybody wants them: the first user switches them on, the last one off. */
export class EnableCounts {
  readonly #on = new Map<string, { users: number; readonly off: () => void }>();

  /** What `on` throws is thrown, and nothing is counted. Returns what gives this use back, once. */
  enable(name: string, on: () => () => void): () => void {
    mayFail(`use of ${name}`);
    const present = this.#on.get(name);
    const entry = present ?? { users: 0, off: on() };
    this.#on.set(name, entry);
    entry.users++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--entry.users > 0) return;
      this.#on.delete(name);
      entry.off();
    };
  }

  users(name: string): number {
    return this.#on.get(name)?.users ?? 0;
  }
}

/** How often timers look, ms. */
const tick = 4;

/** One interval of the host's for everybody who must look at something again and again; none while there is nobody. */
export class Timers {
  readonly #callbacks = new Set<() => void>();
  readonly #enabled: EnableCounts;

  constructor(enabled: EnableCounts) {
    this.#enabled = enabled;
  }

  get count(): number {
    return this.#callbacks.size;
  }

  /** Calls back every few milliseconds, until what it returns is called. Does not keep the process alive. */
  poll(callback: () => void): () => void {
    // One function may be asked for twice.
    const entry = (): void => callback();
    const release = this.#enabled.enable("timer", () => {
      const timer = setInterval(() => {
        for (const each of [...this.#callbacks]) each();
      }, tick);
      (timer as { unref?: () => void }).unref?.();
      return () => clearInterval(timer);
    });
    this.#callbacks.add(entry);
    return () => {
      this.#callbacks.delete(entry);
      release();
    };
  }
}
