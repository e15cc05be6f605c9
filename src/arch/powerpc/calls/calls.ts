/** The calls that only POWER has: the second half of src/kvm/calls.ts. */
import type { Call, CallOn, Objects } from "../../../kvm/calls.js";
import { calls } from "../../../kvm/calls.js";
import type { HtabFd, PpcVcpu, PpcVm } from "../uapi.js";

export interface PpcObjects extends Objects {
  readonly vm: PpcVm;
  readonly vcpu: PpcVcpu;
  readonly htab: HtabFd;
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
    errors: {
      EBUSY: "a vCPU is running, and it is another kind of translation",
      EINVAL: "radix without GTSE, or a malformed process table",
      ENOMEM: "no memory for a hashed page table",
    },
  },
  KVM_PPC_ALLOCATE_HTAB: {
    on: "vm",
    method: "allocateHtab",
    request: "0xa7, order",
    cap: "KVM_CAP_PPC_ALLOC_HTAB",
    errors: {
      EBADF: "the handle is closed",
      EBUSY: "a vCPU is running",
      EINVAL: "order not from 18 to 46",
      ENOMEM: "the VM's memory limit is reached, or the platform refuses",
    },
  },
  KVM_PPC_GET_HTAB_FD: {
    on: "vm",
    method: "getHtabFd",
    request: "0xaa, struct kvm_get_htab_fd",
    cap: "KVM_CAP_PPC_HTAB_FD",
    errors: { EBADF: "the handle is closed", EINVAL: "unknown flags" },
  },
  "read (htab)": {
    on: "htab",
    method: "read",
    request: "a system call",
    errors: { EBADF: "closed, or opened for writing" },
  },
  "write (htab)": {
    on: "htab",
    method: "write",
    request: "a system call",
    errors: {
      EBADF: "closed, or opened for reading",
      EBUSY: "a vCPU is running",
      EINVAL: "no hashed page table, no such entries, or one that is not valid among the valid",
      EIO: "an entry that H_ENTER would not take",
    },
  },
  KVM_PPC_RESIZE_HPT_PREPARE: {
    on: "vm",
    method: "resizeHptPrepare",
    request: "0xad, struct kvm_ppc_resize_hpt",
    cap: "KVM_CAP_SPAPR_RESIZE_HPT",
    errors: {
      EINVAL: "flags, a size that is none, or no hashed page table",
      ENOMEM: "the VM's memory limit is reached, or the platform refuses",
    },
  },
  KVM_PPC_RESIZE_HPT_COMMIT: {
    on: "vm",
    method: "resizeHptCommit",
    request: "0xae, struct kvm_ppc_resize_hpt",
    cap: "KVM_CAP_SPAPR_RESIZE_HPT",
    errors: {
      EINVAL: "flags, a size that is none, or no hashed page table",
      ENOSPC: "two bolted entries would have one place",
      ENXIO: "no table of that size has been prepared",
    },
  },
  KVM_PPC_GET_PVINFO: {
    on: "vm",
    method: "getPvinfo",
    request: "0xa1, struct kvm_ppc_pvinfo",
    cap: "KVM_CAP_PPC_GET_PVINFO",
    errors: {},
  },
  KVM_PPC_GET_CPU_CHAR: {
    on: "vm",
    method: "getCpuChar",
    request: "0xb1, struct kvm_ppc_cpu_char",
    cap: "KVM_CAP_PPC_GET_CPU_CHAR",
    errors: {},
  },
  KVM_PPC_GET_SMMU_INFO: {
    on: "vm",
    method: "getSmmuInfo",
    request: "0xa6, struct kvm_ppc_smmu_info",
    cap: "KVM_CAP_PPC_GET_SMMU_INFO",
    errors: {},
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
