/** The extensions of KVM on x86: one row each. */
import { KvmError } from "../../../base/errors.js";
import type { Capability } from "../../../kvm/arch.js";
import * as kvm from "../../../kvm/constants.js";
import { routeMax } from "../../../kvm/irq-routing.js";
import { vmLayout } from "../../../kvm/layout.js";
import { neutralCapabilities } from "../../../kvm/neutral-capabilities.js";
import { guestDebugControl } from "../processor/debug.js";
import {
  KVM_CLOCK_REALTIME,
  KVM_CLOCK_TSC_STABLE,
  KVM_EXIT_HYPERCALL_VALID_MASK,
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_EXIT_REASON_INVAL,
  KVM_MSR_EXIT_REASON_UNKNOWN,
  KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
  KVM_X2APIC_API_USE_32BIT_IDS,
  KVM_X86_DISABLE_EXITS_HLT,
  KVM_X86_DISABLE_EXITS_PAUSE,
  KVM_XSAVE_SIZE,
} from "../uapi.js";
import { type Setting, x86VmOf } from "../vm/x86-vm.js";

/** Bits of the masks in the engines' shared tables. */
export const maxVcpus = 32;
export const maxVcpuId = 255;

/** One that is enabled with some of these bits, and says which there are. `early`: before the first vCPU. */
function bits(cap: number, setting: Setting, known: number, early = false): Capability {
  return {
    cap,
    check: known,
    enableVm: (vm, { args = [] }) => {
      const value = BigInt(args[0] ?? 0);
      if (value & ~BigInt(known)) {
        throw new KvmError(
          "EINVAL",
          `KVM_ENABLE_CAP: extension ${cap} takes bits of 0x${known.toString(16)}, not ${value}`,
        );
      }
      if (early && vm.mem.load(vmLayout.vcpuCount) > 0) {
        throw new KvmError("EINVAL", `KVM_ENABLE_CAP: extension ${cap} is enabled before the first vCPU`);
      }
      x86VmOf(vm).set(setting, Number(value));
    },
  };
}

const splitIrqchip: Capability["enableVm"] = (vm, { args = [] }) => {
  const refuse = (code: "EINVAL" | "EEXIST", why: string) => new KvmError(code, `KVM_CAP_SPLIT_IRQCHIP: ${why}`);
  const pins = Number(args[0] ?? 0);
  if (!(Number.isInteger(pins) && pins >= 0 && pins <= routeMax)) {
    throw refuse("EINVAL", `${args[0]} is no number of pins, 0 to ${routeMax}`);
  }
  const x86 = x86VmOf(vm);
  if (x86.irqchip) throw refuse("EEXIST", "the VM has interrupt controllers");
  if (vm.mem.load(vmLayout.vcpuCount) > 0) throw refuse("EEXIST", "before the first vCPU, and there is one");
  x86.set("split", pins + 1);
  x86.createIrqchip();
};

/** What is simply there. */
const present = [
  kvm.KVM_CAP_IRQCHIP,
  kvm.KVM_CAP_DEVICE_CTRL,
  kvm.KVM_CAP_HLT,
  kvm.KVM_CAP_SET_GUEST_DEBUG,
  kvm.KVM_CAP_SET_TSS_ADDR,
  kvm.KVM_CAP_VAPIC,
  kvm.KVM_CAP_EXT_CPUID,
  kvm.KVM_CAP_MP_STATE,
  kvm.KVM_CAP_REINJECT_CONTROL,
  kvm.KVM_CAP_PIT2,
  kvm.KVM_CAP_SET_BOOT_CPU_ID,
  kvm.KVM_CAP_SET_IDENTITY_MAP_ADDR,
  kvm.KVM_CAP_VCPU_EVENTS,
  kvm.KVM_CAP_GET_TSC_KHZ,
  kvm.KVM_CAP_TSC_DEADLINE_TIMER,
  kvm.KVM_CAP_KVMCLOCK_CTRL,
  kvm.KVM_CAP_EXT_EMUL_CPUID,
  kvm.KVM_CAP_GET_MSR_FEATURES,
  kvm.KVM_CAP_X86_MSR_FILTER,
  kvm.KVM_CAP_VM_TSC_CONTROL,
  kvm.KVM_CAP_DEBUGREGS,
  kvm.KVM_CAP_XSAVE,
  kvm.KVM_CAP_XCRS,
  kvm.KVM_CAP_SREGS2,
] as const;

export const capabilities: readonly Capability[] = [
  ...neutralCapabilities,
  ...present.map((cap) => ({ cap, check: 1 })),
  { cap: kvm.KVM_CAP_SET_GUEST_DEBUG2, check: guestDebugControl },
  { cap: kvm.KVM_CAP_XSAVE2, check: KVM_XSAVE_SIZE },
  { cap: kvm.KVM_CAP_NR_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPU_ID, check: maxVcpuId },
  { cap: kvm.KVM_CAP_ADJUST_CLOCK, check: KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME },
  { cap: kvm.KVM_CAP_SPLIT_IRQCHIP, check: 1, enableVm: splitIrqchip },
  bits(kvm.KVM_CAP_X2APIC_API, "x2apic", KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK),
  bits(kvm.KVM_CAP_X86_DISABLE_EXITS, "disabledExits", KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE, true),
  bits(
    kvm.KVM_CAP_X86_USER_SPACE_MSR,
    "userMsr",
    KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER,
  ),
  bits(kvm.KVM_CAP_EXIT_HYPERCALL, "userHypercalls", KVM_EXIT_HYPERCALL_VALID_MASK),
  bits(kvm.KVM_CAP_EXCEPTION_PAYLOAD, "exceptionPayload", 1),
  bits(kvm.KVM_CAP_X86_TRIPLE_FAULT_EVENT, "tripleFault", 1),
];
