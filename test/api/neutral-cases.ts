/** Misuse of the calls that every architecture's VMs answer alike. */
import assert from "node:assert/strict";
import { fileTable, OpenFile } from "../../src/base/files.js";
import { thisPackage } from "../../src/base/package.js";
import type { VfioFile } from "../../src/base/vfio.js";
import { createLoader } from "../../src/kernel.js";
import {
  KVM_CAP_DIRTY_LOG_RING,
  KVM_GUESTDBG_ENABLE,
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../../src/kvm/constants.js";
import { allocate } from "../../src/kvm/heap.js";
import type { Kvm, Vm } from "../../src/kvm/uapi.js";
import type { VmCore } from "../../src/kvm/vm.js";
import { acquireVac } from "../../src/vac/vac.js";
import type { AnyFixture, NeutralCasesOf } from "./neutral-fixture.js";

const page = 65536n;

/** A time for run() that no working guest needs. */
export const soon = (): number => performance.now() + 30_000;

/** The descriptor of a VFIO group, as KVM sees one. */
export function vfioFile(): bigint {
  const group: VfioFile = { vfio: true, setKvm: () => {}, attachSpaprTce: () => () => {} };
  return BigInt(fileTable().install(new OpenFile(group, () => {})));
}

/** The VM with its own handle closed; the vCPU keeps it alive. */
export function closed<V extends Vm>(it: { readonly vm: V; readonly cpu: unknown }): V {
  it.cpu;
  const { vm } = it;
  vm.close();
  return vm;
}

/** The VM with its vCPU's handle closed. The fixture closes once more, which is harmless. */
function closedVcpu({ vm, cpu }: AnyFixture) {
  cpu.close();
  return { vm, cpu };
}

/** A VM that can take no more memory, and what must be there before. */
export function full<V extends Vm>({ vm }: { readonly vm: V }, before: () => void = () => {}): V {
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

/** Takes what is left where no page has room. */
export function exhaust(vm: object): void {
  assert.throws(() => {
    for (;;) allocate((vm as VmCore).mem, 64);
  }, /ENOMEM/);
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

export const ring = { cap: KVM_CAP_DIRTY_LOG_RING, args: [65536] };

function logged(it: AnyFixture) {
  it.vm.setUserMemoryRegion({ ...it.region, flags: KVM_MEM_LOG_DIRTY_PAGES });
  return it.vm;
}

function withRings(it: AnyFixture) {
  it.vm.enableCap(ring);
  return logged(it);
}

/** While vCPU 0 is in run(): what a second thread would find. */
export function whileRunning(it: AnyFixture, body: () => void): void {
  it.exiting();
  it.vm.setTrace({ categories: ["exit"], sink: body });
  it.cpu.run({ deadline: soon() });
}

/** A kvm whose module is going away: somebody kept /dev/kvm open. */
async function leaving({ module, type }: AnyFixture): Promise<void> {
  const loader = createLoader({ memory: "unshared" });
  await loader.modprobe(module);
  const gone = loader.offer<{ open(): Kvm }>(module).open();
  await loader.rmmod(module);
  gone.createVm(type);
}

const clear = { slot: 0, firstPage: 0n, numPages: 16, bitmap: new Uint8Array(8) };
const io = { addr: 0x40000000n, len: 4 };
const statistics = (it: AnyFixture) => it.vm.getStatsFd();

export const neutralCases: NeutralCasesOf<
  | "KVM_GET_API_VERSION"
  | "KVM_CREATE_VM"
  | "KVM_CHECK_EXTENSION"
  | "mmap"
  | "KVM_CREATE_VCPU"
  | "KVM_SET_USER_MEMORY_REGION"
  | "KVM_GET_DIRTY_LOG"
  | "KVM_CLEAR_DIRTY_LOG"
  | "KVM_RESET_DIRTY_RINGS"
  | "eventfd"
  | "eventfd (by number)"
  | "write (eventfd)"
  | "KVM_IRQFD"
  | "KVM_IOEVENTFD"
  | "KVM_IRQ_LINE"
  | "KVM_SET_GSI_ROUTING"
  | "KVM_SIGNAL_MSI"
  | "KVM_GET_STATS_FD (vm)"
  | "pread (stats)"
  | "read (stats)"
  | "KVM_GET_STATS_FD (vcpu)"
  | "KVM_RUN"
  | "KVM_GET_REGS"
  | "KVM_SET_REGS"
  | "KVM_GET_SREGS"
  | "KVM_GET_REG_LIST"
  | "KVM_SET_GUEST_DEBUG"
> = {
  KVM_GET_API_VERSION: {},
  KVM_CREATE_VM: {
    EINVAL: ({ kvm }) => kvm.createVm(3),
    ENOENT: leaving,
    ENOMEM: ({ kvm, type }) => withoutMemory(() => kvm.createVm(type, { shared: false })),
    EOPNOTSUPP: async ({ open, type }) => (await open({ memory: "unshared" })).createVm(type, { shared: true }),
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
      it.controller;
      it.vm.irqfd({ fd: it.vm.createEventFd(), gsi: 0x1000, flags: KVM_IRQFD_FLAG_RESAMPLE });
    },
    EBUSY: (it) => {
      it.controller;
      const fd = it.vm.createEventFd();
      it.vm.irqfd({ fd, gsi: 0x1000 });
      it.vm.irqfd({ fd, gsi: 0x1001 });
    },
    EINVAL: (it) => {
      it.controller;
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
      it.controller;
      it.vm.irqLine(0x1000, 1);
    },
    ENXIO: ({ vm }) => vm.irqLine(0x1000, 1),
  },
  KVM_SET_GSI_ROUTING: {
    EINVAL: (it) => {
      it.controller;
      it.vm.setGsiRouting([{ gsi: 0, type: "irqchip", irqchip: 3, pin: 0 }]);
    },
    ENOMEM: (it) => full(it, () => it.controller).setGsiRouting([{ gsi: 0, type: "irqchip", irqchip: 0, pin: 0 }]),
  },
  KVM_SIGNAL_MSI: { EINVAL: ({ vm }) => vm.signalMsi({ address: 0n, data: 1 }) },
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
  "KVM_GET_STATS_FD (vcpu)": { EBADF: (it) => closedVcpu(it).cpu.getStatsFd() },
  KVM_RUN: {
    EBADF: (it) => closedVcpu(it).cpu.run({ deadline: soon() }),
    EBUSY: (it) => whileRunning(it, () => it.cpu.run({ deadline: soon() })),
    EINVAL: ({ cpu }) => cpu.run({ wait: true, deadline: soon() }),
  },
  KVM_GET_REGS: {},
  KVM_SET_REGS: { EINVAL: ({ cpu }) => cpu.setRegs({}) },
  KVM_GET_SREGS: {},
  KVM_GET_REG_LIST: {},
  KVM_SET_GUEST_DEBUG: {
    EINVAL: ({ cpu }) => cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE, breakpoints: Array(17).fill(0n) }),
  },
};
