/**
 * What a page and the worker of one of its machines say to each other. The page has the API, the agent's conversation and the
 * console's log; all else of a VM lives in the worker. Nothing waits without bound on either side: who gets bytes says how many
 * it took, and who sends them stops at the window.
 */

import type { MemoryShares } from "../api/memory-limit.js";
import type { VmGuest } from "../api/platform.js";
import type { FileSource, Progress, VmOptions } from "../api/types.js";
import type { Outcome } from "../vmm/core/machine.js";
import type { Destination } from "../vmm/network/policy.js";
import type { Snapshot } from "../vmm/snapshot/snapshot.js";
import type { SentDisk } from "./disks.js";

/** Bytes of a port, or of the console, that were sent and not taken yet. */
export const window = 1 << 20;

/** Of `createVm`'s options what the machine is made of. It goes through postMessage. */
export interface MachinePlan {
  readonly type: VmOptions["type"] | undefined;
  readonly cpu: VmOptions["cpu"] | undefined;
  readonly append: VmOptions["append"] | undefined;
  readonly guest: VmGuest;
  /** Bytes. */
  readonly memory: number;
  readonly cpus: number;
  readonly disks: readonly SentDisk[];
  /** Bytes that all that is written to them may take. */
  readonly diskLimit?: number | undefined;
  /** Of the host's memory beside its RAM. */
  readonly memoryShares?: MemoryShares | undefined;
  /** Processors of the host. */
  readonly cpuLimit?: number | undefined;
  /** Undefined: it has no network card. */
  readonly network?: NetworkPlan | undefined;
  /** Names of the console's ports. */
  readonly ports: readonly string[];
  /** A string is an absolute URL. An image, or a kernel. */
  readonly image?: Exclude<FileSource, URL> | undefined;
  readonly kernel?: Exclude<FileSource, URL> | undefined;
  readonly initrd?: Exclude<FileSource, URL> | undefined;
}

/** What is behind a machine's network card. */
export interface NetworkPlan {
  /** Rules of what it may reach. */
  readonly allow: readonly string[];
  /** A relay's address; undefined: what fetch reaches. */
  readonly relay: string | undefined;
  /** The page is asked before each connection. */
  readonly asks: boolean;
}

/** What the page tells of its end of a connection to the guest. */
export type NearEvent =
  | { readonly kind: "dial"; readonly port: number }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "ended" }
  | { readonly kind: "failed" }
  /** The oldest piece that the page was sent and has not read is read. */
  | { readonly kind: "written" };

/** What the network tells of the guest's end. */
export type FarEvent =
  | { readonly kind: "opened" }
  | { readonly kind: "write"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "destroy" }
  /** The network has so many more bytes of what was sent. */
  | { readonly kind: "took"; readonly length: number };

/** An error that goes through postMessage and is made again. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly errno?: number | undefined;
}

export type ToMachine =
  | { readonly type: "start"; readonly plan: MachinePlan; readonly snapshot: Snapshot | undefined }
  /** For the guest, by way of a port. */
  | { readonly type: "send"; readonly port: number; readonly bytes: Uint8Array }
  /** So many bytes of a port's output were taken. */
  | { readonly type: "took"; readonly port: number; readonly length: number }
  | { readonly type: "tookConsole"; readonly length: number }
  /** Is typed on the console. */
  | { readonly type: "input"; readonly bytes: Uint8Array }
  /** Answered by `paused`, once each. */
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  /** Answered by `counted`, once each. */
  | { readonly type: "count" }
  /** The page sends nothing more: the machine is to stand still when the guest has all that was sent. */
  | { readonly type: "halt" }
  /** After `halted`: a snapshot, if `wanted`; then it runs on. */
  | { readonly type: "capture"; readonly wanted: boolean }
  | { readonly type: "net"; readonly stream: number; readonly event: NearEvent }
  | { readonly type: "mayConnect"; readonly id: number; readonly may: boolean }
  | { readonly type: "stop" };

export type FromMachine =
  | { readonly type: "progress"; readonly step: Progress }
  /** Of each port, whether the guest has it open: before it runs. */
  | { readonly type: "ports"; readonly open: readonly boolean[] }
  | { readonly type: "running" }
  | { readonly type: "failed"; readonly error: SentError }
  | { readonly type: "opened"; readonly port: number; readonly open: boolean; readonly byReset: boolean }
  | { readonly type: "output"; readonly port: number; readonly bytes: Uint8Array }
  /** The guest has so many more bytes of what was sent, or will never have them. */
  | { readonly type: "sent"; readonly port: number; readonly length: number }
  | { readonly type: "console"; readonly bytes: Uint8Array }
  | { readonly type: "inputTaken" }
  | { readonly type: "report"; readonly sentence: string }
  | { readonly type: "paused"; readonly error?: SentError | undefined }
  | { readonly type: "counted"; readonly generatedCode: number }
  | { readonly type: "halted" }
  | { readonly type: "captured"; readonly snapshot: Snapshot }
  | { readonly type: "notCaptured"; readonly error: SentError }
  | { readonly type: "net"; readonly stream: number; readonly event: FarEvent }
  /** Whether the guest may begin a connection: `mayConnect` answers. */
  | { readonly type: "asks"; readonly id: number; readonly to: Destination }
  | { readonly type: "ended"; readonly outcome: Outcome };

export function sentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, code, errno } = error as Error & { readonly code?: unknown; readonly errno?: unknown };
  return {
    name,
    message,
    code: typeof code === "string" ? code : undefined,
    errno: typeof errno === "number" ? errno : undefined,
  };
}
