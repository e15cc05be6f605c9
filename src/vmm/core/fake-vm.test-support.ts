/**
 * A VM without guest code, for tests of the run loop: each vCPU plays a script of exits. What another thread must see lies
 * in shared memory, as in a real one.
 */
import { Worker } from "node:worker_threads";
import { type Exit, KvmError, type RunOptions, type SharedVm, type Vcpu, type Vm } from "../../kvm/uapi.js";
import { ConsoleRing } from "../devices/console-ring.js";
import type {
  Machine,
  Outcome,
  PlatformThread,
  RunControl,
  VcpuSide,
  VcpuSideHost,
  VcpuThreadMessage,
} from "./machine.js";
import { WrittenPages } from "./written-pages.js";

/**
 * One thing a scripted vCPU does: an exit, or to be in the guest, halted, or dead until someone wants it to leave; "hold" is in the
 * guest longer than it may.
 */
export type Step =
  | { readonly say: string }
  | { readonly ask: number }
  | "spin"
  | "hold"
  | "halt"
  | "throw"
  | "internal";
export type Scripts = readonly (readonly Step[])[];

interface FakeEngine {
  readonly scripts: Scripts;
  readonly flags: SharedArrayBuffer;
}

/** Words per vCPU: immediate exit, exit requested, starts. */
const words = 4;
const sayCall = 0x58;

export class FakeVm {
  readonly shared: boolean;
  readonly #engine: FakeEngine;
  readonly open = new Set<FakeVcpu>();
  #closed = false;

  constructor(scripts: Scripts, shared: boolean, flags = new SharedArrayBuffer(scripts.length * words * 4)) {
    this.shared = shared;
    this.#engine = { scripts, flags };
  }

  static prepareAttach(shared: SharedVm): Promise<() => Vm> {
    const { scripts, flags } = shared.engine as FakeEngine;
    return Promise.resolve(() => new FakeVm(scripts, true, flags).vm);
  }

  get vm(): Vm {
    return this as unknown as Vm;
  }

  vcpu(id: number): FakeVcpu {
    const flags = new Int32Array(this.#engine.flags, id * words * 4, words);
    const vcpu = new FakeVcpu(id, this.#engine.scripts[id] ?? [], flags, () => this.open.delete(vcpu));
    this.open.add(vcpu);
    return vcpu;
  }

  share(): SharedVm {
    return { version: 1, arch: "fake", implementation: "fake", engine: this.#engine } as unknown as SharedVm;
  }
  setTrace(): void {}
  stats(): Record<string, number> {
    return { vms: 1 };
  }
  async pause(): Promise<void> {
    this.#requireOpen();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  resume(): void {
    this.#requireOpen();
  }
  async moveTo(): Promise<void> {
    this.#requireOpen();
  }
  close(): void {
    this.#closed = true;
  }
  #requireOpen(): void {
    if (this.#closed) throw new KvmError("EBADF", "the VM's handle is closed");
  }
}

class FakeVcpu implements Pick<Vcpu, "id" | "run" | "immediateExit" | "requestExit" | "stats" | "close"> {
  readonly id: number;
  readonly #script: readonly Step[];
  readonly #flags: Int32Array;
  readonly close: () => void;
  #at = 0;
  #entries = 0;
  #pending: Exit | undefined;
  readonly answers: bigint[] = [];

  constructor(id: number, script: readonly Step[], flags: Int32Array, close: () => void) {
    this.id = id;
    this.#script = script;
    this.#flags = flags;
    this.close = close;
  }

  get immediateExit(): boolean {
    return Atomics.load(this.#flags, 0) !== 0;
  }
  set immediateExit(value: boolean) {
    Atomics.store(this.#flags, 0, value ? 1 : 0);
    Atomics.notify(this.#flags, 1);
  }
  requestExit(): void {
    Atomics.store(this.#flags, 1, 1);
    Atomics.notify(this.#flags, 1);
  }

  run({ wait = true, deadline = Number.POSITIVE_INFINITY }: RunOptions = {}): Exit {
    if (this.#pending?.reason === "papr_hcall") this.answers.push(this.#pending.ret);
    this.#pending = undefined;
    for (;;) {
      if (this.immediateExit || Atomics.exchange(this.#flags, 1, 0) !== 0) return { reason: "intr" };
      if (deadline <= 0) return { reason: "intr" };
      const step = this.#script[this.#at] ?? "halt";
      if (step === "spin") {
        this.#entries++;
        if (performance.now() >= deadline) return { reason: "intr" };
        continue;
      }
      if (step === "hold") {
        this.#entries++;
        for (const until = performance.now() + 20; performance.now() < until; );
        return { reason: "intr" };
      }
      if (step === "halt") {
        if (!wait) return { reason: "hlt", until: Number.POSITIVE_INFINITY };
        Atomics.wait(this.#flags, 1, 0, 1000);
        continue;
      }
      this.#at++;
      this.#entries++;
      if (step === "throw") throw new Error("the engine broke");
      if (step === "internal") return { reason: "internal_error", suberror: 1, data: [], message: "no such thing" };
      const isSay = "say" in step;
      const args = Array<bigint>(9).fill(0n);
      args[0] = isSay ? BigInt(step.say.charCodeAt(0)) : BigInt(step.ask);
      this.#pending = { reason: "papr_hcall", nr: isSay ? sayCall : 4, ret: -2n, args };
      return this.#pending;
    }
  }
  setGuestDebug(): void {}
  stats(): Record<string, number> {
    return { engineExits: this.#entries, answers: this.answers.reduce((sum, value) => sum + Number(value), 0) };
  }
}

/** Answers `say` on the vCPU's thread. */
export function createFakeSide(_cpu: number, shared: unknown, host: VcpuSideHost): VcpuSide {
  const ring = new ConsoleRing(shared as SharedArrayBuffer);
  return {
    answer: (exit) => {
      if (exit.reason !== "papr_hcall" || exit.nr !== sayCall) return false;
      if (!ring.write(Uint8Array.of(Number(exit.args[0])))) {
        if (ring.announce()) host.announceConsole();
        if (host.mayWait) ring.waitForRoom(50);
      }
      if (ring.announce()) host.announceConsole();
      exit.ret = 0n;
      return true;
    },
    stats: () => ({ sides: 1 }),
  };
}

/** What an `ask` does on the machine's thread, by its number; the answer is its number times 10. */
export type Reactions = Readonly<Record<number, (control: RunControl, cpu: number) => Outcome | void>>;

export function fakeMachine(fake: FakeVm, cpus: number, control: RunControl, reactions: Reactions): Machine {
  const console = ConsoleRing.create(true);
  return {
    vm: fake.vm,
    cpus,
    console,
    shared: console.buffer,
    start: () => control.startCpu(0),
    answer: (cpu, exit) => {
      if (exit.reason !== "papr_hcall") return;
      const outcome = reactions[Number(exit.args[0])]?.(control, cpu);
      exit.ret = (exit.args[0] ?? 0n) * 10n;
      if (outcome) control.end(outcome);
    },
    consoleInput: () => undefined,
    stats: () => ({ machines: 1 }),
    ramSize: 0,
    ram: () => new Uint8Array(0),
    written: new WrittenPages(0, () => new Uint8Array(0)),
    save: () => ({ machine: "fake" }),
    close: () => fake.vm.close(),
  };
}

/** A worker of Node that runs threads-worker.test-support.ts. */
export function spawnTestThread(): PlatformThread {
  const worker = new Worker(new URL("./threads-worker.test-support.js", import.meta.url));
  return {
    post: (start) => worker.postMessage(start),
    onMessage: (listener: (message: VcpuThreadMessage) => void) => void worker.on("message", listener),
    onDeath: (listener) => void worker.on("error", (error) => listener(error.message)),
    terminate: async () => void (await worker.terminate()),
  };
}
