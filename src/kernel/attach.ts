/**
 * The door to kvm for a thread that did not make the VM: which kvm module a VM is of, of which architecture and which version
 * of this package, its `share()` says. Apart from kernel.ts, whose list of modules a vCPU's thread has no use for.
 */

import type { PpcVm } from "../arch/powerpc/uapi.js";
import type { X86Vm } from "../arch/x86/uapi.js";
import { KvmError, messageOf } from "../base/errors.js";
import { callback, having, optional, taking, text, wholeNumber } from "../base/takes.js";
import type { AttachedVm, SharedVm } from "../kvm/uapi.js";

/** Of one of the architectures that there are. */
export type AnyAttachedVm = AttachedVm<PpcVm> | AttachedVm<X86Vm>;

/** The thread beside, as a vCPU's thread has it: posts requests, takes answers. */
type Beside = Parameters<typeof import("../arch/powerpc/module.js").prepareAttachVm>[1];

/** What every kvm module exports for other threads. */
interface KvmModule {
  prepareAttachVm(shared: SharedVm, beside?: Beside): Promise<() => AnyAttachedVm>;
  /** An older version has none. */
  serveBesideVm?(shared: SharedVm, post: (answer: unknown) => void): Promise<((request: unknown) => void) | undefined>;
  loadDisassembler(): Promise<(word: number, address: bigint) => string>;
}

/** What an older or newer version shares has these at least. */
const shared = having({ version: wholeNumber, arch: text, module: text });

/** This package's own: a bundle has its code at hand already, and would load it a second time by its file's name. */
const ownModule = new URL("../arch/powerpc/module.js", import.meta.url).href;

/** EINVAL: it is not there, or no kvm module. */
async function moduleOf({ module }: SharedVm): Promise<KvmModule> {
  if (module === ownModule) return import("../arch/powerpc/module.js");
  let found: Partial<KvmModule>;
  try {
    found = (await import(module)) as Partial<KvmModule>;
  } catch (cause) {
    throw new KvmError("EINVAL", `the VM's module ${module} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
  if (typeof found.prepareAttachVm === "function") return found as KvmModule;
  throw new KvmError("EINVAL", `${module} is no kvm module: it has no prepareAttachVm`);
}

/**
 * Attaches this thread to a VM of another one, given what `Vm.share` gave there. EINVAL: it is no VM's. ESTALE: the VM has
 * moved to another kvm since.
 */
export const attachVm = taking(
  "attachVm",
  { shared },
  async <A extends AnyAttachedVm = AttachedVm<PpcVm>>(shared: SharedVm): Promise<A> =>
    (await (await moduleOf(shared)).prepareAttachVm(shared))() as A,
  { promises: true },
);

/**
 * Loads what attaching needs, as long as that takes; what it gives attaches at once. `beside` is a thread on which
 * `serveBesideVm` works for the vCPU that this thread will run; without one, this thread does all itself.
 */
export const prepareAttachVm = taking(
  "prepareAttachVm",
  { shared, beside: optional(having({ post: callback, take: callback })) },
  async <A extends AnyAttachedVm = AttachedVm<PpcVm>>(shared: SharedVm, beside?: Beside): Promise<() => A> =>
    (await moduleOf(shared)).prepareAttachVm(shared, beside) as Promise<() => A>,
  { promises: true },
);

/**
 * What a thread beside a vCPU's does for it, given what `Vm.share` gave: to be told each request of the vCPU's thread, in
 * order, it calls `post` with answers for it. Undefined: the VM's implementation has nothing to do there.
 */
export const serveBesideVm = taking(
  "serveBesideVm",
  { shared, post: callback },
  async (shared: SharedVm, post: (answer: unknown) => void): Promise<((request: unknown) => void) | undefined> =>
    (await moduleOf(shared)).serveBesideVm?.(shared, post),
  { promises: true },
);

/** Loads, ahead of a start message, what a thread needs for a VM of this package's own kvm of POWER. */
export const preload = async (implementation: string): Promise<void> =>
  (await import("../arch/powerpc/module.js")).preload(implementation);

/** What puts an instruction word of the VM's architecture into words. */
export const loadDisassembler = async (shared: SharedVm): Promise<(word: number, address: bigint) => string> =>
  (await moduleOf(shared)).loadDisassembler();
