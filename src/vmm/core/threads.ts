/** A thread for each vCPU: what a platform with shared memory gets. */

import type { TraceCategory } from "../../kvm/uapi.js";
import { describeError } from "../errors.js";
import type { CpuState, Machine, PlatformThread, RunControl, VcpuThreadMessage } from "./machine.js";
import { Mailbox, Turn } from "./mailbox.js";
import type { Scheduler } from "./scheduler.js";

export interface ThreadsOptions {
  readonly machine: Machine;
  readonly spawn: () => PlatformThread;
  readonly control: RunControl;
  readonly onConsole: () => void;
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

export class ThreadScheduler implements Scheduler {
  readonly #options: ThreadsOptions;
  #cpus: Cpu[] = [];
  #leaving = false;

  constructor(options: ThreadsOptions) {
    this.#options = options;
  }

  async prepare(): Promise<void> {
    const { machine } = this.#options;
    for (let id = 0; id < machine.cpus; id++) this.#cpus.push(this.#spawn(id));
    await Promise.all(this.#cpus.map((cpu) => cpu.ready));
  }

  #spawn(id: number): Cpu {
    const { machine, spawn, control, trace } = this.#options;
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
      if (!this.#leaving) control.end({ kind: "failed", message, stack });
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
    thread.post({ cpu: id, vm: machine.vm.share(), machine: machine.shared, mailbox: mailbox.buffer, trace });
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
      cpu.mailbox.putAnswer(exit);
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
    if (this.#leaving) return;
    this.#leaving = true;
    const { machine } = this.#options;
    for (const [id, cpu] of this.#cpus.entries()) {
      cpu.mailbox.give(Turn.quit);
      const vcpu = machine.vm.vcpu(id);
      vcpu.immediateExit = true;
      vcpu.requestExit();
      vcpu.close();
    }
  }

  async shutdown(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    await Promise.race([Promise.all(this.#cpus.map((cpu) => cpu.finished)), late]);
    clearTimeout(timer);
    await Promise.all(this.#cpus.map((cpu) => cpu.thread.terminate()));
  }

  stats(): readonly Readonly<Record<string, number>>[] {
    return this.#cpus.map((cpu) => cpu.stats);
  }
}
