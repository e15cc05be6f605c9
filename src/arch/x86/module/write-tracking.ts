/**
 * KVM_EXTERNAL_WRITE_TRACKING: other modules are told what guests write to pages that they name.
 *
 * A tracked page has an owner of its own in the engine's table of decoded code (engine/layout.ts, `ownerBits`), so no vCPU gets
 * a write tag for it, and each store takes the slow path, which tells of it when it is done. Told is what a vCPU's instructions
 * store, and what is pushed for its interrupts. As on Linux nobody is told of what devices, the user side and KVM itself (its
 * clock, steal time) write, nor of accessed and dirty bits.
 */
import { KvmError } from "../../../base/errors.js";
import { callback, having, optional, taking, text, thing, u64 } from "../../../base/takes.js";
import { engineVm, MmuEvent, ownerBits } from "../../../engine/layout.js";
import type { EngineEvents } from "../../../kvm/engine.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import type { KvmCore } from "../../../kvm/kvm.js";
import type { VmMemory } from "../../../kvm/memory.js";
import { VmReferences } from "../../../kvm/references.js";
import type { Vm } from "../../../kvm/uapi.js";
import { flushTranslations } from "../processor/vcpu.js";
import { saveVm as saveAll } from "../vm/saved.js";
import type { AddTrackedPage, RegisterNotifier, RemoveTrackedPage, WriteTracker } from "./tracking-symbols.js";

const pageShift = 12;

/** How often each page is tracked, of a VM that was made on this thread; it has at most as many as the guest has pages. */
type Counts = Map<number, number>;
const tracked = new WeakMap<VmMemory, Counts>();

const trackersOf = ({ extensions }: VmInside): readonly WriteTracker[] =>
  extensions.map(({ value }) => value as WriteTracker);
/** A handle passes on what it is asked for. */
const insideOf = (vm: Vm): VmInside => vm as unknown as VmInside;

const ownersOf = ({ mem }: VmInside, gfn: number): number => mem.u32(engineVm.codeOwners) + 4 * gfn;
const holds = (vm: VmInside, gfn: bigint): boolean =>
  vm.slots
    .list()
    .some(({ base, size }) => gfn >= base >> BigInt(pageShift) && (gfn << BigInt(pageShift)) - base < size);

const addGfn: AddTrackedPage = (handle, gfn) => {
  const refuse = (code: "EINVAL" | "EAGAIN" | "EBUSY" | "EOPNOTSUPP", why: string) =>
    new KvmError(code, `kvm_write_track_add_gfn: ${why}`);
  const vm = insideOf(handle);
  vm.requireOpen();
  if (trackersOf(vm).length === 0) throw refuse("EINVAL", "the VM was made before a tracker was registered");
  if (!(vm.references instanceof VmReferences)) throw refuse("EINVAL", "the VM was made on another thread");
  // It would wait for itself.
  if (vm.running) throw refuse("EBUSY", "a vCPU runs on this thread");
  if (!holds(vm, gfn)) throw refuse("EINVAL", `no memory slot has page 0x${gfn.toString(16)}`);
  const { mem } = vm;
  if (mem.load(engineVm.codeMapSize) === 0)
    throw refuse("EAGAIN", "no vCPU has run yet; the VM's memory may not be all");
  if (gfn >= mem.u64(engineVm.ramLimit) >> BigInt(pageShift)) {
    throw refuse("EOPNOTSUPP", `page 0x${gfn.toString(16)} came after the VM had run, beyond all other memory`);
  }
  const counts: Counts = tracked.get(mem) ?? new Map();
  tracked.set(mem, counts);
  const page = Number(gfn);
  const before = counts.get(page) ?? 0;
  counts.set(page, before + 1);
  if (before > 0) return;
  mem.or(ownersOf(vm, page), ownerBits.tracked);
  flushTranslations(vm);
};

const removeGfn: RemoveTrackedPage = (handle, gfn) => {
  const vm = insideOf(handle);
  vm.requireOpen();
  const counts = tracked.get(vm.mem);
  const before = counts?.get(Number(gfn));
  if (!counts || before === undefined) {
    throw new KvmError("ENOENT", `kvm_write_track_remove_gfn: page 0x${gfn.toString(16)} is not tracked`);
  }
  if (before > 1) counts.set(Number(gfn), before - 1);
  else untrack(vm, counts, Number(gfn));
};

/** A vCPU gets a write tag when it stores there next. */
function untrack(vm: VmInside, counts: Counts, gfn: number): void {
  counts.delete(gfn);
  vm.mem.and(ownersOf(vm, gfn), ~ownerBits.tracked);
}

/** Memory slots have changed, or what is noted of them: pages whose slot has gone are tracked no more. */
export function memoryChanged(vm: VmInside): void {
  flushTranslations(vm);
  const counts = tracked.get(vm.mem);
  if (!counts) return;
  const gone = [...counts.keys()].filter((gfn) => !holds(vm, BigInt(gfn))).sort((a, b) => a - b);
  for (const gfn of gone) untrack(vm, counts, gfn);
  for (let first = 0, end = 1; first < gone.length; first = end++) {
    while (end < gone.length && gone[end] === (gone[first] as number) + end - first) end++;
    for (const tracker of trackersOf(vm))
      tracker.trackRemoveRegion?.(vm as unknown as Vm, BigInt(gone[first] as number), end - first);
  }
}

export function engineEvent(vcpu: VcpuInside, ...[kind, address, , size]: Parameters<EngineEvents>): void {
  if (kind !== MmuEvent.trackedWrite) return;
  const { vm } = vcpu;
  const place = vm.slots.find(address, size);
  // The slot may have gone this moment.
  if (!place) return;
  for (const tracker of trackersOf(vm)) {
    const bytes = vm.mem.bytes(place.address, size).slice();
    tracker.trackWrite({ vm: vm as unknown as Vm, vcpu: vcpu.id, address, bytes });
  }
}

/** EBUSY: another kvm would not know of the VM's tracked pages. */
export function saveVm(vm: VmInside): ReturnType<typeof saveAll> {
  if ((tracked.get(vm.mem)?.size ?? 0) > 0)
    throw new KvmError("EBUSY", "the VM cannot move while its pages are tracked");
  return saveAll(vm);
}

const tracker = having({ trackWrite: callback, trackRemoveRegion: optional(callback) });
const registering = having({
  owner: thing("the context of the module that registers it", ["tryGet", "put"]),
  url: text,
  trackWrite: callback,
  trackRemoveRegion: optional(callback),
});
const page = { vm: thing("a VM", ["setUserMemoryRegion", "createVcpu"]), gfn: u64 };

/** What init returns. */
export function offer(kvm: KvmCore) {
  const { extensions } = kvm;
  return {
    open: () => kvm,
    registerNotifier: taking(
      "kvm_page_track_register_notifier",
      { tracker: registering },
      (value: WriteTracker): ReturnType<RegisterNotifier> =>
        extensions.register({ owner: value.owner, url: value.url, value }),
    ),
    addGfn: taking("kvm_write_track_add_gfn", page, addGfn),
    removeGfn: taking("kvm_write_track_remove_gfn", page, removeGfn),
  };
}

/** What a thread that attaches imports. ENOEXEC: the file lacks it. */
export async function importTracker(url: string): Promise<Pick<WriteTracker, "trackWrite">> {
  const { tracker: found } = (await import(url)) as { readonly tracker?: WriteTracker };
  if (!found) throw new KvmError("ENOEXEC", `${url} exports no tracker`);
  tracker(found, url, "tracker");
  return found;
}
