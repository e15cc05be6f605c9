/** What the engine returned: finished here if the kernel side can, else an exit for the user side. */
import {
  KVM_INTERNAL_ERROR_EMULATION,
  KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
  KVM_RUN_PPC_NMI_DISP_NOT_RECOV,
  KVM_SYSTEM_EVENT_CRASH,
} from "../../../kvm/constants.js";
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
      return {
        reason: "debug",
        address: getField(vcpu, "exitAddress"),
        status: Number(BigInt.asUintN(32, getField(vcpu, "exitData"))),
      };
    case ExitCode.machineCheck:
      return { reason: "nmi", flags: KVM_RUN_PPC_NMI_DISP_NOT_RECOV };
    case ExitCode.osi:
      return { reason: "osi", gprs: Array.from({ length: state.gpr.count }, (_, i) => gpr(vcpu, i)) };
    case ExitCode.pvCall:
      pvCall(vcpu);
      return undefined;
    case ExitCode.internalError:
      return internalError(vcpu);
    default:
      return {
        reason: "internal_error",
        suberror: KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
        data: [BigInt(code)],
        message: `the engine returned ${code}, which is no exit code`,
      };
  }
}

export function completeExit(vcpu: VcpuInside, exit: AnsweredExit): Exit | undefined {
  switch (exit.reason) {
    case "mmio":
      return replay(vcpu, exit.data);
    case "papr_hcall":
      setGpr(vcpu, 3, exit.ret);
      for (const [i, value] of exit.args.entries()) setGpr(vcpu, 4 + i, value);
      return undefined;
    case "osi":
      for (let i = 0; i < state.gpr.count; i++) setGpr(vcpu, i, exit.gprs[i] ?? 0n);
      return undefined;
    case "io":
      // There are no ports.
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
  const physAddr = getField(vcpu, "exitAddress");
  const length = Number(getField(vcpu, "exitSize"));
  const isWrite = getField(vcpu, "exitWrite") !== 0n;
  const data = BigInt.asUintN(length * 8, getField(vcpu, "exitData"));
  const ppc = ppcVcpuOf(vcpu);
  const answer = isWrite
    ? ppc.vm.busWrite(ppc, physAddr, length, data)
      ? data
      : undefined
    : ppc.vm.busRead(ppc, physAddr, length);
  if (answer !== undefined) {
    vcpu.vm.mem.increment(vcpu.record + vcpuRecord.offset.mmioKernel);
    return replay(vcpu, answer);
  }
  return { reason: "mmio", physAddr, length, isWrite, data: isWrite ? data : 0n };
}

/**
 * Runs the instruction that made an access outside memory again, which now finds the access completed. One that makes
 * several (a store multiple) exits again for the next, and is run from the start each time.
 */
function replay(vcpu: VcpuInside, data: bigint): Exit | undefined {
  const completed = Number(getField(vcpu, "mmioCompleted"));
  if (completed < state.mmioValues.count) setField(vcpu, "mmioValues", data, completed);
  setField(vcpu, "mmioCompleted", BigInt(completed + 1));
  setField(vcpu, "mmioConsumed", 0n);
  setField(vcpu, "mmioReplay", 1n);
  const code = vcpu.engineStep();
  if (code !== ExitCode.mmio) {
    setField(vcpu, "mmioReplay", 0n);
    setField(vcpu, "mmioCompleted", 0n);
    setField(vcpu, "mmioConsumed", 0n);
  }
  return handleExit(vcpu, code);
}

const reasons: Readonly<Record<number, string>> = {
  [InternalError.noHpt]: "the guest translates by a hashed page table and has none: KVM_PPC_ALLOCATE_HTAB gives it one",
  [InternalError.tooMuchMmio]: `one instruction makes more than ${state.mmioValues.count} accesses outside memory`,
};

function internalError(vcpu: VcpuInside): Exit {
  const reason = Number(vcpu.vm.mem.u64(addressOf(vcpu, "exitData")));
  const pc = getField(vcpu, "pc");
  // No fault of KVM's: the guest brought its processor to a stop for good.
  if (reason === InternalError.checkstop) return { reason: "system_event", type: KVM_SYSTEM_EVENT_CRASH, flags: pc };
  return {
    reason: "internal_error",
    suberror: KVM_INTERNAL_ERROR_EMULATION,
    data: [BigInt(reason), pc],
    message: `${reasons[reason] ?? `the engine gave up for reason ${reason}`} (pc 0x${pc.toString(16)})`,
  };
}
