/** Misuse of the system's and a VM's calls, as far as x86 answers them in its own way. */
import {
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_MAX_MSR_ENTRIES,
  KVM_MSR_FILTER_DEFAULT_DENY,
} from "../../../src/arch/x86/uapi.js";
import { fileTable, OpenFile } from "../../../src/base/files.js";
import {
  KVM_CAP_ENABLE_CAP,
  KVM_CAP_SPLIT_IRQCHIP,
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  KVM_DEV_VFIO_FILE_DEL,
  KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
} from "../../../src/kvm/constants.js";
import { closed, exhaust, full, neutralCases, ring, vfioFile } from "../neutral-cases.js";
import type { X86CasesOf } from "./cases.js";

/** More registers than can be asked for at a time. */
export const tooMany = Array.from({ length: KVM_MAX_MSR_ENTRIES + 1 }, () => ({ index: 0x8b, data: 0n }));

export const vmCases: X86CasesOf<
  | "KVM_ENABLE_CAP (vm)"
  | "KVM_CREATE_DEVICE"
  | "KVM_SET_DEVICE_ATTR"
  | "KVM_GET_DEVICE_ATTR"
  | "KVM_HAS_DEVICE_ATTR"
  | "KVM_GET_SUPPORTED_CPUID"
  | "KVM_GET_MSR_INDEX_LIST"
  | "KVM_CREATE_IRQCHIP"
  | "KVM_CREATE_PIT2"
  | "KVM_GET_EMULATED_CPUID"
  | "KVM_GET_MSR_FEATURE_INDEX_LIST"
  | "KVM_GET_MSRS (system)"
  | "KVM_GET_IRQCHIP"
  | "KVM_SET_IRQCHIP"
  | "KVM_GET_PIT2"
  | "KVM_SET_PIT2"
  | "KVM_REINJECT_CONTROL"
  | "KVM_GET_CLOCK"
  | "KVM_SET_CLOCK"
  | "KVM_SET_TSS_ADDR"
  | "KVM_SET_IDENTITY_MAP_ADDR"
  | "KVM_SET_BOOT_CPU_ID"
  | "KVM_X86_SET_MSR_FILTER"
  | "KVM_GET_TSC_KHZ (vm)"
  | "KVM_SET_TSC_KHZ (vm)"
  | "KVM_SET_GSI_ROUTING"
> = {
  "KVM_ENABLE_CAP (vm)": {
    E2BIG: ({ vm }) => vm.enableCap({ ...ring, args: [1 << 21] }),
    EBADF: (it) => closed(it).enableCap(ring),
    EEXIST: ({ vm }) => {
      vm.createIrqchip();
      vm.enableCap({ cap: KVM_CAP_SPLIT_IRQCHIP, args: [24] });
    },
    EINVAL: ({ vm }) => vm.enableCap({ cap: KVM_CAP_ENABLE_CAP }),
  },
  KVM_CREATE_DEVICE: {
    EBADF: (it) => closed(it).createDevice(4),
    EBUSY: ({ vm }) => {
      vm.createDevice(KVM_DEV_TYPE_VFIO);
      vm.createDevice(KVM_DEV_TYPE_VFIO);
    },
    EINVAL: ({ vm }) => vm.createDevice(KVM_DEV_TYPE_VFIO, 2),
    ENODEV: ({ vm }) => vm.createDevice(3),
  },
  KVM_SET_DEVICE_ATTR: {
    EBADF: ({ vm }) => vm.createDevice(KVM_DEV_TYPE_VFIO)?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, 99n),
    EEXIST: ({ vm }) => {
      const device = vm.createDevice(KVM_DEV_TYPE_VFIO);
      const fd = vfioFile();
      for (let i = 0; i < 2; i++) device?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, fd);
    },
    EINVAL: ({ vm }) =>
      vm
        .createDevice(KVM_DEV_TYPE_VFIO)
        ?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(fileTable().install(new OpenFile({}, () => {})))),
    ENOENT: ({ vm }) =>
      vm.createDevice(KVM_DEV_TYPE_VFIO)?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_DEL, vfioFile()),
    ENXIO: ({ vm }) =>
      vm.createDevice(KVM_DEV_TYPE_VFIO)?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, 0n),
  },
  KVM_GET_DEVICE_ATTR: {
    ENXIO: ({ vm }) => vm.createDevice(KVM_DEV_TYPE_VFIO)?.getAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD),
  },
  KVM_HAS_DEVICE_ATTR: {},
  KVM_GET_SUPPORTED_CPUID: { E2BIG: ({ kvm }) => kvm.getSupportedCpuid(2) },
  KVM_GET_EMULATED_CPUID: {},
  KVM_GET_MSR_INDEX_LIST: { E2BIG: ({ kvm }) => kvm.getMsrIndexList(0) },
  KVM_GET_MSR_FEATURE_INDEX_LIST: { E2BIG: ({ kvm }) => kvm.getMsrFeatureIndexList(0) },
  "KVM_GET_MSRS (system)": { E2BIG: ({ kvm }) => kvm.getMsrs(tooMany) },
  KVM_GET_IRQCHIP: {
    EINVAL: (it) => {
      it.controller;
      it.vm.getIrqchip(3);
    },
    ENXIO: ({ vm }) => vm.getIrqchip(0),
  },
  KVM_SET_IRQCHIP: {
    EINVAL: (it) => {
      it.controller;
      it.vm.setIrqchip({ ...it.vm.getIrqchip(KVM_IRQCHIP_PIC_MASTER), chip_id: KVM_IRQCHIP_IOAPIC });
    },
    ENXIO: ({ vm }) => vm.setIrqchip({ chip_id: 0 }),
  },
  KVM_GET_PIT2: {
    ENXIO: (it) => {
      it.controller;
      it.vm.getPit2();
    },
  },
  KVM_SET_PIT2: {
    EINVAL: (it) => {
      it.controller;
      it.vm.createPit2();
      it.vm.setPit2({ channels: [], flags: 0 });
    },
    ENXIO: ({ vm }) => vm.setPit2({ channels: [], flags: 0 }),
  },
  KVM_REINJECT_CONTROL: { ENXIO: ({ vm }) => vm.reinjectControl({ pit_reinject: 1 }) },
  KVM_GET_CLOCK: {},
  KVM_SET_CLOCK: { EINVAL: ({ vm }) => vm.setClock({ clock: 0n, flags: 1 }) },
  KVM_SET_TSS_ADDR: { EINVAL: ({ vm }) => vm.setTssAddr(0xffff_d001n) },
  KVM_SET_IDENTITY_MAP_ADDR: {
    EINVAL: (it) => {
      it.cpu;
      it.vm.setIdentityMapAddr(0n);
    },
  },
  KVM_SET_BOOT_CPU_ID: {
    EBUSY: (it) => {
      it.cpu;
      it.vm.setBootCpuId(0);
    },
    EINVAL: ({ vm }) => vm.setBootCpuId(255),
  },
  KVM_X86_SET_MSR_FILTER: {
    EINVAL: ({ vm }) => vm.setMsrFilter({ flags: KVM_MSR_FILTER_DEFAULT_DENY, ranges: [] }),
    ENOMEM: (it) => {
      full(it);
      exhaust(it.vm);
      it.vm.setMsrFilter({ ranges: [] });
    },
  },
  "KVM_GET_TSC_KHZ (vm)": {},
  "KVM_SET_TSC_KHZ (vm)": { EINVAL: ({ vm }) => vm.setTscKhz(1) },
  KVM_SET_GSI_ROUTING: {
    ...neutralCases.KVM_SET_GSI_ROUTING,
    EINVAL: ({ vm }) => vm.setGsiRouting([{ gsi: 0, type: "irqchip", irqchip: 0, pin: 0 }]),
  },
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
    EINVAL: ({ vm }) => vm.createPit2({ flags: 2 }),
    ENOENT: ({ vm }) => vm.createPit2(),
  },
};
