/** Constants of the KVM API, names and numbers as in Linux's include/uapi/linux/kvm.h. */
import { taking, wholeNumber } from "../base/takes.js";

/** What KVM_GET_API_VERSION answers: it has been 12 since Linux 2.6.22, and will not change. */
export const KVM_API_VERSION = 12;

// Types of a VM on POWER (KVM_CREATE_VM).
/** KVM_CREATE_VM: exactly the implementation that translates, `hv`. EINVAL if it is not loaded. */
export const KVM_VM_PPC_HV = 1;
/** KVM_CREATE_VM: exactly the interpreter, `pr`. EINVAL if it is not loaded. */
export const KVM_VM_PPC_PR = 2;

/** Direction of the exit `io`: the guest reads a port. */
export const KVM_EXIT_IO_IN = 0;
/** Direction of the exit `io`: the guest writes a port. */
export const KVM_EXIT_IO_OUT = 1;

// Extensions (KVM_CHECK_EXTENSION, KVM_ENABLE_CAP).
/** There can be an interrupt controller on the kernel side. */
export const KVM_CAP_IRQCHIP = 0;
/** A halted vCPU can come back to the user side: the exit "hlt". */
export const KVM_CAP_HLT = 1;
/** KVM_SET_USER_MEMORY_REGION: `Vm.setUserMemoryRegion`. */
export const KVM_CAP_USER_MEMORY = 3;
/** x86: KVM_SET_TSS_ADDR. */
export const KVM_CAP_SET_TSS_ADDR = 4;
/** x86: KVM_TPR_ACCESS_REPORTING and KVM_SET_VAPIC_ADDR. */
export const KVM_CAP_VAPIC = 6;
/** x86: KVM_SET_CPUID2 and KVM_GET_SUPPORTED_CPUID. */
export const KVM_CAP_EXT_CPUID = 7;
/** Answers with the number of vCPUs that is recommended for a VM. */
export const KVM_CAP_NR_VCPUS = 9;
/** Answers with the number of memory slots of a VM. */
export const KVM_CAP_NR_MEMSLOTS = 10;
/** KVM_GET_MP_STATE and KVM_SET_MP_STATE. POWER has neither. */
export const KVM_CAP_MP_STATE = 14;
/** What the user side changes in the memory behind a slot is seen by the guest at once. */
export const KVM_CAP_SYNC_MMU = 16;
/** A slot can be deleted: `memorySize` 0. */
export const KVM_CAP_DESTROY_MEMORY_REGION_WORKS = 21;
/** KVM_SET_GUEST_DEBUG: `Vcpu.setGuestDebug`. */
export const KVM_CAP_SET_GUEST_DEBUG = 23;
/** x86: KVM_REINJECT_CONTROL. */
export const KVM_CAP_REINJECT_CONTROL = 24;
/** KVM_SET_GSI_ROUTING: `Vm.setGsiRouting`. Answers with the most entries. */
export const KVM_CAP_IRQ_ROUTING = 25;
/** KVM_IRQFD: `Vm.irqfd`. */
export const KVM_CAP_IRQFD = 32;
/** x86: KVM_CREATE_PIT2. */
export const KVM_CAP_PIT2 = 33;
/** x86: KVM_SET_BOOT_CPU_ID. */
export const KVM_CAP_SET_BOOT_CPU_ID = 34;
/** KVM_IOEVENTFD: `Vm.ioeventfd`. */
export const KVM_CAP_IOEVENTFD = 36;
/** x86: KVM_SET_IDENTITY_MAP_ADDR. */
export const KVM_CAP_SET_IDENTITY_MAP_ADDR = 37;
/** x86: KVM_GET_CLOCK and KVM_SET_CLOCK. Answers with the flags KVM_CLOCK_* that there are. */
export const KVM_CAP_ADJUST_CLOCK = 39;
/** The exit "internal_error" has `data`. */
export const KVM_CAP_INTERNAL_ERROR_DATA = 40;
/** x86: KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS. */
export const KVM_CAP_VCPU_EVENTS = 41;
/** struct kvm_sregs has segments and SLB entries of POWER. */
export const KVM_CAP_PPC_SEGSTATE = 43;
/** Paired singles, of some 32-bit processors. */
export const KVM_CAP_PPC_PAIRED_SINGLES = 48;
/** `Vcpu.getDebugregs` and `setDebugregs` of x86. */
export const KVM_CAP_DEBUGREGS = 50;
/** To be enabled of a vCPU: calls of the open source interface leave with the exit "osi". */
export const KVM_CAP_PPC_OSI = 52;
/** KVM_INTERRUPT takes KVM_INTERRUPT_UNSET. */
export const KVM_CAP_PPC_UNSET_IRQ = 53;
/** KVM_ENABLE_CAP of a vCPU: `Vcpu.enableCap`. */
export const KVM_CAP_ENABLE_CAP = 54;
/** `Vcpu.getXsave` and `setXsave` of x86. */
export const KVM_CAP_XSAVE = 55;
/** `Vcpu.getXcrs` and `setXcrs` of x86. */
export const KVM_CAP_XCRS = 56;
/** KVM_PPC_GET_PVINFO: `PpcVm.getPvinfo`. */
export const KVM_CAP_PPC_GET_PVINFO = 57;
/** KVM_INTERRUPT takes KVM_INTERRUPT_SET_LEVEL. */
export const KVM_CAP_PPC_IRQ_LEVEL = 58;
/** x86: KVM_GET_TSC_KHZ. */
export const KVM_CAP_GET_TSC_KHZ = 61;
/** KVM_CREATE_SPAPR_TCE: TCE tables for 32-bit windows, which PAPR's H_PUT_TCE and its like fill. */
export const KVM_CAP_SPAPR_TCE = 63;
/**
 * Threads of a core: answers with the number that guests see. To be enabled of a VM, before it has a vCPU: args 0 is
 * that number.
 */
export const KVM_CAP_PPC_SMT = 64;
/** Answers with the most vCPUs of a VM. */
export const KVM_CAP_MAX_VCPUS = 66;
/** HIOR, from where 32-bit and old 64-bit processors take exceptions, can be set. */
export const KVM_CAP_PPC_HIOR = 67;
/** To be enabled of a vCPU: hypercalls are PAPR's, and problem state stays out of hypervisor resources. */
export const KVM_CAP_PPC_PAPR = 68;
/** KVM_GET_ONE_REG and KVM_SET_ONE_REG: `Vcpu.getOneReg`, `setOneReg`. */
export const KVM_CAP_ONE_REG = 70;
/** x86: local APICs' timers have the mode that goes by the time-stamp counter. */
export const KVM_CAP_TSC_DEADLINE_TIMER = 72;
/** x86: KVM_KVMCLOCK_CTRL. */
export const KVM_CAP_KVMCLOCK_CTRL = 76;
/** KVM_SIGNAL_MSI: `Vm.signalMsi`. */
export const KVM_CAP_SIGNAL_MSI = 77;
/** KVM_PPC_GET_SMMU_INFO: `PpcVm.getSmmuInfo`. */
export const KVM_CAP_PPC_GET_SMMU_INFO = 78;
/** KVM_PPC_ALLOCATE_HTAB: `PpcVm.allocateHtab`. */
export const KVM_CAP_PPC_ALLOC_HTAB = 80;
/** Slots can have KVM_MEM_READONLY. */
export const KVM_CAP_READONLY_MEM = 81;
/** KVM_IRQFD takes KVM_IRQFD_FLAG_RESAMPLE. */
export const KVM_CAP_IRQFD_RESAMPLE = 82;
/** KVM_PPC_GET_HTAB_FD: `PpcVm.getHtabFd`. */
export const KVM_CAP_PPC_HTAB_FD = 84;
/** KVM_CREATE_DEVICE and devices' attributes: `Vm.createDevice`, `Device`. */
export const KVM_CAP_DEVICE_CTRL = 89;
/** KVM_PPC_RTAS_DEFINE_TOKEN: `PpcVm.rtasDefineToken`. */
export const KVM_CAP_PPC_RTAS = 91;
/** To be enabled of a vCPU: connects it to the XICS. args 0 is the device's `fd`, args 1 its server number there. */
export const KVM_CAP_IRQ_XICS = 92;
/** H_PUT_TCE_INDIRECT and H_STUFF_TCE are answered on the kernel side. */
export const KVM_CAP_SPAPR_MULTITCE = 94;
/** x86: KVM_GET_EMULATED_CPUID. */
export const KVM_CAP_EXT_EMUL_CPUID = 95;
/** KVM_ENABLE_CAP of a VM: `Vm.enableCap`. */
export const KVM_CAP_ENABLE_CAP_VM = 98;
/** KVM_IOEVENTFD takes length 0. */
export const KVM_CAP_IOEVENTFD_NO_LENGTH = 100;
/**
 * To be enabled of a VM: args 0 is a hypercall's number, args 1 whether (1) the kernel side handles it or (0) the user
 * side.
 */
export const KVM_CAP_PPC_ENABLE_HCALL = 104;
/** KVM_CHECK_EXTENSION of a VM: `Vm.checkExtension`. */
export const KVM_CAP_CHECK_EXTENSION_VM = 105;
/** H_RANDOM is answered on the kernel side. */
export const KVM_CAP_PPC_HWRNG = 115;
/** x86: KVM_SMI: `X86Vcpu.smi`. There is no system management mode. */
export const KVM_CAP_X86_SMM = 117;
/** Answers with the number of address spaces of a VM. */
export const KVM_CAP_MULTI_ADDRESS_SPACE = 118;
/** Answers with the number of hardware breakpoints of KVM_SET_GUEST_DEBUG. */
export const KVM_CAP_GUEST_DEBUG_HW_BPS = 119;
/**
 * x86: to be enabled of a VM before it has a vCPU, instead of KVM_CREATE_IRQCHIP: local APICs are the kernel side's, the other
 * controllers the user side's. args 0 is how many pins its IOAPICs have: gsis below that are theirs.
 */
export const KVM_CAP_SPLIT_IRQCHIP = 121;
/** KVM_IOEVENTFD takes length 0 on every bus. */
export const KVM_CAP_IOEVENTFD_ANY_LENGTH = 122;
/** KVM_CREATE_SPAPR_TCE_64: `PpcVm.createSpaprTce`. */
export const KVM_CAP_SPAPR_TCE_64 = 125;
/** Answers with one more than the largest identifier of a vCPU. */
export const KVM_CAP_MAX_VCPU_ID = 128;
/** x86: to be enabled of a VM: args 0 is KVM_X2APIC_API_*. Answers with those that there are. */
export const KVM_CAP_X2APIC_API = 129;
/** Transactional memory. */
export const KVM_CAP_PPC_HTM = 132;
/** KVM_PPC_RESIZE_HPT_PREPARE and _COMMIT: `PpcVm.resizeHptPrepare`, `resizeHptCommit`. */
export const KVM_CAP_SPAPR_RESIZE_HPT = 133;
/** Guests can have radix translation. */
export const KVM_CAP_PPC_MMU_RADIX = 134;
/** Guests can have POWER9's hashed translation, with a process table. */
export const KVM_CAP_PPC_MMU_HASH_V3 = 135;
/** `Vcpu.immediateExit`. */
export const KVM_CAP_IMMEDIATE_EXIT = 136;
/** Devices assigned by VFIO follow TCE tables: KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE. */
export const KVM_CAP_SPAPR_TCE_VFIO = 142;
/** x86: to be enabled of a VM before it has a vCPU: args 0 is KVM_X86_DISABLE_EXITS_*. Answers with those that there are. */
export const KVM_CAP_X86_DISABLE_EXITS = 143;
/** To be enabled of a VM: machine checks leave with the exit "nmi" instead of an interrupt of the guest's. */
export const KVM_CAP_PPC_FWNMI = 146;
/** Answers with which numbers KVM_CAP_PPC_SMT takes: bit n for 2^n threads of a core. */
export const KVM_CAP_PPC_SMT_POSSIBLE = 147;
/** KVM_PPC_GET_CPU_CHAR: `PpcVm.getCpuChar`. */
export const KVM_CAP_PPC_GET_CPU_CHAR = 151;
/** x86: KVM_GET_MSRS of the system, and KVM_GET_MSR_FEATURE_INDEX_LIST. */
export const KVM_CAP_GET_MSR_FEATURES = 153;
/** x86: KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE. Guests have no guests. */
export const KVM_CAP_NESTED_STATE = 157;
/** Guests that have guests. */
export const KVM_CAP_PPC_NESTED_HV = 160;
/** x86: to be enabled of a VM: KVM_GET_VCPU_EVENTS has exceptions' payloads; args 0 is 1 or 0. */
export const KVM_CAP_EXCEPTION_PAYLOAD = 164;
/** Answers with the bits KVM_DIRTY_LOG_* that it takes. To be enabled of a VM: args 0 is these. */
export const KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 = 168;
/** To be enabled of a VM: how long a halted vCPU polls before it sleeps; args 0, nanoseconds. */
export const KVM_CAP_HALT_POLL = 182;
/** To be enabled of a vCPU: connects it to the XIVE. args 0 is the device's `fd`, args 1 its server number there. */
export const KVM_CAP_PPC_IRQ_XIVE = 169;
/** KVM_SET_GUEST_DEBUG takes KVM_GUESTDBG_SINGLESTEP. */
export const KVM_CAP_PPC_GUEST_DEBUG_SSTEP = 176;
/** Guests of an ultravisor. */
export const KVM_CAP_PPC_SECURE_GUEST = 181;
/** x86: to be enabled of a VM: args 0 is KVM_MSR_EXIT_REASON_*, for which accesses leave with "x86_rdmsr" and "x86_wrmsr". */
export const KVM_CAP_X86_USER_SPACE_MSR = 188;
/** x86: KVM_X86_SET_MSR_FILTER. */
export const KVM_CAP_X86_MSR_FILTER = 189;
/** Dirty rings, for who writes their flags in the order of x86. Answers with the most bytes of one. */
export const KVM_CAP_DIRTY_LOG_RING = 192;
/** POWER10's second watchpoint. */
export const KVM_CAP_PPC_DAWR1 = 194;
/** x86: answers with the bits of `control` that KVM_SET_GUEST_DEBUG takes. */
export const KVM_CAP_SET_GUEST_DEBUG2 = 195;
/** x86: KVM_GET_SREGS2 and KVM_SET_SREGS2. */
export const KVM_CAP_SREGS2 = 200;
/** x86: to be enabled of a VM: args 0 has a bit for each hypercall that leaves with "hypercall"; KVM_EXIT_HYPERCALL_VALID_MASK. */
export const KVM_CAP_EXIT_HYPERCALL = 201;
/** H_RPT_INVALIDATE is answered on the kernel side. */
export const KVM_CAP_PPC_RPT_INVALIDATE = 202;
/** KVM_GET_STATS_FD: `getStatsFd`. */
export const KVM_CAP_BINARY_STATS_FD = 203;
/** Answers with how many bytes `Vcpu.getXsave2` gives. */
export const KVM_CAP_XSAVE2 = 208;
/** H_SET_MODE takes alternate interrupt location 3. */
export const KVM_CAP_PPC_AIL_MODE_3 = 210;
/** x86: KVM_GET_TSC_KHZ and KVM_SET_TSC_KHZ of a VM. */
export const KVM_CAP_VM_TSC_CONTROL = 214;
/** x86: to be enabled of a VM: KVM_GET_VCPU_EVENTS has triple faults; args 0 is 1 or 0. */
export const KVM_CAP_X86_TRIPLE_FAULT_EVENT = 218;
/** x86: guests that take no events are left after a while. Processors here look for events as often as for their deadline. */
export const KVM_CAP_X86_NOTIFY_VMEXIT = 219;
/**
 * Dirty rings, whose flags are read and written with acquire and release, as Atomics do. Answers with the most bytes
 * of one. To be enabled of a VM before it has a vCPU: args 0 is the bytes of each, a power of two.
 */
export const KVM_CAP_DIRTY_LOG_RING_ACQ_REL = 223;
/** Beside dirty rings there are dirty logs, for what is written without a vCPU. To be enabled of a VM with rings. */
export const KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP = 225;
/** The exit of an access that cannot be resolved says where it was. */
export const KVM_CAP_MEMORY_FAULT_INFO = 232;

// Memory slots.
/** Flag of a memory slot: it is noted which of its pages are written. */
export const KVM_MEM_LOG_DIRTY_PAGES = 1;
/** Flag of a memory slot: guests read it, and their stores leave with the exit "mmio". */
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
/** Why the processor left is not known. */
export const KVM_EXIT_UNKNOWN = 0;
/** "hypercall". */
export const KVM_EXIT_HYPERCALL = 3;
/** "debug". */
export const KVM_EXIT_DEBUG = 4;
/** "hlt". */
export const KVM_EXIT_HLT = 5;
/** "mmio". */
export const KVM_EXIT_MMIO = 6;
/** "irq_window_open". */
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7;
/** "shutdown". */
export const KVM_EXIT_SHUTDOWN = 8;
/** "fail_entry". */
export const KVM_EXIT_FAIL_ENTRY = 9;
/** "intr". */
export const KVM_EXIT_INTR = 10;
/** "set_tpr". */
export const KVM_EXIT_SET_TPR = 11;
/** "tpr_access". */
export const KVM_EXIT_TPR_ACCESS = 12;
/** "nmi". */
export const KVM_EXIT_NMI = 16;
/** "internal_error". */
export const KVM_EXIT_INTERNAL_ERROR = 17;
/** "osi". */
export const KVM_EXIT_OSI = 18;
/** "papr_hcall". */
export const KVM_EXIT_PAPR_HCALL = 19;
/** A watchdog of Book E's: no exit here. */
export const KVM_EXIT_WATCHDOG = 21;
/** An acknowledgement of Book E's: no exit here. */
export const KVM_EXIT_EPR = 23;
/** "system_event". */
export const KVM_EXIT_SYSTEM_EVENT = 24;
/** "ioapic_eoi". */
export const KVM_EXIT_IOAPIC_EOI = 26;
/** "x86_rdmsr". */
export const KVM_EXIT_X86_RDMSR = 29;
/** "x86_wrmsr". */
export const KVM_EXIT_X86_WRMSR = 30;
/** "dirty_ring_full". */
export const KVM_EXIT_DIRTY_RING_FULL = 31;
/** A guest that takes no events: no exit here. */
export const KVM_EXIT_NOTIFY = 37;
/** An access that cannot be resolved: no exit here. */
export const KVM_EXIT_MEMORY_FAULT = 39;

/** `suberror` of "internal_error": an instruction cannot be emulated. */
export const KVM_INTERNAL_ERROR_EMULATION = 1;
/** `suberror` of "internal_error": the engine left for a reason that is not to be. */
export const KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON = 4;

/** `type` of "system_event": the guest turned itself off. */
export const KVM_SYSTEM_EVENT_SHUTDOWN = 1;
/** `type` of "system_event": the guest wants to begin again. */
export const KVM_SYSTEM_EVENT_RESET = 2;
/** `type` of "system_event": the guest cannot go on. */
export const KVM_SYSTEM_EVENT_CRASH = 3;

// Flags of KVM_EXIT_NMI on POWER: how far the machine recovered from the machine check.
/** The bits of `flags` of "nmi" that say how far the machine recovered from the machine check. */
export const KVM_RUN_PPC_NMI_DISP_MASK = 3;
/** It recovered. */
export const KVM_RUN_PPC_NMI_DISP_FULLY_RECOV = 1;
/** It recovered in part: something is lost. */
export const KVM_RUN_PPC_NMI_DISP_LIMITED_RECOV = 2;
/** It did not recover. */
export const KVM_RUN_PPC_NMI_DISP_NOT_RECOV = 3;

// Events and interrupts.
/** Only a store of `datamatch` signals. */
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1;
/** The address is a port of x86's: EINVAL on POWER. */
export const KVM_IOEVENTFD_FLAG_PIO = 2;
/** Takes the eventfd away that was bound so. ENOENT if none was. */
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 4;
/** Takes the eventfd away from the interrupt. */
export const KVM_IRQFD_FLAG_DEASSIGN = 1;
/** The interrupt is level triggered: `resamplefd` is signalled when the guest has ended it. */
export const KVM_IRQFD_FLAG_RESAMPLE = 2;
/** struct kvm_irq_routing_entry's type for an `IrqRoute` of type "irqchip". */
export const KVM_IRQ_ROUTING_IRQCHIP = 1;
/** struct kvm_irq_routing_entry's type for an `IrqRoute` of type "msi". */
export const KVM_IRQ_ROUTING_MSI = 2;

// Devices.
/** Flag of KVM_CREATE_DEVICE: only asks whether there can be one. */
export const KVM_CREATE_DEVICE_TEST = 1;
/** The XICS: an interrupt controller of PAPR's. */
export const KVM_DEV_TYPE_XICS = 3;
/** What makes devices of the host known to a VM: KVM-VFIO. */
export const KVM_DEV_TYPE_VFIO = 4;
/** The XIVE: POWER9's interrupt controller. */
export const KVM_DEV_TYPE_XIVE = 9;

// The KVM-VFIO device's attributes. GROUP_ADD and GROUP_DEL are FILE_ADD and FILE_DEL.
/** Group of attributes of KVM-VFIO: files of VFIO. Source: Documentation/virt/kvm/devices/vfio.rst. */
export const KVM_DEV_VFIO_FILE = 1;
/** Attribute: the VM gets to know the file whose `fd` is the value. EBADF, EEXIST. */
export const KVM_DEV_VFIO_FILE_ADD = 1n;
/** Attribute: the VM forgets it. ENOENT. */
export const KVM_DEV_VFIO_FILE_DEL = 2n;
/** KVM_DEV_VFIO_FILE under its older name. */
export const KVM_DEV_VFIO_GROUP = KVM_DEV_VFIO_FILE;
/** KVM_DEV_VFIO_FILE_ADD under its older name. */
export const KVM_DEV_VFIO_GROUP_ADD = KVM_DEV_VFIO_FILE_ADD;
/** KVM_DEV_VFIO_FILE_DEL under its older name. */
export const KVM_DEV_VFIO_GROUP_DEL = KVM_DEV_VFIO_FILE_DEL;
/** Attribute: a group's devices follow a TCE table; the value is `kvmVfioSpaprTce`'s. */
export const KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE = 3n;
/** The argument of KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: struct kvm_vfio_spapr_tce as a little-endian number. */
export const kvmVfioSpaprTce = taking(
  "kvmVfioSpaprTce",
  { groupfd: wholeNumber, tablefd: wholeNumber },
  (groupfd: number, tablefd: number): bigint =>
    BigInt.asUintN(32, BigInt(groupfd)) | (BigInt.asUintN(32, BigInt(tablefd)) << 32n),
);

// KVM_SET_GUEST_DEBUG.
/** `control` of KVM_SET_GUEST_DEBUG: debugging is on; without it all of it is off. */
export const KVM_GUESTDBG_ENABLE = 1;
/** `control`: the vCPU stops after each instruction. */
export const KVM_GUESTDBG_SINGLESTEP = 2;
/** `control`: it stops at the instruction that is a software breakpoint. */
export const KVM_GUESTDBG_USE_SW_BP = 0x10000;
/** `control`: it stops at `breakpoints`, on x86 at what `debugreg` says. */
export const KVM_GUESTDBG_USE_HW_BP = 0x20000;

// Flags of a statistic's descriptor (KVM_GET_STATS_FD).
/** It only grows. */
export const KVM_STATS_TYPE_CUMULATIVE = 0;
/** It is as at this moment. */
export const KVM_STATS_TYPE_INSTANT = 1;
/** It is a number of something. */
export const KVM_STATS_UNIT_NONE = 0x00;
/** It is bytes. */
export const KVM_STATS_UNIT_BYTES = 0x10;
/** It is seconds, times the base to its exponent. */
export const KVM_STATS_UNIT_SECONDS = 0x20;
/** It is 0 or 1. */
export const KVM_STATS_UNIT_BOOLEAN = 0x40;
/** The exponent is of 10. */
export const KVM_STATS_BASE_POW10 = 0x000;
/** The exponent is of 2. */
export const KVM_STATS_BASE_POW2 = 0x100;

// KVM_INTERRUPT on POWER, as unsigned 32-bit numbers.
/** An external interrupt, which is taken once. */
export const KVM_INTERRUPT_SET = 0xffffffff;
/** Takes it back. */
export const KVM_INTERRUPT_UNSET = 0xfffffffe;
/** An external interrupt until KVM_INTERRUPT_UNSET. */
export const KVM_INTERRUPT_SET_LEVEL = 0xfffffffd;

// Register identifiers (KVM_GET_ONE_REG): architecture, size, number.
/** Whose register it is. */
export const KVM_REG_ARCH_MASK = 0xff00000000000000n;
/** It is one of POWER's. */
export const KVM_REG_PPC = 0x1000000000000000n;
/** log2 of a register's bytes begins at this bit. */
export const KVM_REG_SIZE_SHIFT = 52n;
/** log2 of its bytes. */
export const KVM_REG_SIZE_MASK = 0x00f0000000000000n;
/** It has 32 bits. */
export const KVM_REG_SIZE_U32 = 0x0020000000000000n;
/** It has 64 bits. */
export const KVM_REG_SIZE_U64 = 0x0030000000000000n;
/** It has 128 bits. */
export const KVM_REG_SIZE_U128 = 0x0040000000000000n;
