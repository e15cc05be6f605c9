/** What the engine returned: finished here if the kernel side can, else an exit for the user side. */
import { unexpectedExit, vcpuExits } from "../../../engine/vcpu-exits.js";
import { KVM_RUN_PPC_NMI_DISP_NOT_RECOV, KVM_SYSTEM_EVENT_CRASH } from "../../../kvm/constants.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { vcpuRecord } from "../../../kvm/state.js";
import { traceBit } from "../../../kvm/trace.js";
import type { AnsweredExit } from "../../../kvm/uapi/exits.js";
import type { Exit } from "../../../kvm/uapi.js";
import { ExitCode, InternalError, state } from "../engines/layout.js";
import { type HcallArguments, HcallStatus, tooHard } from "../papr/hcall.js";
import { hcallByNumber } from "../papr/list.js";
import { addressOf, getField, gpr, setField, setGpr } from "../processor/vcpu.js";
import { emitInterrupt } from "../trace/trace.js";
import { hcallName } from "../uapi/hcalls.js";
import { ppcVcpuOf } from "../vm/ppc-vm.js";
import { pvCall } from "./pv.js";

const { accessOf, debugExit, internalError, replay } = vcpuExits({ getField, setField }, state, {
  [InternalError.noHpt]: "the guest translates by a hashed page table and has none: KVM_PPC_ALLOCATE_HTAB gives it one",
});

export function handleExit(vcpu: VcpuInside, code: number): Exit | undefined {
  // Taken: the engine would leave again at once.
  if (code !== ExitCode.none) vcpu.vm.mem.setI32(addressOf(vcpu, "exitCode"), ExitCode.none);
  if (vcpu.vm.trace.mask & traceBit.interrupt) emitInterrupt(vcpu);
  switch (code) {
    case ExitCode.none:
    // The core looks at the ring before it goes on.
    case ExitCode.dirtyRingFull:
      return undefined;
    case ExitCode.hypercall:
      return hypercall(vcpu);
    case ExitCode.mmio:
      return mmio(vcpu);
    case ExitCode.debug:
      return debugExit(vcpu);
    case ExitCode.machineCheck:
      return { reason: "nmi", flags: KVM_RUN_PPC_NMI_DISP_NOT_RECOV };
    case ExitCode.osi:
      return { reason: "osi", gprs: Array.from({ length: state.gpr.count }, (_, i) => gpr(vcpu, i)) };
    case ExitCode.pvCall:
      pvCall(vcpu);
      return undefined;
    case ExitCode.internalError:
      return stopped(vcpu);
    default:
      return unexpectedExit(code);
  }
}

export function completeExit(vcpu: VcpuInside, exit: AnsweredExit): Exit | undefined {
  switch (exit.reason) {
    case "mmio":
      return completed(vcpu, exit.data);
    case "papr_hcall":
      setGpr(vcpu, 3, exit.ret);
      for (const [i, value] of exit.args.entries()) setGpr(vcpu, 4 + i, value);
      return undefined;
    case "osi":
      for (let i = 0; i < state.gpr.count; i++) setGpr(vcpu, i, exit.gprs[i] ?? 0n);
      return undefined;
    case "io":
    case "x86_rdmsr":
    case "x86_wrmsr":
    case "hypercall":
      // There are none.
      return undefined;
    default:
      return exit satisfies never;
  }
}

function hypercall(vcpu: VcpuInside): Exit | undefined {
  const number = Number(gpr(vcpu, 3));
  const r = (n: number): bigint => gpr(vcpu, n);
  const args: HcallArguments = [r(4), r(5), r(6), r(7), r(8), r(9), r(10), r(11), r(12)];
  const ppc = ppcVcpuOf(vcpu);
  ppc.vm.countHcall(number);
  const row = hcallByNumber.get(number) ?? ppc.vm.addedHcall(number);
  const answer = row && ppc.vm.hcallEnabled(number) ? row.handler(ppc, args) : tooHard;
  if (vcpu.vm.trace.mask) {
    const values = Object.fromEntries(args.slice(0, 4).map((value, i) => [`r${4 + i}`, value]));
    const result = answer === tooHard ? "user" : String(answer);
    vcpu.vm.trace.emit("hcall", vcpu.id, hcallName(number), { ...values, result });
  }
  if (answer === tooHard) return { reason: "papr_hcall", nr: number, ret: HcallStatus.function, args: [...args] };
  setGpr(vcpu, 3, answer);
  return undefined;
}

function mmio(vcpu: VcpuInside): Exit | undefined {
  const { address, size, isWrite, data } = accessOf(vcpu);
  const ppc = ppcVcpuOf(vcpu);
  const answer = isWrite
    ? ppc.vm.busWrite(ppc, address, size, data)
      ? data
      : undefined
    : ppc.vm.busRead(ppc, address, size);
  if (answer !== undefined) {
    vcpu.vm.mem.increment(vcpu.record + vcpuRecord.offset.mmioKernel);
    return completed(vcpu, answer);
  }
  return { reason: "mmio", physAddr: address, length: size, isWrite, data: isWrite ? data : 0n };
}

const isAccess = (code: number): boolean => code === ExitCode.mmio;

const completed = (vcpu: VcpuInside, data: bigint): Exit | undefined => handleExit(vcpu, replay(vcpu, data, isAccess));

function stopped(vcpu: VcpuInside): Exit {
  // No fault of KVM's: the guest brought its processor to a stop for good.
  if (Number(getField(vcpu, "exitData")) !== InternalError.checkstop) return internalError(vcpu);
  return { reason: "system_event", type: KVM_SYSTEM_EVENT_CRASH, flags: getField(vcpu, "pc") };
}
