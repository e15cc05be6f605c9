/** Misuse of a VM's and a device's calls, as far as POWER answers them in its own way. */

import { KVM_DEV_XIVE_GRP_EQ_CONFIG, KVM_DEV_XIVE_GRP_SOURCE } from "../../src/arch/powerpc/uapi.js";
import {
  KVM_CAP_DIRTY_LOG_RING,
  KVM_CAP_ENABLE_CAP,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_CAP_PPC_SMT,
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_TYPE_XICS,
  KVM_DEV_TYPE_XIVE,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  KVM_DEV_VFIO_FILE_DEL,
} from "../../src/kvm/constants.js";
import type { CasesOf } from "./cases.js";
import { closed, full, ring, vfioFile } from "./neutral-cases.js";

export const vmCases: CasesOf<
  "KVM_ENABLE_CAP (vm)" | "KVM_CREATE_DEVICE" | "KVM_SET_DEVICE_ATTR" | "KVM_GET_DEVICE_ATTR" | "KVM_HAS_DEVICE_ATTR"
> = {
  "KVM_ENABLE_CAP (vm)": {
    E2BIG: ({ vm }) => vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING, args: [1 << 21] }),
    EBADF: (it) => closed(it).enableCap(ring),
    EBUSY: (it) => {
      it.cpu;
      it.vm.enableCap({ cap: KVM_CAP_PPC_SMT, args: [4, 0] });
    },
    EINVAL: ({ vm }) => vm.enableCap({ cap: KVM_CAP_ENABLE_CAP }),
  },
  KVM_CREATE_DEVICE: {
    EBADF: (it) => closed(it).createDevice(KVM_DEV_TYPE_XICS),
    EBUSY: ({ vm }) => {
      vm.createDevice(KVM_DEV_TYPE_VFIO);
      vm.createDevice(KVM_DEV_TYPE_VFIO);
    },
    EEXIST: (it) => {
      it.xics;
      it.vm.createDevice(KVM_DEV_TYPE_XICS);
    },
    EINVAL: ({ vm }) => vm.createDevice(KVM_DEV_TYPE_XICS, 2),
    ENODEV: ({ vm }) => vm.createDevice(1),
    ENOMEM: (it) => full(it).createDevice(KVM_DEV_TYPE_XICS),
  },
  KVM_SET_DEVICE_ATTR: {
    EBADF: ({ vm }) => vm.createDevice(KVM_DEV_TYPE_VFIO)?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, 99n),
    EEXIST: ({ vm }) => {
      const device = vm.createDevice(KVM_DEV_TYPE_VFIO);
      const fd = vfioFile();
      for (let i = 0; i < 2; i++) device?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, fd);
    },
    ENOENT: ({ vm }) =>
      vm.createDevice(KVM_DEV_TYPE_VFIO)?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_DEL, vfioFile()),
    E2BIG: ({ vm }) => vm.createDevice(KVM_DEV_TYPE_XIVE)?.setAttr(KVM_DEV_XIVE_GRP_SOURCE, 1n << 20n, 0n),
    EBUSY: ({ xics }) => xics.setAttr(2, 1n, 4n),
    EINVAL: ({ vm }) => vm.createDevice(KVM_DEV_TYPE_XICS)?.setAttr(2, 1n, 0n),
    ENOMEM: (it) => {
      const { xics } = it;
      full(it);
      for (let source = 0x400n; ; source += 0x400n) xics.setAttr(1, source, 0n);
    },
    ENXIO: ({ xics }) => xics.setAttr(3, 0n, 0n),
  },
  KVM_GET_DEVICE_ATTR: {
    EINVAL: ({ vm, cpu }) => {
      const xive = vm.createDevice(KVM_DEV_TYPE_XIVE);
      cpu.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive?.fd ?? 0, 0] });
      xive?.getAttr(KVM_DEV_XIVE_GRP_EQ_CONFIG, 7n);
    },
    ENOENT: ({ xics }) => xics.getAttr(1, 0x1000n),
    ENXIO: ({ xics }) => xics.getAttr(1, 0n),
  },
  KVM_HAS_DEVICE_ATTR: {},
};
