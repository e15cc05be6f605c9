/** An x86 VM as its handlers see it: one per VM and thread, over what lies in the VM's memory. */
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { findRoutes, gsisOf, someRoute } from "../../../kvm/irq-routing.js";
import { Words } from "../../../kvm/words.js";
import { Request } from "../engines/layout.js";
import { Irqchip, type IrqchipVcpu } from "../interrupts/irqchip/irqchip.js";
import { Lapic, lapicState } from "../interrupts/irqchip/lapic.js";
import { offerEnd, takeEnd } from "../paravirt/end-of-interrupt.js";
import { instructionPointer } from "../processor/instruction-pointer.js";
import {
  addressOf,
  getField,
  getMsr,
  guestNow,
  notifyInterrupt,
  recordAt,
  request,
  setField,
  timeOf,
} from "../processor/vcpu.js";
import {
  KVM_IRQCHIP_IOAPIC,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
  KVM_X2APIC_API_USE_32BIT_IDS,
} from "../uapi.js";
import { lapicAt, type x86Settings, x86Vm, x86VmPointer } from "./state.js";

/** SIPI's page, once it has come. */
export const started = 0x100;

/** What the user side sets with a number. */
export type Setting = Exclude<keyof typeof x86Settings.offset, "clockOffset">;

/** The line that leads to a controller's pin where no table says otherwise. */
const lineOf = (chip: number, pin: number): number =>
  chip === KVM_IRQCHIP_IOAPIC ? (pin === 2 ? 0 : pin) : 8 * chip + pin;

export class X86VmState {
  readonly core: VmInside;
  #irqchip: Irqchip | undefined;
  readonly #vcpus = new Map<VcpuInside, X86VcpuState>();

  constructor(core: VmInside) {
    this.core = core;
  }

  /** Address of `x86Vm`. */
  get address(): number {
    return this.core.mem.u32(x86VmPointer);
  }

  /** What the user side has set (vm/state.ts). */
  setting(name: Setting): number {
    return this.core.mem.load(this.address + x86Vm.offset[name]);
  }
  set(name: Setting, value: number): void {
    this.core.mem.store(this.address + x86Vm.offset[name], value);
  }

  /** KVM_X2APIC_API_USE_32BIT_IDS: identifiers of x2APICs have 32 bits in what the user side gives and gets. */
  get wideIds(): boolean {
    return (this.setting("x2apic") & KVM_X2APIC_API_USE_32BIT_IDS) !== 0;
  }

  /** KVM_CAP_SPLIT_IRQCHIP: how many pins the user side's IOAPICs have; undefined: it is not enabled. */
  get userPins(): number | undefined {
    const split = this.setting("split");
    return split === 0 ? undefined : split - 1;
  }

  /** Undefined before KVM_CREATE_IRQCHIP and KVM_CAP_SPLIT_IRQCHIP. */
  get irqchip(): Irqchip | undefined {
    const { mem } = this.core;
    const base = mem.u32(this.address + x86Vm.offset.irqchip);
    if (!this.#irqchip && base !== 0) {
      this.#irqchip = new Irqchip(mem, base, {
        onlyLocal: this.userPins !== undefined,
        vcpus: () => this.core.vcpus().map((vcpu) => this.of(vcpu)),
        timerRoutes: () => findRoutes(mem, 0),
        ended: (chip, pin) => {
          for (const gsi of gsisOf(this.core.mem, chip, pin) ?? [lineOf(chip, pin)]) this.core.eventFds.resample(gsi);
        },
      });
    }
    return this.#irqchip;
  }

  createIrqchip(): void {
    this.core.mem.setI32(this.address + x86Vm.offset.irqchip, Irqchip.create(this.core.mem));
  }

  /** The machine's own timer has been changed: the first vCPU looks at it. */
  machineTimerChanged(): void {
    const [first] = this.core.vcpus();
    if (first) this.of(first).lookAtTimers();
  }

  /** By the number of its local APIC, which is the user side's of the vCPU. */
  withId(id: number): X86VcpuState | undefined {
    const core = this.core.vcpus().find((vcpu) => vcpu.id === id);
    return core && this.of(core);
  }

  of(core: VcpuInside): X86VcpuState {
    const known = this.#vcpus.get(core);
    if (known) return known;
    const created = new X86VcpuState(this, core);
    this.#vcpus.set(core, created);
    return created;
  }
}

export class X86VcpuState implements IrqchipVcpu {
  readonly vm: X86VmState;
  readonly core: VcpuInside;
  readonly lapic: Lapic;

  constructor(vm: X86VmState, core: VcpuInside) {
    this.vm = vm;
    this.core = core;
    this.lapic = new Lapic(new Words(core.vm.mem, core.archRecord + lapicAt, lapicState), {
      taskPriority: () => Number(getField(core, "taskPriority")),
      setTaskPriority: (value) => setField(core, "taskPriority", BigInt(value)),
      mode: () => this.apicMode,
      strictBroadcast: () => (vm.setting("x2apic") & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK) !== 0,
      timeOf: (counter) => timeOf(core, counter),
      request: () => this.request(),
      send: (message, shorthand) => vm.irqchip?.send(this, message, shorthand),
      nonMaskable: () => this.nonMaskable(),
      priorityAccessed: (isWrite) => this.#oweAccess(isWrite),
      ended: (vector, level) => {
        if (vm.userPins === undefined) vm.irqchip?.end(vector, level);
        else if (level) this.#oweEnd(vector, vm.userPins);
      },
      offerEnd: () => offerEnd(core),
      takeEnd: () => takeEnd(core),
    });
  }

  /** The guest's time, ms. */
  get now(): number {
    return guestNow(this.core.vm);
  }

  /** Created first: the machine's own timer is looked at by it. */
  get isFirst(): boolean {
    return this.core.index === 0;
  }

  /** The one that starts the others. */
  get isBoot(): boolean {
    return this.core.id === this.vm.setting("bootCpu");
  }

  get apicMode(): "off" | "memory" | "registers" {
    const base = getMsr(this.core, "apicBase");
    if (!(base & 0x800n)) return "off";
    return base & 0x400n ? "registers" : "memory";
  }

  get lapicAddress(): bigint | undefined {
    return this.apicMode === "memory" ? getMsr(this.core, "apicBase") & 0xff_ffff_f000n : undefined;
  }

  get hasExternal(): boolean {
    return this.core.vm.mem.load(recordAt(this.core, "external")) !== 0;
  }

  takeExternal(): number {
    return this.core.vm.mem.exchange(recordAt(this.core, "external"), 0) - 1;
  }

  /** Whether the user side could put in an interrupt that would be taken as soon as the guest takes any. */
  get takesFromUser(): boolean {
    if (!this.vm.irqchip) return true;
    return this.vm.userPins !== undefined && this.lapic.takesExternal && !this.hasExternal;
  }

  /** The user side is to hear that a level-triggered interrupt has ended, if a pin of its IOAPICs raises such. */
  #oweEnd(vector: number, pins: number): void {
    const { mem } = this.core.vm;
    const isOf = ({ data }: { readonly data: number }): boolean => (data & 0xff) === vector && (data & 0x8000) !== 0;
    if (!someRoute(mem, (gsi, target) => gsi < pins && target.type === "message" && isOf(target))) return;
    mem.setI32(recordAt(this.core, "endOwed"), vector + 1);
    // Where another exit comes first, this one is not to wait for the next after it.
    request(this.core, Request.leave);
  }

  /** The user side is to hear of an access to the task's priority, if it wants to. */
  #oweAccess(isWrite: boolean): void {
    const { mem } = this.core.vm;
    if (mem.i32(recordAt(this.core, "priorityReports")) === 0) return;
    mem.setI32(recordAt(this.core, "accessOwed"), isWrite ? 2 : 1);
    mem.setI64(recordAt(this.core, "accessAt"), instructionPointer(this.core));
    request(this.core, Request.leave);
  }

  request(): void {
    this.core.vm.mem.store(addressOf(this.core, "interruptRequest"), 1);
    notifyInterrupt(this.core);
  }

  nonMaskable(): void {
    const { mem } = this.core.vm;
    const at = addressOf(this.core, "nmiPending");
    // One that waits while another is handled, or is about to be; more are lost.
    const most = mem.load(addressOf(this.core, "nmiBlocked")) !== 0 ? 1 : 2;
    if (mem.load(at) < most) mem.add(at, 1);
    notifyInterrupt(this.core);
  }

  init(): void {
    const { mem } = this.core.vm;
    mem.store(recordAt(this.core, "startVector"), 0);
    mem.store(recordAt(this.core, "initPending"), 1);
    request(this.core, Request.leave);
    this.core.wake();
  }

  startUp(vector: number): void {
    const { mem } = this.core.vm;
    const waits = mem.load(recordAt(this.core, "mpState")) === KVM_MP_STATE_INIT_RECEIVED;
    if (!waits && mem.load(recordAt(this.core, "initPending")) === 0) return;
    mem.store(recordAt(this.core, "startVector"), started | vector);
    request(this.core, Request.leave);
    this.core.wake();
  }

  /** Ends a halt, now or the next one, whether or not interrupts are let in. */
  kick(): void {
    this.core.vm.mem.store(recordAt(this.core, "kicked"), 1);
    this.core.wake();
  }

  /** A timer of another vCPU's, or the machine's, may be due sooner. */
  lookAtTimers(): void {
    request(this.core, Request.leave);
    this.core.wake();
  }
}

const states = new WeakMap<VmInside, X86VmState>();

/** Called once for each VM and thread, before anything else. */
export function adoptVm(core: VmInside): X86VmState {
  const created = new X86VmState(core);
  states.set(core, created);
  return created;
}

/** The x86 side of a VM that the core holds. */
export function x86VmOf(core: VmInside): X86VmState {
  const known = states.get(core);
  if (!known) throw new Error("an x86 VM that nobody has adopted");
  return known;
}

export const x86VcpuOf = (core: VcpuInside): X86VcpuState => x86VmOf(core.vm).of(core);
