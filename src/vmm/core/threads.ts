/** A thread for each vCPU: what a platform with shared memory gets. */

import type { Kvm, MoveOptions, SharedVm, TraceCategory } from "../../kvm/uapi.js";
import { describeError, VmmError } from "../errors.js";
import type { CpuLimit } from "./cpu-limit.js";
import type { CpuState, Machine, PlatformThread, RunControl, VcpuThreadMessage } from "./machine.js";
import { Mailbox, Turn } from "./mailbox.js";
import type { Scheduler } from "./scheduler.js";
import { StandStill } from "./stand-still.js";

export interface ThreadsOptions {
  readonly machine: Machine;
  /** Its name in the table of machines. */
  readonly kind: string | undefined;
  readonly spawn: () => PlatformThread;
  readonly control: RunControl;
  readonly onConsole: () => void;
  readonly cpuLimit: CpuLimit | undefined;
  readonly trace: readonly TraceCategory[];
  readonly onTrace: (text: string) => void;
}

/** How long a thread may take to leave by itself before it is ended by force, milliseconds. */
const patience = 2000;

interface Cpu {
  readonly thread: PlatformThread;
  readonly mailbox: Mailbox;
  running: boolean;
  stats: Readonly<Record<string, number>>;
  readonly finished: Promise<void>;
  readonly ready: Promise<void>;
}

type Fail = (message: string, stack?: string) => void;

export class ThreadScheduler implements Scheduler {
  readonly #options: ThreadsOptions;
  #cpus: Cpu[] = [];
  readonly #still: StandStill;
  /** Counters of the threads that ran each CPU before the VM moved. */
  readonly #earlier: Counters[] = [];

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#still = new StandStill(options.machine, patience);
  }

  async prepare(): Promise<void> {
    const { machine, control } = this.#options;
    const fail: Fail = (message, stack) => {
      if (!this.#still.leaving) control.end({ kind: "failed", message, stack });
    };
    const vm = machine.vm.share();
    for (let id = 0; id < machine.cpus; id++) this.#cpus.push(this.#spawn(id, vm, fail));
    await Promise.all(this.#cpus.map((cpu) => cpu.ready));
  }

  /** Threads for the VM where it will be are made ready while the guest runs on; then they take over. */
  async moveTo(kvm: Kvm, options: Omit<MoveOptions, "prepare"> = {}): Promise<void> {
    const { machine, control } = this.#options;
    const next: Cpu[] = [];
    let moved = false;
    const prepare = async (vm: SharedVm): Promise<void> => {
      const failed = new Promise<never>((_, reject) => {
        const fail: Fail = (message, stack) => {
          if (!moved) reject(new VmmError(message));
          else if (!this.#still.leaving) control.end({ kind: "failed", message, stack });
        };
        for (let id = 0; id < machine.cpus; id++) next.push(this.#spawn(id, vm, fail));
      });
      await Promise.race([Promise.all(next.map((cpu) => cpu.ready)), failed]);
    };
    try {
      await machine.vm.moveTo(kvm, { ...options, prepare });
    } catch (error) {
      await Promise.all(next.map((cpu) => cpu.thread.terminate()));
      throw error;
    }
    moved = true;
    const before = this.#cpus;
    this.#cpus = next;
    for (const [id, cpu] of next.entries()) {
      const { running, mailbox } = before[id] as Cpu;
      cpu.running = running;
      mailbox.give(Turn.moved);
      if (this.#still.leaving) cpu.mailbox.give(Turn.quit);
      else if (running) cpu.mailbox.give(Turn.go);
    }
    await gone(before);
    for (const [id, cpu] of before.entries()) this.#earlier[id] = sum(this.#earlier[id] ?? {}, cpu.stats);
  }

  /** Threads wait in run(), or for their turn. */
  pause(): Promise<void> {
    return this.#still.begin();
  }

  resume(): void {
    this.#still.end();
  }

  requireGoing(): void {
    this.#still.requireGoing();
  }

  #spawn(id: number, vm: SharedVm, failed: Fail): Cpu {
    const { machine, kind, spawn, cpuLimit, trace } = this.#options;
    const { latent } = machine;
    const thread = spawn();
    const mailbox = new Mailbox();
    let finish = (): void => undefined;
    let ready = (): void => undefined;
    const cpu: Cpu = {
      thread,
      mailbox,
      running: false,
      stats: {},
      finished: new Promise((resolve) => {
        finish = resolve;
      }),
      ready: new Promise((resolve) => {
        ready = resolve;
      }),
    };
    const fail = (message: string, stack?: string): void => {
      ready();
      finish();
      failed(message, stack);
    };
    thread.onDeath((why) => fail(`the thread of CPU ${id} died: ${why}`));
    thread.onMessage((message) => {
      if (message.type === "ready") ready();
      else if (message.type === "failed") fail(message.message, message.stack);
      else if (message.type === "finished") {
        cpu.stats = message.stats;
        finish();
      } else this.#onMessage(id, cpu, message);
    });
    const limit = cpuLimit && { cpuLimit: cpuLimit.buffer as SharedArrayBuffer };
    thread.post({ cpu: id, vm, kind, machine: machine.shared, mailbox: mailbox.buffer, ...limit, trace, latent });
    return cpu;
  }

  #onMessage(id: number, cpu: Cpu, message: VcpuThreadMessage): void {
    const { machine, control, onConsole, onTrace } = this.#options;
    if (message.type === "console") onConsole();
    else if (message.type === "trace") {
      onTrace(message.text);
      cpu.mailbox.traceWritten();
    } else if (message.type === "ask") {
      if (cpu.mailbox.turn !== Turn.asked) return;
      const exit = cpu.mailbox.exit();
      try {
        machine.answer(id, exit);
      } catch (error) {
        control.end({ kind: "failed", ...describeError(error) });
        return;
      }
      cpu.mailbox.put(exit);
      cpu.mailbox.give(cpu.running ? Turn.go : Turn.park);
    }
  }

  cpuState(id: number): CpuState {
    const cpu = this.#cpus[id];
    if (!cpu) return "stopped";
    if (cpu.running) return "running";
    return cpu.mailbox.turn === Turn.parked ? "stopped" : "stopping";
  }

  start(id: number): void {
    const cpu = this.#cpus[id];
    if (!cpu) return;
    cpu.running = true;
    cpu.mailbox.give(Turn.go);
  }

  stop(id: number): void {
    const cpu = this.#cpus[id];
    // The vCPU parks when it gets the answer to the exit that stops it.
    if (cpu) cpu.running = false;
  }

  /** A halted vCPU's thread is woken by KVM itself. */
  wake(): void {}

  leave(): void {
    if (this.#still.leaving) return;
    this.#still.leave();
    const { machine } = this.#options;
    for (const [id, cpu] of this.#cpus.entries()) {
      cpu.mailbox.give(Turn.quit);
      const vcpu = machine.vm.vcpu(id);
      vcpu.immediateExit = true;
      vcpu.requestExit();
      vcpu.close();
    }
    // Not before they have been told to leave.
    this.resume();
  }

  async shutdown(): Promise<void> {
    await gone(this.#cpus);
  }

  stats(): readonly Readonly<Record<string, number>>[] {
    return this.#cpus.map(({ stats }, id) => sum(this.#earlier[id] ?? {}, stats));
  }
}

type Counters = Readonly<Record<string, number>>;

const sum = (a: Counters, b: Counters): Counters => ({
  ...a,
  ...Object.fromEntries(Object.entries(b).map(([name, value]) => [name, (a[name] ?? 0) + value])),
});

/** Waits until the threads have left by themselves, not for ever, and gives them back. */
async function gone(cpus: readonly Cpu[]): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience);
  });
  await Promise.race([Promise.all(cpus.map((cpu) => cpu.finished)), late]);
  clearTimeout(timer);
  await Promise.all(cpus.map((cpu) => cpu.thread.terminate()));
}
