/** Misuse of the system's and a VM's calls, as far as x86 answers them in its own way. */
import { KVM_CAP_ENABLE_CAP } from "../../../src/kvm/constants.js";
import { closed, ring } from "../neutral-cases.js";
import type { X86CasesOf } from "./cases.js";

export const vmCases: X86CasesOf<
  | "KVM_ENABLE_CAP (vm)"
  | "KVM_CREATE_DEVICE"
  | "KVM_GET_SUPPORTED_CPUID"
  | "KVM_GET_MSR_INDEX_LIST"
  | "KVM_CREATE_IRQCHIP"
  | "KVM_CREATE_PIT2"
> = {
  "KVM_ENABLE_CAP (vm)": {
    E2BIG: ({ vm }) => vm.enableCap({ ...ring, args: [1 << 21] }),
    EBADF: (it) => closed(it).enableCap(ring),
    EINVAL: ({ vm }) => vm.enableCap({ cap: KVM_CAP_ENABLE_CAP }),
  },
  KVM_CREATE_DEVICE: {
    EBADF: (it) => closed(it).createDevice(4),
    ENODEV: ({ vm }) => vm.createDevice(3),
  },
  KVM_GET_SUPPORTED_CPUID: {},
  KVM_GET_MSR_INDEX_LIST: {},
  KVM_CREATE_IRQCHIP: {
    EBADF: (it) => closed(it).createIrqchip(),
    EEXIST: ({ vm }) => {
      vm.createIrqchip();
      vm.createIrqchip();
    },
    EINVAL: (it) => {
      it.cpu;
      it.vm.createIrqchip();
    },
  },
  KVM_CREATE_PIT2: {
    EBADF: (it) => closed(it).createPit2(),
    EEXIST: ({ vm }) => {
      vm.createIrqchip();
      vm.createPit2();
      vm.createPit2();
    },
    ENOENT: ({ vm }) => vm.createPit2(),
  },
};
