/**
 * The neutral core's own plain data in a VM's memory, besides what `layout.ts` shares with the engines. It is the first
 * thing on the heap, so its address is known.
 * [I] set before a second thread can see it; [L] under the VM's lock; [A] Atomics; [V] the vCPU's thread while it runs.
 */
import { struct } from "../base/struct.js";
import { vmLayout } from "./layout.js";
import { exitReasons } from "./uapi/exits.js";

export const eventFdMax = 512;
export const ioeventfdMax = 512;
/** Allocations of the user side. */
export const userMax = 512;
/** Ranges that can be free at a time; what does not fit is lost until the VM goes. */
export const freeMax = 256;

export const vmStruct = struct({
  /** [A] Guards what is marked L. */
  lock: "i32",
  /** [A] Guards the allocator. */
  heapLock: "i32",
  /** [L] Argument of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  manualDirtyLog: "i32",
  /** [L] Address of the tables of routes by gsi; [A] how often they have been set, 0: never. See irq-routing.ts. */
  routes: "i32",
  routesSet: "i32",
  /** [L] Highest eventfd and ioeventfd in use plus 1, so that searches are short. */
  eventFdEnd: "i32",
  ioeventfdEnd: "i32",
  /** [L] What the user side allocated: address and bytes of each. */
  userCount: "i32",
  user: ["i32", 2 * userMax],
  /** [heapLock] Ranges given back to the allocator: address and bytes of each. */
  freeCount: "i32",
  free: ["i32", 2 * freeMax],
  /** [I] once there is a vCPU: bytes of each one's dirty ring, 0 for none; and whether bitmaps may be read beside it. */
  dirtyRingBytes: "i32",
  dirtyRingBitmap: "i32",
  /** [A] u32: how long a vCPU that halts may look for work before it sleeps. */
  haltPollNs: "i32",
  /** [I] Most bytes of generated code, 0: as many as the process may have; [A] how many there are. */
  codeLimit: "i32",
  codeBytes: "i32",
  /** [L] Devices created, by type (below 32). */
  deviceTypes: "i32",
  /** [I] Address of each vCPU's record, by order of creation; vmLayout.vcpus has the engine's part. */
  vcpuRecords: ["i32", 256],
});

/** Addresses. */
export const vmState = shifted(vmStruct.offset, vmLayout.heap);

/** One eventfd. Its index is its id. */
export const eventFd = struct({
  /** [L] 0 free, 1 open. */
  state: "i32",
  /** [A] +1 at each signal: what listeners wait on. */
  sequence: "i32",
  /** [A] The counter. */
  count: "i64",
  /** [L] gsi + 1 it raises, 0 for none. */
  gsi: "i32",
  /** [L] id + 1 of the resample eventfd, 0 for none. */
  resample: "i32",
});

/** One ioeventfd. */
export const ioeventfd = struct({
  /** [L] 0 free, 1 bound. */
  state: "i32",
  fd: "i32",
  length: "i32",
  /** 1: datamatch counts. */
  match: "i32",
  /** 1: the address is a port. */
  port: "i32",
  address: "i64",
  datamatch: "i64",
});

const eventFds = vmLayout.heap + vmStruct.size;
const ioeventfds = eventFds + eventFd.size * eventFdMax;
export const eventFdAt = (id: number): number => eventFds + id * eventFd.size;
export const ioeventfdAt = (index: number): number => ioeventfds + index * ioeventfd.size;

/** Where the allocator begins. */
export const heapStart: number = ioeventfds + ioeventfd.size * ioeventfdMax;

/** The core's record of a vCPU; the architecture's part follows it. */
export const vcpuRecord = struct({
  /** [I] */
  id: "i32",
  index: "i32",
  /** [I] Address of the engine's part. */
  state: "i32",
  /** [A] 1 while a thread is in run(). */
  running: "i32",
  /** [A] 1 while an exit has been returned whose answer run() has yet to take. */
  incomplete: "i32",
  /** [A] requestExit. */
  exitRequested: "i32",
  /** [A] 1 while in the guest with plain accesses, of a VM whose vCPUs are to order theirs once there are several. */
  plain: "i32",
  /** [A] 1 while halted: nothing to do until something wakes it. */
  halted: "i32",
  /** [V] KVM_GUESTDBG_*. */
  debugControl: "i32",
  /** [V] Exits to the user side, by order of `exitReasons`; counters of the core. */
  exits: ["i32", exitReasons.length],
  runs: "i32",
  halts: "i32",
  wakes: "i32",
  /** Halts that were polled, and those whose poll found work. */
  polls: "i32",
  pollsWon: "i32",
  /** ns asleep. */
  haltTime: "f64",
  mmioKernel: "i32",
  engineExits: "i32",
});

if (heapStart > vmLayout.userStart) throw new Error("the core's fixed data grew into what the user side may have");

function shifted<K extends string>(
  offsets: { readonly [P in K]: number },
  base: number,
): { readonly [P in K]: number } {
  return Object.fromEntries(Object.entries<number>(offsets).map(([name, at]) => [name, base + at])) as {
    readonly [P in K]: number;
  };
}
