/** KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS: what is on its way to a vCPU, as Linux tells it. */
import { KvmError } from "../../../base/errors.js";
import { integer, options, u32, u64 } from "../../../base/takes.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { Given, Shadow } from "../engines/layout.js";
import { Vector } from "../isa/machine.js";
import {
  KVM_VCPUEVENT_VALID_NMI_PENDING,
  KVM_VCPUEVENT_VALID_PAYLOAD,
  KVM_VCPUEVENT_VALID_SHADOW,
  KVM_VCPUEVENT_VALID_SIPI_VECTOR,
  KVM_VCPUEVENT_VALID_TRIPLE_FAULT,
  KVM_X86_SHADOW_INT_MOV_SS,
  KVM_X86_SHADOW_INT_STI,
  type X86VcpuEvents,
} from "../uapi.js";
import { started, x86VmOf } from "../vm/x86-vm.js";
import { getField, notifyInterrupt, recordAt, setField } from "./vcpu.js";

const bit = integer(0, 1);
const vector = integer(0, 0xff);
const inner = {
  exception: options({ injected: bit, nr: vector, has_error_code: bit, pending: bit, error_code: u32 }),
  interrupt: options({ injected: bit, nr: vector, soft: bit, shadow: integer(0, 3) }),
  nmi: options({ injected: bit, pending: bit, masked: bit }),
  triple_fault: options({ pending: bit }),
};
export const takesEvents = options<X86VcpuEvents>({
  ...inner,
  sipi_vector: vector,
  flags: u32,
  exception_has_payload: bit,
  exception_payload: u64,
});

const coded: readonly number[] = [
  ...[Vector.doubleFault, Vector.invalidTss, Vector.segmentNotPresent, Vector.stackFault],
  ...[Vector.generalProtection, Vector.pageFault, Vector.alignmentCheck],
];

const byStack: readonly number[] = [Shadow.begunByStack, Shadow.leftByStack];

export function getVcpuEvents(vcpu: VcpuInside): X86VcpuEvents {
  const { payload, tripleFault } = settingsOf(vcpu);
  const given = Number(getField(vcpu, "exceptionPending"));
  const isException = given !== 0 && given !== Given.tripleFault;
  const hasPayload = isException && getField(vcpu, "exceptionPayloadValid") !== 0n;
  const nr = isException ? given - 1 : 0;
  const waiting = Number(getField(vcpu, "interruptPending"));
  const shadow = Number(getField(vcpu, "shadow"));
  const shaded = shadow !== 0 && getField(vcpu, "shadowAt") === getField(vcpu, "pc");
  const start = vcpu.vm.mem.load(recordAt(vcpu, "startVector"));
  return {
    exception: {
      injected: isException && !hasPayload ? 1 : 0,
      nr,
      has_error_code: isException && coded.includes(nr) ? 1 : 0,
      pending: hasPayload ? 1 : 0,
      error_code: isException ? Number(getField(vcpu, "exceptionError")) : 0,
    },
    interrupt: {
      injected: waiting === 0 ? 0 : 1,
      nr: waiting === 0 ? 0 : waiting - 1,
      soft: 0,
      shadow: !shaded ? 0 : byStack.includes(shadow) ? KVM_X86_SHADOW_INT_MOV_SS : KVM_X86_SHADOW_INT_STI,
    },
    nmi: {
      injected: 0,
      pending: getField(vcpu, "nmiPending") === 0n ? 0 : 1,
      masked: Number(getField(vcpu, "nmiBlocked")),
    },
    sipi_vector: start & 0xff,
    flags:
      KVM_VCPUEVENT_VALID_NMI_PENDING |
      KVM_VCPUEVENT_VALID_SHADOW |
      (start & started ? KVM_VCPUEVENT_VALID_SIPI_VECTOR : 0) |
      (payload ? KVM_VCPUEVENT_VALID_PAYLOAD : 0) |
      (tripleFault ? KVM_VCPUEVENT_VALID_TRIPLE_FAULT : 0),
    triple_fault: { pending: given === Given.tripleFault ? 1 : 0 },
    exception_has_payload: hasPayload ? 1 : 0,
    exception_payload: hasPayload ? getField(vcpu, "exceptionPayload") : 0n,
  };
}

function settingsOf(vcpu: VcpuInside): { readonly payload: boolean; readonly tripleFault: boolean } {
  const x86 = x86VmOf(vcpu.vm);
  return { payload: x86.setting("exceptionPayload") !== 0, tripleFault: x86.setting("tripleFault") !== 0 };
}

/** EINVAL: flags, an exception that there is none of, what has not been enabled, or a software interrupt, which never waits here. */
export function setVcpuEvents(vcpu: VcpuInside, events: X86VcpuEvents): void {
  const { exception, interrupt, nmi, flags } = events;
  const isPending = (flags & KVM_VCPUEVENT_VALID_PAYLOAD) !== 0 && exception.pending !== 0;
  check(vcpu, events, isPending);
  const { mem } = vcpu.vm;
  let given = isPending || exception.injected ? exception.nr + 1 : 0;
  if (flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT && events.triple_fault.pending) given = Given.tripleFault;
  setField(vcpu, "exceptionPending", BigInt(given));
  setField(vcpu, "exceptionError", BigInt(exception.has_error_code ? exception.error_code : 0));
  setField(vcpu, "exceptionPayloadValid", isPending && events.exception_has_payload ? 1n : 0n);
  setField(vcpu, "exceptionPayload", events.exception_payload);
  setField(vcpu, "interruptPending", BigInt(interrupt.injected ? interrupt.nr + 1 : 0));
  if (flags & KVM_VCPUEVENT_VALID_SHADOW) {
    const kind = interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? Shadow.begunByStack : Shadow.begun;
    setField(vcpu, "shadow", BigInt(interrupt.shadow ? kind : 0));
    setField(vcpu, "shadowAt", getField(vcpu, "pc"));
  }
  const waits = flags & KVM_VCPUEVENT_VALID_NMI_PENDING ? nmi.pending : Number(getField(vcpu, "nmiPending")) && 1;
  setField(vcpu, "nmiPending", BigInt(waits + nmi.injected));
  // One that is taken next blocks others when it is.
  setField(vcpu, "nmiBlocked", BigInt(nmi.injected ? 0 : nmi.masked));
  if (flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) {
    const at = recordAt(vcpu, "startVector");
    mem.store(at, (mem.load(at) & started) | events.sipi_vector);
  }
  notifyInterrupt(vcpu);
}

function check(vcpu: VcpuInside, { exception, interrupt, flags }: X86VcpuEvents, isPending: boolean): void {
  const refuse = (what: string): never => {
    throw new KvmError("EINVAL", `KVM_SET_VCPU_EVENTS: ${what}`);
  };
  const { payload, tripleFault } = settingsOf(vcpu);
  const known =
    KVM_VCPUEVENT_VALID_NMI_PENDING |
    KVM_VCPUEVENT_VALID_SIPI_VECTOR |
    KVM_VCPUEVENT_VALID_SHADOW |
    KVM_VCPUEVENT_VALID_PAYLOAD |
    KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
  if (flags & ~known) refuse(`flags 0x${flags.toString(16)}; there is no system management mode, nor others`);
  if (flags & KVM_VCPUEVENT_VALID_PAYLOAD && !payload) refuse("payloads want KVM_CAP_EXCEPTION_PAYLOAD");
  if (flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT && !tripleFault) {
    refuse("triple_fault wants KVM_CAP_X86_TRIPLE_FAULT_EVENT");
  }
  if (interrupt.injected && interrupt.soft)
    refuse("a software interrupt is delivered by its instruction, and never waits");
  if (!isPending && !exception.injected) return;
  if (exception.nr > 31 || exception.nr === Vector.nonMaskable) refuse(`${exception.nr} is no exception`);
  if (exception.has_error_code && !coded.includes(exception.nr)) refuse(`exception ${exception.nr} has no error code`);
}
