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
const noChips = "the VM has no interrupt controllers in the kernel side";
const notWhole = `${noChips}, or local APICs alone (KVM_CAP_SPLIT_IRQCHIP)`;
const noTimer = "the VM has no timer in the kernel side";
const otherRate = "another rate than 0 and KVM_GET_TSC_KHZ's: the counter is not scaled";

export const ownCalls = {
  KVM_GET_SUPPORTED_CPUID: {
    on: "kvm",
    method: "getSupportedCpuid",
    request: "0x05, struct kvm_cpuid2",
    cap: "KVM_CAP_EXT_CPUID",
    errors: { E2BIG: "there are more than `nent`, and the sentence says how many" },
  },
  KVM_GET_EMULATED_CPUID: {
    on: "kvm",
    method: "getEmulatedCpuid",
    request: "0x09, struct kvm_cpuid2; always empty: what there is is supported",
    cap: "KVM_CAP_EXT_EMUL_CPUID",
    errors: {},
  },
  KVM_GET_MSR_INDEX_LIST: {
    on: "kvm",
    method: "getMsrIndexList",
    request: "0x02, struct kvm_msr_list",
    errors: { E2BIG: "there are more than `nmsrs`, and the sentence says how many" },
  },
  KVM_GET_MSR_FEATURE_INDEX_LIST: {
    on: "kvm",
    method: "getMsrFeatureIndexList",
    request: "0x0a, struct kvm_msr_list",
    cap: "KVM_CAP_GET_MSR_FEATURES",
    errors: { E2BIG: "there are more than `nmsrs`, and the sentence says how many" },
  },
  "KVM_GET_MSRS (system)": {
    on: "kvm",
    method: "getMsrs",
    request: "0x88, struct kvm_msrs; how many is what it returns",
    cap: "KVM_CAP_GET_MSR_FEATURES",
    errors: { E2BIG: "more than KVM_MAX_MSR_ENTRIES" },
  },
  KVM_CREATE_IRQCHIP: {
    on: "vm",
    method: "createIrqchip",
    request: "0x60",
    cap: "KVM_CAP_IRQCHIP",
    errors: {
      EBADF: closed,
      EEXIST: "the VM has interrupt controllers, or KVM_CAP_SPLIT_IRQCHIP",
      EINVAL: "the VM has a vCPU",
    },
  },
  KVM_CREATE_PIT2: {
    on: "vm",
    method: "createPit2",
    request: "0x77, struct kvm_pit_config",
    cap: "KVM_CAP_PIT2",
    errors: {
      EBADF: closed,
      EEXIST: "the VM has a timer",
      EINVAL: "unknown flags",
      ENOENT: "before KVM_CREATE_IRQCHIP, or with KVM_CAP_SPLIT_IRQCHIP",
    },
  },
  KVM_GET_IRQCHIP: {
    on: "vm",
    method: "getIrqchip",
    request: "0x62, struct kvm_irqchip",
    cap: "KVM_CAP_IRQCHIP",
    errors: { EINVAL: "no such chip", ENXIO: notWhole },
  },
  KVM_SET_IRQCHIP: {
    on: "vm",
    method: "setIrqchip",
    request: "0x63, struct kvm_irqchip",
    cap: "KVM_CAP_IRQCHIP",
    errors: { EINVAL: "no such chip, or what it cannot be; the IOAPIC stays at 0xfec00000", ENXIO: notWhole },
  },
  KVM_GET_PIT2: {
    on: "vm",
    method: "getPit2",
    request: "0x9f, struct kvm_pit_state2",
    cap: "KVM_CAP_PIT2",
    errors: { ENXIO: noTimer },
  },
  KVM_SET_PIT2: {
    on: "vm",
    method: "setPit2",
    request: "0xa0, struct kvm_pit_state2; its counters begin anew",
    cap: "KVM_CAP_PIT2",
    errors: { EINVAL: "unknown flags, or what no counter can be", ENXIO: noTimer },
  },
  KVM_REINJECT_CONTROL: {
    on: "vm",
    method: "reinjectControl",
    request: "0x71, struct kvm_reinject_control; at first, late ticks are delivered",
    cap: "KVM_CAP_REINJECT_CONTROL",
    errors: { ENXIO: noTimer },
  },
  KVM_GET_CLOCK: {
    on: "vm",
    method: "getClock",
    request: "0x7c, struct kvm_clock_data",
    cap: "KVM_CAP_ADJUST_CLOCK",
    errors: {},
  },
  KVM_SET_CLOCK: {
    on: "vm",
    method: "setClock",
    request: "0x7b, struct kvm_clock_data",
    cap: "KVM_CAP_ADJUST_CLOCK",
    errors: { EINVAL: "unknown flags, or KVM_CLOCK_REALTIME without `realtime`" },
  },
  KVM_SET_TSS_ADDR: {
    on: "vm",
    method: "setTssAddr",
    request: "0x47, address; processors here run real mode, and need no memory for it",
    cap: "KVM_CAP_SET_TSS_ADDR",
    errors: { EINVAL: "three pages from there end above 4 GiB" },
  },
  KVM_SET_IDENTITY_MAP_ADDR: {
    on: "vm",
    method: "setIdentityMapAddr",
    request: "0x48, address; likewise",
    cap: "KVM_CAP_SET_IDENTITY_MAP_ADDR",
    errors: { EINVAL: "the VM has a vCPU" },
  },
  KVM_SET_BOOT_CPU_ID: {
    on: "vm",
    method: "setBootCpuId",
    request: "0x78, id",
    cap: "KVM_CAP_SET_BOOT_CPU_ID",
    errors: { EBUSY: "the VM has a vCPU", EINVAL: "id of KVM_CAP_MAX_VCPU_ID or more" },
  },
  KVM_X86_SET_MSR_FILTER: {
    on: "vm",
    method: "setMsrFilter",
    request: "0xc6, struct kvm_msr_filter",
    cap: "KVM_CAP_X86_MSR_FILTER",
    errors: {
      EINVAL:
        "unknown flags, more than KVM_MSR_FILTER_MAX_RANGES, a bitmap of more than 0x600 bytes or of too few, or KVM_MSR_FILTER_DEFAULT_DENY without a range that has registers",
      ENOMEM: "the VM's memory limit is reached, or the platform refuses",
    },
  },
  "KVM_GET_TSC_KHZ (vm)": {
    on: "vm",
    method: "getTscKhz",
    request: "0xa3",
    cap: "KVM_CAP_VM_TSC_CONTROL",
    errors: {},
  },
  "KVM_SET_TSC_KHZ (vm)": {
    on: "vm",
    method: "setTscKhz",
    request: "0xa2, kHz",
    cap: "KVM_CAP_VM_TSC_CONTROL",
    errors: { EINVAL: otherRate },
  },
  KVM_GET_SREGS2: {
    on: "vcpu",
    method: "getSregs2",
    request: "0xcc, struct kvm_sregs2",
    cap: "KVM_CAP_SREGS2",
    errors: {},
  },
  KVM_SET_SREGS2: {
    on: "vcpu",
    method: "setSregs2",
    request: "0xcd, struct kvm_sregs2",
    cap: "KVM_CAP_SREGS2",
    errors: {
      EINVAL:
        "not all registers, or no numbers, or a mode that there is none of; unknown flags, or pdptrs without PAE paging",
    },
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
  KVM_GET_MSRS: {
    on: "vcpu",
    method: "getMsrs",
    request: "0x88, struct kvm_msrs; how many is what it returns",
    errors: { E2BIG: "more than KVM_MAX_MSR_ENTRIES" },
  },
  KVM_SET_MSRS: {
    on: "vcpu",
    method: "setMsrs",
    request: "0x89, struct kvm_msrs; how many is what it returns",
    errors: { E2BIG: "more than KVM_MAX_MSR_ENTRIES" },
  },
  KVM_GET_LAPIC: {
    on: "vcpu",
    method: "getLapic",
    request: "0x8e, struct kvm_lapic_state",
    cap: "KVM_CAP_IRQCHIP",
    errors: { EINVAL: "the vCPU has no local APIC in the kernel side" },
  },
  KVM_SET_LAPIC: {
    on: "vcpu",
    method: "setLapic",
    request: "0x8f, struct kvm_lapic_state",
    cap: "KVM_CAP_IRQCHIP",
    errors: { EINVAL: "the vCPU has no local APIC in the kernel side, or an x2APIC's identifier is not its own" },
  },
  KVM_TPR_ACCESS_REPORTING: {
    on: "vcpu",
    method: "tprAccessReporting",
    request: "0x92, struct kvm_tpr_access_ctl",
    cap: "KVM_CAP_VAPIC",
    errors: { EINVAL: "flags" },
  },
  KVM_SET_VAPIC_ADDR: {
    on: "vcpu",
    method: "setVapicAddr",
    request: "0x93, struct kvm_vapic_addr",
    cap: "KVM_CAP_VAPIC",
    errors: { EINVAL: "the vCPU has no local APIC in the kernel side, or there is no memory to be written" },
  },
  "cr8 (read)": { on: "vcpu", method: "getCr8", request: "a field of struct kvm_run", errors: {} },
  "cr8 (write)": {
    on: "vcpu",
    method: "setCr8",
    request: "a field of struct kvm_run; nothing happens where the local APIC is the kernel side's",
    errors: { EINVAL: "no number of four bits" },
  },
  KVM_SMI: {
    on: "vcpu",
    method: "smi",
    request: "0xb7",
    cap: "KVM_CAP_X86_SMM",
    errors: { ENOTTY: "always: there is no system management mode" },
  },
  KVM_GET_NESTED_STATE: {
    on: "vcpu",
    method: "getNestedState",
    request: "0xbe, struct kvm_nested_state",
    cap: "KVM_CAP_NESTED_STATE",
    errors: { EINVAL: "always: guests have no guests" },
  },
  KVM_SET_NESTED_STATE: {
    on: "vcpu",
    method: "setNestedState",
    request: "0xbf, struct kvm_nested_state",
    cap: "KVM_CAP_NESTED_STATE",
    errors: { EINVAL: "always" },
  },
  KVM_GET_VCPU_EVENTS: {
    on: "vcpu",
    method: "getVcpuEvents",
    request: "0x9f, struct kvm_vcpu_events",
    cap: "KVM_CAP_VCPU_EVENTS",
    errors: {},
  },
  KVM_SET_VCPU_EVENTS: {
    on: "vcpu",
    method: "setVcpuEvents",
    request: "0xa0, struct kvm_vcpu_events",
    cap: "KVM_CAP_VCPU_EVENTS",
    errors: {
      EINVAL:
        "flags that are unknown or not enabled (KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_X86_TRIPLE_FAULT_EVENT), what is no exception or has no error code, or a software interrupt",
    },
  },
  KVM_TRANSLATE: { on: "vcpu", method: "translate", request: "0x85, struct kvm_translation", errors: {} },
  KVM_KVMCLOCK_CTRL: {
    on: "vcpu",
    method: "kvmclockCtrl",
    request: "0xad",
    cap: "KVM_CAP_KVMCLOCK_CTRL",
    errors: { EINVAL: "the guest has no KVM clock" },
  },
  request_interrupt_window: {
    on: "vcpu",
    method: "requestInterruptWindow",
    request: "a field of struct kvm_run",
    errors: {},
  },
  ready_for_interrupt_injection: {
    on: "vcpu",
    method: "readyForInterruptInjection",
    request: "a field of struct kvm_run",
    errors: {},
  },
  "KVM_SET_TSC_KHZ (vcpu)": {
    on: "vcpu",
    method: "setTscKhz",
    request: "0xa2, kHz",
    errors: { EINVAL: otherRate },
  },
  KVM_GET_FPU: { on: "vcpu", method: "getFpu", request: "0x8c, struct kvm_fpu", errors: {} },
  KVM_SET_FPU: {
    on: "vcpu",
    method: "setFpu",
    request: "0x8d, struct kvm_fpu",
    errors: { EINVAL: "MXCSR has bits that the processor lacks" },
  },
  KVM_GET_XSAVE: {
    on: "vcpu",
    method: "getXsave",
    request: "0xa4, struct kvm_xsave",
    cap: "KVM_CAP_XSAVE",
    errors: {},
  },
  KVM_GET_XSAVE2: {
    on: "vcpu",
    method: "getXsave2",
    request: "0xcf, struct kvm_xsave",
    cap: "KVM_CAP_XSAVE2",
    errors: {},
  },
  KVM_SET_XSAVE: {
    on: "vcpu",
    method: "setXsave",
    request: "0xa5, struct kvm_xsave",
    cap: "KVM_CAP_XSAVE",
    errors: {
      EINVAL:
        "components that the vCPU has not, a compacted area, a header that is none, or bits of MXCSR that there are none of",
    },
  },
  KVM_GET_XCRS: {
    on: "vcpu",
    method: "getXcrs",
    request: "0xa6, struct kvm_xcrs",
    cap: "KVM_CAP_XCRS",
    errors: {},
  },
  KVM_SET_XCRS: {
    on: "vcpu",
    method: "setXcrs",
    request: "0xa7, struct kvm_xcrs",
    cap: "KVM_CAP_XCRS",
    errors: { EINVAL: "flags, more than 16 registers, or what XCR0 cannot be" },
  },
  KVM_GET_DEBUGREGS: {
    on: "vcpu",
    method: "getDebugregs",
    request: "0xa1, struct kvm_debugregs",
    cap: "KVM_CAP_DEBUGREGS",
    errors: {},
  },
  KVM_SET_DEBUGREGS: {
    on: "vcpu",
    method: "setDebugregs",
    request: "0xa2, struct kvm_debugregs",
    cap: "KVM_CAP_DEBUGREGS",
    errors: { EINVAL: "flags, not four addresses, or DR6 or DR7 of more than 32 bits" },
  },
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
    EEXIST: "KVM_CAP_SPLIT_IRQCHIP: the VM has interrupt controllers, or a vCPU",
    EINVAL: "the extension cannot be enabled on a VM, flags, or arguments that it does not take",
  }),
  "KVM_ENABLE_CAP (vcpu)": here("KVM_ENABLE_CAP (vcpu)", { EINVAL: "always: there are none of a vCPU" }),
  KVM_SET_GSI_ROUTING: here("KVM_SET_GSI_ROUTING", {
    EINVAL:
      "the VM has no interrupt controllers; more than KVM_CAP_IRQ_ROUTING entries, a gsi of as many or more, one that leads twice to a controller, or to a message and elsewhere; unknown type, controller or pin, and any with KVM_CAP_SPLIT_IRQCHIP",
    ENOMEM: "the VM's memory limit is reached, or the platform refuses",
  }),
  KVM_IRQ_LINE: here("KVM_IRQ_LINE", {
    EINVAL: "without a table of routes (KVM_SET_GSI_ROUTING), no line of that number",
    ENXIO: noChips,
  }),
  KVM_IRQFD: here("KVM_IRQFD", {
    ...calls.KVM_IRQFD.errors,
    EINVAL: `${calls.KVM_IRQFD.errors.EINVAL}, or KVM_IRQFD_FLAG_RESAMPLE with KVM_CAP_SPLIT_IRQCHIP`,
  }),
  KVM_CREATE_DEVICE: here("KVM_CREATE_DEVICE", {
    EBADF: closed,
    EBUSY: "KVM_DEV_TYPE_VFIO: the VM has one",
    EINVAL: "unknown flags",
    ENODEV: "no type but KVM_DEV_TYPE_VFIO",
  }),
  KVM_SET_DEVICE_ATTR: here("KVM_SET_DEVICE_ATTR", {
    EBADF: "KVM_DEV_VFIO_FILE_ADD, _DEL: no open file has that number",
    EEXIST: "KVM_DEV_VFIO_FILE_ADD: the file is added already",
    EINVAL: "KVM_DEV_VFIO_FILE_ADD: it is no VFIO group's file",
    ENOENT: "KVM_DEV_VFIO_FILE_DEL: the file has not been added",
    ENXIO: "unknown group or attribute; KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE is one",
  }),
  KVM_GET_DEVICE_ATTR: here("KVM_GET_DEVICE_ATTR", { ENXIO: "always" }),
  KVM_SET_SREGS: here("KVM_SET_SREGS", {
    EINVAL: "not all registers, or no numbers, or a mode that there is none of",
  }),
  KVM_GET_ONE_REG: here("KVM_GET_ONE_REG", { ENOENT: "always" }),
  KVM_SET_ONE_REG: here("KVM_SET_ONE_REG", { ENOENT: "always" }),
  KVM_INTERRUPT: here("KVM_INTERRUPT", {
    EEXIST: "another interrupt waits",
    EINVAL: "no vector, 0 to 255",
    ENXIO: "the VM has interrupt controllers in the kernel side, and not with KVM_CAP_SPLIT_IRQCHIP",
  }),
  KVM_SET_GUEST_DEBUG: here("KVM_SET_GUEST_DEBUG", {
    EBUSY: "something is to be put in, and an exception waits",
    EINVAL: "unknown control bits, `breakpoints`, not eight registers in `debugreg`, or a DR7 of more than 32 bits",
  }),
  KVM_GET_MP_STATE: here("KVM_GET_MP_STATE", {}),
  KVM_SET_MP_STATE: here("KVM_SET_MP_STATE", {
    EINVAL: "no state of an x86 processor, or without local APICs another one than KVM_MP_STATE_RUNNABLE",
  }),
} as const satisfies { readonly [C in NeutralCall]?: Call };

/** Every call that an x86 VM answers to. */
export const x86Calls = { ...calls, ...changed, ...ownCalls } as const;
export type X86Call = keyof typeof x86Calls;
export type AnyX86Call = Call | CallOn<X86Objects>;
