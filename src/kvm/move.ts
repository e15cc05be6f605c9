/**
 * A VM's way from one loaded kvm to another: the guest is stopped, its state taken out, and put in again there, over the
 * same memory. Whatever fails, the VM is in one of the two, whole.
 */
import { KvmError } from "../base/errors.js";
import { freeRanges } from "./heap.js";
import { vmLayout } from "./layout.js";
import { stopped } from "./pause.js";
import { VmReferences } from "./references.js";
import { saveVm } from "./save-vm.js";
import { savedFormat } from "./saved.js";
import type { Kvm, MoveOptions, Vm } from "./uapi.js";
import type { VmCore } from "./vm.js";

/** `arrived` is called with the VM's handle there before anything else can happen. */
export async function moveOut(
  vm: VmCore,
  kvm: Kvm,
  { type = 0, prepare, timeout = 1000 }: MoveOptions,
  arrived: (vm: Vm) => void,
): Promise<void> {
  vm.requireOpen();
  const { mem, generation, implementation, arch, references } = vm;
  if (!(references instanceof VmReferences)) {
    throw new KvmError("EINVAL", "a VM is moved by the thread that created it");
  }
  // Refuses what cannot be saved, and has this code compiled before the guest waits for it.
  saveVm(vm);
  // An older version knows nothing of pages that are missing.
  vm.missing.needAll();
  if (typeof kvm.takeOver !== "function") {
    throw new KvmError("EOPNOTSUPP", "the other kvm is of a version that takes no VMs; update that package");
  }
  const next = generation + 2;
  const leaving = {
    format: savedFormat,
    arch: arch.name,
    type,
    implementation,
    memory: vm.memory,
    generation: next,
    extensions: vm.extensions.map(({ url }) => url),
  };
  const arrival = kvm.takeOver(leaving);
  try {
    await prepare?.(arrival.share);
    vm.requireOpen();
    // The memory is there when the guest waits for it.
    const needed = vm.vcpus().reduce((sum, _, index) => sum + arch.vcpuSize(index) + vmLayout.pageSize, 0);
    if (freeRanges(mem).length === 0) mem.ensure(mem.u32(vmLayout.heapNext) + needed);
    if (mem.compareExchange(vmLayout.moves, generation, generation + 1) !== generation) {
      throw new KvmError("EBUSY", "the VM is paused or moving already");
    }
  } catch (error) {
    arrival.abandon();
    throw error;
  }
  const end = (moves: number): void => {
    mem.store(vmLayout.moves, moves);
    mem.notify(vmLayout.moves);
  };
  let frozen = false;
  let giveBack: () => void;
  let there: Vm;
  try {
    await stopped(vm, timeout);
    if (!references.freeze()) {
      throw new KvmError("EBUSY", "the VM cannot move: VFIO holds it; close the devices that it was given first");
    }
    frozen = true;
    // From here to the end nothing else happens on this thread.
    giveBack = vm.departure();
    there = arrival.arrive(saveVm(vm));
  } catch (error) {
    if (frozen) references.thaw();
    end(generation);
    arrival.abandon();
    throw error;
  }
  // It is there, and nothing brings it back.
  vm.depart(giveBack);
  end(next);
  arrived(there);
}
