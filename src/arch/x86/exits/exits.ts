/** What the engine returned: finished here if the kernel side can, else an exit for the user side. */
import { unexpectedExit, vcpuExits } from "../../../engine/vcpu-exits.js";
import { KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT } from "../../../kvm/constants.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { vcpuRecord } from "../../../kvm/state.js";
import type { AnsweredExit } from "../../../kvm/uapi/exits.js";
import type { Exit } from "../../../kvm/uapi.js";
import { ExitCode, InternalError, state } from "../engines/layout.js";
import { readMsr, writeMsr } from "../processor/msrs.js";
import { addressOf, getField, recordAt, setField } from "../processor/vcpu.js";
import { KVM_MP_STATE_HALTED } from "../uapi.js";
import { x86VcpuOf, x86VmOf } from "../vm/x86-vm.js";

const { accessOf, debugExit, internalError, replay } = vcpuExits({ getField, setField }, state, {
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
      mem.store(recordAt(vcpu, "mpState"), KVM_MP_STATE_HALTED);
      vcpu.halt();
      return undefined;
    case ExitCode.interrupt:
      acknowledge(vcpu);
      return undefined;
    case ExitCode.mmio:
      return mmio(vcpu);
    case ExitCode.io:
      return io(vcpu);
    case ExitCode.rdmsr:
    case ExitCode.wrmsr:
      return msr(vcpu);
    case ExitCode.hypercall:
      // KVM_ENOSYS: none that there is.
      setField(vcpu, "general", -1000n, 0);
      return undefined;
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
    case "io":
      return completed(vcpu, exit.data);
    case "papr_hcall":
    case "osi":
      // There are none.
      return undefined;
    default:
      return exit satisfies never;
  }
}

/** The interrupt that can be taken now is the highest of what waits. */
function acknowledge(vcpu: VcpuInside): void {
  const { irqchip } = x86VmOf(vcpu.vm);
  const vector = irqchip?.acknowledge(x86VcpuOf(vcpu)) ?? -1;
  if (vector >= 0) vcpu.vm.mem.store(addressOf(vcpu, "interruptPending"), vector + 1);
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
  const { address, size, isWrite, data } = accessOf(vcpu);
  const port = Number(address);
  const one = x86VcpuOf(vcpu);
  const { irqchip } = one.vm;
  if (irqchip && isWrite && irqchip.writePort(port, size, data, one.now)) {
    // The machine's timer is looked at by the first.
    const [first] = vcpu.vm.vcpus();
    if (first && first !== vcpu && port >= 0x40 && port < 0x44) one.vm.of(first).lookAtTimers();
    return inKernel(vcpu, data);
  }
  const found = isWrite ? undefined : irqchip?.readPort(port, size, one.now);
  if (found !== undefined) return inKernel(vcpu, found);
  return {
    reason: "io",
    direction: isWrite ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN,
    size,
    port,
    count: 1,
    data: isWrite ? data : 0n,
  };
}

/** What there is none of, or does not take the value, is #GP. */
function msr(vcpu: VcpuInside): Exit | undefined {
  const { address, isWrite } = accessOf(vcpu);
  const number = Number(address);
  const value = getField(vcpu, "exitData");
  const found = isWrite ? (writeMsr(vcpu, number, value) ? value : undefined) : readMsr(vcpu, number);
  if (found === undefined) {
    setField(vcpu, "msrRefused", 1n);
    const { trace } = vcpu.vm;
    if (trace.mask) trace.emit("exit", vcpu.id, isWrite ? "wrmsr" : "rdmsr", { number, ...(isWrite ? { value } : {}) });
  }
  return inKernel(vcpu, found ?? 0n);
}

function inKernel(vcpu: VcpuInside, answer: bigint): Exit | undefined {
  vcpu.vm.mem.increment(vcpu.record + vcpuRecord.offset.mmioKernel);
  return completed(vcpu, answer);
}

const isAccess = (code: number): boolean =>
  code === ExitCode.mmio || code === ExitCode.io || code === ExitCode.rdmsr || code === ExitCode.wrmsr;

const completed = (vcpu: VcpuInside, data: bigint): Exit | undefined => handleExit(vcpu, replay(vcpu, data, isAccess));
