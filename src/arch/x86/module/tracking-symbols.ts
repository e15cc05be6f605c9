/**
 * What kvm-intel and kvm-amd export with KVM_EXTERNAL_WRITE_TRACKING: a module is told when a guest writes a page. Source: Linux,
 * arch/x86/include/asm/kvm_page_track.h.
 */
import type { Vm } from "../../../kvm/uapi.js";
import { declareSymbol, exportSymbol, type ModuleReference } from "../../../modules/define-module.js";

/** A guest has written a tracked page. */
export interface TrackedWrite {
  /** This thread's handle. What the module keeps lies in the VM's memory: each vCPU's thread has its own of all else. */
  readonly vm: Vm;
  /** The number of the vCPU that wrote. */
  readonly vcpu: number;
  /** Guest physical. */
  readonly address: bigint;
  /** What is there behind the write, of this page alone; a copy. An instruction's write may be told in parts. */
  readonly bytes: Uint8Array;
}

/** Who is told. */
export interface WriteTracker {
  /** The module's context: VMs that are made with this tracker keep the module. */
  readonly owner: ModuleReference;
  /** The URL of the file that exports the tracker as `tracker`: vCPUs' threads import it from there. */
  readonly url: string;
  /**
   * Called in the midst of the instruction, on the vCPU's thread, once the bytes are there. It may read and write the VM's memory;
   * what waits for vCPUs (memory slots, other pages to be tracked) it must leave for later. What it throws ends the vCPU's run().
   */
  trackWrite(write: TrackedWrite): void;
  /** Called on the thread that made the VM: these tracked pages' memory slot has gone, and they are tracked no more. */
  trackRemoveRegion?(vm: Vm, gfn: bigint, pages: number): void;
}

/**
 * VMs that are made later tell this tracker of what is written to their tracked pages, until the VM ends; what it returns takes
 * it from VMs that are made after that. EINVAL: something is missing.
 */
export type RegisterNotifier = (tracker: WriteTracker) => () => void;
/**
 * The page with this number (its guest physical address / 4096) is tracked from now on, until `remove` has been called as often.
 * EINVAL: no memory slot has it, or the VM was made without a tracker, or on another thread. EAGAIN: no vCPU has run yet, so the
 * VM's memory may not be all there. EOPNOTSUPP: memory that was added after that. EBUSY: called while a vCPU runs on this thread.
 */
export type AddTrackedPage = (vm: Vm, gfn: bigint) => void;
/** The page is tracked once less. ENOENT: it is not tracked. */
export type RemoveTrackedPage = (vm: Vm, gfn: bigint) => void;

/** kvm_page_track_register_notifier, with what unregisters. */
export const kvmPageTrackRegisterNotifier = declareSymbol<RegisterNotifier>("kvm_page_track_register_notifier");
/** kvm_write_track_add_gfn. */
export const kvmWriteTrackAddGfn = declareSymbol<AddTrackedPage>("kvm_write_track_add_gfn");
/** kvm_write_track_remove_gfn. */
export const kvmWriteTrackRemoveGfn = declareSymbol<RemoveTrackedPage>("kvm_write_track_remove_gfn");

/** As on Linux: for the one module there that needs them. */
const terms = { gplOnly: true, namespace: "module:kvmgt" };

/** What the module's declaration has of it. */
export const exported = {
  registerNotifier: exportSymbol(kvmPageTrackRegisterNotifier, terms),
  addGfn: exportSymbol(kvmWriteTrackAddGfn, terms),
  removeGfn: exportSymbol(kvmWriteTrackRemoveGfn, terms),
};
