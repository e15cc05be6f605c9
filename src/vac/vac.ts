/**
 * What may exist once, though several versions of this package may be loaded (npm does that every day): numbers that tag
 * translations, the budget of generated code, threads, timers, what is switched on while it is used.
 *
 * The first version that is loaded provides it to all, as the kernel has one vac.ko under several kvm.ko; what is between
 * them is the contract below. Each thread has its own, except for the counters, which lie in a page that all share.
 */

import { KvmError } from "../base/errors.js";
import { describePackage, type Package } from "../base/package.js";
import { ProcessWide } from "../base/process-wide.js";
import { type PageBuffer, ProcessPage } from "./page.js";
import { EnableCounts, type NumberKind, Numbers, Timers } from "./singletons.js";

/** A member needs the provider's major, and at most its minor: a minor only adds. */
export interface Contract {
  readonly major: number;
  readonly minor: number;
}
export const contract: Contract = { major: 1, minor: 0 };

/** What a member holds, in counts; all 0 when it leaves. */
export interface Held {
  readonly numbers: number;
  readonly workers: number;
  readonly timers: number;
  readonly enabled: number;
}

/** A loaded kvm's share. What it takes it gives back; `leave` gives back the rest. */
export interface Member {
  readonly page: ProcessPage;
  /** ENOSPC: all are taken. */
  allocateNumber(kind: NumberKind): number;
  freeNumber(kind: NumberKind, number: number): void;
  /** EAGAIN: the process has as many threads for vCPUs as it may. */
  reserveWorker(): void;
  releaseWorker(): void;
  /** See `Timers.poll`. */
  poll(callback: () => void): () => void;
  /** See `EnableCounts.enable`. */
  enable(name: string, on: () => () => void): () => void;
  held(): Held;
  leave(): void;
}

export interface Vac {
  readonly contract: Contract;
  readonly provider: Package;
  readonly page: ProcessPage;
  join(member: Package): Member;
  members(): readonly Package[];
}

const threadVac = new ProcessWide<Vac>("unikvm.vac");

/**
 * This thread's vac: the one that is there, or else one that `user` provides. `page` is the process's, if another thread
 * gave it. ENOEXEC: the one that is there keeps another contract; the message says which package to update.
 */
export function acquireVac(user: Package, page?: PageBuffer, needed: Contract = contract): Vac {
  const present = threadVac.value;
  if (present) {
    requireContract(present, user, needed);
    return present;
  }
  const created = new VacCore(user, ProcessPage.here(page));
  threadVac.value = created;
  return created;
}

/** Takes away what nobody uses any more, so that the next version to be loaded provides its own. EBUSY: it has members. */
export function releaseVac(vac: Vac): void {
  const members = vac.members();
  if (members.length > 0) {
    throw new KvmError("EBUSY", `vac is in use by: ${members.map(describePackage).join(", ")}`);
  }
  if (threadVac.value === vac) threadVac.value = undefined;
}

function requireContract({ contract: offered, provider }: Vac, user: Package, needed: Contract): void {
  if (offered.major === needed.major && offered.minor >= needed.minor) return;
  const older = offered.major < needed.major || (offered.major === needed.major && offered.minor < needed.minor);
  const [stale, fresh] = older ? [provider, user] : [user, provider];
  throw new KvmError(
    "ENOEXEC",
    `${describePackage(user)} needs vac contract ${needed.major}.${needed.minor}, but ${describePackage(provider)}, ` +
      `loaded before, provides ${offered.major}.${offered.minor}: update ${describePackage(stale)} to ` +
      `${fresh.version} or later`,
  );
}

class VacCore implements Vac {
  readonly contract = contract;
  readonly provider: Package;
  readonly page: ProcessPage;
  readonly #members = new Map<Member, Package>();
  readonly #numbers = new Numbers();
  readonly #enabled = new EnableCounts();
  readonly #timers = new Timers(this.#enabled);

  constructor(provider: Package, page: ProcessPage) {
    this.provider = provider;
    this.page = page;
  }

  members(): readonly Package[] {
    return [...this.#members.values()];
  }

  join(user: Package): Member {
    const { page } = this;
    const numbers = new Set<string>();
    const polls = new Set<() => void>();
    const enabled = new Set<() => void>();
    let workers = 0;
    /** Has `release` called once, now or when the member leaves. */
    const hold = (held: Set<() => void>, release: () => void): (() => void) => {
      held.add(release);
      return () => {
        if (held.delete(release)) release();
      };
    };
    const member: Member = {
      page,
      allocateNumber: (kind) => {
        const number = this.#numbers.allocate(kind);
        numbers.add(`${kind} ${number}`);
        return number;
      },
      freeNumber: (kind, number) => {
        // Only its own: another member may have the number by now.
        if (numbers.delete(`${kind} ${number}`)) this.#numbers.free(kind, number);
      },
      reserveWorker: () => {
        if (!page.reserveWorkers(1)) {
          throw new KvmError("EAGAIN", `the process has ${page.workers} threads for vCPUs, its limit; close a VM`);
        }
        workers++;
      },
      releaseWorker: () => {
        if (workers === 0) return;
        workers--;
        page.releaseWorkers(1);
      },
      poll: (callback) => hold(polls, this.#timers.poll(callback)),
      enable: (name, on) => hold(enabled, this.#enabled.enable(name, on)),
      held: () => ({ numbers: numbers.size, workers, timers: polls.size, enabled: enabled.size }),
      leave: () => {
        for (const entry of [...numbers]) {
          const [kind, number] = entry.split(" ");
          member.freeNumber(kind as NumberKind, Number(number));
        }
        for (const release of [...polls, ...enabled]) release();
        polls.clear();
        enabled.clear();
        page.releaseWorkers(workers);
        workers = 0;
        this.#members.delete(member);
      },
    };
    this.#members.set(member, user);
    return member;
  }
}
