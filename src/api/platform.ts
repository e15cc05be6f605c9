/** What a platform (Node.js, a page) gives to `createVm`: machines. Everything above is the same everywhere. */
import type { Outcome } from "../vmm/core/machine.js";
import type { ConsolePort, ConsolePortEnd } from "../vmm/devices/virtio/console.js";
import type { Accept } from "../vmm/network/host.js";
import type { SnapshotSource } from "../vmm/snapshot/format.js";
import type { SnapshotPlatform } from "../vmm/snapshot/platform.js";
import type { Snapshot, Twin } from "../vmm/snapshot/snapshot.js";
import type { Progress, VmOptions } from "./types.js";

/** What guests of VMs are of; the first is the default. */
export const vmGuests = ["ppc64le", "x86_64", "i386"] as const;
export type VmGuest = (typeof vmGuests)[number];

/** A machine to be booted. */
export interface BootPlan {
  /** As the user gave them, checked; `memory` is in bytes, and `guest` is the default where none was named. */
  readonly options: Omit<VmOptions, "memory" | "guest"> & { readonly memory: number; readonly guest: VmGuest };
  /** Ports of a virtio console that the machine is to have; `connected` is called with the other ends before it runs. */
  readonly ports: readonly ConsolePortEnd[];
  readonly connected: (ports: readonly ConsolePort[]) => void;
  /** What the guest writes to its console. */
  readonly output: (bytes: Uint8Array) => void;
  readonly progress: (step: Progress) => void;
  /** Is told in a sentence what a disk could not do while the guest ran. */
  readonly report: (sentence: string) => void;
  /** Ends what is done until the machine runs. */
  readonly signal: AbortSignal;
}

/** A machine that runs. */
export interface RunningMachine {
  readonly cpus: number;
  /** All of it, and what `also` gives at the same moment; it stands still meanwhile. Rejects with KvmError, EBUSY: it has a part that cannot be saved. */
  capture<T>(also: () => T): Promise<{
    readonly snapshot: Snapshot;
    readonly also: T;
    /** How long it stood still, ms, where that is known. */
    readonly stopped?: number;
  }>;
  /** As `capture`, of what was written to disks alone: the guest can be booted with it. */
  captureDisks(): Promise<Snapshot>;
  /** As `capture`, `count` times, for `restore` on this platform, once each. */
  twins<T>(
    count: number,
    also: () => T,
  ): Promise<{
    readonly twins: readonly (Snapshot | Twin)[];
    readonly also: T;
    readonly stopped?: number;
  }>;
  /**
   * How it was made, as a plain value: what `Platform.restore` looks at in `Snapshot.hardware`, of a snapshot that may be from
   * elsewhere. Rejects with VmmError.
   */
  describe(): Promise<object>;
  /** Bytes of WebAssembly that were generated for its processors and are kept. */
  generatedCode(): Promise<number>;
  /** Types on its console. A promise: no more until it resolves. */
  input(bytes: Uint8Array): Promise<void> | undefined;
  /** Begins a connection to a port of the guest, as a `UserNetwork` does; undefined: it has no network. */
  readonly connect?: ((port: number, attach: Parameters<Accept>[0]) => void) | undefined;
  /** Has the guest and its time stand still, until `resume` was called as often. Rejects if it ends meanwhile. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends it from outside, at once. */
  stop(): void;
  /** Resolves when everything of it is gone. Never rejects. */
  readonly ended: Promise<Outcome>;
}

/** A tar of a folder of the host, or of a file. Its reader gets the errors: VmError. */
export type PackTree = (path: string) => ReadableStream<Uint8Array>;

export interface Platform {
  /** Where the host has files. */
  readonly packTree?: PackTree;
  /** Boots a machine whose guest runs the agent. Throws VmError, VmmError, KvmError; nothing is left behind then. */
  boot(plan: BootPlan): Promise<RunningMachine>;
  /**
   * A machine that goes on where another was captured, or of a snapshot without memory one that is booted with what was written
   * to disks. If the snapshot says nothing of how it was made, that was by the same plan but for who is told. VmError, EINVAL:
   * the plan has other disks or another network. VmmError, and KvmError, EINVAL: the snapshot cannot go on here.
   */
  restore(plan: BootPlan, snapshot: Snapshot | Twin): Promise<RunningMachine>;
  readonly snapshots: SnapshotPlace;
}

/** Where snapshots lie that have a name. */
export interface SnapshotPlace {
  readonly platform: SnapshotPlatform;
  /** Calls `use` with what has a name or an address of this platform. Rejects with VmmError, whose cause may have a code: there is none. */
  read<T>(from: string | URL, use: (source: SnapshotSource) => Promise<T>): Promise<T>;
  /** Gives what `work` writes a name: all of it, or nothing is changed. Rejects as `read`. */
  write<T>(name: string, work: (write: (bytes: Uint8Array) => Promise<void>) => Promise<T>): Promise<T>;
}
