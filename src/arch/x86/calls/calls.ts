/** The calls that only x86 has, and what its VMs answer to the others: the second half of src/kvm/calls.ts. */
import { type Call, type CallOn, calls, type Errors, type NeutralCall, type Objects } from "../../../kvm/calls.js";
import type { X86Kvm, X86Vcpu, X86Vm } from "../uapi.js";

export interface X86Objects extends Objects {
  readonly kvm: X86Kvm;
  readonly vm: X86Vm;
  readonly vcpu: X86Vcpu;
}

/** A call of all architectures' with the errors that it has here. */
const here = <C extends NeutralCall, E extends Errors>(call: C, errors: E) =>
  ({ ...calls[call], errors }) as Omit<(typeof calls)[C], "errors"> & { readonly errors: E };

const closed = "the handle is closed";

export const ownCalls = {
  KVM_GET_SUPPORTED_CPUID: {
    on: "kvm",
    method: "getSupportedCpuid",
    request: "0x05, struct kvm_cpuid2",
    cap: "KVM_CAP_EXT_CPUID",
    errors: {},
  },
  KVM_GET_MSR_INDEX_LIST: {
    on: "kvm",
    method: "getMsrIndexList",
    request: "0x02, struct kvm_msr_list",
    errors: {},
  },
  KVM_CREATE_IRQCHIP: {
    on: "vm",
    method: "createIrqchip",
    request: "0x60",
    cap: "KVM_CAP_IRQCHIP",
    errors: { EBADF: closed, EEXIST: "the VM has interrupt controllers", EINVAL: "the VM has a vCPU" },
  },
  KVM_CREATE_PIT2: {
    on: "vm",
    method: "createPit2",
    request: "0x77, struct kvm_pit_config",
    cap: "KVM_CAP_PIT2",
    errors: { EBADF: closed, EEXIST: "the VM has a timer", ENOENT: "before KVM_CREATE_IRQCHIP" },
  },
  KVM_SET_CPUID2: {
    on: "vcpu",
    method: "setCpuid2",
    request: "0x90, struct kvm_cpuid2",
    cap: "KVM_CAP_EXT_CPUID",
    errors: { E2BIG: "more than KVM_MAX_CPUID_ENTRIES", EINVAL: "the vCPU has run" },
  },
  KVM_GET_CPUID2: {
    on: "vcpu",
    method: "getCpuid2",
    request: "0x91, struct kvm_cpuid2",
    cap: "KVM_CAP_EXT_CPUID",
    errors: {},
  },
  KVM_GET_MSRS: { on: "vcpu", method: "getMsrs", request: "0x88, struct kvm_msrs", errors: {} },
  KVM_SET_MSRS: { on: "vcpu", method: "setMsrs", request: "0x89, struct kvm_msrs", errors: {} },
  KVM_NMI: { on: "vcpu", method: "nmi", request: "0x9a", errors: {} },
  "KVM_GET_TSC_KHZ (vcpu)": {
    on: "vcpu",
    method: "getTscKhz",
    request: "0xa3",
    cap: "KVM_CAP_GET_TSC_KHZ",
    errors: {},
  },
} as const satisfies Readonly<Record<string, CallOn<X86Objects>>>;

const changed = {
  "KVM_ENABLE_CAP (vm)": here("KVM_ENABLE_CAP (vm)", {
    E2BIG: "a dirty ring of more than KVM_CAP_DIRTY_LOG_RING says",
    EBADF: closed,
    EINVAL: "the extension cannot be enabled on a VM, flags, or arguments that it does not take",
  }),
  "KVM_ENABLE_CAP (vcpu)": here("KVM_ENABLE_CAP (vcpu)", { EINVAL: "always: there are none of a vCPU" }),
  KVM_CREATE_DEVICE: here("KVM_CREATE_DEVICE", { EBADF: closed, ENODEV: "always: there are none" }),
  KVM_SET_SREGS: here("KVM_SET_SREGS", {
    EINVAL: "not all registers, or no numbers, or a mode that there is none of",
  }),
  KVM_GET_ONE_REG: here("KVM_GET_ONE_REG", { ENOENT: "always" }),
  KVM_SET_ONE_REG: here("KVM_SET_ONE_REG", { ENOENT: "always" }),
  KVM_INTERRUPT: here("KVM_INTERRUPT", {
    EEXIST: "another interrupt waits",
    EINVAL: "no vector, 0 to 255",
    ENXIO: "the VM has interrupt controllers in the kernel side",
  }),
  KVM_SET_GUEST_DEBUG: calls.KVM_SET_GUEST_DEBUG,
  KVM_GET_MP_STATE: here("KVM_GET_MP_STATE", {}),
  KVM_SET_MP_STATE: here("KVM_SET_MP_STATE", {
    EINVAL: "no state of an x86 processor, or without local APICs another one than KVM_MP_STATE_RUNNABLE",
  }),
} as const satisfies { readonly [C in NeutralCall]?: Call };

/** No device, and so no call on one. */
const { KVM_SET_DEVICE_ATTR: _set, KVM_GET_DEVICE_ATTR: _get, KVM_HAS_DEVICE_ATTR: _has, ...common } = calls;

/** Every call that an x86 VM answers to. */
export const x86Calls = { ...common, ...changed, ...ownCalls } as const;
export type X86Call = keyof typeof x86Calls;
export type AnyX86Call = Call | CallOn<X86Objects>;
