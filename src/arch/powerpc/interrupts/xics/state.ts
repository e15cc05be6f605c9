/**
 * The XICS's plain data in the VM's memory. All of it is read and changed under its one lock: a hypercall holds it for
 * about a microsecond, and what it must keep consistent (a source, the server it is at, the server it is rejected to)
 * spans more than a word.
 */
import { struct } from "../../../../base/struct.js";
import { blockMax, sourceExists } from "../source-blocks.js";

/** Most servers (presentation controllers). */
export const serverMax = 2048;
/** Interrupt numbers below this are not sources. 2 is the inter-processor interrupt. */
export const firstSource = 16;
export const ipi = 2;
/** The least favoured priority: never presented. */
export const masked = 0xff;

export const xicsState = struct({
  lock: "i32",
  /** KVM_DEV_XICS_NR_SERVERS. */
  serverCount: "i32",
  /** vCPUs connected. */
  connected: "i32",
  /** Addresses of the blocks of sources; 0 none. */
  blocks: ["i32", blockMax],
});

/** One server's presentation controller. They follow `xicsState`. */
export const serverState = struct({
  /** Index of its vCPU plus 1; 0: not connected. */
  vcpu: "i32",
  /** Current processor priority. */
  cppr: "i32",
  /** Most favoured request (the IPI's) priority. */
  mfrr: "i32",
  /** The interrupt presented, 0 none, and its priority. */
  xisr: "i32",
  pendingPriority: "i32",
  /** 1: a source was rejected here and waits for the priority to fall. */
  needResend: "i32",
});

export const sourceState = struct({
  flags: "i32",
  server: "i32",
  /** masked if off. */
  priority: "i32",
  /** What ibm,int-on restores. */
  savedPriority: "i32",
});

export const SourceFlag = {
  exists: sourceExists,
  level: 2,
  /** Level: the line is up. */
  asserted: 4,
  /** Level: presented to a server and not ended yet. */
  presented: 8,
  /** Message: came while masked. */
  maskedPending: 16,
  /** Message: turned away by its server. */
  rejected: 32,
} as const;

export const xicsSize = xicsState.size + serverState.size * serverMax;
