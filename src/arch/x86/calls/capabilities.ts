/** The extensions of KVM on x86: one row each. */
import type { Capability } from "../../../kvm/arch.js";
import * as kvm from "../../../kvm/constants.js";
import { neutralCapabilities } from "../../../kvm/neutral-capabilities.js";

/** Bits of the masks in the engines' shared tables. */
export const maxVcpus = 32;
export const maxVcpuId = 255;

/** What is simply there. */
const present = [
  kvm.KVM_CAP_IRQCHIP,
  kvm.KVM_CAP_HLT,
  kvm.KVM_CAP_EXT_CPUID,
  kvm.KVM_CAP_MP_STATE,
  kvm.KVM_CAP_PIT2,
  kvm.KVM_CAP_GET_TSC_KHZ,
  kvm.KVM_CAP_TSC_DEADLINE_TIMER,
] as const;

export const capabilities: readonly Capability[] = [
  ...neutralCapabilities,
  ...present.map((cap) => ({ cap, check: 1 })),
  { cap: kvm.KVM_CAP_NR_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPU_ID, check: maxVcpuId },
];
