/**
 * The kernel side's own plain data of an x86 VM, besides what the engines read (engines/layout.ts) and the controllers' own.
 * [I] set before a second thread can see it; [A] Atomics; [V] the vCPU's thread while it runs.
 */
import { struct } from "../../../base/struct.js";
import { vmLayout } from "../../../kvm/layout.js";
import { lapicState } from "../interrupts/irqchip/lapic.js";

/** Where a VM's memory has the address of `x86Vm`, in the architecture's area behind what the engines use. */
export const x86VmPointer = vmLayout.arch + 256;

/** What the user side has set of a VM, and goes with it. */
export const x86Settings = struct({
  /** [I] KVM_SET_BOOT_CPU_ID. */
  bootCpu: "i32",
  /** [A] KVM_CAP_X2APIC_API's flags, KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_X86_TRIPLE_FAULT_EVENT. */
  x2apic: "i32",
  exceptionPayload: "i32",
  tripleFault: "i32",
  /** [I] KVM_CAP_X86_DISABLE_EXITS. */
  disabledExits: "i32",
  /** [A] KVM_CAP_X86_USER_SPACE_MSR: KVM_MSR_EXIT_REASON_*. */
  userMsr: "i32",
  /** [A] KVM_CAP_EXIT_HYPERCALL: a bit for each number. */
  userHypercalls: "i32",
  /** [I] KVM_CAP_SPLIT_IRQCHIP: one more than the pins of the user side's IOAPICs; 0: not enabled. */
  split: "i32",
  /** [A] KVM's clock less the guest's time, ns. */
  clockOffset: "i64",
});

/** Per VM. */
export const x86Vm = struct({
  // First, so that they lie as in `x86Settings`.
  ...x86Settings.fields,
  /** [I] A number that no other VM of the process has. */
  number: "i32",
  /** [I] Address of the interrupt controllers; 0 before KVM_CREATE_IRQCHIP. */
  irqchip: "i32",
  /** [L] Address of the MSR filter, 0: there has been none. See processor/msr-filter.ts. */
  filter: "i32",
});

/** Per vCPU, behind the core's record; then the local APIC's `lapicState`. */
export const x86Vcpu = struct({
  /** [V] 1 once the engine has readied the state for its first run. */
  ready: "i32",
  /** [A] KVM_MP_STATE_*. */
  mpState: "i32",
  /** [A] Where SIPI starts it, in pages; bit 8: it has come. */
  startVector: "i32",
  /** [A] 1: an INIT waits. */
  initPending: "i32",
  /** [A] 1: the user side wants to know when it can put in an interrupt. */
  window: "i32",
  /** [A] 1 + the vector that KVM_INTERRUPT has given, where the user side has the controllers that its local APIC listens to. */
  external: "i32",
  /** [V] 1 + the vector of an interrupt whose end the user side is to hear of. */
  endOwed: "i32",
  /** [V] KVM_TPR_ACCESS_REPORTING; what the user side is to hear by it (1 a read, 2 a write), and of which instruction. */
  priorityReports: "i32",
  accessOwed: "i32",
  accessAt: "i64",
  /** [V] KVM_SET_VAPIC_ADDR; 0: none. */
  vapic: "i64",
  /** [V] Clock of the paravirtual interface: what the guest wrote into its MSRs. */
  wallClock: "i64",
  systemTime: "i64",
  /** [V] What the guest wrote into MSR_KVM_STEAL_TIME and MSR_KVM_PV_EOI_EN. */
  stealTime: "i64",
  endOfInterrupt: "i64",
  /** [V] Since when it wants its thread, the guest's time in ms; 0: it has it. */
  preemptedAt: "f64",
  /** [A] 1: KVM_HC_KICK_CPU ends its halt. */
  kicked: "i32",
  /** [V] IA32_TSC_ADJUST, IA32_SPEC_CTRL, IA32_FEATURE_CONTROL and others that only keep what is written, by their place. */
  kept: ["i64", 16],
});

export const lapicAt = x86Vcpu.size;
export const vcpuRecordSize = x86Vcpu.size + lapicState.size;
