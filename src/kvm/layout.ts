import { struct } from "../base/struct.js";

/** A memory slot in use, as it lies in `vmLayout.slots`. */
export const memorySlot = struct({
  /** Guest physical address. */
  base: "i64",
  size: "i64",
  /** Address in this memory. */
  address: "i32",
  /** KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY. */
  flags: "i32",
  /** Address of the dirty bitmap, 0 if there is none; one bit per `vmLayout.pageSize`, set with Atomics. */
  bitmap: "i32",
  /** The slot's number. */
  slot: "i32",
  spare: "i64",
});

/** A vCPU's dirty ring, in its state (Arch.dirtyRingOffset). Positions count up and wrap. */
export const dirtyRing = struct({
  /** [I] Address of the entries, 0 without a ring. */
  address: "i32",
  /** [I] Entries, a power of two. */
  entries: "i32",
  /** [A] Entries filled. */
  filled: "i32",
  /** [A] Entries taken back. */
  taken: "i32",
});

/** struct kvm_dirty_gfn. */
export const dirtyRingEntry = struct({ flags: "i32", slot: "i32", offset: "i64" });

/** Entries of a ring kept for what is noted between the last look at it and leaving the guest. */
export const dirtyRingReserve = 64;

/**
 * The bottom of a VM's memory, shared by the KVM core and the engines' run-time library. Numbers are addresses.
 *
 *   0x003c0  what every version has here: how often the VM has moved to another kvm, threads that run a vCPU
 *   0x00400  constants of the run-time library
 *   0x10000  the interpreter's decode tables
 *   0x40000  the VM itself, below
 *   0x50000  what Vm's allocator hands out: vCPUs, interrupt controllers, TCE tables, then guest RAM
 */
export const vmLayout = {
  /**
   * i32 [A]: even; odd while the VM moves from one loaded kvm to another, +2 for each move. Every version of this package
   * has it here.
   */
  moves: 0x3c0,
  /** i32 [A]: threads that are in a vCPU's run(). Has its place for good, like `moves`. */
  runners: 0x3c4,
  /** i32 [A]: who holds the VM: its handles on the thread that made it, as one, and each `get` from outside. 0: it dies. */
  users: 0x3c8,
  /** i32 [A]: threads that attached and are between the two halves of a get or a put, or hold the VM. */
  pins: 0x3cc,
  /** i32 [A]: +1 when another thread has put. */
  puts: 0x3d0,
  /** Where what moves with the version begins. */
  versioned: 0x400,
  /** Constants of the run-time library. */
  runtimeConstants: 0x400,
  /** The interpreter's decode tables. */
  decodeTables: 0x10000,
  /** Where the VM itself begins. */
  base: 0x40000,
  /** i32. */
  vcpuCount: 0x40000,
  /** i32 address of each vCPU's state by creation order, 256 of them. */
  vcpus: 0x40400,
  /** i32 [A]: odd while the slots are being changed; +2 for each change. */
  slotsGeneration: 0x40004,
  /** i32: slots in use. */
  slotCount: 0x40008,
  /** f64: the host clock (ms, `performance.timeOrigin + performance.now()`) at which the time base was 0. */
  clockBase: 0x40010,
  /** f64: time base ticks per millisecond. */
  clockRate: 0x40018,
  /** i32: next free address, for the core's allocator. */
  heapNext: 0x40020,
  /** i32 [A]: address of the table of missing pages (missing-pages.ts), an i32 [A] for each page from 0 on; 0: all are there. */
  missingPages: 0x40024,
  /** i32: pages that it has. */
  missingPagesEnd: 0x40028,
  /** i32 [A]: 1 while a vCPU does at once what no operation of the host's does; held for some loads and stores. */
  exclusive: 0x4002c,
  /** The architecture's own, 512 bytes. */
  arch: 0x40200,
  /** Memory slots in use (`memorySlot`), sorted by base. */
  slots: 0x41000,
  /** Bytes of an entry of the table of slots. */
  slotSize: memorySlot.size,
  /** Its most entries. */
  slotMax: 512,
  /** Where Vm's allocator begins. */
  heap: 0x50000,
  /**
   * What the user side allocates lies above this, and all that has a fixed address below it, in every version of this
   * package: so a VM's RAM can stay where it is when the VM moves to a version with another layout.
   */
  userStart: 0x100000,
  /** Granule of memory slots and of the dirty log, bytes: what Linux would call the host's page size. */
  pageSize: 65536,
} as const;
