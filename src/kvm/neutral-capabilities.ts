/** The extensions that the core answers for, whatever the architecture: one row each. */
import { KvmError } from "../base/errors.js";
import type { Capability } from "./arch.js";
import * as kvm from "./constants.js";
import { dirtyRingLargest, enableDirtyRings } from "./dirty-ring.js";
import { routeMax } from "./irq-routing.js";
import { vmLayout } from "./layout.js";
import { vmState } from "./state.js";

const manualDirtyLog: Capability["enableVm"] = (vm, { args = [] }) => {
  const bits = Number(args[0] ?? 0);
  const known = kvm.KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | kvm.KVM_DIRTY_LOG_INITIALLY_SET;
  const alone = bits === kvm.KVM_DIRTY_LOG_INITIALLY_SET;
  if (bits & ~known || alone) throw new KvmError("EINVAL", `KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: argument ${bits}`);
  vm.mem.store(vmState.manualDirtyLog, bits);
};

const dirtyRing: Capability["enableVm"] = (vm, { args = [] }) =>
  enableDirtyRings(vm.mem, Number(args[0] ?? 0), vm.mem.load(vmLayout.vcpuCount));

const dirtyRingBitmap: Capability["enableVm"] = (vm) => {
  if (vm.mem.load(vmState.dirtyRingBytes) === 0 || vm.mem.load(vmLayout.vcpuCount) > 0) {
    throw new KvmError("EINVAL", "KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP: after the rings, before the first vCPU");
  }
  vm.mem.store(vmState.dirtyRingBitmap, 1);
};

const haltPoll: Capability["enableVm"] = (vm, { args = [] }) => {
  const ns = Number(args[0] ?? 0);
  if (!(Number.isInteger(ns) && ns >= 0 && ns <= 0xffff_ffff)) {
    throw new KvmError("EINVAL", `KVM_CAP_HALT_POLL: ${args[0]} is no number of nanoseconds of 32 bits`);
  }
  vm.mem.store(vmState.haltPollNs, ns | 0);
};

/** What is simply there. */
const present = [
  kvm.KVM_CAP_USER_MEMORY,
  kvm.KVM_CAP_SYNC_MMU,
  kvm.KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
  kvm.KVM_CAP_IRQFD,
  kvm.KVM_CAP_IOEVENTFD,
  kvm.KVM_CAP_INTERNAL_ERROR_DATA,
  kvm.KVM_CAP_SIGNAL_MSI,
  kvm.KVM_CAP_READONLY_MEM,
  kvm.KVM_CAP_IRQFD_RESAMPLE,
  kvm.KVM_CAP_ENABLE_CAP_VM,
  kvm.KVM_CAP_IOEVENTFD_NO_LENGTH,
  kvm.KVM_CAP_CHECK_EXTENSION_VM,
  kvm.KVM_CAP_IOEVENTFD_ANY_LENGTH,
  kvm.KVM_CAP_IMMEDIATE_EXIT,
  kvm.KVM_CAP_BINARY_STATS_FD,
] as const;

export const neutralCapabilities: readonly Capability[] = [
  ...present.map((cap) => ({ cap, check: 1 })),
  { cap: kvm.KVM_CAP_NR_MEMSLOTS, check: vmLayout.slotMax },
  { cap: kvm.KVM_CAP_IRQ_ROUTING, check: routeMax },
  { cap: kvm.KVM_CAP_DIRTY_LOG_RING, check: dirtyRingLargest, enableVm: dirtyRing },
  { cap: kvm.KVM_CAP_DIRTY_LOG_RING_ACQ_REL, check: dirtyRingLargest, enableVm: dirtyRing },
  { cap: kvm.KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, check: 1, enableVm: dirtyRingBitmap },
  { cap: kvm.KVM_CAP_HALT_POLL, check: 1, enableVm: haltPoll },
  { cap: kvm.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, check: 3, enableVm: manualDirtyLog },
];
