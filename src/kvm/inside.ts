/**
 * A VM and a vCPU as the kernel side's parts know them: what an architecture, a capability or a statistic may touch. The
 * classes (vm.ts, vcpu.ts) implement it, and nothing else of the kernel side names them but those that make them.
 */
import type { Member } from "../vac/vac.js";
import type { Engine } from "./engine.js";
import type { EventFds } from "./event-fd.js";
import type { Extension } from "./extensions.js";
import type { VmMemory } from "./memory.js";
import type { MemorySlots } from "./memory-slots.js";
import type { AttachedReferences, VmReferences } from "./references.js";
import type { Tracer } from "./trace.js";

export interface VmInside {
  readonly mem: VmMemory;
  /** What this kvm holds of what exists once in the process. */
  readonly vac: Member;
  readonly slots: MemorySlots;
  readonly eventFds: EventFds;
  readonly trace: Tracer;
  /** The implementation's name. */
  readonly implementation: string;
  /** Whether threads share its memory. */
  readonly shared: boolean;
  /** Who holds the VM: of the thread that created it, or of one that attached. */
  readonly references: VmReferences | AttachedReferences;
  /** What other modules add to it. */
  readonly extensions: readonly Pick<Extension, "url" | "value">[];
  /** The vCPU that this thread is in run() of. */
  readonly running: VcpuInside | undefined;
  /** Tells the engine of a write; see Engine.memoryWritten. */
  readonly engineMemoryWritten: ReturnType<Engine["memoryWritten"]>;

  /** All vCPUs in order of creation. */
  vcpus(): readonly VcpuInside[];
  /** A device has written guest memory: dirty logs and decoded code are to know. */
  guestWritten(address: bigint, length: number): void;
  hostWritten(address: number, length: number): void;
  /** EBADF: its handle is closed. ESTALE: it has moved to another kvm. */
  requireOpen(): void;
  /** ESTALE: it has moved to another kvm. */
  requireCurrent(): void;
  /** Keeps the VM until what it returns is called. */
  hold(): () => void;
}

export interface VcpuInside {
  readonly vm: VmInside;
  /** The user side's number. */
  readonly id: number;
  /** Order of creation. */
  readonly index: number;
  /** Address of its record in the VM's memory, of the architecture's part of that, and of the engine's state. */
  readonly record: number;
  readonly archRecord: number;
  readonly state: number;
  readonly immediateExit: boolean;

  /** Exactly one instruction; the engine's exit code. */
  engineStep(): number;
  /** Readies the engine's state before the first run. */
  engineReset(): void;
  /** The guest has nothing to do until something wakes it. */
  halt(): void;
  /** Ends a halt, or makes the engine look at what is pending. [any thread] */
  wake(): void;
  /** Ends run() with `intr`. */
  requestExit(): void;
  /** Has run() look at what the VM wants of it, and go on. [any thread] */
  interruptRun(): void;
}
