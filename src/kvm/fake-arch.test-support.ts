/** An architecture and an engine that do as a test says. */
import { thisPackage } from "../base/package.js";
import { acquireVac, type Member } from "../vac/vac.js";
import type { Arch } from "./arch.js";
import type { Engine } from "./engine.js";
import type { Implementation } from "./implementation.js";
import type { VcpuInside } from "./inside.js";
import { KvmCore } from "./kvm.js";
import type { Exit, VmOptions } from "./uapi.js";
import { VmCore } from "./vm.js";

/** Offsets in the fake vCPU's state. */
const wakeOffset = 0;
const immediateExitOffset = 4;
const inGuestOffset = 8;
export const kickOffset = 12;
/** A register. */
export const savedOffset = 16;

export interface Fake {
  readonly arch: Arch;
  readonly implementation: Implementation;
  /** What the engine returns, in order; the last one repeats. */
  codes: number[];
  /** What handleExit makes of a code; undefined goes on. */
  exits: Map<number, Exit | ((vcpu: VcpuInside) => Exit | undefined)>;
  completed: Exit[];
  steps: number;
  runnable: boolean;
  wakeTime: number;
  /** Number of calls of memoryChanged. */
  flushes: number;
  controller: boolean;
  /** Levels that interrupts were set to. */
  irqs: [pin: number, level: boolean][];
  messages: [address: bigint, data: number][];
  /** Calls of memoryWritten. */
  written: [address: bigint, length: bigint][];
  destroyed: number;
  failCreate: boolean;
  failRestore: boolean;
  /** What the architecture saves of the VM. */
  saved: unknown;
  pc: bigint;
  /** Whether the engine can order accesses, and whether each vCPU that was bound to it is to. */
  orders: boolean;
  bound: boolean[];
}

export const fakeCap = 7000;
export const fakeDevice = 5;

export function fake(name = "hv", type = 1): Fake {
  const self: Partial<Fake> = {
    codes: [0],
    exits: new Map(),
    completed: [],
    steps: 0,
    runnable: false,
    wakeTime: Number.POSITIVE_INFINITY,
    flushes: 0,
    controller: false,
    irqs: [],
    messages: [],
    written: [],
    destroyed: 0,
    failCreate: false,
    failRestore: false,
    pc: 0n,
    orders: false,
    bound: [],
  };
  const it = self as Fake;
  const next = (): number => (it.codes.length > 1 ? (it.codes.shift() ?? 0) : (it.codes[0] ?? 0));
  const engine: Engine = {
    name,
    warmUp: () => {},
    share: { of: name },
    memoryWritten: () => () => false,
    get orders() {
      return it.orders;
    },
    attach: (_memory, _address, _onEvent, _missing, ordered = false) => {
      it.bound.push(ordered);
      return {
        reset: () => {},
        run: next,
        step: () => {
          it.steps++;
          it.pc += 4n;
          return next();
        },
        stats: () => ({ fake: 1 }),
      };
    },
  };
  const arch: Arch = {
    name: "fake",
    vcpuSize: () => 64,
    vcpuZeroed: 64,
    wakeOffset,
    immediateExitOffset,
    inGuestOffset,
    dirtyRingOffset: 16,
    vcpuRecordSize: 0,
    maxVcpus: 3,
    hasPorts: false,
    linesBesideRoutes: true,
    maxVcpuId: 8,
    capabilities: [
      {
        cap: fakeCap,
        check: (implementation, vm) => (vm ? 10 : 0) + (implementation === "hv" ? 1 : 2),
        enableVm: () => {},
      },
    ],
    devices: [
      {
        type: fakeDevice,
        present: () => true,
        create: () => ({ setAttr: () => {}, getAttr: () => 9n, hasAttr: () => true }),
        attach: () => ({ setAttr: () => {}, getAttr: () => 9n, hasAttr: () => true }),
      },
    ],
    createVm: () => {
      if (it.failCreate) throw new Error("no");
    },
    destroyVm: () => () => {
      it.destroyed++;
    },
    parts: {},
    saveVm: () => it.saved,
    saveVcpu: ({ vm, state }) => vm.mem.i32(state + savedOffset),
    keptRanges: () => [],
    restoreVm: (_, saved) => {
      if (it.failRestore) throw new Error("no");
      it.saved = saved;
    },
    saveState: () => it.saved,
    loadState: () => {},
    loadVcpu: () => {},
    restoreVcpu: ({ vm, state }, saved) => vm.mem.setI32(state + savedOffset, saved as number),
    systemMethods: () => ({}),
    vmMethods: () => ({}),
    vcpuMethods: () => ({}),
    createVcpu: () => {},
    memoryChanged: () => {
      it.flushes++;
    },
    memoryWritten: (_, address, length) => {
      it.written.push([address, length]);
    },
    hasInterruptController: () => it.controller,
    hearsEnds: () => true,
    irqchipPins: () => [2 ** 32],
    setIrq: (_, pin, level) => {
      it.irqs.push([pin, level]);
      return pin < 100;
    },
    setMsi: (_, address, data) => {
      it.messages.push([address, data]);
      return 1;
    },
    interrupt: () => {},
    enter: () => {},
    traceStep: (vcpu) => vcpu.engineStep(),
    engineEvent: () => {},
    handleExit: (vcpu, code) => {
      const exit = it.exits.get(code);
      return typeof exit === "function" ? exit(vcpu) : exit;
    },
    completeExit: (_, exit) => {
      it.completed.push(exit);
      return undefined;
    },
    runnable: () => it.runnable,
    wakeTime: () => it.wakeTime,
    resumed: () => {},
    kick: (vcpu) => vcpu.vm.mem.store(vcpu.state + kickOffset, 1),
    pc: () => it.pc,
    guestDebugControl: 0x30003,
    setGuestDebug: () => {},
    stepped: () => ({ reason: "debug", address: it.pc, status: 0 }),
    getOneReg: () => 0n,
    setOneReg: () => {},
    getRegList: () => [],
    getMpState: () => 0,
    setMpState: () => {},
    vmNumber: () => 7,
    vmStatistics: [],
    vcpuStatistics: [],
    getRegs: () => ({}),
    setRegs: () => {},
    getSregs: () => ({}),
    setSregs: () => {},
    vmStats: () => ({}),
    vcpuStats: () => ({}),
  };
  const implementation: Implementation = {
    name,
    type,
    arch,
    module: "fake:",
    sharesByDefault: true,
    engine: () => engine,
  };
  return Object.assign(it, { arch, implementation });
}

/** A VM of a fake, and the fake. */
export function fakeVm(options: VmOptions = { shared: false }): { vm: VmCore; it: Fake } {
  const it = fake();
  return { it, vm: VmCore.create(it.implementation, fakeMember(), options, fakeModule(), () => {}) };
}

/** A module that is never removed. */
export function fakeModule(): { references: number; going: boolean; tryGet(): boolean; put(): void } {
  return {
    references: 0,
    going: false,
    tryGet() {
      if (!this.going) this.references++;
      return !this.going;
    },
    put() {
      this.references--;
    },
  };
}

export const kvmOf = (fakes: readonly Fake[], module = fakeModule()): KvmCore =>
  new KvmCore(
    fakes.map(({ implementation }) => implementation),
    module,
    fakeMember(),
  );

export const fakeMember = (): Member => acquireVac(thisPackage).join(thisPackage);
