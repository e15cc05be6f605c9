/**
 * The XIVE's plain data in the VM's memory, read and changed under its one lock: an event goes from a source by a queue to
 * a thread's context, and nobody may see it half way.
 */
import { struct } from "../../../../base/struct.js";
import { blockMax, sourceExists } from "../source-blocks.js";

/** Most servers (thread contexts). */
export const serverMax = 2048;
/** Priorities of the thread's registers. */
export const priorities = 8;
/** The last that a guest may use; 7 is the hypervisor's, as in Linux. */
export const lastPriority = 6;
/** A source that goes nowhere. */
export const masked = 0xff;
/** log2 of a queue's bytes: pages of 64 KiB, as in Linux. */
export const queueShift = 16;
export const queueEntries = 1 << (queueShift - 2);
/** Sources that a queue takes: each has one entry at most, and there is a gap. */
export const queueSources = queueEntries - 2;

export const xiveState = struct({
  lock: "i32",
  /** KVM_DEV_XIVE_NR_SERVERS. */
  serverCount: "i32",
  /** vCPUs connected. */
  connected: "i32",
  /** Guest physical addresses of the pages, -1 for nowhere. */
  tima: "i64",
  esb: "i64",
  /** Addresses of the servers' states, 0 for those without a vCPU. */
  servers: ["i32", serverMax],
  /** Addresses of the blocks of sources; 0 none. */
  blocks: ["i32", blockMax],
});

/** A vCPU's thread context, and its queues by priority. */
export const serverState = struct({
  /** Index of its vCPU. */
  vcpu: "i32",
  /** Registers of the OS's ring. NSR and PIPR follow from CPPR and IPB. */
  cppr: "i32",
  ipb: "i32",
  lsmfb: "i32",
  ackCount: "i32",
  inc: "i32",
  age: "i32",
  /** Guest physical address; meaningless where the shift is 0. */
  queueAddress: ["i64", priorities],
  /** queueShift, or 0: there is no queue. */
  queueShift: ["i32", priorities],
  /** Where the next entry goes, and its bit 31. */
  queueIndex: ["i32", priorities],
  queueToggle: ["i32", priorities],
  /** Sources that go there. */
  queueTargets: ["i32", priorities],
});

export const sourceState = struct({
  flags: "i32",
  /** P (2) and Q (1). */
  pq: "i32",
  server: "i32",
  /** masked if it goes nowhere. */
  priority: "i32",
  /** What the queue's entry says. */
  eisn: "i32",
});

export const SourceFlag = {
  exists: sourceExists,
  level: 2,
  /** Level: the line is up. */
  asserted: 4,
} as const;
