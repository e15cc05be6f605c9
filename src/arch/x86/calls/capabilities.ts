/** The extensions of KVM on x86: one row each. */
import { KvmError } from "../../../base/errors.js";
import type { Capability } from "../../../kvm/arch.js";
import * as kvm from "../../../kvm/constants.js";
import { vmLayout } from "../../../kvm/layout.js";
import { vmState } from "../../../kvm/state.js";

/** Bits of the masks in the engines' shared tables. */
export const maxVcpus = 32;
export const maxVcpuId = 255;

const manualDirtyLog: Capability["enableVm"] = (vm, { args = [] }) => {
  const bits = Number(args[0] ?? 0);
  const known = kvm.KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | kvm.KVM_DIRTY_LOG_INITIALLY_SET;
  const alone = bits === kvm.KVM_DIRTY_LOG_INITIALLY_SET;
  if (bits & ~known || alone) throw new KvmError("EINVAL", `KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: argument ${bits}`);
  vm.mem.store(vmState.manualDirtyLog, bits);
};

/** What is simply there. */
const present = [
  kvm.KVM_CAP_IRQCHIP,
  kvm.KVM_CAP_HLT,
  kvm.KVM_CAP_USER_MEMORY,
  kvm.KVM_CAP_EXT_CPUID,
  kvm.KVM_CAP_MP_STATE,
  kvm.KVM_CAP_SYNC_MMU,
  kvm.KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
  kvm.KVM_CAP_IRQFD,
  kvm.KVM_CAP_IRQFD_RESAMPLE,
  kvm.KVM_CAP_PIT2,
  kvm.KVM_CAP_IOEVENTFD,
  kvm.KVM_CAP_IOEVENTFD_NO_LENGTH,
  kvm.KVM_CAP_IOEVENTFD_ANY_LENGTH,
  kvm.KVM_CAP_INTERNAL_ERROR_DATA,
  kvm.KVM_CAP_GET_TSC_KHZ,
  kvm.KVM_CAP_TSC_DEADLINE_TIMER,
  kvm.KVM_CAP_SIGNAL_MSI,
  kvm.KVM_CAP_READONLY_MEM,
  kvm.KVM_CAP_CHECK_EXTENSION_VM,
  kvm.KVM_CAP_IMMEDIATE_EXIT,
  kvm.KVM_CAP_BINARY_STATS_FD,
  kvm.KVM_CAP_ENABLE_CAP_VM,
] as const;

export const capabilities: readonly Capability[] = [
  ...present.map((cap) => ({ cap, check: 1 })),
  { cap: kvm.KVM_CAP_NR_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPU_ID, check: maxVcpuId },
  { cap: kvm.KVM_CAP_NR_MEMSLOTS, check: vmLayout.slotMax },
  { cap: kvm.KVM_CAP_IRQ_ROUTING, check: 4096 },
  { cap: kvm.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, check: 3, enableVm: manualDirtyLog },
];
