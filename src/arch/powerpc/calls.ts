/** The calls that only POWER has: the second half of src/kvm/calls.ts. */
import type { Call, CallOn, Objects } from "../../kvm/calls.js";
import { calls } from "../../kvm/calls.js";
import type { PpcVcpu, PpcVm } from "./uapi.js";

export interface PpcObjects extends Objects {
  readonly vm: PpcVm;
  readonly vcpu: PpcVcpu;
}

export const ppcCalls = {
  KVM_CREATE_SPAPR_TCE_64: {
    on: "vm",
    method: "createSpaprTce",
    request: "0xa8, struct kvm_create_spapr_tce_64",
    cap: "KVM_CAP_SPAPR_TCE_64",
    errors: {
      EBADF: "the handle is closed",
      EBUSY: "the liobn has a table",
      EINVAL: "flags, liobn, page shift, or a window that is empty or leaves the bus",
      ENOMEM: "too many tables, or no memory for the entries",
    },
  },
  KVM_PPC_RTAS_DEFINE_TOKEN: {
    on: "vm",
    method: "rtasDefineToken",
    request: "0xac, struct kvm_rtas_token_args",
    cap: "KVM_CAP_PPC_RTAS",
    errors: {
      EEXIST: "the token is another call's",
      EINVAL: "the token is no 32-bit number",
      ENOENT: "the kernel side has no call of that name",
    },
  },
  KVM_PPC_CONFIGURE_V3_MMU: {
    on: "vm",
    method: "configureV3Mmu",
    request: "0xaf, struct kvm_ppc_mmuv3_cfg",
    cap: "KVM_CAP_PPC_MMU_RADIX",
    errors: { EINVAL: "no such MMU, radix without GTSE, or a malformed process table" },
  },
  KVM_PPC_GET_RMMU_INFO: {
    on: "vm",
    method: "getRmmuInfo",
    request: "0xb0, struct kvm_ppc_rmmu_info",
    cap: "KVM_CAP_PPC_MMU_RADIX",
    errors: {},
  },
} as const satisfies Readonly<Record<string, CallOn<PpcObjects>>>;

/** Every call that a POWER VM answers to. */
export const powerpcCalls = { ...calls, ...ppcCalls } as const;
export type PowerpcCall = keyof typeof powerpcCalls;
export type AnyCall = Call | CallOn<PpcObjects>;
