/** Misuse of the calls that only POWER has. */
import type { CasesOf } from "./cases.js";
import { full, whileRunning } from "./neutral-cases.js";

const tce = { liobn: 0x71000000n, pageShift: 12, offset: 0n, size: 16n };
const radix = { radix: true, gtse: true, processTable: 0n };

export const book3sCases: CasesOf<
  | "KVM_CREATE_SPAPR_TCE_64"
  | "KVM_PPC_RTAS_DEFINE_TOKEN"
  | "KVM_PPC_CONFIGURE_V3_MMU"
  | "KVM_PPC_GET_RMMU_INFO"
  | "KVM_PPC_GET_PVINFO"
  | "KVM_PPC_GET_CPU_CHAR"
> = {
  KVM_CREATE_SPAPR_TCE_64: {
    EBADF: ({ vm, cpu }) => {
      cpu;
      vm.close();
      vm.createSpaprTce(tce);
    },
    EBUSY: ({ vm }) => {
      vm.createSpaprTce(tce);
      vm.createSpaprTce(tce);
    },
    EINVAL: ({ vm }) => vm.createSpaprTce({ ...tce, flags: 1 }),
    ENOMEM: ({ vm }) => vm.createSpaprTce({ ...tce, size: 1n << 29n }),
  },
  KVM_PPC_RTAS_DEFINE_TOKEN: {
    EEXIST: ({ vm }) => {
      vm.rtasDefineToken("ibm,set-xive", 5);
      vm.rtasDefineToken("ibm,get-xive", 5);
    },
    EINVAL: ({ vm }) => vm.rtasDefineToken("ibm,set-xive", -1),
    ENOENT: ({ vm }) => vm.rtasDefineToken("power-off", 5),
  },
  KVM_PPC_CONFIGURE_V3_MMU: {
    EBUSY: (it) => {
      it.vm.allocateHtab(18);
      whileRunning(it, () => it.vm.configureV3Mmu(radix));
    },
    EINVAL: ({ vm }) => vm.configureV3Mmu({ ...radix, processTable: 25n }),
    ENOMEM: (it) => full(it).configureV3Mmu({ ...radix, radix: false }),
  },
  KVM_PPC_GET_RMMU_INFO: {},
  KVM_PPC_GET_PVINFO: {},
  KVM_PPC_GET_CPU_CHAR: {},
};
