/** A vCPU as one thread holds it: KVM_RUN's loop, halting, waking. Registers and counters are in the VM's memory. */
import { KvmError } from "../base/errors.js";
import { guard } from "../base/takes.js";
import { type CodeShare, ProcessPage } from "../vac/page.js";
import type { Arch } from "./arch.js";
import { enableCapability } from "./capability.js";
import { hostNow } from "./clock.js";
import { dirtyRingFull, dirtyRingOf } from "./dirty-ring.js";
import type { Engine, EngineVcpu } from "./engine.js";
import { nextPoll } from "./halt-poll.js";
import type { VcpuInside, VmInside } from "./inside.js";
import { vmLayout } from "./layout.js";
import { canBlock, type VmMemory } from "./memory.js";
import type { MissingPages } from "./missing-pages.js";
import { vcpuSignatures } from "./signatures.js";
import { vcpuRecord, vmState } from "./state.js";
import { cumulative, instant, type Statistic, statsFd } from "./stats-fd.js";
import { traceBit } from "./trace.js";
import { type AnsweredExit, exitReasons, exitTable, isAnswered } from "./uapi/exits.js";
import {
  type DirtyRing,
  type EnableCap,
  type Exit,
  type GuestDebug,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_INTERNAL_ERROR_EMULATION,
  type Registers,
  type RunOptions,
  type Stats,
  type StatsFd,
  type Vcpu,
} from "./uapi.js";

/** What a vCPU needs of its VM beside what everybody may touch. */
export interface VmOfVcpu extends VmInside {
  readonly arch: Arch;
  readonly engine: Engine;
  readonly missing: Pick<MissingPages, "need">;
  /** vmLayout.moves while its handle is good. */
  readonly generation: number;
  /** The vCPU that this thread is in run() of. */
  running: VcpuCore | undefined;
  readonly statsId: string;
  dropHandle(): void;
}

const fields = vcpuRecord.offset;
const counted = (
  name: string,
  field: "runs" | "halts" | "wakes" | "polls" | "pollsWon" | "mmioKernel" | "engineExits",
) => cumulative<VcpuCore>(name, ({ vm, record }) => vm.mem.u32(record + fields[field]));
/** The core's part of KVM_GET_STATS_FD; what Linux has too is called the same. */
const vcpuStatistics: readonly Statistic<VcpuCore>[] = [
  cumulative("halt_wait_ns", ({ vm, record }) => Math.round(vm.mem.f64(record + fields.haltTime)), "nanoseconds"),
  counted("halt_wakeup", "wakes"),
  counted("halt_attempted_poll", "polls"),
  counted("halt_successful_poll", "pollsWon"),
  instant("blocking", ({ vm, record }) => vm.mem.load(record + fields.halted), "boolean"),
  counted("sum_exits", "engineExits"),
  counted("runs", "runs"),
  counted("halts", "halts"),
  counted("mmio_kernel_exits", "mmioKernel"),
  ...exitReasons.map((reason, index) =>
    cumulative<VcpuCore>(exitTable[reason].statistic, ({ vm, record }) =>
      vm.mem.u32(record + fields.exits + 4 * index),
    ),
  ),
];
/** The longest a halted vCPU sleeps without looking at the clock again, ms. */
const longestSleep = 10_000;

export class VcpuCore implements Vcpu, VcpuInside {
  static {
    guard(VcpuCore.prototype, "vcpu", vcpuSignatures);
  }

  readonly vm: VmOfVcpu;
  readonly id: number;
  /** By order of creation. */
  readonly index: number;
  /** Addresses: the core's record, the architecture's part of it, the engine's state. */
  readonly record: number;
  readonly archRecord: number;
  readonly state: number;
  #engine: EngineVcpu | undefined;
  /** What it is bound to orders its accesses. */
  #ordered = false;
  /** No vCPU is in the guest with plain accesses, nor will one be. */
  #allOrdered = false;
  /** The exit that the next run() completes. */
  #pending: AnsweredExit | undefined;
  #closed = false;

  constructor(vm: VmOfVcpu, record: number) {
    this.vm = vm;
    this.record = record;
    this.archRecord = record + vcpuRecord.size;
    this.id = vm.mem.i32(record + fields.id);
    this.index = vm.mem.i32(record + fields.index);
    this.state = vm.mem.u32(record + fields.state);
    Object.assign(this, vm.arch.vcpuMethods(this));
  }

  run(options: RunOptions = {}): Exit {
    const { mem } = this.vm;
    for (;;) {
      if (this.#closed) throw new KvmError("EBADF", `vCPU ${this.id}'s handle is closed`);
      const exit = this.#runHere(options);
      if (exit) return exit;
      // The VM is on its way to another kvm, or stays after all.
      const patience = Math.min((options.deadline ?? Number.POSITIVE_INFINITY) - performance.now(), longestSleep);
      if (!(this.vm.shared && canBlock() && patience > 0)) return { reason: "intr" };
      mem.wait(vmLayout.moves, this.vm.generation + 1, patience);
    }
  }

  /**
   * Runs unless the VM is about to move to another kvm: then only the last exit is completed, and undefined returned if that
   * gives no other. After a move, nothing of the vCPU's memory may be touched: it is something else.
   */
  #runHere(options: RunOptions): Exit | undefined {
    const { mem, generation } = this.vm;
    mem.add(vmLayout.runners, 1);
    try {
      const moves = mem.load(vmLayout.moves);
      if (moves === generation) return this.#run(options);
      if (moves !== generation + 1) this.vm.requireOpen();
      // The move waits for vCPUs whose exits are incomplete.
      return this.#complete();
    } finally {
      mem.add(vmLayout.runners, -1);
    }
  }

  /** Completes the exit that was returned last, from its answer; may give the next. */
  #complete(): Exit | undefined {
    const pending = this.#pending;
    if (!pending) return undefined;
    this.#pending = undefined;
    // The step that made the exit is over with it.
    const next = this.vm.arch.completeExit(this, pending) ?? (this.#stepping ? this.vm.arch.stepped(this) : undefined);
    this.#leaveOpen(next);
    return next;
  }

  #leaveOpen(exit: Exit | undefined): void {
    this.#pending = exit && isAnswered(exit) ? exit : undefined;
    this.vm.mem.store(this.record + fields.incomplete, this.#pending ? 1 : 0);
  }

  #run(options: RunOptions): Exit {
    const { mem } = this.vm;
    if (mem.compareExchange(this.record + fields.running, 0, 1) !== 0) {
      throw new KvmError("EBUSY", `vCPU ${this.id} is running on another thread`);
    }
    const { vm } = this;
    const outer = vm.running;
    vm.running = this;
    try {
      mem.increment(this.record + fields.runs);
      let exit = this.#complete();
      if (!exit && this.immediateExit) exit = { reason: "intr" };
      exit ??= this.#loop(options);
      this.#leaveOpen(exit);
      mem.increment(this.record + fields.exits + 4 * exitReasons.indexOf(exit.reason));
      if (this.vm.trace.mask) this.vm.trace.emit("exit", this.id, exit.reason, traceValues(exit));
      return exit;
    } finally {
      vm.running = outer;
      mem.store(this.record + fields.running, 0);
    }
  }

  #loop({ deadline = Number.POSITIVE_INFINITY, wait = this.vm.shared && canBlock() }: RunOptions): Exit {
    const { mem, arch } = this.vm;
    const hostDeadline = performance.timeOrigin + deadline;
    if (wait && !this.vm.shared) {
      throw new KvmError("EINVAL", "run() cannot wait: nothing could wake it, since the VM's memory is not shared");
    }
    for (;;) {
      const wake = mem.load(this.state + arch.wakeOffset);
      if (mem.exchange(this.record + fields.exitRequested, 0) !== 0 || this.immediateExit) return { reason: "intr" };
      if (mem.load(vmLayout.moves) !== this.vm.generation) return { reason: "intr" };
      if (hostNow() >= hostDeadline) return { reason: "intr" };
      if (mem.load(this.record + fields.halted) !== 0) {
        if (!arch.runnable(this)) {
          const until = arch.wakeTime(this);
          if (!wait) return { reason: "hlt", until: until - performance.timeOrigin };
          this.#sleep(wake, Math.min(until, hostDeadline));
          continue;
        }
        mem.store(this.record + fields.halted, 0);
        mem.increment(this.record + fields.wakes);
        arch.resumed(this);
      }
      if (dirtyRingFull(mem, this.dirtyRingAt)) return { reason: "dirty_ring_full" };
      const plain = this.#plainVcpu();
      if (plain) {
        plain.interruptRun();
        if (!wait) return { reason: "intr" };
        mem.wait(plain.record + fields.plain, 1, 1);
        continue;
      }
      const exit = this.#enter(hostDeadline);
      if (exit) return exit;
    }
  }

  get #stepping(): boolean {
    const wanted = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    return (this.vm.mem.i32(this.record + fields.debugControl) & wanted) === wanted;
  }

  /** One stretch in the engine. */
  #enter(hostDeadline: number): Exit | undefined {
    const { arch } = this.vm;
    const stepping = this.#stepping;
    arch.enter(this, hostDeadline);
    let exit: Exit | undefined;
    try {
      const code =
        this.vm.trace.mask & traceBit.insn ? arch.traceStep(this) : stepping ? this.engineStep() : this.#engineRun();
      exit = arch.handleExit(this, code);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      return engineTrap(error, arch.pc(this));
    }
    if (exit || !stepping) return exit;
    return arch.stepped(this);
  }

  /** Runs until the engine returns. */
  #engineRun(): number {
    return this.#inGuest((engine) => engine.run());
  }

  /** Exactly one instruction. */
  engineStep(): number {
    return this.#inGuest((engine) => engine.step());
  }

  /** Readies the engine's state before the first run. */
  engineReset(): void {
    this.#attached().reset();
  }

  /** Whether vCPUs are to order their accesses: with one there is nobody to see them. */
  get #orders(): boolean {
    return this.vm.engine.orders && this.vm.mem.load(vmLayout.vcpuCount) > 1;
  }

  /** A vCPU that entered the guest while there was no other and goes on with plain accesses: none may run beside it. */
  #plainVcpu(): VcpuInside | undefined {
    if (this.#allOrdered || !this.#orders) return undefined;
    const { vm } = this;
    const plain = vm.vcpus().find((vcpu) => vcpu !== this && vm.mem.load(vcpu.record + fields.plain) !== 0);
    this.#allOrdered = plain === undefined;
    return plain;
  }

  #attached(): EngineVcpu {
    const { vm } = this;
    const ordered = this.#orders;
    if (!this.#engine || ordered !== this.#ordered) {
      this.#engine = ProcessPage.within(codeShare(vm.mem), () =>
        vm.engine.attach(
          vm.mem.wasm,
          this.state,
          (...event) => vm.arch.engineEvent(this, ...event),
          (address) => vm.missing.need(address, 1),
          ordered,
        ),
      );
      this.#ordered = ordered;
    }
    return this.#engine;
  }

  /** Binds to the engine as it is to be, and tells the vCPUs that are created from now on. */
  #begin(): EngineVcpu {
    const { vm } = this;
    for (;;) {
      const engine = this.#attached();
      if (!vm.engine.orders) return engine;
      vm.mem.store(this.record + fields.plain, this.#ordered ? 0 : 1);
      // One that was created before that may not have seen it, and is seen here.
      if (this.#ordered === this.#orders) return engine;
    }
  }

  #inGuest(go: (engine: EngineVcpu) => number): number {
    const { mem, arch } = this.vm;
    const engine = this.#begin();
    mem.increment(this.record + fields.engineExits);
    mem.store(this.state + arch.inGuestOffset, 1);
    try {
      return go(engine);
    } finally {
      mem.store(this.state + arch.inGuestOffset, 0);
      mem.store(this.record + fields.plain, 0);
    }
  }

  #sleep(wake: number, until: number): void {
    const { mem, arch } = this.vm;
    const start = hostNow();
    if (!this.#poll(wake, start, until)) {
      const timeout = Math.min(until - hostNow(), longestSleep);
      if (timeout > 0) mem.wait(this.state + arch.wakeOffset, wake, timeout);
    }
    const slept = (hostNow() - start) * 1e6;
    this.#pollNs = nextPoll(this.#pollNs, slept, mem.load(vmState.haltPollNs) >>> 0);
    const total = this.record + fields.haltTime;
    mem.setF64(total, mem.f64(total) + slept);
  }

  /** How long it looks for something to do before it sleeps, by how long it slept before. */
  #pollNs = 0;

  /** Looks for something to do. True: there is. */
  #poll(wake: number, start: number, until: number): boolean {
    const { mem, arch } = this.vm;
    const end = Math.min(start + this.#pollNs / 1e6, until);
    if (end <= start) return false;
    mem.increment(this.record + fields.polls);
    do {
      if (mem.load(this.state + arch.wakeOffset) === wake) continue;
      mem.increment(this.record + fields.pollsWon);
      return true;
    } while (hostNow() < end);
    return false;
  }

  /** The guest has nothing to do until something wakes it. */
  halt(): void {
    this.vm.mem.store(this.record + fields.halted, 1);
    this.vm.mem.increment(this.record + fields.halts);
  }

  /** Where the fields of its dirty ring lie. */
  get dirtyRingAt(): number {
    return this.state + this.vm.arch.dirtyRingOffset;
  }

  get dirtyRing(): DirtyRing | undefined {
    return dirtyRingOf(this.vm.mem, this.dirtyRingAt);
  }

  /** Ends a halt, or makes the engine look at what is pending. [any thread] */
  wake(): void {
    const { mem, arch } = this.vm;
    mem.add(this.state + arch.wakeOffset, 1);
    mem.notify(this.state + arch.wakeOffset);
  }

  get immediateExit(): boolean {
    return this.vm.mem.load(this.state + this.vm.arch.immediateExitOffset) !== 0;
  }
  set immediateExit(value: boolean) {
    this.vm.mem.store(this.state + this.vm.arch.immediateExitOffset, value ? 1 : 0);
    if (value) this.#leave();
  }

  requestExit(): void {
    this.vm.mem.store(this.record + fields.exitRequested, 1);
    this.#leave();
  }

  interruptRun(): void {
    this.#leave();
  }

  #leave(): void {
    this.vm.arch.kick(this);
    this.wake();
  }

  getOneReg(id: bigint): bigint {
    return this.vm.arch.getOneReg(this, id);
  }
  setOneReg(id: bigint, value: bigint): void {
    this.vm.arch.setOneReg(this, id, value);
  }
  getRegList(): bigint[] {
    return this.vm.arch.getRegList(this);
  }
  getMpState(): number {
    return this.vm.arch.getMpState(this);
  }
  setMpState(state: number): void {
    this.vm.arch.setMpState(this, state);
  }
  getRegs(): Registers {
    return this.vm.arch.getRegs(this);
  }
  setRegs(regs: Registers): void {
    this.vm.arch.setRegs(this, regs);
  }
  getSregs(): Registers {
    return this.vm.arch.getSregs(this);
  }
  setSregs(sregs: Registers): void {
    this.vm.arch.setSregs(this, sregs);
  }
  interrupt(irq: number): void {
    this.vm.arch.interrupt(this, irq);
  }

  setGuestDebug(debug: GuestDebug): void {
    const { control, breakpoints = [] } = debug;
    if (control & ~this.vm.arch.guestDebugControl)
      throw new KvmError("EINVAL", `KVM_SET_GUEST_DEBUG: control 0x${control.toString(16)}`);
    if (breakpoints.length > 16) throw new KvmError("EINVAL", "KVM_SET_GUEST_DEBUG: at most 16 hardware breakpoints");
    const { mem, arch } = this.vm;
    arch.setGuestDebug(this, debug);
    mem.setI32(this.record + fields.debugControl, control);
  }

  enableCap(request: EnableCap): void {
    enableCapability(this.vm.arch, request, (row) => row.enableVcpu && ((cap) => row.enableVcpu?.(this, cap)));
  }

  stats(): Stats {
    const { mem, arch } = this.vm;
    const counter = (name: "runs" | "halts" | "wakes" | "polls" | "pollsWon" | "mmioKernel" | "engineExits") =>
      mem.i32(this.record + fields[name]);
    const exits = Object.fromEntries(
      exitReasons.map((reason, index) => [`exits.${reason}`, mem.i32(this.record + fields.exits + 4 * index)]),
    );
    return {
      runs: counter("runs"),
      halts: counter("halts"),
      polls: counter("polls"),
      pollsWon: counter("pollsWon"),
      wakes: counter("wakes"),
      haltTimeNs: mem.f64(this.record + fields.haltTime),
      engineExits: counter("engineExits"),
      mmioKernel: counter("mmioKernel"),
      ...exits,
      ...arch.vcpuStats(this),
      ...(this.#engine?.stats() ?? {}),
    };
  }

  /** The VM has moved to another kvm. */
  depart(): void {
    this.#closed = true;
  }

  getStatsFd(): StatsFd {
    if (this.#closed) throw new KvmError("EBADF", `vCPU ${this.id}'s handle is closed`);
    const id = `${this.vm.statsId}/vcpu-${this.id}`;
    return statsFd(this, id, [...vcpuStatistics, ...this.vm.arch.vcpuStatistics], () => this.vm.hold());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.vm.dropHandle();
  }
}

/** The engine's own code trapped: a defect of ours, but the guest's end only. */
const engineTrap = (error: Error, pc: bigint): Exit => ({
  reason: "internal_error",
  suberror: KVM_INTERNAL_ERROR_EMULATION,
  data: [pc],
  message: `the engine trapped: ${error.message} (pc 0x${pc.toString(16)})`,
});

function traceValues(exit: Exit): Record<string, bigint | number | string> {
  const values: Record<string, bigint | number | string> = {};
  for (const [name, value] of Object.entries(exit)) {
    if (name === "reason") continue;
    values[name] = Array.isArray(value)
      ? value.map((v: bigint) => v.toString(16)).join(" ")
      : Number.isFinite(value) || typeof value === "bigint"
        ? value
        : String(value);
  }
  return values;
}

/** What the VM may have of the process's generated code. */
const codeShare = (mem: VmMemory): CodeShare => ({
  account: (bytes) => void mem.add(vmState.codeBytes, bytes),
  get excess() {
    const limit = mem.i32(vmState.codeLimit);
    return limit === 0 ? 0 : Math.max(0, mem.load(vmState.codeBytes) - limit);
  },
});
