/** Misuse of the system's, a VM's and a device's calls. */

import { KVM_DEV_XIVE_GRP_EQ_CONFIG, KVM_DEV_XIVE_GRP_SOURCE } from "../../src/arch/powerpc/uapi.js";
import { fileTable, OpenFile } from "../../src/base/files.js";
import { thisPackage } from "../../src/base/package.js";
import type { VfioFile } from "../../src/base/vfio.js";
import { openKvm } from "../../src/kernel.js";
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
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../../src/kvm/constants.js";
import { acquireVac } from "../../src/vac/vac.js";
import type { CasesOf } from "./cases.js";
import { type Fixture, page } from "./fixture.js";

const onlyUnshared = await openKvm({ memory: "unshared" });

/** The VM with its own handle closed; the vCPU keeps it alive. */
export function closed(it: Fixture) {
  it.cpu;
  const { vm } = it;
  vm.close();
  return vm;
}

/** The descriptor of a VFIO group, as KVM sees one. */
function vfioFile(): bigint {
  const group: VfioFile = { vfio: true, setKvm: () => {}, attachSpaprTce: () => () => {} };
  return BigInt(fileTable().install(new OpenFile(group, () => {})));
}

/** A VM that can take no more memory, and what must be there before. */
export function full(it: Fixture, before: () => void = () => {}) {
  const { vm } = it;
  before();
  for (let bytes = 1 << 30; bytes >= vm.pageSize; bytes /= 2) {
    try {
      for (;;) vm.allocate(bytes);
    } catch {
      // Halves are tried next.
    }
  }
  return vm;
}

/** While the platform gives no memory. */
function withoutMemory<T>(body: () => T): T {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class {
    constructor() {
      throw new RangeError("could not allocate memory");
    }
  } as unknown as typeof Memory;
  try {
    return body();
  } finally {
    WebAssembly.Memory = Memory;
  }
}

/** While the process may have no more threads for vCPUs. */
function withoutThreads<T>(body: () => T): T {
  const { page: limits } = acquireVac(thisPackage);
  const { workerLimit } = limits;
  limits.workerLimit = 0;
  try {
    return body();
  } finally {
    limits.workerLimit = workerLimit;
  }
}

const ring = { cap: KVM_CAP_DIRTY_LOG_RING, args: [65536] };

function logged(it: Fixture) {
  it.vm.setUserMemoryRegion({ ...it.region, flags: KVM_MEM_LOG_DIRTY_PAGES });
  return it.vm;
}

function withRings(it: Fixture) {
  it.vm.enableCap(ring);
  return logged(it);
}

const clear = { slot: 0, firstPage: 0n, numPages: 16, bitmap: new Uint8Array(8) };
const io = { addr: 0x40000000n, len: 4 };
const statistics = (it: Fixture) => it.vm.getStatsFd();

export const vmCases: CasesOf<
  | "KVM_GET_API_VERSION"
  | "KVM_CREATE_VM"
  | "KVM_CHECK_EXTENSION"
  | "mmap"
  | "KVM_CREATE_VCPU"
  | "KVM_SET_USER_MEMORY_REGION"
  | "KVM_GET_DIRTY_LOG"
  | "KVM_CLEAR_DIRTY_LOG"
  | "KVM_RESET_DIRTY_RINGS"
  | "KVM_ENABLE_CAP (vm)"
  | "eventfd"
  | "eventfd (by number)"
  | "write (eventfd)"
  | "KVM_IRQFD"
  | "KVM_IOEVENTFD"
  | "KVM_IRQ_LINE"
  | "KVM_SET_GSI_ROUTING"
  | "KVM_SIGNAL_MSI"
  | "KVM_CREATE_DEVICE"
  | "KVM_SET_DEVICE_ATTR"
  | "KVM_GET_DEVICE_ATTR"
  | "KVM_HAS_DEVICE_ATTR"
  | "KVM_GET_STATS_FD (vm)"
  | "pread (stats)"
  | "read (stats)"
> = {
  KVM_GET_API_VERSION: {},
  KVM_CREATE_VM: {
    EINVAL: ({ kvm }) => kvm.createVm(3),
    ENOENT: leaving,
    ENOMEM: ({ kvm, type }) => withoutMemory(() => kvm.createVm(type, { shared: false })),
    EOPNOTSUPP: ({ type }) => onlyUnshared.createVm(type, { shared: true }),
  },
  KVM_CHECK_EXTENSION: {},
  mmap: {
    EBADF: (it) => closed(it).allocate(65536),
    EINVAL: ({ vm }) => vm.allocate(65537),
    ENOMEM: ({ vm }) => vm.allocate(1 << 30),
  },
  KVM_CREATE_VCPU: {
    EAGAIN: ({ kvm, type }) => withoutThreads(() => kvm.createVm(type, { shared: true }).createVcpu(0)),
    EBADF: (it) => closed(it).createVcpu(1),
    EEXIST: (it) => it.vm.createVcpu(it.cpu.id),
    EINVAL: ({ vm }) => vm.createVcpu(2048),
    ENOMEM: (it) => full(it).createVcpu(1),
  },
  KVM_SET_USER_MEMORY_REGION: {
    EBADF: (it) => closed(it).setUserMemoryRegion(it.region),
    EEXIST: ({ vm, region }) => vm.setUserMemoryRegion({ ...region, slot: 1, guestPhysAddr: page }),
    EFAULT: ({ vm, region }) =>
      vm.setUserMemoryRegion({ ...region, slot: 1, guestPhysAddr: 1n << 32n, userspaceAddr: 0xfff00000 }),
    EINVAL: ({ vm, region }) => vm.setUserMemoryRegion({ ...region, memorySize: page }),
    ENOMEM: (it) =>
      full(it).setUserMemoryRegion({ ...it.region, flags: KVM_MEM_LOG_DIRTY_PAGES, slot: 2, guestPhysAddr: 1n << 32n }),
  },
  KVM_GET_DIRTY_LOG: {
    ENOENT: ({ vm }) => vm.getDirtyLog(0),
    ENXIO: (it) => withRings(it).getDirtyLog(0),
  },
  KVM_CLEAR_DIRTY_LOG: {
    EFAULT: (it) => logged(it).clearDirtyLog({ ...clear, bitmap: new Uint8Array(1) }),
    EINVAL: (it) => logged(it).clearDirtyLog({ ...clear, firstPage: 1n }),
    ENOENT: ({ vm }) => vm.clearDirtyLog(clear),
    ENXIO: (it) => withRings(it).clearDirtyLog(clear),
  },
  KVM_RESET_DIRTY_RINGS: { EINVAL: ({ vm }) => vm.resetDirtyRings() },
  "KVM_ENABLE_CAP (vm)": {
    E2BIG: ({ vm }) => vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING, args: [1 << 21] }),
    EBADF: (it) => closed(it).enableCap(ring),
    EBUSY: (it) => {
      it.cpu;
      it.vm.enableCap({ cap: KVM_CAP_PPC_SMT, args: [4, 0] });
    },
    EINVAL: ({ vm }) => vm.enableCap({ cap: KVM_CAP_ENABLE_CAP }),
  },
  eventfd: {
    EBADF: (it) => closed(it).createEventFd(),
    ENOMEM: ({ vm }) => {
      for (;;) vm.createEventFd();
    },
  },
  "eventfd (by number)": { EBADF: ({ vm }) => vm.eventFd(7) },
  "write (eventfd)": {
    EBADF: ({ vm }) => {
      const fd = vm.createEventFd();
      fd.close();
      fd.signal();
    },
  },
  KVM_IRQFD: {
    EAGAIN: ({ vm }) => vm.irqfd({ fd: vm.createEventFd(), gsi: 0x1000 }),
    EBADF: (it) => {
      it.xics;
      it.vm.irqfd({ fd: it.vm.createEventFd(), gsi: 0x1000, flags: KVM_IRQFD_FLAG_RESAMPLE });
    },
    EBUSY: (it) => {
      it.xics;
      const fd = it.vm.createEventFd();
      it.vm.irqfd({ fd, gsi: 0x1000 });
      it.vm.irqfd({ fd, gsi: 0x1001 });
    },
    EINVAL: (it) => {
      it.xics;
      it.vm.irqfd({ fd: it.vm.createEventFd(), gsi: 0x1000, flags: 4 });
    },
  },
  KVM_IOEVENTFD: {
    EBADF: ({ vm }) => {
      const fd = vm.createEventFd();
      fd.close();
      vm.ioeventfd({ ...io, fd });
    },
    EEXIST: ({ vm }) => {
      const fd = vm.createEventFd();
      vm.ioeventfd({ ...io, fd });
      vm.ioeventfd({ ...io, fd, flags: KVM_IOEVENTFD_FLAG_DATAMATCH, datamatch: 1n });
    },
    EINVAL: ({ vm }) => vm.ioeventfd({ ...io, len: 3, fd: vm.createEventFd() }),
    ENOENT: ({ vm }) => vm.ioeventfd({ ...io, fd: vm.createEventFd(), flags: KVM_IOEVENTFD_FLAG_DEASSIGN }),
    ENOSPC: ({ vm }) => {
      const fd = vm.createEventFd();
      for (let addr = 0n; ; addr += 8n) vm.ioeventfd({ fd, addr, len: 8 });
    },
  },
  KVM_IRQ_LINE: {
    EINVAL: (it) => {
      it.xics;
      it.vm.irqLine(0x1000, 1);
    },
    ENXIO: ({ vm }) => vm.irqLine(0x1000, 1),
  },
  KVM_SET_GSI_ROUTING: {
    EINVAL: ({ vm }) => vm.setGsiRouting([{ gsi: 0, type: "irqchip", irqchip: 3, pin: 0 }]),
    ENOMEM: (it) => full(it).setGsiRouting([{ gsi: 0, type: "irqchip", irqchip: 0, pin: 0 }]),
  },
  KVM_SIGNAL_MSI: { EINVAL: ({ vm }) => vm.signalMsi({ address: 0n, data: 1 }) },
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
  "KVM_GET_STATS_FD (vm)": { EBADF: (it) => closed(it).getStatsFd() },
  "pread (stats)": {
    EBADF: (it) => {
      const fd = statistics(it);
      fd.close();
      fd.pread(new Uint8Array(8), 0);
    },
    EINVAL: (it) => statistics(it).pread(new Uint8Array(8), -1),
  },
  "read (stats)": {
    EBADF: (it) => {
      const fd = statistics(it);
      fd.close();
      fd.read(new Uint8Array(8));
    },
  },
};

/** A kvm whose module is going away: somebody kept /dev/kvm open. */
async function leaving({ type }: Fixture): Promise<void> {
  const { createLoader } = await import("../../src/kernel.js");
  const loader = createLoader({ memory: "unshared" });
  await loader.modprobe("kvm");
  const gone = loader.offer<{ open(): typeof onlyUnshared }>("kvm").open();
  await loader.rmmod("kvm");
  gone.createVm(type);
}
