/**
 * Every call of the interface, with the errno that it answers and when: what docs/kvm-api.md is written from, and what
 * test/api holds each call to, on each implementation. The architecture adds its own rows.
 * Source: Documentation/virt/kvm/api.rst, include/uapi/linux/kvm.h.
 */
import type { ErrnoName } from "../base/errors.js";
import type { Device, EventFd, Kvm, StatsFd, Vcpu, Vm } from "./uapi.js";

/** The objects that calls are made on. */
export interface Objects {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly device: Device;
  readonly eventfd: EventFd;
  readonly stats: StatsFd;
}

export type Errors = Readonly<Partial<Record<ErrnoName, string>>>;

interface Row<On extends string, Method> {
  readonly on: On;
  /** The method, or an assignment to the property, that is this call here. */
  readonly method: Method;
  /** Number of the request (type 0xae) and what it carries, as Linux has it; what is no ioctl there says what it is. */
  readonly request: string;
  /** The extension that announces it. */
  readonly cap?: string;
  readonly errors: Errors;
}

/** One call on one of `O`'s objects. */
export type CallOn<O> = { [On in keyof O & string]: Row<On, keyof O[On] & string> }[keyof O & string];
export type Call = CallOn<Objects>;

const closed = "the handle is closed";
/** ENOMEM of whatever takes memory of the VM. */
const noMemory = "the VM's memory limit is reached, or the platform refuses";

export const calls = {
  KVM_GET_API_VERSION: { on: "kvm", method: "getApiVersion", request: "0x00", errors: {} },
  KVM_CREATE_VM: {
    on: "kvm",
    method: "createVm",
    request: "0x01, type",
    errors: {
      EINVAL:
        "no implementation of that type is loaded, memoryLimit is no number from 16 MiB to 4 GiB, or codeLimit none from 64 KiB to 2 GiB",
      ENOENT: "the module is going away",
      ENOMEM: "no address space for the VM's memory",
      EOPNOTSUPP: "the implementation is not loaded for that kind of memory, or the platform has no shared memory",
    },
  },
  KVM_CHECK_EXTENSION: { on: "vm", method: "checkExtension", request: "0x03, number", errors: {} },
  mmap: {
    on: "vm",
    method: "allocate",
    request: "a system call",
    errors: { EBADF: closed, EINVAL: "not a positive number of pages", ENOMEM: noMemory },
  },
  KVM_CREATE_VCPU: {
    on: "vm",
    method: "createVcpu",
    request: "0x41, id",
    errors: {
      EAGAIN: "the process has as many threads for vCPUs as it may",
      EBADF: closed,
      EEXIST: "the VM has a vCPU of that id",
      EINVAL: "id of KVM_CAP_MAX_VCPU_ID or more, more than KVM_CAP_MAX_VCPUS, or not the thread that created the VM",
      ENOMEM: noMemory,
    },
  },
  KVM_SET_USER_MEMORY_REGION: {
    on: "vm",
    method: "setUserMemoryRegion",
    request: "0x46, struct kvm_userspace_memory_region",
    cap: "KVM_CAP_USER_MEMORY",
    errors: {
      EBADF: closed,
      EEXIST: "overlaps another slot",
      EFAULT: "the backing does not lie in the VM's memory",
      EINVAL:
        "misaligned, wraps, unknown flag, address space, slot of KVM_CAP_NR_MEMSLOTS or more, absent slot deleted, or size, backing or READONLY changed",
      ENOMEM: "no memory for the dirty log",
    },
  },
  KVM_GET_DIRTY_LOG: {
    on: "vm",
    method: "getDirtyLog",
    request: "0x42, struct kvm_dirty_log",
    errors: {
      ENOENT: "the slot does not exist or logs nothing",
      ENXIO: "dirty rings are used, without KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP",
    },
  },
  KVM_CLEAR_DIRTY_LOG: {
    on: "vm",
    method: "clearDirtyLog",
    request: "0xc0, struct kvm_clear_dirty_log",
    cap: "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2",
    errors: {
      EFAULT: "the bitmap is too short",
      EINVAL: "not a range of the slot, or it does not begin and end at multiples of 64 pages or the slot's end",
      ENOENT: "the slot does not exist or logs nothing",
      ENXIO: "dirty rings are used, without KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP",
    },
  },
  KVM_RESET_DIRTY_RINGS: {
    on: "vm",
    method: "resetDirtyRings",
    request: "0xc7",
    cap: "KVM_CAP_DIRTY_LOG_RING_ACQ_REL",
    errors: { EINVAL: "the VM has no dirty rings" },
  },
  "KVM_ENABLE_CAP (vm)": {
    on: "vm",
    method: "enableCap",
    request: "0xa3, struct kvm_enable_cap",
    cap: "KVM_CAP_ENABLE_CAP_VM",
    errors: {
      E2BIG: "a dirty ring of more than KVM_CAP_DIRTY_LOG_RING says",
      EBADF: closed,
      EBUSY: "KVM_CAP_PPC_SMT: the VM has vCPUs",
      EINVAL: "the extension cannot be enabled on a VM, flags, or arguments that it does not take",
    },
  },
  "KVM_ENABLE_CAP (vcpu)": {
    on: "vcpu",
    method: "enableCap",
    request: "0xa3, struct kvm_enable_cap",
    cap: "KVM_CAP_ENABLE_CAP",
    errors: {
      EBADF: "KVM_CAP_IRQ_XICS, KVM_CAP_PPC_IRQ_XIVE: the first argument is no device's fd, or there is no such device",
      EBUSY: "the vCPU has an interrupt controller",
      EEXIST: "KVM_CAP_IRQ_XICS, KVM_CAP_PPC_IRQ_XIVE: the server has a vCPU",
      EINVAL: "the extension cannot be enabled on a vCPU, flags, or arguments that it does not take",
      ENOMEM: `KVM_CAP_PPC_IRQ_XIVE: ${noMemory}`,
      EPERM: "KVM_CAP_IRQ_XICS, KVM_CAP_PPC_IRQ_XIVE: the fd is another device's",
    },
  },
  eventfd: {
    on: "vm",
    method: "createEventFd",
    request: "a system call",
    errors: { EBADF: closed, ENOMEM: "the VM has as many eventfds as it may" },
  },
  "eventfd (by number)": {
    on: "vm",
    method: "eventFd",
    request: "a file descriptor's number",
    errors: { EBADF: "none of that number is open" },
  },
  "write (eventfd)": { on: "eventfd", method: "signal", request: "a system call", errors: { EBADF: closed } },
  KVM_IRQFD: {
    on: "vm",
    method: "irqfd",
    request: "0x76, struct kvm_irqfd",
    cap: "KVM_CAP_IRQFD",
    errors: {
      EAGAIN: "the VM has no interrupt controller yet",
      EBADF: "fd, or with KVM_IRQFD_FLAG_RESAMPLE resamplefd, is closed or absent",
      EBUSY: "the eventfd is bound to an interrupt",
      EINVAL: "unknown flags, or no interrupt's number",
    },
  },
  KVM_IOEVENTFD: {
    on: "vm",
    method: "ioeventfd",
    request: "0x79, struct kvm_ioeventfd",
    cap: "KVM_CAP_IOEVENTFD",
    errors: {
      EBADF: "the eventfd is closed",
      EEXIST: "another would take the same writes",
      EINVAL: "length not 0, 1, 2, 4 or 8, the range wraps, unknown flags, or length 0 with DATAMATCH",
      ENOENT: "nothing like that to deassign",
      ENOSPC: "the VM has as many as it may",
    },
  },
  KVM_IRQ_LINE: {
    on: "vm",
    method: "irqLine",
    request: "0x61, struct kvm_irq_level",
    errors: { EINVAL: "no such interrupt", ENXIO: "the VM has no interrupt controller in the kernel side" },
  },
  KVM_SET_GSI_ROUTING: {
    on: "vm",
    method: "setGsiRouting",
    request: "0x6a, struct kvm_irq_routing",
    cap: "KVM_CAP_IRQ_ROUTING",
    errors: {
      EINVAL:
        "more than KVM_CAP_IRQ_ROUTING entries, a gsi of as many or more, one twice, unknown type, controller or pin",
      ENOMEM: noMemory,
    },
  },
  KVM_SIGNAL_MSI: {
    on: "vm",
    method: "signalMsi",
    request: "0xa5, struct kvm_msi",
    cap: "KVM_CAP_SIGNAL_MSI",
    errors: { EINVAL: "the VM has no interrupt controller in the kernel side" },
  },
  KVM_CREATE_DEVICE: {
    on: "vm",
    method: "createDevice",
    request: "0xe0, struct kvm_create_device",
    cap: "KVM_CAP_DEVICE_CTRL",
    errors: {
      EBADF: closed,
      EBUSY: "KVM_DEV_TYPE_VFIO: the VM has one",
      EEXIST: "the VM has one, or another interrupt controller",
      EINVAL: "unknown flags",
      ENODEV: "no such type",
      ENOMEM: noMemory,
    },
  },
  KVM_SET_DEVICE_ATTR: {
    on: "device",
    method: "setAttr",
    request: "0xe1, struct kvm_device_attr",
    cap: "KVM_CAP_DEVICE_CTRL",
    errors: {
      E2BIG: "KVM_DEV_XIVE_GRP_SOURCE: no number of a source",
      EBADF: "KVM_DEV_VFIO_FILE_ADD, _DEL, KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: no open file has that number",
      EBUSY:
        "KVM_DEV_XICS_NR_SERVERS, KVM_DEV_XIVE_NR_SERVERS once a vCPU is connected; KVM_DEV_XIVE_GRP_SOURCE_CONFIG: the queue takes no more sources",
      EEXIST:
        "KVM_DEV_VFIO_FILE_ADD: the file is added already; KVM_DEV_XIVE_GRP_PAGES: there is memory, or other pages",
      EINVAL:
        "a value that the attribute does not take; KVM_DEV_XIVE_GRP_SOURCE_CONFIG, _SYNC: the source has not been made",
      ENOENT:
        "KVM_DEV_VFIO_FILE_DEL, KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: the file has not been added; XIVE: no such source, or the server has no vCPU",
      ENOMEM: noMemory,
      ENXIO: "unknown group or attribute; KVM_DEV_XIVE_GRP_SOURCE_CONFIG: the server has no such queue",
    },
  },
  KVM_GET_DEVICE_ATTR: {
    on: "device",
    method: "getAttr",
    request: "0xe2, struct kvm_device_attr",
    cap: "KVM_CAP_DEVICE_CTRL",
    errors: {
      EINVAL: "KVM_DEV_XIVE_GRP_EQ_CONFIG: the priority",
      ENOENT: "the source does not exist, or the server has no vCPU",
      ENXIO: "unknown group or attribute",
    },
  },
  KVM_HAS_DEVICE_ATTR: {
    on: "device",
    method: "hasAttr",
    request: "0xe3, struct kvm_device_attr; ENXIO is `false` here",
    cap: "KVM_CAP_DEVICE_CTRL",
    errors: {},
  },
  "KVM_GET_STATS_FD (vm)": {
    on: "vm",
    method: "getStatsFd",
    request: "0xce",
    cap: "KVM_CAP_BINARY_STATS_FD",
    errors: { EBADF: closed },
  },
  "KVM_GET_STATS_FD (vcpu)": {
    on: "vcpu",
    method: "getStatsFd",
    request: "0xce",
    cap: "KVM_CAP_BINARY_STATS_FD",
    errors: { EBADF: closed },
  },
  "pread (stats)": {
    on: "stats",
    method: "pread",
    request: "a system call",
    errors: { EBADF: closed, EINVAL: "a negative offset" },
  },
  "read (stats)": { on: "stats", method: "read", request: "a system call", errors: { EBADF: closed } },
  KVM_RUN: {
    on: "vcpu",
    method: "run",
    request: "0x80; EINTR is the exit `intr` here",
    errors: {
      EBADF: closed,
      EBUSY: "another thread is in it",
      EINVAL: "it is to wait where nothing could wake it: the VM's memory is not shared",
    },
  },
  KVM_GET_REGS: { on: "vcpu", method: "getRegs", request: "0x81, struct kvm_regs", errors: {} },
  KVM_SET_REGS: {
    on: "vcpu",
    method: "setRegs",
    request: "0x82, struct kvm_regs",
    errors: { EINVAL: "not all registers, or no numbers" },
  },
  KVM_GET_SREGS: { on: "vcpu", method: "getSregs", request: "0x83, struct kvm_sregs", errors: {} },
  KVM_SET_SREGS: {
    on: "vcpu",
    method: "setSregs",
    request: "0x84, struct kvm_sregs",
    errors: { EINVAL: "not all registers, or no numbers" },
  },
  KVM_GET_ONE_REG: {
    on: "vcpu",
    method: "getOneReg",
    request: "0xab, struct kvm_one_reg",
    cap: "KVM_CAP_ONE_REG",
    errors: {
      EINVAL: "known, but of another size",
      ENOENT: "no such register",
      ENXIO: "KVM_REG_PPC_ICP_STATE of a vCPU without a XICS, KVM_REG_PPC_VP_STATE of one without a XIVE",
    },
  },
  KVM_SET_ONE_REG: {
    on: "vcpu",
    method: "setOneReg",
    request: "0xac, struct kvm_one_reg",
    cap: "KVM_CAP_ONE_REG",
    errors: {
      EINVAL: "known, but of another size, or a value that it does not take",
      ENOENT: "no such register",
      ENXIO: "KVM_REG_PPC_ICP_STATE of a vCPU without a XICS, KVM_REG_PPC_VP_STATE of one without a XIVE",
    },
  },
  KVM_GET_REG_LIST: {
    on: "vcpu",
    method: "getRegList",
    request: "0xb0, struct kvm_reg_list; Linux has it on other architectures only",
    cap: "KVM_CAP_ONE_REG",
    errors: {},
  },
  KVM_INTERRUPT: {
    on: "vcpu",
    method: "interrupt",
    request: "0x86, struct kvm_interrupt",
    errors: { EINVAL: "no kind of interrupt" },
  },
  KVM_SET_GUEST_DEBUG: {
    on: "vcpu",
    method: "setGuestDebug",
    request: "0x9b, struct kvm_guest_debug",
    cap: "KVM_CAP_SET_GUEST_DEBUG",
    errors: { EINVAL: "unknown control bits, or more breakpoints than there are" },
  },
  KVM_GET_MP_STATE: {
    on: "vcpu",
    method: "getMpState",
    request: "0x98, struct kvm_mp_state",
    cap: "KVM_CAP_MP_STATE",
    errors: { EINVAL: "always, on POWER: a processor that waits is the guest's and the user side's affair" },
  },
  KVM_SET_MP_STATE: {
    on: "vcpu",
    method: "setMpState",
    request: "0x99, struct kvm_mp_state",
    cap: "KVM_CAP_MP_STATE",
    errors: { EINVAL: "always, on POWER" },
  },
} as const satisfies Readonly<Record<string, Call>>;

export type NeutralCall = keyof typeof calls;
