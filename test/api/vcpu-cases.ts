/** Misuse of a vCPU's calls, as far as POWER answers them in its own way. */

import { KVM_REG_PPC_DAR, KVM_REG_PPC_ICP_STATE } from "../../src/arch/powerpc/uapi.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_CAP_PPC_PAPR,
  KVM_DEV_TYPE_XICS,
  KVM_REG_PPC,
  KVM_REG_SIZE_U32,
} from "../../src/kvm/constants.js";
import type { CasesOf } from "./cases.js";
import { exhaust, full } from "./neutral-cases.js";

const unknown = KVM_REG_PPC | 0x0030_0000_0000_0fffn;
const narrow = (KVM_REG_PPC_DAR & 0xffffn) | KVM_REG_PPC | KVM_REG_SIZE_U32;

export const vcpuCases: CasesOf<
  | "KVM_ENABLE_CAP (vcpu)"
  | "KVM_SET_SREGS"
  | "KVM_GET_ONE_REG"
  | "KVM_SET_ONE_REG"
  | "KVM_INTERRUPT"
  | "KVM_GET_MP_STATE"
  | "KVM_SET_MP_STATE"
> = {
  "KVM_ENABLE_CAP (vcpu)": {
    EBADF: ({ cpu }) => cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [1003, 0] }),
    EBUSY: ({ xics, cpu }) => cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics.fd, 0] }),
    EEXIST: ({ xics, vm }) => vm.createVcpu(1).enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics.fd, 0] }),
    EINVAL: ({ cpu }) => cpu.enableCap({ cap: KVM_CAP_PPC_PAPR, flags: 1 }),
    ENOMEM: (it) => {
      const { xive, vm } = it;
      const vcpu = vm.createVcpu(1);
      full(it);
      exhaust(vm);
      vcpu.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive.fd, 1] });
    },
    EPERM: ({ vm, cpu }) => {
      vm.createDevice(KVM_DEV_TYPE_XICS);
      cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [5, 0] });
    },
  },
  KVM_SET_SREGS: { EINVAL: ({ cpu }) => cpu.setSregs({} as { pvr: bigint }) },
  KVM_GET_ONE_REG: {
    EINVAL: ({ cpu }) => cpu.getOneReg(narrow),
    ENOENT: ({ cpu }) => cpu.getOneReg(unknown),
    ENXIO: ({ cpu }) => cpu.getOneReg(KVM_REG_PPC_ICP_STATE),
  },
  KVM_SET_ONE_REG: {
    EINVAL: ({ cpu }) => cpu.setOneReg(KVM_REG_PPC_DAR, 1n << 64n),
    ENOENT: ({ cpu }) => cpu.setOneReg(unknown, 0n),
    ENXIO: ({ cpu }) => cpu.setOneReg(KVM_REG_PPC_ICP_STATE, 0n),
  },
  KVM_INTERRUPT: { EINVAL: ({ cpu }) => cpu.interrupt(1) },
  KVM_GET_MP_STATE: { EINVAL: ({ cpu }) => cpu.getMpState() },
  KVM_SET_MP_STATE: { EINVAL: ({ cpu }) => cpu.setMpState(0) },
};
