/** What an engine left for, as far as architectures are alike: accesses outside memory, and the exits that they all have. */
import { KVM_INTERNAL_ERROR_EMULATION, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON } from "../kvm/constants.js";
import type { VcpuInside } from "../kvm/inside.js";
import type { Exit } from "../kvm/uapi.js";
import { type EngineField, type EngineLayout, engineErrors } from "./layout.js";
import type { VcpuFields } from "./vcpu-fields.js";

/** One that the engine cannot make: outside memory, or of a port or a register that the kernel side keeps. */
export interface OutsideAccess {
  readonly address: bigint;
  readonly size: number;
  readonly isWrite: boolean;
  /** As wide as `size` says. */
  readonly data: bigint;
}

/** The engine returned what is no exit code of its architecture. */
export const unexpectedExit = (code: number): Exit => ({
  reason: "internal_error",
  suberror: KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
  data: [BigInt(code)],
  message: `the engine returned ${code}, which is no exit code`,
});

/** `reasons`: what the architecture's engine cannot go on from, in words, by its number. */
export function vcpuExits(
  { getField, setField }: Pick<VcpuFields<EngineField>, "getField" | "setField">,
  { mmioValues }: EngineLayout["state"],
  reasons: Readonly<Record<number, string>>,
) {
  const { count } = mmioValues;
  const all: Readonly<Record<number, string>> = {
    ...reasons,
    [engineErrors.tooMuchMmio]: `one instruction makes more than ${count} accesses outside memory`,
  };
  return {
    accessOf(vcpu: VcpuInside): OutsideAccess {
      const size = Number(getField(vcpu, "exitSize"));
      return {
        address: getField(vcpu, "exitAddress"),
        size,
        isWrite: getField(vcpu, "exitWrite") !== 0n,
        data: BigInt.asUintN(size * 8, getField(vcpu, "exitData")),
      };
    },
    debugExit: (vcpu: VcpuInside): Exit => ({
      reason: "debug",
      address: getField(vcpu, "exitAddress"),
      status: Number(BigInt.asUintN(32, getField(vcpu, "exitData"))),
    }),
    internalError(vcpu: VcpuInside): Exit {
      const reason = Number(getField(vcpu, "exitData"));
      const pc = getField(vcpu, "pc");
      return {
        reason: "internal_error",
        suberror: KVM_INTERNAL_ERROR_EMULATION,
        data: [BigInt(reason), pc],
        message: `${all[reason] ?? `the engine gave up for reason ${reason}`} (pc 0x${pc.toString(16)})`,
      };
    },
    /**
     * Runs the instruction that made an access again, which now finds the access completed, and returns what the engine left
     * with. One that makes several (`isAccess` of the result) left again for the next, and is run from the start each time.
     * `missed`: it has ended in a fault before it came to the access.
     */
    replay(vcpu: VcpuInside, data: bigint, isAccess: (code: number) => boolean, missed?: () => void): number {
      const completed = Number(getField(vcpu, "mmioCompleted"));
      if (completed < count) setField(vcpu, "mmioValues", data, completed);
      setField(vcpu, "mmioCompleted", BigInt(completed + 1));
      setField(vcpu, "mmioConsumed", 0n);
      setField(vcpu, "mmioReplay", 1n);
      const code = vcpu.engineStep();
      if (isAccess(code)) return code;
      if (getField(vcpu, "mmioConsumed") <= BigInt(completed)) missed?.();
      for (const name of ["mmioReplay", "mmioCompleted", "mmioConsumed"] as const) setField(vcpu, name, 0n);
      return code;
    },
  };
}
