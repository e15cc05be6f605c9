/**
 * What the neutral core asks of an architecture: one complete list of hooks. The core knows nothing else of it; the
 * loaded module fills it in.
 */
import type { ErrnoName } from "../base/errors.js";
import type { DeviceOps } from "./device.js";
import type { EngineEvents } from "./engine.js";
import type { Range } from "./heap.js";
import type { VcpuInside, VmInside } from "./inside.js";
import type { PartMethod } from "./part.js";
import type { Statistic } from "./stats-fd.js";
import type { AnsweredExit } from "./uapi/exits.js";
import type { EnableCap, Exit, GuestDebug, Registers, Stats } from "./uapi.js";

/** One extension: what CHECK_EXTENSION answers and what ENABLE_CAP does. */
export interface Capability {
  readonly cap: number;
  /** The answer, or how to find it; `vm` is absent when the system is asked for its default type. */
  readonly check: number | ((implementation: string, vm: VmInside | undefined) => number);
  readonly enableVm?: (vm: VmInside, cap: EnableCap) => void;
  readonly enableVcpu?: (vcpu: VcpuInside, cap: EnableCap) => void;
}

/** One type of device that KVM_CREATE_DEVICE knows. */
export interface DeviceType {
  readonly type: number;
  /** What KVM_CREATE_DEVICE answers if there is one already; EEXIST if not given. */
  readonly second?: ErrnoName;
  /** Whether a VM of this implementation can have it. */
  readonly present: (vm: VmInside) => boolean;
  /** Makes it in the VM's memory. */
  readonly create: (vm: VmInside) => DeviceOps;
  /** The one that exists already, for another handle or thread. */
  readonly attach: (vm: VmInside) => DeviceOps;
  /** Its state as plain values, and into a VM that has moved here. A VM with a device that lacks them cannot move. */
  readonly save?: (vm: VmInside) => unknown;
  readonly restore?: (vm: VmInside, saved: unknown) => void;
  /** What `save` gave, of a VM made like this one, into the device that this one has. EINVAL: it is not of such a device. */
  readonly load?: (vm: VmInside, saved: unknown) => void;
}

export interface Arch {
  readonly name: string;
  /**
   * Bytes of the engine's state of a vCPU, by its number among those of its VM, how many of them must be 0 at first, and where the
   * core finds what it writes.
   */
  vcpuSize(index: number): number;
  readonly vcpuZeroed: number;
  readonly wakeOffset: number;
  readonly immediateExitOffset: number;
  readonly inGuestOffset: number;
  /** Where the engine finds the vCPU's dirty ring: dirtyRing in state.ts. */
  readonly dirtyRingOffset: number;
  /** Bytes of the architecture's part of a vCPU's record. */
  readonly vcpuRecordSize: number;
  readonly maxVcpus: number;
  /** Whether it has ports, which KVM_IOEVENTFD_FLAG_PIO names. */
  readonly hasPorts: boolean;
  readonly maxVcpuId: number;
  /** Whether a gsi that a table of routes has no entry for is the line of its number still. */
  readonly linesBesideRoutes: boolean;
  readonly capabilities: readonly Capability[];
  readonly devices: readonly DeviceType[];

  /** Sets up the VM's part of its memory. */
  createVm(vm: VmInside): void;
  /** Finds what createVm and the vCPUs took from outside the memory; what it returns gives that back. */
  destroyVm(vm: VmInside): () => void;
  /** Of those calls, the ones that give a handle. */
  readonly parts: Readonly<Record<string, PartMethod>>;
  /** The architecture's own calls on /dev/kvm, on a VM, on a vCPU (uapi.ts of the architecture). */
  systemMethods(): object;
  vmMethods(vm: VmInside): object;
  vcpuMethods(vcpu: VcpuInside): object;
  /** The vCPU's state after power-on. `isUsed`: its memory was another's, and is 0 only as far as `vcpuZeroed` says. */
  createVcpu(vcpu: VcpuInside, isUsed: boolean): void;
  /** Its part of kvm/saved.ts; what restoreVm and restoreVcpu are given may be another version's. */
  saveVm(vm: VmInside): unknown;
  saveVcpu(vcpu: VcpuInside): unknown;
  /** What it has in the memory that stays where it is when the VM moves; above vmLayout.userStart. */
  keptRanges(vm: VmInside): Range[];
  /** After createVm, and after createVcpu. */
  restoreVm(vm: VmInside, saved: unknown): void;
  restoreVcpu(vcpu: VcpuInside, saved: unknown): void;
  /** Its part of kvm/save-state.ts: what the guest has set up, and into a VM made like that one. EINVAL: it is not of one. */
  saveState(vm: VmInside): unknown;
  loadState(vm: VmInside, saved: unknown): void;
  /** What saveVcpu gave, of such a vCPU. EINVAL: it is not. */
  loadVcpu(vcpu: VcpuInside, saved: unknown): void;
  /** Memory slots or their flags changed: when it returns, no vCPU uses a translation from before. */
  memoryChanged(vm: VmInside): void;
  /** A device wrote guest memory: when it returns, no vCPU runs code made of what was there before. */
  memoryWritten(vm: VmInside, address: bigint, length: bigint): void;

  hasInterruptController(vm: VmInside): boolean;
  /** Whether the kernel side hears of the end of a line's interrupt, as KVM_IRQFD_FLAG_RESAMPLE wants. */
  hearsEnds(vm: VmInside): boolean;
  /** How many pins each interrupt controller has that KVM_SET_GSI_ROUTING can name. */
  irqchipPins(vm: VmInside): readonly number[];
  /** A pin of the controller, or without one a line of the VM's. False: there is none such. */
  setIrq(vm: VmInside, pin: number, level: boolean, irqchip?: number): boolean;
  /** More than 0 delivered, 0 blocked, less than 0 no such message. */
  setMsi(vm: VmInside, address: bigint, data: number): number;
  /** KVM_INTERRUPT. */
  interrupt(vcpu: VcpuInside, irq: number): void;

  /** Before each stretch in the engine; `deadline` (ms of the host's clock, Infinity for none) bounds it. */
  enter(vcpu: VcpuInside, deadline: number): void;
  /** One instruction in the engine, told to the trace; returns the engine's exit code. */
  traceStep(vcpu: VcpuInside): number;
  /** What an engine tells while it runs. */
  engineEvent(vcpu: VcpuInside, ...event: Parameters<EngineEvents>): void;
  /** What the engine returned: an exit for the user side, or undefined to go on. */
  handleExit(vcpu: VcpuInside, code: number): Exit | undefined;
  /** Finishes what an exit left open, from the user side's answer; may give the next exit. */
  completeExit(vcpu: VcpuInside, exit: AnsweredExit): Exit | undefined;
  /** Whether a halted vCPU has something to do. */
  runnable(vcpu: VcpuInside): boolean;
  /** When a halted vCPU has something to do by itself: ms of the host's clock, or Infinity. */
  wakeTime(vcpu: VcpuInside): number;
  /** After a halt, before the guest goes on. */
  resumed(vcpu: VcpuInside): void;
  /** Makes the engine return soon if it runs the vCPU. */
  kick(vcpu: VcpuInside): void;
  pc(vcpu: VcpuInside): bigint;
  /** Bits of `control` that KVM_SET_GUEST_DEBUG takes. */
  readonly guestDebugControl: number;
  setGuestDebug(vcpu: VcpuInside, debug: GuestDebug): void;
  /** The exit after a single step. */
  stepped(vcpu: VcpuInside): Exit;

  getOneReg(vcpu: VcpuInside, id: bigint): bigint;
  setOneReg(vcpu: VcpuInside, id: bigint, value: bigint): void;
  getRegList(vcpu: VcpuInside): bigint[];
  getRegs(vcpu: VcpuInside): Registers;
  setRegs(vcpu: VcpuInside, regs: Registers): void;
  getSregs(vcpu: VcpuInside): Registers;
  setSregs(vcpu: VcpuInside, sregs: Registers): void;
  /** KVM_GET_MP_STATE, KVM_SET_MP_STATE. */
  getMpState(vcpu: VcpuInside): number;
  setMpState(vcpu: VcpuInside, state: number): void;
  /** A number that no other VM of the process has. */
  vmNumber(vm: VmInside): number;
  /** The architecture's part of KVM_GET_STATS_FD. */
  readonly vmStatistics: readonly Statistic<VmInside>[];
  readonly vcpuStatistics: readonly Statistic<VcpuInside>[];
  vmStats(vm: VmInside): Stats;
  vcpuStats(vcpu: VcpuInside): Stats;
}
