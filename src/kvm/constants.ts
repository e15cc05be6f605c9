/** Constants of the KVM API, names and numbers as in Linux's include/uapi/linux/kvm.h. */
import { taking, wholeNumber } from "../base/takes.js";

export const KVM_API_VERSION = 12;

// Types of a VM on POWER (KVM_CREATE_VM).
export const KVM_VM_PPC_HV = 1;
export const KVM_VM_PPC_PR = 2;

// Extensions (KVM_CHECK_EXTENSION, KVM_ENABLE_CAP).
export const KVM_CAP_IRQCHIP = 0;
export const KVM_CAP_HLT = 1;
export const KVM_CAP_USER_MEMORY = 3;
export const KVM_CAP_NR_VCPUS = 9;
export const KVM_CAP_NR_MEMSLOTS = 10;
export const KVM_CAP_MP_STATE = 14;
export const KVM_CAP_SYNC_MMU = 16;
export const KVM_CAP_DESTROY_MEMORY_REGION_WORKS = 21;
export const KVM_CAP_SET_GUEST_DEBUG = 23;
export const KVM_CAP_IRQ_ROUTING = 25;
export const KVM_CAP_IRQFD = 32;
export const KVM_CAP_IOEVENTFD = 36;
export const KVM_CAP_INTERNAL_ERROR_DATA = 40;
export const KVM_CAP_PPC_SEGSTATE = 43;
export const KVM_CAP_PPC_PAIRED_SINGLES = 48;
export const KVM_CAP_PPC_OSI = 52;
export const KVM_CAP_PPC_UNSET_IRQ = 53;
export const KVM_CAP_ENABLE_CAP = 54;
export const KVM_CAP_PPC_GET_PVINFO = 57;
export const KVM_CAP_PPC_IRQ_LEVEL = 58;
export const KVM_CAP_SPAPR_TCE = 63;
export const KVM_CAP_PPC_SMT = 64;
export const KVM_CAP_MAX_VCPUS = 66;
export const KVM_CAP_PPC_HIOR = 67;
export const KVM_CAP_PPC_PAPR = 68;
export const KVM_CAP_ONE_REG = 70;
export const KVM_CAP_SIGNAL_MSI = 77;
export const KVM_CAP_PPC_GET_SMMU_INFO = 78;
export const KVM_CAP_PPC_ALLOC_HTAB = 80;
export const KVM_CAP_READONLY_MEM = 81;
export const KVM_CAP_IRQFD_RESAMPLE = 82;
export const KVM_CAP_PPC_HTAB_FD = 84;
export const KVM_CAP_DEVICE_CTRL = 89;
export const KVM_CAP_PPC_RTAS = 91;
export const KVM_CAP_IRQ_XICS = 92;
export const KVM_CAP_SPAPR_MULTITCE = 94;
export const KVM_CAP_ENABLE_CAP_VM = 98;
export const KVM_CAP_IOEVENTFD_NO_LENGTH = 100;
export const KVM_CAP_PPC_ENABLE_HCALL = 104;
export const KVM_CAP_CHECK_EXTENSION_VM = 105;
export const KVM_CAP_PPC_HWRNG = 115;
export const KVM_CAP_MULTI_ADDRESS_SPACE = 118;
export const KVM_CAP_GUEST_DEBUG_HW_BPS = 119;
export const KVM_CAP_IOEVENTFD_ANY_LENGTH = 122;
export const KVM_CAP_SPAPR_TCE_64 = 125;
export const KVM_CAP_MAX_VCPU_ID = 128;
export const KVM_CAP_PPC_HTM = 132;
export const KVM_CAP_SPAPR_RESIZE_HPT = 133;
export const KVM_CAP_PPC_MMU_RADIX = 134;
export const KVM_CAP_PPC_MMU_HASH_V3 = 135;
export const KVM_CAP_IMMEDIATE_EXIT = 136;
export const KVM_CAP_SPAPR_TCE_VFIO = 142;
export const KVM_CAP_PPC_FWNMI = 146;
export const KVM_CAP_PPC_SMT_POSSIBLE = 147;
export const KVM_CAP_PPC_GET_CPU_CHAR = 151;
export const KVM_CAP_PPC_NESTED_HV = 160;
export const KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 = 168;
export const KVM_CAP_HALT_POLL = 182;
export const KVM_CAP_PPC_IRQ_XIVE = 169;
export const KVM_CAP_PPC_GUEST_DEBUG_SSTEP = 176;
export const KVM_CAP_PPC_SECURE_GUEST = 181;
export const KVM_CAP_DIRTY_LOG_RING = 192;
export const KVM_CAP_PPC_DAWR1 = 194;
export const KVM_CAP_PPC_RPT_INVALIDATE = 202;
export const KVM_CAP_BINARY_STATS_FD = 203;
export const KVM_CAP_PPC_AIL_MODE_3 = 210;
export const KVM_CAP_DIRTY_LOG_RING_ACQ_REL = 223;
export const KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP = 225;
export const KVM_CAP_MEMORY_FAULT_INFO = 232;

// Memory slots.
export const KVM_MEM_LOG_DIRTY_PAGES = 1;
export const KVM_MEM_READONLY = 2;
/** Argument of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: reading the log does not clear it. */
export const KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE = 1;
/** Argument of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: every page starts out dirty. */
export const KVM_DIRTY_LOG_INITIALLY_SET = 2;

/** Most entries of a vCPU's dirty ring; KVM_CAP_DIRTY_LOG_RING answers with their bytes. */
export const KVM_DIRTY_RING_MAX_ENTRIES = 65536;
/** Flag of an entry (struct kvm_dirty_gfn): the kernel side has filled it. */
export const KVM_DIRTY_GFN_F_DIRTY = 1;
/** Flag of an entry: the user side has taken it, KVM_RESET_DIRTY_RINGS may have it back. */
export const KVM_DIRTY_GFN_F_RESET = 2;

// Exit reasons, as numbers; Exit itself names them by word.
export const KVM_EXIT_UNKNOWN = 0;
export const KVM_EXIT_DEBUG = 4;
export const KVM_EXIT_HLT = 5;
export const KVM_EXIT_MMIO = 6;
export const KVM_EXIT_SHUTDOWN = 8;
export const KVM_EXIT_FAIL_ENTRY = 9;
export const KVM_EXIT_INTR = 10;
export const KVM_EXIT_NMI = 16;
export const KVM_EXIT_INTERNAL_ERROR = 17;
export const KVM_EXIT_OSI = 18;
export const KVM_EXIT_PAPR_HCALL = 19;
export const KVM_EXIT_WATCHDOG = 21;
export const KVM_EXIT_EPR = 23;
export const KVM_EXIT_SYSTEM_EVENT = 24;
export const KVM_EXIT_DIRTY_RING_FULL = 31;
export const KVM_EXIT_MEMORY_FAULT = 39;

export const KVM_INTERNAL_ERROR_EMULATION = 1;
export const KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON = 4;

export const KVM_SYSTEM_EVENT_SHUTDOWN = 1;
export const KVM_SYSTEM_EVENT_RESET = 2;
export const KVM_SYSTEM_EVENT_CRASH = 3;

// Flags of KVM_EXIT_NMI on POWER: how far the machine recovered from the machine check.
export const KVM_RUN_PPC_NMI_DISP_MASK = 3;
export const KVM_RUN_PPC_NMI_DISP_FULLY_RECOV = 1;
export const KVM_RUN_PPC_NMI_DISP_LIMITED_RECOV = 2;
export const KVM_RUN_PPC_NMI_DISP_NOT_RECOV = 3;

// Events and interrupts.
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1;
export const KVM_IOEVENTFD_FLAG_PIO = 2;
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 4;
export const KVM_IRQFD_FLAG_DEASSIGN = 1;
export const KVM_IRQFD_FLAG_RESAMPLE = 2;
export const KVM_IRQ_ROUTING_IRQCHIP = 1;
export const KVM_IRQ_ROUTING_MSI = 2;

// Devices.
export const KVM_CREATE_DEVICE_TEST = 1;
export const KVM_DEV_TYPE_XICS = 3;
export const KVM_DEV_TYPE_VFIO = 4;
export const KVM_DEV_TYPE_XIVE = 9;

// The KVM-VFIO device's attributes. GROUP_ADD and GROUP_DEL are FILE_ADD and FILE_DEL.
export const KVM_DEV_VFIO_FILE = 1;
export const KVM_DEV_VFIO_FILE_ADD = 1n;
export const KVM_DEV_VFIO_FILE_DEL = 2n;
export const KVM_DEV_VFIO_GROUP = KVM_DEV_VFIO_FILE;
export const KVM_DEV_VFIO_GROUP_ADD = KVM_DEV_VFIO_FILE_ADD;
export const KVM_DEV_VFIO_GROUP_DEL = KVM_DEV_VFIO_FILE_DEL;
export const KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE = 3n;
/** The argument of KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: struct kvm_vfio_spapr_tce as a little-endian number. */
export const kvmVfioSpaprTce = taking(
  "kvmVfioSpaprTce",
  { groupfd: wholeNumber, tablefd: wholeNumber },
  (groupfd: number, tablefd: number): bigint =>
    BigInt.asUintN(32, BigInt(groupfd)) | (BigInt.asUintN(32, BigInt(tablefd)) << 32n),
);

// KVM_SET_GUEST_DEBUG.
export const KVM_GUESTDBG_ENABLE = 1;
export const KVM_GUESTDBG_SINGLESTEP = 2;
export const KVM_GUESTDBG_USE_SW_BP = 0x10000;
export const KVM_GUESTDBG_USE_HW_BP = 0x20000;

// Flags of a statistic's descriptor (KVM_GET_STATS_FD).
export const KVM_STATS_TYPE_CUMULATIVE = 0;
export const KVM_STATS_TYPE_INSTANT = 1;
export const KVM_STATS_UNIT_NONE = 0x00;
export const KVM_STATS_UNIT_BYTES = 0x10;
export const KVM_STATS_UNIT_SECONDS = 0x20;
export const KVM_STATS_UNIT_BOOLEAN = 0x40;
export const KVM_STATS_BASE_POW10 = 0x000;
export const KVM_STATS_BASE_POW2 = 0x100;

// KVM_INTERRUPT on POWER, as unsigned 32-bit numbers.
export const KVM_INTERRUPT_SET = 0xffffffff;
export const KVM_INTERRUPT_UNSET = 0xfffffffe;
export const KVM_INTERRUPT_SET_LEVEL = 0xfffffffd;

// Register identifiers (KVM_GET_ONE_REG): architecture, size, number.
export const KVM_REG_ARCH_MASK = 0xff00000000000000n;
export const KVM_REG_PPC = 0x1000000000000000n;
export const KVM_REG_SIZE_SHIFT = 52n;
export const KVM_REG_SIZE_MASK = 0x00f0000000000000n;
export const KVM_REG_SIZE_U32 = 0x0020000000000000n;
export const KVM_REG_SIZE_U64 = 0x0030000000000000n;
export const KVM_REG_SIZE_U128 = 0x0040000000000000n;
