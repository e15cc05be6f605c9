/** What the run loop and a machine know of each other. A machine is one kind of computer built on a VM, e.g. pseries. */

import type { ForwardedExit } from "../../kvm/uapi/exits.js";
import type { Exit, SharedVm, TraceCategory, Vm } from "../../kvm/uapi.js";
import type { ConsoleRing } from "../devices/console-ring.js";
import type { LatentRam } from "./latent-ram.js";
import type { PageSet, WrittenPages } from "./written-pages.js";

/** How a machine's run ended. */
export type Outcome =
  | {
      readonly kind: "powerOff";
      /** From 0 to 255, if the machine has a device by which a guest gives one. */
      readonly status?: number;
    }
  | { readonly kind: "reboot" }
  /** The guest says that it died. */
  | {
      readonly kind: "crash";
      /** How, in a sentence. */
      readonly message: string;
    }
  /** The host cannot go on. */
  | {
      readonly kind: "failed";
      /** Why, in a sentence. */
      readonly message: string;
      /** Where, for who debugs unikvm. */
      readonly stack?: string | undefined;
    }
  | { readonly kind: "timeout" }
  /** The caller ended it. */
  | { readonly kind: "stopped" };

/** A machine as a plain value; the rest is its kind's. */
export interface MachineState {
  /** Its kind, as "pseries". */
  readonly machine: string;
}

/** Whether a CPU runs; "stopping": it leaves its last exit. */
export type CpuState = "stopped" | "stopping" | "running";

/** What a machine may ask of the run loop, from the machine's thread. */
export interface RunControl {
  /** Of CPU `cpu`, by its number from 0. */
  cpuState(cpu: number): CpuState;
  /** Lets a stopped CPU run; its registers are set. */
  startCpu(cpu: number): void;
  /** Stops the CPU whose exit is being answered. */
  stopCpu(cpu: number): void;
  /** An interrupt may have become pending, raised on this thread. */
  wake(): void;
  /** There is console output, written on this thread. */
  consoleChanged(): void;
  /** The run ends so. */
  end(outcome: Outcome): void;
}

/** The machine on the thread that owns it. */
export interface Machine {
  /** What it runs on. */
  readonly vm: Vm;
  /** How many CPUs it has, running or not. */
  readonly cpus: number;
  /** What the guest writes, and reads. */
  readonly console: ConsoleRing;
  /** What `VcpuSide` is made from on another thread: goes through postMessage. */
  readonly shared: unknown;
  /** Lets the boot CPU go. */
  start(): void;
  /** Answers an exit that a CPU waits for. */
  answer(cpu: number, exit: ForwardedExit): void;
  /** Tells the guest that there is console input. */
  consoleInput(): void;
  /** Its console has room again, for a guest that waits for it. */
  consoleDrained?(): void;
  /** What its devices count, by name. */
  stats(): Readonly<Record<string, number>>;
  /** Bytes of the guest's RAM. */
  readonly ramSize: number;
  /** A fresh view of so many bytes of it from `offset` on. */
  ram(offset: number, length: number): Uint8Array;
  /** What of it is fetched when it is used. */
  readonly latent?: PlacedLatentRam | undefined;
  /** What of it was ever written. */
  readonly written: Pick<WrittenPages, "log">;
  /**
   * All of the machine but the contents of its RAM and of its disks, as a plain value that can be cloned, while it is paused:
   * the machine's kind makes one from it that goes on there. EBUSY: it has a device that cannot be saved.
   */
  save(): MachineState;
  /** Lets go of the VM. */
  close(): void;
}

/**
 * RAM of a machine that is not made yet, all 0: whoever makes one go on somewhere may fill it before the rest of the machine is
 * known.
 */
export interface PlacedRam {
  /** A fresh view. */
  bytes(): Uint8Array;
  /** Where it is no longer 0. */
  pages: PageSet;
  /** Gives it back, unless a machine was made with it. */
  close(): void;
}

/** What lies somewhere else of RAM at this address of the VM's memory; goes through postMessage. */
export interface PlacedLatentRam extends LatentRam {
  readonly address: number;
}

/** Why a run ends with an exit that no machine is asked about. */
export function whyNotForwarded(exit: Exit): string {
  return exit.reason === "internal_error"
    ? exit.message
    : `KVM left the guest for an unexpected reason: ${exit.reason}`;
}

/** The machine on the thread of one of its vCPUs. */
export interface VcpuSide {
  /** Before the first exit: this thread's handle of the VM. */
  attached?(vm: Pick<Vm, "bytes" | "irqLine">): void;
  /** Answers an exit here and now: true. False: only the machine's thread can. */
  answer(exit: Exit): boolean;
  /** What it counts, by name. */
  stats(): Readonly<Record<string, number>>;
}

/** What a machine's side on a vCPU's thread may ask of that thread. */
export interface VcpuSideHost {
  /** Tells the machine's thread that there is console work, without waiting for it. */
  announceConsole(): void;
  /** Whether this thread may block. */
  readonly mayWait: boolean;
  readonly trace: TraceSink | undefined;
}

/** One line of the trace, without time and CPU, in a category's name. */
export type TraceSink = (category: string, cpu: number, text: string) => void;

/** What a vCPU's thread is started with; goes through postMessage. */
export interface VcpuThreadStart {
  /** Its number, from 0. */
  readonly cpu: number;
  /** What to attach to. */
  readonly vm: SharedVm;
  /** The machine's name in the table of machines; undefined: the default one. */
  readonly kind?: string | undefined;
  /** Its `shared`. */
  readonly machine: unknown;
  /** Where exits are handed over. */
  readonly mailbox: SharedArrayBuffer;
  /** Of the machine's `CpuLimit`, if it has one. */
  readonly cpuLimit?: SharedArrayBuffer | undefined;
  /** What is traced; empty: nothing. */
  readonly trace: readonly TraceCategory[];
  /** Its `latent`. */
  readonly latent?: PlacedLatentRam | undefined;
}

/** What a vCPU's thread tells the machine's thread. */
export type VcpuThreadMessage =
  | { readonly type: "ready" }
  /** An exit lies in the mailbox and waits for its answer. */
  | { readonly type: "ask" }
  | { readonly type: "console" }
  | {
      readonly type: "trace";
      /** Lines. */
      readonly text: string;
    }
  | {
      readonly type: "failed";
      /** Why, in a sentence. */
      readonly message: string;
      /** Where, for who debugs unikvm. */
      readonly stack?: string | undefined;
    }
  | {
      readonly type: "finished";
      /** Counters, by name. */
      readonly stats: Readonly<Record<string, number>>;
    };

/** A thread of the platform: a worker of Node or of a page. */
export interface PlatformThread {
  /** Starts the vCPU. */
  post(start: VcpuThreadStart): void;
  /** Once. */
  onMessage(listener: (message: VcpuThreadMessage) => void): void;
  /** Called if it dies by itself. */
  onDeath(listener: (why: string) => void): void;
  /** Resolves when it is gone. */
  terminate(): Promise<void>;
}
