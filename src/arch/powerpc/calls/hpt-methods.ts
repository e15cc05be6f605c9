/** The user side's calls on the hashed page table. Source: Documentation/virt/kvm/api.rst, "KVM_PPC_ALLOCATE_HTAB" and on. */
import { KvmError } from "../../../base/errors.js";
import { free } from "../../../kvm/heap.js";
import type { VmInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { locked } from "../../../kvm/lock.js";
import { vmState } from "../../../kvm/state.js";
import { archLayout, Request } from "../engines/layout.js";
import { allocateHpt, hptOrderMax, hptOrderMin, hptRange } from "../mmu/hpt.js";
import type { PpcVm, ResizeHpt } from "../uapi.js";
import { ppcVmOf } from "../vm/ppc-vm.js";
import { flushTranslations } from "../vm/translations.js";
import { getHtabFd } from "./hpt-fd.js";

const isOrder = (order: number): boolean => Number.isInteger(order) && order >= hptOrderMin && order <= hptOrderMax;

export type HptMethods = Pick<PpcVm, "allocateHtab" | "getHtabFd" | "resizeHptPrepare" | "resizeHptCommit">;

export function hptMethods(vm: VmInside): HptMethods {
  return {
    allocateHtab: (order) => {
      vm.requireOpen();
      return allocateHtab(vm, order);
    },
    getHtabFd: (options = {}) => {
      vm.requireOpen();
      return getHtabFd(vm, options);
    },
    resizeHptPrepare: (resize) => locked(vm.mem, vmState.lock, () => prepare(vm, resize)),
    resizeHptCommit: (resize) => locked(vm.mem, vmState.lock, () => commit(vm, resize)),
  };
}

/** From here on the guest has hashed translation. */
function allocateHtab(vm: VmInside, order: number): number {
  if (!isOrder(order)) {
    throw new KvmError("EINVAL", `a hashed page table has 2^${hptOrderMin} to 2^${hptOrderMax} bytes, not 2^${order}`);
  }
  const { mem } = vm;
  return locked(mem, vmState.lock, () => {
    if (mem.load(vmLayout.runners) !== 0) throw new KvmError("EBUSY", "KVM_PPC_ALLOCATE_HTAB: a vCPU is running");
    const { hashTable } = ppcVmOf(vm);
    if (hashTable.table?.order === order) hashTable.clear();
    else hashTable.use(allocateHpt(mem, order));
    mem.store(archLayout.radix, 0);
    flushTranslations(vm, Request.flushTlb | Request.context);
    return order;
  });
}

function check(vm: VmInside, { flags = 0, shift }: ResizeHpt): void {
  const refuse = (why: string) => new KvmError("EINVAL", `KVM_PPC_RESIZE_HPT: ${why}`);
  if (flags !== 0) throw refuse("no flags are defined");
  if (!ppcVmOf(vm).hpt) throw refuse("the guest has no hashed page table");
  if (shift !== 0 && !isOrder(shift)) throw refuse(`2^${shift} bytes are no size of a hashed page table`);
}

function prepare(vm: VmInside, resize: ResizeHpt): number {
  check(vm, resize);
  const ppc = ppcVmOf(vm);
  const { preparedHpt } = ppc;
  if (preparedHpt?.order === resize.shift) return 0;
  ppc.preparedHpt = undefined;
  if (preparedHpt) free(vm.mem, [hptRange(preparedHpt)]);
  if (resize.shift !== 0) ppc.preparedHpt = allocateHpt(vm.mem, resize.shift);
  return 0;
}

function commit(vm: VmInside, resize: ResizeHpt): void {
  check(vm, resize);
  const ppc = ppcVmOf(vm);
  const { preparedHpt: next, hashTable } = ppc;
  if (!next || next.order !== resize.shift) {
    throw new KvmError("ENXIO", `no hashed page table of 2^${resize.shift} bytes has been prepared`);
  }
  ppc.preparedHpt = undefined;
  const fits = hashTable.locked(() => {
    const done = hashTable.rehashInto(next);
    if (done) hashTable.use(next);
    return done;
  });
  if (fits) return;
  free(vm.mem, [hptRange(next)]);
  throw new KvmError("ENOSPC", "two bolted entries have one place in a table of that size");
}
