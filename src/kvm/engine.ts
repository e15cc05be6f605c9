/** What the KVM core asks of an engine: a loaded implementation's way to run one vCPU. */

/** One vCPU as one thread runs it. Created on the thread that runs it. */
export interface EngineVcpu {
  /** Readies the state of a vCPU that never ran. Its registers, and all that the architecture keeps per VM, are set. */
  reset(): void;
  /**
   * Runs guest code until there is something for the caller; returns the architecture's exit code. The state
   * (registers, exit record) is in the VM's memory.
   */
  run(): number;
  /** Runs exactly one instruction (or delivers one interrupt). */
  step(): number;
  /** Statistics of this thread's engine: translations, bytes of code, by name. */
  stats(): Readonly<Record<string, number>>;
}

/** Told what happens inside the engine that the vCPU's state asks to hear of; the architecture knows the kinds. */
export type EngineEvents = (kind: number, a: bigint, b: bigint, c: number, d: number) => void;

/** A thread beside a vCPU's that works for it. What is posted and taken is the engine's own; it goes through postMessage. */
export interface ThreadBeside {
  /** False once it has died: nothing more comes, and the engine does the work itself. */
  readonly alive: boolean;
  /** It is to compile what it has made once more, many together (engine/translate/gathering.ts). Default: false. */
  readonly gathers?: boolean;
  post(request: unknown): void;
  /** The oldest answer that has come, without waiting for one; undefined: none has. */
  take(): unknown;
}

/** A loaded engine: compiled code that can be bound to any VM's memory on any thread. */
export interface Engine {
  /** "hv" or "pr". */
  readonly name: string;
  /** Vcpus can be told to order their accesses, and several of one VM are to be: the host would not do it. */
  readonly orders: boolean;
  /**
   * Binds to the vCPU whose state lies at `address` of `memory`. `missing` is called with the address of a page of `memory` that the
   * table of missing pages has, before the engine looks at it; what it throws run() throws. `ordered`: other vCPUs see its loads
   * and stores in the order that the architecture promises, on this host too. What was bound to the vCPU before is not to run again.
   */
  attach(
    memory: WebAssembly.Memory,
    address: number,
    onEvent?: EngineEvents,
    missing?: (address: number) => void,
    ordered?: boolean,
  ): EngineVcpu;
  /**
   * Binds to a VM's memory; the result is called after something other than a vCPU has written guest physical memory. True:
   * vCPUs had code of it and have been told to drop it, of which they take notice at their next look.
   */
  memoryWritten(memory: WebAssembly.Memory): (address: bigint, length: bigint) => boolean;
  /**
   * Does, once for a thread, what the first vCPU on it would otherwise wait for. `memory` is a spare one, of the kind that
   * VMs have.
   */
  warmUp(memory: WebAssembly.Memory): void;
  /** What another thread needs to load the same engine without compiling again; goes through postMessage. */
  readonly share: unknown;
}
