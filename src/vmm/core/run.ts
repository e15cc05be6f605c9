/** Runs a machine to its end: console, timeout, threads or slices, orderly shut-down. */

import {
  bytes,
  callback,
  guard,
  having,
  listOf,
  milliseconds,
  oneOf,
  optional,
  options,
  type Signatures,
  taking,
  text,
  time,
  wholeNumber,
} from "../../base/takes.js";
import { type Kvm, KvmError, type MoveOptions, type TraceCategory } from "../../kvm/uapi.js";
import { describeError } from "../errors.js";
import { type ConsoleOutput, ConsolePump } from "./console-pump.js";
import { CpuLimit } from "./cpu-limit.js";
import type { Machine, Outcome, PlatformThread, RunControl, TraceSink, VcpuSide, VcpuSideHost } from "./machine.js";
import type { Scheduler } from "./scheduler.js";
import { SliceScheduler } from "./slices.js";
import { ThreadScheduler } from "./threads.js";
import { type LoadDisassembler, traceKernelSide, traceLine } from "./trace.js";

/** How a machine is run. */
export interface RunOptions {
  /** Makes the machine; `control` is what it may ask of the run loop. */
  readonly createMachine: (control: RunControl, trace: TraceSink | undefined) => Machine;
  /** The machine's name, by which vCPUs' threads find their side of it. Default: the machine that is the default. */
  readonly kind?: string | undefined;
  /** Its side of a vCPU that runs on this thread. */
  readonly createSide: (cpu: number, shared: unknown, host: VcpuSideHost) => VcpuSide;
  /** Makes a thread for a vCPU. Without it, or if the VM is not shared, all run in slices on this thread. */
  readonly spawn?: (() => PlatformThread) | undefined;
  /** Takes what the guest writes to its console. A promise: the guest waits for it. */
  readonly output: ConsoleOutput;
  /** Ends the run, milliseconds. */
  readonly timeout?: number | undefined;
  /** How much its processors run, all together, as so many of the host's: 0.5. At least 0.01. Default: as much as they can. */
  readonly cpuLimit?: number | undefined;
  /** `write` may throw, which ends the run. */
  readonly trace?:
    | {
        /** What is traced. */
        readonly categories: readonly TraceCategory[];
        /** Takes lines. */
        readonly write: (text: string) => void;
        /** How the thread that owns the machine disassembles; the others have their own way. */
        readonly loadDisassembler?: LoadDisassembler;
      }
    | undefined;
}

/** How a machine moves: `type` is the implementation there, as in KVM_CREATE_VM (default: the one of the same name). */
export type RunMoveOptions = Omit<MoveOptions, "prepare">;

/** Counters of a run. */
export interface RunStats {
  /** The machine's, by name. */
  readonly machine: Readonly<Record<string, number>>;
  /** Each CPU's, by name. */
  readonly cpus: readonly Readonly<Record<string, number>>[];
}

/** What is left of a run. */
export interface RunEnd {
  /** How it ended. */
  readonly outcome: Outcome;
  /** What was counted. */
  readonly stats: RunStats;
  /** Input that the guest has not read: the next machine's, if the guest reboots. */
  readonly unread: Uint8Array;
}

/** A machine that runs. */
export interface Run {
  /** Resolves once everything has been shut down and all output written. Never rejects. */
  readonly ended: Promise<RunEnd>;
  /**
   * What the user types; all of it is taken. A promise: the guest does not read, and no more should be given until it
   * resolves, which it does at the end at the latest.
   */
  input(bytes: Uint8Array): Promise<void> | undefined;
  /**
   * Moves the machine's VM, while it runs, to another loaded kvm, e.g. of a newer version of this package. The guest's RAM
   * stays where it is. If that is not possible it rejects, and the machine runs on where it is; errors as `Vm.moveTo`.
   */
  moveTo(kvm: Kvm, options?: RunMoveOptions): Promise<void>;
  /** Has the guest and its time stand still, until `resume` was called as often. Rejects if it ends meanwhile. */
  pause(): Promise<void>;
  /** Takes back one `pause`. */
  resume(): void;
  /**
   * What `work` gives, called while the machine is paused; it is not to keep the machine. `before` is called and awaited first,
   * while the machine runs on.
   */
  whilePaused<T>(work: (machine: Machine) => T, before?: (machine: Machine) => Promise<void>): Promise<T>;
  /** What the machine counts, as `RunStats` will have it, as it is now. */
  counts(): Readonly<Record<string, number>>;
  /** Ends it from outside. */
  stop(): void;
}

const machineOptions = options<RunOptions>({
  createMachine: callback,
  kind: optional(text),
  createSide: callback,
  spawn: optional(callback),
  output: callback,
  // What the platform's timers take.
  timeout: optional(milliseconds),
  cpuLimit: optional(time),
  trace: optional(
    options({
      categories: listOf(oneOf("exit", "hcall", "rtas", "interrupt", "mmu", "insn")),
      write: callback,
      loadDisassembler: optional(callback),
    }),
  ),
});
const runSignatures = {
  input: { bytes },
  moveTo: {
    kvm: having({}),
    options: optional(options<RunMoveOptions>({ type: optional(wholeNumber), timeout: optional(time) })),
  },
  pause: {},
  resume: {},
  whilePaused: { work: callback, before: optional(callback) },
  counts: {},
  stop: {},
} as const satisfies Signatures<Run>;

/** Starts a machine. Rejects if it cannot be made; nothing is left behind then. EINVAL: no such option, or of a wrong type. */
export const runMachine = taking("runMachine", { options: machineOptions }, start, { promises: true });

async function start(options: RunOptions): Promise<Run> {
  const categories = options.trace?.categories ?? [];
  /** The last of a trace is written when the run has ended: that it could not be is then how the run ended. */
  let untraced: Outcome | undefined;
  const write =
    options.trace &&
    stopAtError(options.trace.write, (how) => {
      untraced = how;
      control.end(how);
    });
  const trace: TraceSink | undefined = write
    ? (category, cpu, text) => {
        if (categories.some((wanted) => wanted === category)) write(traceLine(category, cpu, text));
      }
    : undefined;

  let settle: (outcome: Outcome) => void = () => undefined;
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve;
  });
  // A CPU that was answered after the end finds the machine as it left it.
  const control: RunControl = {
    cpuState: (cpu) => scheduler.cpuState(cpu),
    startCpu: (cpu) => scheduler.start(cpu),
    stopCpu: (cpu) => scheduler.stop(cpu),
    wake: () => scheduler.wake(),
    consoleChanged: () => pump.schedule(),
    end: (how) => {
      scheduler.leave();
      settle(how);
    },
  };
  const cpuLimit = options.cpuLimit === undefined ? undefined : CpuLimit.of(options.cpuLimit);
  const machine = options.createMachine(control, trace);
  const pump = new ConsolePump(machine, options.output, () => {
    machine.consoleInput();
    scheduler.wake();
  });
  const onConsole = (): void => pump.schedule();
  const scheduler: Scheduler =
    options.spawn && machine.vm.shared
      ? new ThreadScheduler({
          machine,
          kind: options.kind,
          spawn: options.spawn,
          control,
          onConsole,
          cpuLimit,
          trace: categories,
          onTrace: write ?? (() => undefined),
        })
      : new SliceScheduler({
          machine,
          createSide: options.createSide,
          control,
          onConsole,
          cpuLimit,
          traceSink: trace,
        });

  const timer =
    options.timeout === undefined ? undefined : setTimeout(() => control.end({ kind: "timeout" }), options.timeout);
  const finish = async (): Promise<RunEnd> => {
    const how = await outcome;
    clearTimeout(timer);
    await scheduler.shutdown();
    await pump.finish();
    const stats = { machine: machine.stats(), cpus: scheduler.stats() };
    machine.close();
    return { outcome: untraced ?? how, stats, unread: pump.unread() };
  };
  try {
    if (trace) await traceKernelSide(machine.vm, categories, trace, options.trace?.loadDisassembler);
    await scheduler.prepare();
    machine.start();
  } catch (error) {
    control.end({ kind: "stopped" });
    await finish();
    throw error;
  }
  const pauses = new Pauses(scheduler);
  /** What is asked of a machine that has ended, or ends meanwhile, fails for that: its VM is closed then. */
  const whileGoing = async <T>(work: () => Promise<T>): Promise<T> => {
    scheduler.requireGoing();
    try {
      return await work();
    } catch (error) {
      scheduler.requireGoing();
      throw error;
    }
  };
  const run: Run = {
    ended: finish().catch((error: unknown) => ({
      outcome: { kind: "failed", ...describeError(error) },
      stats: { machine: {}, cpus: [] },
      unread: new Uint8Array(0),
    })),
    input: (bytes) => pump.input(bytes),
    moveTo: (kvm, options) => whileGoing(() => scheduler.moveTo(kvm, options)),
    pause: () => whileGoing(() => pauses.pause()),
    resume: () => pauses.resume(),
    whilePaused: async (work, before) => {
      await whileGoing(async () => {
        await before?.(machine);
        await pauses.pause();
      });
      try {
        return work(machine);
      } finally {
        pauses.resume();
      }
    },
    counts: () => machine.stats(),
    stop: () => control.end({ kind: "stopped" }),
  };
  const { moveTo, whilePaused, ...others } = runSignatures;
  return guard(guard(run, "run", others), "run", { moveTo, whilePaused }, true);
}

/** Counts who wants the machine to stand still: it goes on when nobody does. */
class Pauses {
  readonly #scheduler: Scheduler;
  #wanted = 0;
  /** Settles when the last pause or resume that was asked for is done. */
  #done: Promise<void> = Promise.resolve();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  async pause(): Promise<void> {
    if (this.#wanted++ === 0) this.#done = this.#scheduler.pause();
    try {
      await this.#done;
    } catch (error) {
      this.#wanted--;
      throw error;
    }
  }

  resume(): void {
    if (this.#wanted === 0) throw new KvmError("EINVAL", "run.resume: the machine is not paused");
    if (--this.#wanted === 0) this.#scheduler.resume();
  }
}

/** Writes until that fails once, which ends the run: soon, since the trace may be of the very making of the machine. */
function stopAtError(write: (text: string) => void, end: (outcome: Outcome) => void): (text: string) => void {
  let failed = false;
  return (text) => {
    if (failed) return;
    try {
      write(text);
    } catch (error) {
      failed = true;
      queueMicrotask(() => end({ kind: "failed", ...describeError(error) }));
    }
  };
}
