/**
 * Gets back the memory of VMs that have ended. A JavaScript engine frees a memory when it collects garbage, and collects when
 * the garbage that it counts is worth it. V8 counts no shared WebAssembly memory: gigabytes of closed VMs looked like
 * nothing to it. So it is told (`collectGarbage`).
 *
 * That a closed VM's memory is the engine's to free, and not kept for the next VM, means that there is nothing to clear and
 * nothing that the next could read, and that a view somebody still has stays a view of what it was.
 */
import { collectGarbage } from "../base/garbage.js";
import type { Member } from "../vac/vac.js";

/** Bytes of ended VMs that are worth a collection. */
const worthwhile = 64 << 20;
/** How long an ended VM's memory waits for a moment when nothing on the stack refers to it, ms. */
const soon = 20;

export class Reclaimer {
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #collect: () => void;

  /** `collect` is for tests. */
  constructor(collect: () => void = collectGarbage) {
    this.#collect = collect;
  }

  /** A VM whose memory has this many bytes has ended on this thread. */
  ended(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < worthwhile || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#bytes = 0;
      this.#collect();
    }, soon);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /**
   * Before the next VM is made: a program that makes one after the other, and never waits, gives no other moment. What it
   * still refers to stays, so the timer's collection comes nevertheless.
   */
  beforeNext(): void {
    if (this.#bytes < worthwhile) return;
    this.#bytes = 0;
    this.#collect();
  }
}

const reclaimers = new WeakMap<Member, Reclaimer>();

/** The one of a loaded kvm on this thread. */
export function reclaimerOf(member: Member): Reclaimer {
  const known = reclaimers.get(member);
  if (known) return known;
  const created = new Reclaimer();
  reclaimers.set(member, created);
  return created;
}
