/**
 * All vCPUs in turn on the machine's own thread, a slice each, with the thread's other work in between: what a platform
 * without shared memory gets.
 */

import { hostTurn } from "../../base/host-turn.js";
import { isForwarded } from "../../kvm/uapi/exits.js";
import type { Exit, Kvm, MoveOptions, Vcpu } from "../../kvm/uapi.js";
import { describeError } from "../errors.js";
import type { CpuLimit } from "./cpu-limit.js";
import {
  type CpuState,
  type Machine,
  type RunControl,
  type TraceSink,
  type VcpuSide,
  type VcpuSideHost,
  whyNotForwarded,
} from "./machine.js";
import type { Scheduler } from "./scheduler.js";
import { StandStill } from "./stand-still.js";

export interface SlicesOptions {
  readonly machine: Machine;
  readonly createSide: (cpu: number, shared: unknown, host: VcpuSideHost) => VcpuSide;
  readonly control: RunControl;
  readonly onConsole: () => void;
  readonly cpuLimit: CpuLimit | undefined;
  readonly traceSink: TraceSink | undefined;
}

/** Milliseconds of one vCPU's turn: short where others wait, since they may spin for one that does not run. */
const sliceAlone = 8;
const sliceShared = 1;
/** After this time the thread gets its chance to serve input and timers, milliseconds. */
const turnLength = 8;
/** Longest timer that setTimeout takes. */
const longestSleep = 0x7fff_ffff;

interface Cpu {
  readonly vcpu: Vcpu;
  readonly side: VcpuSide;
  running: boolean;
  stopped: boolean;
}

export class SliceScheduler implements Scheduler {
  readonly #options: SlicesOptions;
  #cpus: Cpu[] = [];
  readonly #still: StandStill;
  #finished: Promise<void> = Promise.resolve();
  #wakeUp: (() => void) | undefined;
  #woken = false;
  #started = false;
  #entries = 0;
  /** Who comes first in a round: the turn ended before it had its slice. */
  #first = 0;

  constructor(options: SlicesOptions) {
    this.#options = options;
    this.#still = new StandStill(options.machine);
  }

  async prepare(): Promise<void> {
    const { machine, createSide, onConsole, traceSink } = this.#options;
    for (let id = 0; id < machine.cpus; id++) {
      const vcpu = machine.vm.vcpu(id);
      const side = createSide(id, machine.shared, { announceConsole: onConsole, mayWait: false, trace: traceSink });
      side.attached?.(machine.vm);
      this.#cpus.push({ vcpu, side, running: false, stopped: true });
    }
  }

  cpuState(id: number): CpuState {
    const cpu = this.#cpus[id];
    if (!cpu || (cpu.stopped && !cpu.running)) return "stopped";
    return cpu.running ? "running" : "stopping";
  }

  start(id: number): void {
    const cpu = this.#cpus[id];
    if (!cpu) return;
    cpu.running = true;
    cpu.stopped = false;
    this.wake();
    if (this.#started) return;
    this.#started = true;
    this.#finished = this.#loop().catch((error: unknown) => {
      this.#options.control.end({ kind: "failed", ...describeError(error) });
    });
  }

  stop(id: number): void {
    const cpu = this.#cpus[id];
    if (cpu) cpu.running = false;
  }

  wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
  }

  /** Between two rounds no vCPU is in the guest, and its handles go with the VM. */
  async moveTo(kvm: Kvm, options: Omit<MoveOptions, "prepare"> = {}): Promise<void> {
    await this.#options.machine.vm.moveTo(kvm, options);
  }

  pause(): Promise<void> {
    return this.#still.begin();
  }

  resume(): void {
    this.#still.end();
    this.wake();
  }

  requireGoing(): void {
    this.#still.requireGoing();
  }

  leave(): void {
    this.#still.leave();
    this.resume();
  }

  async shutdown(): Promise<void> {
    await this.#finished;
    for (const { vcpu } of this.#cpus) vcpu.close();
  }

  stats(): readonly Readonly<Record<string, number>>[] {
    return this.#cpus.map(({ vcpu, side }) => ({ ...side.stats(), ...vcpu.stats() }));
  }

  async #loop(): Promise<void> {
    while (!this.#still.leaving) {
      if (this.#still.here) {
        this.#woken = false;
        await this.#sleep(Number.POSITIVE_INFINITY);
        continue;
      }
      const turnEnd = performance.now() + turnLength;
      let until: number;
      do {
        until = this.#round(turnEnd);
      } while (!this.#still.leaving && until <= performance.now() && performance.now() < turnEnd);
      if (until > performance.now()) await this.#sleep(until);
      else await hostTurn();
    }
  }

  /**
   * Gives each running vCPU a slice, until the turn ends. Returns the time until which nothing has to be done, or may be: 0 if a
   * vCPU has work, or did some that may have woken another.
   */
  #round(turnEnd: number): number {
    this.#woken = false;
    let until = Number.POSITIVE_INFINITY;
    let [busy, served] = [false, false];
    const { cpuLimit } = this.#options;
    const running = this.#cpus.filter((cpu) => cpu.running);
    const slice = running.length > 1 ? sliceShared : sliceAlone;
    for (let count = 0; count < running.length; count++, this.#first++) {
      if (this.#still.leaving || (count > 0 && performance.now() >= turnEnd)) return 0;
      const cpu = running[this.#first % running.length] as Cpu;
      const options = { wait: false, deadline: performance.now() + slice };
      const exit = cpuLimit ? cpuLimit.run(cpu.vcpu, options) : cpu.vcpu.run(options);
      if (exit.reason !== "hlt") {
        busy = true;
        if (exit.reason !== "intr") {
          served = true;
          this.#serve(cpu, exit);
        }
      } else {
        until = Math.min(until, exit.until);
      }
    }
    // First each exit is completed: who pauses the machine waits for that.
    if (!served && cpuLimit && running.length > 0 && cpuLimit.room <= 0) return performance.now() + cpuLimit.untilNext;
    if (busy || this.#woken) return 0;
    // A vCPU that ran before it halted may have sent an interrupt to one whose turn was before.
    if (running.length > 1 && this.#anyRan()) return 0;
    return until;
  }

  /** Whether any vCPU has been in the guest since the last time this was asked. */
  #anyRan(): boolean {
    const before = this.#entries;
    this.#entries = this.#cpus.reduce((sum, { vcpu }) => sum + (vcpu.stats()["engineExits"] ?? 0), 0);
    return this.#entries !== before;
  }

  #serve(cpu: Cpu, exit: Exit): void {
    const { machine, control } = this.#options;
    if (cpu.side.answer(exit)) return;
    if (!isForwarded(exit)) {
      cpu.running = false;
      control.end({ kind: "failed", message: whyNotForwarded(exit) });
      return;
    }
    machine.answer(cpu.vcpu.id, exit);
    if (!cpu.running) {
      // The exit must be complete before someone sets this CPU's registers for its next start.
      cpu.vcpu.immediateExit = true;
      cpu.vcpu.run({ wait: false });
      cpu.vcpu.immediateExit = false;
      cpu.stopped = true;
    }
  }

  #sleep(until: number): Promise<void> {
    if (this.#woken || this.#still.leaving) return Promise.resolve();
    return new Promise((resolve) => {
      const milliseconds = Math.min(longestSleep, Math.max(0, until - performance.now()));
      const timer = setTimeout(() => this.#wakeUp?.(), milliseconds);
      this.#wakeUp = () => {
        this.#wakeUp = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
