/**
 * All that the user side (machines, devices, run loops) may see of KVM: the objects of Linux's /dev/kvm with their
 * names, semantics and errno, as TypeScript. Source: Documentation/virt/kvm/api.rst.
 *
 * Every method throws KvmError with the errno that Linux would return. Guest physical addresses, register values and
 * sizes of guest memory are bigint; addresses in the VM's own WebAssembly memory are plain numbers.
 */
export { Errno, type ErrnoName, KvmError } from "../base/errors.js";
export * from "./constants.js";
export { vmLayout } from "./layout.js";

/** What /dev/kvm answers to. */
export interface Kvm<V extends Vm = Vm> {
  /** KVM_GET_API_VERSION: 12. */
  getApiVersion(): number;
  /** KVM_CHECK_EXTENSION for the default type of VM: 0 if absent, else 1 or a number. Never throws. */
  checkExtension(cap: number): number;
  /**
   * KVM_CREATE_VM. Type 0 is the default implementation, KVM_VM_PPC_HV and KVM_VM_PPC_PR exactly that one.
   * EINVAL: no such type, or not loaded. ENOENT: the module is going away. ENOMEM: no address space.
   */
  createVm(type?: number, options?: VmOptions): V;
  /**
   * What `Vm.moveTo` asks of the kvm that the VM goes to, which may be of another version of this package.
   * EOPNOTSUPP: the state's format or the kind of memory is unknown here. EINVAL: no such type is loaded. ENOENT: the module
   * is going away.
   */
  takeOver(vm: LeavingVm): Arrival<V>;
}

/** A VM that is about to move. */
export interface LeavingVm {
  /** Of the saved state. */
  readonly format: number;
  /** The architecture's module, e.g. "powerpc". */
  readonly arch: string;
  /** As in KVM_CREATE_VM; 0: the implementation of the name. */
  readonly type: number;
  /** "hv" or "pr". */
  readonly implementation: string;
  /** All of it: RAM stays where it is. */
  readonly memory: WebAssembly.Memory;
  /** Number of this move, which tells handles from before it. */
  readonly generation: number;
  /** URLs of what other modules add to it, which must be there too. */
  readonly extensions?: readonly string[];
}

/** A VM's place in the kvm that it moves to, until it has come. */
export interface Arrival<V extends Vm = Vm> {
  /** What share() will give there. */
  readonly share: SharedVm;
  /** No vCPU runs. If it throws, the VM's memory is as it was. */
  arrive(saved: unknown): V;
  /** The VM does not come. */
  abandon(): void;
}

/** How a VM moves. */
export interface MoveOptions {
  /** The implementation there, as in KVM_CREATE_VM. Default: the one of the same name. */
  readonly type?: number;
  /**
   * Called before the guest stops, with what share() will give after the move: threads can be made ready that load what
   * attaching needs. If it rejects, the VM stays.
   */
  readonly prepare?: (share: SharedVm) => Promise<void>;
  /** How long vCPUs may take to leave the guest and to complete their exits, ms. Default: 1000. */
  readonly timeout?: number;
}

/** How a VM is stopped. */
export interface PauseOptions {
  /** How long vCPUs may take to leave the guest and to complete their exits, ms. Default: 1000. */
  readonly timeout?: number;
}

/**
 * What the kernel side holds of a VM as plain values: numbers, bigints, strings, byte arrays, and lists and objects of these.
 * Its contents are the kernel side's.
 */
export interface VmState {
  /** Counts up when a version's state cannot be read by those before it. */
  readonly format: number;
  /** The architecture's module, e.g. "powerpc". */
  readonly arch: string;
}

/** What a VM is made with. */
export interface VmOptions {
  /**
   * Most bytes of WebAssembly memory the VM may ever take (guest RAM and all else), at most 4 GiB. Default: 4 GiB, of
   * which only what is allocated costs memory.
   */
  readonly memoryLimit?: number;
  /**
   * Most bytes of WebAssembly that may be generated for its code, from 64 KiB on: what a vCPU made first is dropped beyond. The
   * host takes some ten times as much for it. Default: what the process may have.
   */
  readonly codeLimit?: number;
  /** Whether several threads can run it. Default: if kvm was loaded for shared memory. EOPNOTSUPP if asked and it has not. */
  readonly shared?: boolean;
}

/** KVM_SET_USER_MEMORY_REGION. */
export interface MemoryRegion {
  /** Bits 0 to 15 the slot, bits 16 to 31 the address space. */
  readonly slot: number;
  /** KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY. */
  readonly flags?: number;
  /** Where the guest finds it; bytes. */
  readonly guestPhysAddr: bigint;
  /** Bytes; 0 deletes the slot. */
  readonly memorySize: bigint;
  /** Address in the VM's memory, from `allocate`. */
  readonly userspaceAddr: number;
}

/** KVM_ENABLE_CAP. */
export interface EnableCap {
  /** KVM_CAP_*. */
  readonly cap: number;
  /** 0: there are none. */
  readonly flags?: number;
  /** What the capability takes, at most four. Default: zeros. */
  readonly args?: readonly (number | bigint)[];
}

/** KVM_IRQFD. */
export interface Irqfd {
  /** What raises the interrupt when it is signalled. */
  readonly fd: EventFd;
  /** The interrupt, as `Vm.setGsiRouting` has it. */
  readonly gsi: number;
  /** KVM_IRQFD_FLAG_*. */
  readonly flags?: number;
  /** With KVM_IRQFD_FLAG_RESAMPLE: signalled when the guest has ended the (level) interrupt. */
  readonly resamplefd?: EventFd;
}

/** KVM_IOEVENTFD. */
export interface Ioeventfd {
  /** What a guest's store there signals. */
  readonly fd: EventFd;
  /** Guest physical address. */
  readonly addr: bigint;
  /** 0 (any), 1, 2, 4, 8. */
  readonly len: number;
  /** KVM_IOEVENTFD_FLAG_*. */
  readonly flags?: number;
  /** With KVM_IOEVENTFD_FLAG_DATAMATCH: only this value, as the bytes lie in memory read as a little-endian number. */
  readonly datamatch?: bigint;
}

/** One entry of KVM_SET_GSI_ROUTING. */
export type IrqRoute =
  | {
      /** The interrupt, as irqfds and `Vm.irqLine` name it. */
      readonly gsi: number;
      readonly type: "irqchip";
      /** Which interrupt controller: 0. */
      readonly irqchip: number;
      /** Its input. */
      readonly pin: number;
    }
  | {
      /** The interrupt, as irqfds name it. */
      readonly gsi: number;
      readonly type: "msi";
      /** Where the message is written. */
      readonly address: bigint;
      /** What is written there, 32 bits. */
      readonly data: number;
    };

/**
 * An eventfd whose counter lies in the VM's memory, so that a device, a vCPU and the user side may be different threads.
 * As an irqfd's, signalling it raises the interrupt at once, in the calling thread.
 */
export interface EventFd {
  /** Names the same eventfd to `Vm.eventFd` on another thread. */
  readonly id: number;
  /** Adds to the counter, wakes who listens. */
  signal(value?: bigint): void;
  /** Takes the counter: its value, 0 if nobody signalled since. */
  read(): bigint;
  /**
   * Calls back on this thread, soon after a signal from any thread; several signals may be one call. The counter is taken
   * before the call. Returns what ends it.
   */
  onSignal(listener: (count: bigint) => void): () => void;
  /** Ends its bindings (irqfd, ioeventfd) too. */
  close(): void;
}

/** What KVM_CREATE_DEVICE gives. */
export interface Device {
  /** The number that stands for the device in the arguments of KVM_ENABLE_CAP. */
  readonly fd: number;
  /** KVM_DEV_TYPE_*. */
  readonly type: number;
  /** ENXIO: unknown group or attribute. EPERM: not in this state. */
  setAttr(group: number, attr: bigint, value?: bigint): void;
  /** Errors as `setAttr`. */
  getAttr(group: number, attr: bigint): bigint;
  /** Whether there is such an attribute. Never throws. */
  hasAttr(group: number, attr: bigint): boolean;
  /** Lets go of this handle; the device is the VM's. */
  close(): void;
}

/** "insn" steps through every instruction, and is very slow. */
export type TraceCategory = "exit" | "hcall" | "rtas" | "interrupt" | "mmu" | "insn";

/** One event of the kernel side. */
export interface TraceEvent {
  /** Which of the categories it is of. */
  readonly category: TraceCategory;
  /** -1: the VM as a whole. */
  readonly vcpu: number;
  /** What happened, e.g. "H_CEDE". */
  readonly name: string;
  /** What else is known of it, by name; numbers as they are. */
  readonly values: Readonly<Record<string, bigint | number | string>>;
}

/** What is traced, and who is told. */
export interface TraceOptions {
  /** None turns tracing off. */
  readonly categories: readonly TraceCategory[];
  /** Called on the thread where the event happens. */
  readonly sink: (event: TraceEvent) => void;
}

/** Counters by name, since the VM or vCPU was made. */
export type Stats = Readonly<Record<string, number>>;

/**
 * What KVM_GET_STATS_FD gives: a file of struct kvm_stats_header, an identification, descriptors and data, little-endian.
 * All but the data stays the same. It keeps the VM alive until it is closed. EBADF once it is.
 */
export interface StatsFd {
  /** Reads into `buffer` from where the last read ended; how many bytes there were. */
  read(buffer: Uint8Array): number;
  /** EINVAL: `offset` is no place in a file. */
  pread(buffer: Uint8Array, offset: number): number;
  /** Lets go of it. EBADF: it is closed. */
  close(): void;
}

/** A vCPU's dirty ring: what Linux maps at KVM_DIRTY_LOG_PAGE_OFFSET of its fd. */
export interface DirtyRing {
  /**
   * Address in `Vm.memory` of the entries, struct kvm_dirty_gfn: flags u32 (KVM_DIRTY_GFN_F_*, with Atomics), slot u32,
   * offset u64 in pages of `Vm.pageSize`.
   */
  readonly address: number;
  /** Entries, a power of two. */
  readonly entries: number;
}

/** A VM as a thread has it that attached to it. Only its maker's handle moves it. */
export type AttachedVm<Any extends Vm = Vm> = Omit<Any, "moveTo">;

/** What another thread needs to attach to a VM: goes through postMessage. Its contents are the kernel side's. */
export interface SharedVm {
  /** Of this message. */
  readonly version: 1;
  /** The architecture's module, e.g. "powerpc". */
  readonly arch: string;
  /** "hv" or "pr". */
  readonly implementation: string;
  /** The VM's, shared. */
  readonly memory: WebAssembly.Memory;
  /** The engine's own. */
  readonly engine: unknown;
  /** URL of the module (ES) that exports the attachVm to use: that of the version of this package the VM is in. */
  readonly module: string;
  /** Attaching is possible while the VM is where it was when this was made. */
  readonly generation: number;
  /** Counters that all threads of the process share. */
  readonly vac: ArrayBuffer | SharedArrayBuffer;
  /** URLs of what other modules add to the VM. */
  readonly extensions?: readonly string[];
}

/** Attaches this thread to a VM that another thread created; its vCPUs are found by `Vm.vcpu`. */
export type AttachVm<V extends Vm = Vm> = (shared: SharedVm) => Promise<V>;

/** A virtual machine: its memory, its vCPUs, its devices. Each method throws KvmError. */
export interface Vm<C extends Vcpu = Vcpu> {
  /** Guest RAM and all kernel-side state. It may grow: make views of `memory.buffer` anew after `allocate`. */
  readonly memory: WebAssembly.Memory;
  /** Whether `memory` is shared, so that each vCPU can have its thread. */
  readonly shared: boolean;
  /** The implementation that runs it: "hv" or "pr". */
  readonly implementation: string;
  /** Granule of `allocate`, memory slots and dirty logs: 64 KiB. */
  readonly pageSize: number;

  /**
   * Memory of the user side, zeroed, a multiple of the page size, as mmap gives it: guest RAM, ROM. The address in
   * `memory`. EINVAL: not a positive number of pages. ENOMEM: the VM's memory limit or the platform refuses.
   */
  allocate(bytes: number): number;
  /** A fresh view of part of `memory`. EFAULT if it does not lie inside. What is missing of it is filled first. */
  bytes(address: number, length: number): Uint8Array;
  /**
   * Says that pages of the user side's memory, all 0 until now, are missing: each is filled, on the thread that first comes to
   * it, by what `fillPages` was given there. `pages` has a bit for each, the first one's in bit 0 of byte 0. Once, before a second
   * thread has the VM. EINVAL: no whole pages, or fewer bits. EEXIST: there are some already. ENOMEM: no room for the table.
   */
  withholdPages(address: number, length: number, pages: Uint8Array): void;
  /** What fills missing pages on this thread. What it throws, whoever came to the page gets: vCPUs from run(). */
  fillPages(fill: FillPage): void;

  /** EINVAL: id too large. EEXIST: there is one. EINVAL too when the VM was attached from another thread. */
  createVcpu(id: number): C;
  /** This thread's handle of a vCPU that exists. ENOENT if it does not. */
  vcpu(id: number): C;

  /**
   * EEXIST: overlaps another slot. EINVAL: misaligned, wraps, unknown flag, absent slot deleted, or size, backing or
   * READONLY changed. EFAULT: the backing does not lie in `memory`.
   * Code runs only from memory below the highest address that had a slot when the VM first ran.
   */
  setUserMemoryRegion(region: MemoryRegion): void;
  /**
   * To be called after anything but a vCPU has written guest memory through `memory`, as a device's DMA does: code that any
   * vCPU decoded or translated of these bytes is dropped before it returns, and the dirty log has their pages. It costs
   * little where no code has run. [any thread] EFAULT, and nothing done, if part of it is in no slot. EINVAL: length.
   */
  guestWritten(guestPhysAddr: bigint, length: number): void;
  /**
   * The same by an address in the VM's memory, as a device writes that VFIO gives its memory to: of what no slot has, there is nothing to
   * tell.
   */
  hostWritten(address: number, length: number): void;
  /**
   * One bit per page (bit 0 of byte 0 first) written since the last call; clears it, unless
   * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 is enabled. ENOENT: the slot logs nothing.
   */
  getDirtyLog(slot: number): Uint8Array;
  /** EINVAL: not a range of the slot, or first page or count not multiples of 64 (but at the slot's end). ENOENT. */
  clearDirtyLog(range: { slot: number; firstPage: bigint; numPages: number; bitmap: Uint8Array }): void;

  /**
   * KVM_RESET_DIRTY_RINGS: takes back the entries that the user side has marked KVM_DIRTY_GFN_F_RESET, of all vCPUs; how
   * many. When it returns, a write to their pages is noted again. EINVAL: the VM has no dirty rings.
   */
  resetDirtyRings(): number;

  /** KVM_CHECK_EXTENSION for this VM: 0 if absent, else 1 or a number. Never throws for a number. */
  checkExtension(cap: number): number;
  /** EINVAL: unknown, or flags given. */
  enableCap(cap: EnableCap): void;

  /** eventfd(2), which all threads of the VM can have. ENOMEM: no room for another. */
  createEventFd(): EventFd;
  /** EBADF: none of that id. */
  eventFd(id: number): EventFd;
  /** ENXIO: no interrupt controller. EINVAL: no such interrupt. */
  irqLine(irq: number, level: number | boolean): void;
  /**
   * Replaces the table. A gsi without an entry does nothing from then on; on POWER it stays the interrupt controller's pin of
   * that number.
   */
  setGsiRouting(routes: readonly IrqRoute[]): void;
  /** More than 0: delivered; 0: blocked by the guest. */
  signalMsi(msi: { address: bigint; data: number }): number;
  /** EBUSY: already bound. EINVAL: flags. EBADF: closed. */
  irqfd(irqfd: Irqfd): void;
  /** EINVAL: length, wrap, flags. EEXIST: collision. ENOENT: deassigning none. */
  ioeventfd(ioeventfd: Ioeventfd): void;
  /** This thread's handle of a device that exists. ENODEV if it does not. */
  device(type: number): Device;
  /** ENODEV: unknown type. EEXIST: the VM has one (KVM_DEV_TYPE_VFIO: EBUSY). With KVM_CREATE_DEVICE_TEST nothing is created and undefined returned. */
  createDevice(type: number, flags?: number): Device | undefined;

  /**
   * Has `sink` told of events, from all vCPUs that run on this thread; there is one at a time. EINVAL: no such
   * category.
   */
  setTrace(options: TraceOptions): void;
  /** What the kernel side counts of the whole VM. */
  stats(): Stats;
  /**
   * Moves the VM, running or not, to another kvm: of another version of this package, of another implementation, or both.
   * RAM stays where it is. This handle and those got from it (vCPUs, eventfds with their listeners, devices) are good
   * afterwards; handles on other threads end (run() fails with ESTALE) and attach again.
   * If it rejects, the VM goes on where it was. EBUSY: a vCPU does not leave, or an exit is not completed; a device cannot
   * move; it is moving already. EINVAL: not the thread that created the VM. Else what `Kvm.takeOver` refuses.
   */
  moveTo(kvm: Kvm, options?: MoveOptions): Promise<void>;
  /**
   * Has every vCPU leave the guest, its last exit completed; until `resume`, run() waits (or returns "intr" where it may
   * not), and the guest's time stands still. EBUSY: a vCPU does not leave, or an exit is not completed; it is paused or moving
   * already. EINVAL: not the thread that created the VM.
   */
  pause(options?: PauseOptions): Promise<void>;
  /** EINVAL: it is not paused. */
  resume(): void;
  /**
   * All that the guest would miss of what the kernel side holds: registers, timers, interrupt controllers, a hashed page
   * table, what hypercalls have set up. Not what the user side knows: memory and its contents, TCE tables, eventfds and
   * routes. EBUSY: a vCPU runs, or has an exit to complete; the VM has a device that cannot be saved.
   */
  saveState(): VmState;
  /**
   * Takes what `saveState` gave of a VM made like this one (vCPUs, devices, capabilities), whose vCPUs have not run yet; the
   * guest's time goes on where it stood. If it throws, the VM is good for nothing but close(). EBUSY: a vCPU runs.
   * EINVAL: it is no such state, or of another VM; the sentence says what differs.
   */
  loadState(state: VmState): void;
  /** KVM_GET_STATS_FD. */
  getStatsFd(): StatsFd;
  /** ENOTTY unless `shared`. */
  share(): SharedVm;
  /** Lets go of this handle. The VM lives until the last handle (VM, vCPUs, devices, statistics) is closed. */
  close(): void;
}

/** Fills a page of the VM's memory, which is 0, at its address there. Called once for each page, on any thread. */
export type FillPage = (address: number, page: Uint8Array) => void;

/** How long a vCPU runs. */
export interface RunOptions {
  /** Return "intr" at the first good moment after this time of `performance.now()`. */
  readonly deadline?: number;
  /**
   * Whether a halted vCPU waits inside run(). Default: if the VM is shared and this thread may block. If not, run() returns
   * "hlt" with the time until which it sleeps.
   */
  readonly wait?: boolean;
}

/** KVM_RUN's result. Fields that are not readonly are the user side's answer: set them before the next run(). */
export type Exit =
  /** A guest access outside memory, of `length` 1, 2, 4 or 8 bytes. */
  | {
      readonly reason: "mmio";
      /** Guest physical address of the lowest byte. */
      readonly physAddr: bigint;
      /** Bytes. */
      readonly length: number;
      /** A store, or else a load. */
      readonly isWrite: boolean;
      /**
       * The bytes as they lie in memory, read as a little-endian number (the byte at the lowest address is the least
       * significant), whatever the guest's byte order. Of a read: the answer.
       */
      data: bigint;
    }
  /**
   * x86: `count` accesses of `size` bytes to a port. One is in `data`, the bytes of several, up to a page of them, are in the
   * VM's memory; of KVM_EXIT_IO_IN, they are the answer.
   */
  | {
      readonly reason: "io";
      /** KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT. */
      readonly direction: number;
      /** Bytes of an access: 1, 2 or 4. */
      readonly size: number;
      /** The port's number. */
      readonly port: number;
      /** Accesses, one after the other: more than one of a repeated string instruction. */
      readonly count: number;
      /** Of one access, the bytes, the first the least significant. Of a read: the answer. */
      data: bigint;
      /** Of several, where their `count` times `size` bytes are (`Vm.bytes`), until the next run(). Of reads: for the answers. */
      readonly dataOffset?: number;
    }
  /** x86: RDMSR that KVM_CAP_X86_USER_SPACE_MSR gives to the user side; `data` is the answer, `error` 1 raises #GP. */
  | {
      readonly reason: "x86_rdmsr";
      /** Why: KVM_MSR_EXIT_REASON_*. */
      readonly msrReason: number;
      /** The register's number. */
      readonly index: number;
      /** The answer: its value. */
      data: bigint;
      /** The answer: 0, or 1 for #GP. */
      error: number;
    }
  /** x86: WRMSR, likewise. */
  | {
      readonly reason: "x86_wrmsr";
      /** Why: KVM_MSR_EXIT_REASON_*. */
      readonly msrReason: number;
      /** The register's number. */
      readonly index: number;
      /** What the guest writes. */
      readonly data: bigint;
      /** The answer: 0, or 1 for #GP. */
      error: number;
    }
  /** x86: a hypercall that KVM_CAP_EXIT_HYPERCALL gives to the user side. */
  | {
      readonly reason: "hypercall";
      /** Its number: KVM_HC_*. */
      readonly nr: number;
      /** Its arguments; those that it has not are 0. */
      readonly args: readonly bigint[];
      /** KVM_EXIT_HYPERCALL_LONG_MODE. */
      readonly flags: number;
      /** The answer: what the guest has in RAX. */
      ret: bigint;
    }
  /** x86: an interrupt can be put in (`X86Vcpu.requestInterruptWindow`). */
  | { readonly reason: "irq_window_open" }
  /** x86: without a local APIC in the kernel side, the guest has lowered its task's priority. */
  | {
      readonly reason: "set_tpr";
      /** CR8, as it is now. */
      readonly cr8: number;
    }
  /** x86 with KVM_CAP_SPLIT_IRQCHIP: the guest has ended an interrupt that a route to one of the IOAPIC's pins raises by level. */
  | {
      readonly reason: "ioapic_eoi";
      /** Its vector. */
      readonly vector: number;
    }
  /** x86 with KVM_TPR_ACCESS_REPORTING: the guest has read or written the local APIC's task priority. */
  | {
      readonly reason: "tpr_access";
      /** RIP of the instruction, which has been done. */
      readonly rip: bigint;
      /** Whether it has written it. */
      readonly isWrite: boolean;
    }
  /** r3 is `nr`; args are r4 to r12 and go back there, `ret` to r3. H_FUNCTION (-2) is set beforehand. */
  | {
      readonly reason: "papr_hcall";
      /** The call, as PAPR numbers it. */
      readonly nr: number;
      /** The answer: what the call returns, H_SUCCESS and on. */
      ret: bigint;
      /** Nine, of 64 bits. */
      readonly args: bigint[];
    }
  /** Single step or breakpoint (KVM_SET_GUEST_DEBUG). */
  | {
      readonly reason: "debug";
      /** Guest effective address: of the instruction, or of what the DebugPoint watches; on x86 `arch.pc`. */
      readonly address: bigint;
      /** 0: a step or a software breakpoint; else the type of the DebugPoint that stopped it; 0 on x86. */
      readonly status: number;
      /** x86's. */
      readonly arch?: DebugExitArch;
    }
  /** requestExit, immediateExit or the deadline. */
  | { readonly reason: "intr" }
  /** Only if run() may not wait: the vCPU has nothing to do. */
  | {
      readonly reason: "hlt";
      /** Before this time of `performance.now()` of this thread, ms; Infinity: an event ends it. */
      readonly until: number;
    }
  /** The guest ends, or begins again. */
  | {
      readonly reason: "system_event";
      /** KVM_SYSTEM_EVENT_*. */
      readonly type: number;
      /** Of _CRASH, where the guest checkstopped: the address of the instruction. */
      readonly flags: bigint;
    }
  /** The processor has stopped, with nothing that could be told. */
  | { readonly reason: "shutdown" }
  /** A machine check, for the user side to report (KVM_CAP_PPC_FWNMI). */
  | {
      readonly reason: "nmi";
      /** KVM_RUN_PPC_NMI_DISP_*. */
      readonly flags: number;
    }
  /** An open-source-interface call (KVM_CAP_PPC_OSI). */
  | {
      readonly reason: "osi";
      /** r0 to r31, which go back as they are then. */
      readonly gprs: bigint[];
    }
  /** The vCPU's dirty ring has no more room: the user side takes entries and calls `Vm.resetDirtyRings`. */
  | { readonly reason: "dirty_ring_full" }
  /** The processor cannot be entered as its registers are. */
  | {
      readonly reason: "fail_entry";
      /** Why, as the architecture numbers it. */
      readonly hardwareEntryFailureReason: bigint;
    }
  /** The kernel side cannot go on. */
  | {
      readonly reason: "internal_error";
      /** KVM_INTERNAL_ERROR_*. */
      readonly suberror: number;
      /** More of it, for who knows the kernel side. */
      readonly data: readonly bigint[];
      /** In words. */
      readonly message: string;
    };

/** Why run() returned, in a word. */
export type ExitReason = Exit["reason"];

/** General registers, as the architecture's uapi.ts types them. */
export type Registers = object;

/** struct kvm_debug_exit_arch of x86. */
export interface DebugExitArch {
  /** 1: #DB; 3: #BP, of an INT3. */
  readonly exception: number;
  /** Linear address of the instruction that is next: of an instruction that has a breakpoint, of the INT3. */
  readonly pc: bigint;
  /** What has happened, as DR6 says it; the guest's DR6 does not. */
  readonly dr6: bigint;
  /** DR7, by which it has: the guest's or the user side's. */
  readonly dr7: bigint;
}

/** One of struct kvm_guest_debug_arch. `type` says what it stops at, as the architecture numbers it. */
export interface DebugPoint {
  /** Guest effective address. */
  readonly addr: bigint;
  /** KVMPPC_DEBUG_* on POWER. */
  readonly type: number;
}

/** KVM_SET_GUEST_DEBUG. */
export interface GuestDebug {
  /** KVM_GUESTDBG_ENABLE, _SINGLESTEP, _USE_SW_BP, _USE_HW_BP; on x86 _INJECT_DB, _INJECT_BP, _BLOCKIRQ too. */
  readonly control: number;
  /**
   * With KVM_GUESTDBG_USE_HW_BP: at most 16; a mere address is a breakpoint. The vCPU stops before the instruction or
   * access, and again each time it is run until the point is gone or it is single-stepped.
   */
  readonly breakpoints?: readonly (bigint | DebugPoint)[];
  /** x86, with KVM_GUESTDBG_USE_HW_BP: DR0 to DR7, of which the first four and the last count. Missing: all 0. */
  readonly debugreg?: readonly bigint[];
}

/** One vCPU. Only one thread may be in run() at a time; registers are for who holds it outside run(). */
export interface Vcpu {
  /** As it was created. */
  readonly id: number;
  /**
   * KVM_RUN. Completes the last exit from its answer, then runs the guest until the next. Synchronous.
   * EBUSY: another thread is in run().
   */
  run(options?: RunOptions): Exit;
  /** immediate_exit of kvm_run: while true, run() returns "intr" at once (having completed the last exit). [any thread] */
  immediateExit: boolean;
  /** What a signal does to KVM_RUN: the run in progress, or else the next, returns "intr", once. [any thread] */
  requestExit(): void;
  /** ENOENT: unknown register. EINVAL: known, but of another size. */
  getOneReg(id: bigint): bigint;
  /** KVM_SET_ONE_REG. ENOENT: unknown register. EINVAL: of another size, or a value that it cannot have. */
  setOneReg(id: bigint, value: bigint): void;
  /** KVM_GET_REG_LIST: the registers that getOneReg knows. */
  getRegList(): bigint[];
  /** KVM_GET_REGS: the general registers. */
  getRegs(): Registers;
  /** KVM_SET_REGS: all of them. EINVAL: one is missing, or no number. */
  setRegs(regs: Registers): void;
  /** KVM_GET_SREGS: what says which processor it is, and how it translates. */
  getSregs(): Registers;
  /** KVM_SET_SREGS. EINVAL: a value that it cannot have. */
  setSregs(sregs: Registers): void;
  /** KVM_INTERRUPT: KVM_INTERRUPT_SET, _SET_LEVEL, _UNSET, when the user side has the interrupt controller. */
  interrupt(irq: number): void;
  /** KVM_SET_GUEST_DEBUG. EINVAL: unknown bits, or points that the processor has not. */
  setGuestDebug(debug: GuestDebug): void;
  /** KVM_ENABLE_CAP of a vCPU. EINVAL: unknown, flags, or arguments that it does not take. */
  enableCap(cap: EnableCap): void;
  /** Undefined unless KVM_CAP_DIRTY_LOG_RING_ACQ_REL was enabled before the vCPU was created. */
  readonly dirtyRing: DirtyRing | undefined;
  /** KVM_GET_MP_STATE. EINVAL: the architecture has none (POWER). */
  getMpState(): number;
  /** KVM_SET_MP_STATE. EINVAL: the architecture has none (POWER). */
  setMpState(state: number): void;
  /** What the kernel side counts of this vCPU. */
  stats(): Stats;
  /** KVM_GET_STATS_FD. */
  getStatsFd(): StatsFd;
  /** Lets go of this handle; the vCPU is the VM's. */
  close(): void;
}
