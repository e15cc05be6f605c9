/** What the engine returned: finished here if the kernel side can, else an exit for the user side. */
import { type OutsideAccess, unexpectedExit, vcpuExits } from "../../../engine/vcpu-exits.js";
import { KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT } from "../../../kvm/constants.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { vcpuRecord } from "../../../kvm/state.js";
import type { AnsweredExit } from "../../../kvm/uapi/exits.js";
import type { Exit } from "../../../kvm/uapi.js";
import { ExitCode, InternalError, state } from "../engines/layout.js";
import { answerHypercall, hypercall } from "../paravirt/hypercalls.js";
import { debugExit } from "../processor/debug.js";
import { filterAllows } from "../processor/msr-filter.js";
import { isApicMsr, isKeptMsr, knowsMsr, readMsr, writeMsr } from "../processor/msrs.js";
import { addressOf, getField, recordAt, setField } from "../processor/vcpu.js";
import {
  KVM_MP_STATE_HALTED,
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_EXIT_REASON_INVAL,
  KVM_MSR_EXIT_REASON_UNKNOWN,
  KVM_X86_DISABLE_EXITS_HLT,
} from "../uapi.js";
import { x86VcpuOf, x86VmOf } from "../vm/x86-vm.js";

const { accessOf, internalError, replay } = vcpuExits({ getField, setField }, state, {
  [InternalError.codeOutside]: "the guest runs code where no memory is",
});

export function handleExit(vcpu: VcpuInside, code: number): Exit | undefined {
  const { mem } = vcpu.vm;
  // Taken: the engine would leave again at once.
  if (code !== ExitCode.none) mem.setI32(addressOf(vcpu, "exitCode"), ExitCode.none);
  switch (code) {
    case ExitCode.none:
    // The core looks at the ring before it goes on.
    case ExitCode.dirtyRingFull:
      return undefined;
    case ExitCode.halt:
      if (leavesAtHalt(vcpu)) return { reason: "hlt", until: Number.POSITIVE_INFINITY };
      mem.store(recordAt(vcpu, "mpState"), KVM_MP_STATE_HALTED);
      vcpu.halt();
      return undefined;
    case ExitCode.interrupt:
      return acknowledge(vcpu);
    case ExitCode.taskPriority:
      return { reason: "set_tpr", cr8: Number(getField(vcpu, "taskPriority")) };
    case ExitCode.mmio:
      return mmio(vcpu);
    case ExitCode.io:
      return io(vcpu);
    case ExitCode.rdmsr:
    case ExitCode.wrmsr:
      return msr(vcpu);
    case ExitCode.hypercall:
      return hypercall(vcpu);
    case ExitCode.shutdown:
      return { reason: "shutdown" };
    case ExitCode.debug:
      return debugExit(vcpu);
    case ExitCode.internalError:
      return internalError(vcpu);
    default:
      return unexpectedExit(code);
  }
}

export function completeExit(vcpu: VcpuInside, exit: AnsweredExit): Exit | undefined {
  switch (exit.reason) {
    case "mmio":
      return completed(vcpu, exit.data);
    case "io":
      return ported(vcpu, exit, exit.data);
    case "x86_rdmsr":
    case "x86_wrmsr":
      setField(vcpu, "msrRefused", exit.error ? 1n : 0n);
      return completed(vcpu, exit.data);
    case "hypercall":
      answerHypercall(vcpu, exit.ret);
      return undefined;
    case "papr_hcall":
    case "osi":
      // There are none.
      return undefined;
    default:
      return exit satisfies never;
  }
}

/** What the user side is to hear of what has been done. */
export function owedExit(vcpu: VcpuInside): Exit | undefined {
  const { mem } = vcpu.vm;
  const ended = mem.exchange(recordAt(vcpu, "endOwed"), 0);
  if (ended !== 0) return { reason: "ioapic_eoi", vector: ended - 1 };
  const access = mem.exchange(recordAt(vcpu, "accessOwed"), 0);
  if (access === 0) return undefined;
  return { reason: "tpr_access", rip: mem.u64(recordAt(vcpu, "accessAt")), isWrite: access === 2 };
}

/** Without local APICs the user side has what could end it, unless it wants to hear nothing of it. */
function leavesAtHalt(vcpu: VcpuInside): boolean {
  const x86 = x86VmOf(vcpu.vm);
  return !x86.irqchip && !(x86.setting("disabledExits") & KVM_X86_DISABLE_EXITS_HLT);
}

/** The interrupt that can be taken now is the highest of what waits; or the user side wanted to know that one can. */
function acknowledge(vcpu: VcpuInside): Exit | undefined {
  const { mem } = vcpu.vm;
  const { irqchip } = x86VmOf(vcpu.vm);
  const one = x86VcpuOf(vcpu);
  const vector = irqchip?.acknowledge(one) ?? -1;
  if (vector >= 0) mem.store(addressOf(vcpu, "interruptPending"), vector + 1);
  const wanted = vector < 0 && mem.load(recordAt(vcpu, "window")) !== 0 && one.takesFromUser;
  return wanted ? { reason: "irq_window_open" } : undefined;
}

function mmio(vcpu: VcpuInside): Exit | undefined {
  const { address, size, isWrite, data } = accessOf(vcpu);
  const one = x86VcpuOf(vcpu);
  const { irqchip } = one.vm;
  if (isWrite) {
    const taken =
      vcpu.vm.eventFds.busWrite(address, size, data) ||
      (irqchip?.writeMemory(one, address, size, data, one.now) ?? false);
    if (taken) return inKernel(vcpu, data);
  } else {
    const found = irqchip?.readMemory(one, address, size, one.now);
    if (found !== undefined) return inKernel(vcpu, found);
  }
  return { reason: "mmio", physAddr: address, length: size, isWrite, data: isWrite ? data : 0n };
}

function io(vcpu: VcpuInside): Exit | undefined {
  const access = accessOf(vcpu);
  const { address, size, isWrite, data } = access;
  const count = Number(getField(vcpu, "ioCount"));
  const exit = {
    reason: "io",
    direction: isWrite ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN,
    size,
    port: Number(address),
    count,
  } as const;
  if (count > 1) {
    const done = portString(vcpu, access, count);
    if (done === 0) return { ...exit, data: 0n, dataOffset: addressOf(vcpu, "ioBuffer") };
    // The others are accesses of their own.
    setField(vcpu, "ioCount", BigInt(done));
    countInKernel(vcpu);
    return ported(vcpu, { ...exit, count: done }, 0n);
  }
  const found = portInKernel(vcpu, access);
  if (found === undefined) return { ...exit, data: isWrite ? data : 0n };
  countInKernel(vcpu);
  return ported(vcpu, exit, found);
}

/** An access to ports is done. What has been read is kept for who reads the port next, if it cannot be taken now. */
function ported(
  vcpu: VcpuInside,
  { direction, port, size, count }: Pick<Exit & { reason: "io" }, "direction" | "port" | "size" | "count">,
  data: bigint,
): Exit | undefined {
  return completed(vcpu, data, () => {
    if (direction !== KVM_EXIT_IO_IN) return;
    if (count === 1) vcpu.vm.mem.setI32(addressOf(vcpu, "ioBuffer"), Number(BigInt.asIntN(32, data)));
    setField(vcpu, "ioPort", BigInt((port << 3) | size));
    setField(vcpu, "ioFrom", 0n);
    setField(vcpu, "ioAhead", BigInt(count));
  });
}

/** One access to a port, if the kernel side has it: what a read gives, or what was written. */
function portInKernel(vcpu: VcpuInside, { address, size, isWrite, data }: OutsideAccess): bigint | undefined {
  const one = x86VcpuOf(vcpu);
  const { irqchip } = one.vm;
  const port = Number(address);
  if (!isWrite) return irqchip?.readPort(port, size, one.now);
  if (vcpu.vm.eventFds.busWrite(address, size, data, true)) return data;
  if (!irqchip?.writePort(port, size, data, one.now)) return undefined;
  // The first looks anyway, before it goes on.
  if (!one.isFirst && port >= 0x40 && port < 0x44) one.vm.machineTimerChanged();
  return data;
}

/** Of several, the first ones that the kernel side has: how many. */
function portString(vcpu: VcpuInside, access: OutsideAccess, count: number): number {
  const { size, isWrite } = access;
  const bytes = vcpu.vm.mem.bytes(addressOf(vcpu, "ioBuffer"), count * size);
  for (let done = 0; done < count; done++) {
    const element = bytes.subarray(done * size, (done + 1) * size);
    const data = isWrite ? element.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) : 0n;
    const found = portInKernel(vcpu, { ...access, data });
    if (found === undefined) return done;
    for (let i = 0; !isWrite && i < size; i++) element[i] = Number((found >> BigInt(8 * i)) & 0xffn);
  }
  return count;
}

/**
 * What there is none of, or does not take the value, is #GP, or the user side's. A register that the engine keeps comes here if
 * it does not take the value, and each one first where there is a filter, which has the engine go on or not.
 */
function msr(vcpu: VcpuInside): Exit | undefined {
  const { address, isWrite } = accessOf(vcpu);
  const number = Number(address);
  const value = getField(vcpu, "exitData");
  const isQuestion = getField(vcpu, "msrExits") === 2n && getField(vcpu, "mmioCompleted") === 0n && !isApicMsr(number);
  if (isQuestion && filterAllows(vcpu.vm, number, isWrite)) {
    setField(vcpu, "msrRefused", 2n);
    return inKernel(vcpu, 0n);
  }
  const refusedByEngine = isWrite && isKeptMsr(number);
  const found = isQuestion || refusedByEngine ? undefined : accessMsr(vcpu, number, isWrite, value);
  if (found !== undefined) return inKernel(vcpu, found);
  const invalid = knowsMsr(vcpu, number) ? KVM_MSR_EXIT_REASON_INVAL : KVM_MSR_EXIT_REASON_UNKNOWN;
  return refused(vcpu, number, isWrite, value, isQuestion ? KVM_MSR_EXIT_REASON_FILTER : invalid);
}

const accessMsr = (vcpu: VcpuInside, number: number, isWrite: boolean, value: bigint): bigint | undefined =>
  isWrite ? (writeMsr(vcpu, number, value) ? value : undefined) : readMsr(vcpu, number);

function refused(vcpu: VcpuInside, index: number, isWrite: boolean, data: bigint, msrReason: number): Exit | undefined {
  if (x86VmOf(vcpu.vm).setting("userMsr") & msrReason) {
    return isWrite
      ? { reason: "x86_wrmsr", msrReason, index, data, error: 0 }
      : { reason: "x86_rdmsr", msrReason, index, data: 0n, error: 0 };
  }
  setField(vcpu, "msrRefused", 1n);
  const { trace } = vcpu.vm;
  const values = { number: index, ...(isWrite ? { value: data } : {}) };
  if (trace.mask) trace.emit("exit", vcpu.id, isWrite ? "wrmsr" : "rdmsr", values);
  return inKernel(vcpu, 0n);
}

const countInKernel = (vcpu: VcpuInside): void => vcpu.vm.mem.increment(vcpu.record + vcpuRecord.offset.mmioKernel);

function inKernel(vcpu: VcpuInside, answer: bigint): Exit | undefined {
  countInKernel(vcpu);
  return completed(vcpu, answer);
}

const isAccess = (code: number): boolean =>
  code === ExitCode.mmio || code === ExitCode.io || code === ExitCode.rdmsr || code === ExitCode.wrmsr;

const completed = (vcpu: VcpuInside, data: bigint, missed?: () => void): Exit | undefined =>
  handleExit(vcpu, replay(vcpu, data, isAccess, missed));
