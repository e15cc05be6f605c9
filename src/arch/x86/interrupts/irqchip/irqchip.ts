/**
 * The interrupt controllers that KVM_CREATE_IRQCHIP makes, the timer that KVM_CREATE_PIT2 adds, and how they are wired: lines 0
 * to 15 go to both of the PC's older controllers and to the IOAPIC, whose pin 2 is line 0; the others to the IOAPIC alone.
 * One lock for all: an access takes microseconds.
 */
import { type FieldList, type Struct, struct } from "../../../../base/struct.js";
import { allocate } from "../../../../kvm/heap.js";
import type { Target } from "../../../../kvm/irq-routing.js";
import { locked } from "../../../../kvm/lock.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { Words } from "../../../../kvm/words.js";
import { KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER } from "../../uapi.js";
import { Ioapic, ioapicAddress, ioapicSize, ioapicState, pins } from "./ioapic.js";
import type { Lapic } from "./lapic.js";
import { lapicSize } from "./lapic.js";
import { type Message, Mode, messageOf } from "./message.js";
import { Pic, picState } from "./pic.js";
import { Pit, pitState } from "./pit.js";

const head = struct({ lock: "i32", pit: "i32" });
const picAt = head.size;
const ioapicAt = picAt + picState.size;
const pitAt = ioapicAt + ioapicState.size;

/** The parts that hold state: where each lies behind the address, and its layout. */
export const irqchipParts: Readonly<Record<string, readonly [number, Struct<FieldList>]>> = {
  pic: [picAt, picState],
  ioapic: [ioapicAt, ioapicState],
  pit: [pitAt, pitState],
};

/** A vCPU as the controllers know it. */
export interface IrqchipVcpu {
  readonly lapic: Lapic;
  /** Where its local APIC's registers are in memory; undefined: nowhere. */
  readonly lapicAddress: bigint | undefined;
  /** It is to look at what waits. */
  request(): void;
  /** What the user side's controllers ask for, where it has them, waits; takes it: a vector. */
  readonly hasExternal: boolean;
  takeExternal(): number;
  nonMaskable(): void;
  init(): void;
  startUp(vector: number): void;
}

export interface IrqchipOutputs {
  /** Local APICs alone: the others are the user side's. */
  readonly onlyLocal: boolean;
  /** In order of creation. */
  vcpus(): readonly IrqchipVcpu[];
  /** The guest has ended the interrupt of a controller's pin (KVM_IRQCHIP_*); called without the lock. */
  ended(chip: number, pin: number): void;
  /** Where the timer's interrupt, of gsi 0, goes by the table of routes; undefined: there is no table. */
  timerRoutes(): readonly Target[] | undefined;
}

/** Line 0. */
const timerLine: readonly Target[] = [
  { type: "pin", irqchip: KVM_IRQCHIP_PIC_MASTER, pin: 0 },
  { type: "pin", irqchip: KVM_IRQCHIP_IOAPIC, pin: 2 },
];

export class Irqchip {
  readonly pic: Pic;
  readonly pit: Pit;
  readonly ioapic: Ioapic;
  /** Their states, for who holds the lock. */
  readonly words: {
    readonly pic: Words<typeof picState.fields>;
    readonly ioapic: Words<typeof ioapicState.fields>;
    readonly pit: Words<typeof pitState.fields>;
  };
  readonly #memory: VmMemory;
  readonly #base: number;
  readonly #outputs: IrqchipOutputs;
  /** Pins whose interrupts ended while the lock was held. */
  #ended: (readonly [chip: number, pin: number])[] = [];

  constructor(memory: VmMemory, base: number, outputs: IrqchipOutputs) {
    this.#memory = memory;
    this.#base = base;
    this.#outputs = outputs;
    this.words = {
      pic: new Words(memory, base + picAt, picState),
      ioapic: new Words(memory, base + ioapicAt, ioapicState),
      pit: new Words(memory, base + pitAt, pitState),
    };
    this.pic = new Pic(this.words.pic, (input) => this.#lineEnded(input));
    this.ioapic = new Ioapic(this.words.ioapic, {
      send: (message) => this.#send(message, outputs.vcpus()),
      ended: (pin) => this.#ended.push([KVM_IRQCHIP_IOAPIC, pin]),
    });
    this.pit = new Pit(this.words.pit);
  }

  /** Their state as after power-on, without the timer; the address. */
  static create(memory: VmMemory): number {
    const base = allocate(memory, pitAt + pitState.size);
    new Ioapic(new Words(memory, base + ioapicAt, ioapicState), { send: () => false, ended: () => {} }).reset();
    return base;
  }

  get hasPit(): boolean {
    return this.#memory.load(this.#base + head.offset.pit) !== 0;
  }

  createPit(): void {
    this.pit.reset();
    this.#memory.store(this.#base + head.offset.pit, 1);
  }

  /** False: there is no such line. */
  setLine(line: number, level: boolean): boolean {
    if (!(line >= 0 && line < pins)) return false;
    this.locked(() => this.#setLine(line, level));
    return true;
  }

  /** A pin of one controller, KVM_IRQCHIP_*. */
  setPin(chip: number, pin: number, level: boolean): void {
    this.locked(() => this.#setPin(chip, pin, level));
  }

  #setPin(chip: number, pin: number, level: boolean): void {
    if (chip === KVM_IRQCHIP_IOAPIC) this.ioapic.setIrq(pin, level);
    else {
      this.pic.setIrq(8 * chip + pin, level);
      this.#lookAtPic();
    }
  }

  /** A device's message: how many took it; -1: it is none. */
  signal(address: bigint, data: number, wideIds = false): number {
    const message = messageOf(address, data, wideIds);
    return this.locked(() => this.#signal(message));
  }

  #signal(message: Message | undefined): number {
    if (!message) return -1;
    return this.#send(message, this.#outputs.vcpus()) ? 1 : 0;
  }

  /** Called by local APICs, which are called with the lock. */
  send(from: IrqchipVcpu, message: Message, shorthand: number): void {
    const all = this.#outputs.vcpus();
    const others = all.filter((vcpu) => vcpu.lapic !== from.lapic);
    if (shorthand === 0) this.#send(message, all);
    else for (const vcpu of shorthand === 1 ? [from] : shorthand === 2 ? all : others) this.#deliver(message, vcpu);
  }

  /** An interrupt as a local APIC's command has it, to those with these numbers; how many took it. */
  sendToIds(command: number, ids: ReadonlySet<number>): number {
    const message = { vector: command & 0xff, mode: (command >> 8) & 7, level: false };
    return this.locked(() => {
      const meant = this.#outputs.vcpus().filter(({ lapic }) => ids.has(lapic.id));
      for (const vcpu of meant) this.#deliver(message, vcpu);
      return meant.length;
    });
  }

  /** A local APIC's interrupt of this vector is over. */
  end(vector: number, level: boolean): void {
    if (level) this.ioapic.end(vector);
    if (this.#owesTick && this.#timerRoutes().some((route) => this.#vectorOf(route) === vector)) this.#tickTaken();
  }

  /** States have been set: what waits by them is looked at. */
  loaded(body: () => void): void {
    this.locked(() => {
      body();
      this.ioapic.loaded();
      this.#lookAtPic();
    });
  }

  #lineEnded(input: number): void {
    this.#ended.push([input >> 3, input & 7]);
    const isTimer = (route: Target): boolean =>
      route.type === "pin" && route.irqchip !== KVM_IRQCHIP_IOAPIC && 8 * route.irqchip + route.pin === input;
    if (this.#owesTick && this.#timerRoutes().some(isTimer)) this.#tickTaken();
  }

  /** Asked first at the end of each interrupt, since it costs nothing, and to look for the timer's routes does. */
  get #owesTick(): boolean {
    return this.hasPit && this.pit.missed > 0;
  }

  /** The guest has handled a tick of the timer: one that it could not take in time follows. */
  #tickTaken(): void {
    if (this.pit.takeMissed()) this.#tick();
  }

  #tick(): void {
    for (const level of [false, true]) {
      for (const route of this.#timerRoutes()) {
        if (route.type === "pin") this.#setPin(route.irqchip, route.pin, level);
        else if (level) this.#signal(messageOf(route.address, route.data));
      }
    }
  }

  #timerRoutes(): readonly Target[] {
    return this.#outputs.timerRoutes() ?? timerLine;
  }

  /** What local APICs get by it; -1: nothing. */
  #vectorOf(route: Target): number {
    if (route.type === "message") return route.data & 0xff;
    return route.irqchip === KVM_IRQCHIP_IOAPIC ? this.ioapic.vectorOf(route.pin) : -1;
  }

  /** Whether anybody would get what the timer raises. */
  #timerWanted(): boolean {
    return this.#timerRoutes().some((route) =>
      route.type === "pin" && route.irqchip !== KVM_IRQCHIP_IOAPIC
        ? !(this.words.pic.get("masked", route.irqchip) & (1 << route.pin))
        : this.#vectorOf(route) >= 0,
    );
  }

  /** What the vCPU takes now: a vector; -1: nothing. */
  acknowledge(vcpu: IrqchipVcpu): number {
    return this.locked(() => {
      vcpu.lapic.settleEnd();
      const vector = this.#external(vcpu) ? this.#acknowledgeExternal(vcpu) : vcpu.lapic.acknowledge();
      if (this.#waits(vcpu)) vcpu.request();
      return vector;
    });
  }

  /** Whether something could be taken, were interrupts allowed. */
  waits(vcpu: IrqchipVcpu): boolean {
    return this.locked(() => {
      vcpu.lapic.settleEnd();
      return this.#waits(vcpu);
    });
  }

  #waits(vcpu: IrqchipVcpu): boolean {
    return vcpu.lapic.pending >= 0 || this.#external(vcpu);
  }

  /** Whether the processor has something from the older controllers, whosever they are. */
  #external({ lapic, hasExternal }: IrqchipVcpu): boolean {
    return (this.#outputs.onlyLocal ? hasExternal : this.pic.output) && lapic.takesExternal;
  }

  #acknowledgeExternal(vcpu: IrqchipVcpu): number {
    return this.#outputs.onlyLocal ? vcpu.takeExternal() : this.pic.acknowledge();
  }

  /** Timers that are due, of this vCPU; of the first one, the machine's as well. `now`: the guest's time, ms. */
  expire(vcpu: IrqchipVcpu, first: boolean, now: number): void {
    if (now < this.due(vcpu, first)) return;
    this.locked(() => {
      vcpu.lapic.expire(now);
      if (!first || !this.hasPit || now < this.pit.due) return;
      // What nobody would take is not made up for.
      if (this.pit.expire(now, this.#timerWanted())) this.#tick();
    });
  }

  /** When a timer is due: the guest's time, ms. */
  due(vcpu: IrqchipVcpu, first: boolean): number {
    return Math.min(vcpu.lapic.due, first && this.hasPit ? this.pit.due : Number.POSITIVE_INFINITY);
  }

  /** What a port answers, byte by byte; undefined: none of these has it. */
  readPort(port: number, size: number, now: number): bigint | undefined {
    if (this.#outputs.onlyLocal) return undefined;
    return this.locked(() => {
      let value = 0n;
      for (let i = 0; i < size; i++) {
        const byte = this.pic.read(port + i) ?? (this.hasPit ? this.pit.read(port + i, now) : undefined);
        if (byte === undefined && i === 0) return undefined;
        value |= BigInt(byte ?? 0xff) << BigInt(8 * i);
      }
      return value;
    });
  }

  /** False: none of these has the port. */
  writePort(port: number, size: number, value: bigint, now: number): boolean {
    if (this.#outputs.onlyLocal) return false;
    return this.locked(() => {
      for (let i = 0; i < size; i++) {
        const byte = Number((value >> BigInt(8 * i)) & 0xffn);
        if (this.pic.write(port + i, byte)) this.#lookAtPic();
        else if (!(this.hasPit && this.pit.write(port + i, byte, now)) && i === 0) return false;
      }
      return true;
    });
  }

  /** What lies at an address; undefined: none of these. */
  readMemory(vcpu: IrqchipVcpu, address: bigint, size: number, now: number): bigint | undefined {
    const own = placeIn(address, size, vcpu.lapicAddress, lapicSize);
    if (own !== undefined) return this.locked(() => vcpu.lapic.loadMemory(own, size, now));
    const offset = this.#placeInIoapic(address, size);
    if (offset === undefined) return undefined;
    return this.locked(() => (size > 4 || offset & 15 ? 0n : BigInt(this.ioapic.read(offset) >>> 0)));
  }

  writeMemory(vcpu: IrqchipVcpu, address: bigint, size: number, value: bigint, now: number): boolean {
    const own = placeIn(address, size, vcpu.lapicAddress, lapicSize);
    if (own !== undefined) {
      this.locked(() => vcpu.lapic.storeMemory(own, size, value, now));
      return true;
    }
    const offset = this.#placeInIoapic(address, size);
    if (offset === undefined) return false;
    // As on the machines that there were, a byte written is a word.
    this.locked(() => this.ioapic.write(offset, Number(BigInt.asUintN(32, value))));
    return true;
  }

  #placeInIoapic(address: bigint, size: number): number | undefined {
    return this.#outputs.onlyLocal ? undefined : placeIn(address, size, BigInt(ioapicAddress), ioapicSize);
  }

  /** Runs with the lock held; what ended meanwhile is told afterwards. Not to be nested. */
  locked<T>(body: () => T): T {
    const result = locked(this.#memory, this.#base + head.offset.lock, body);
    const ended = this.#ended;
    if (ended.length === 0) return result;
    this.#ended = [];
    for (const [chip, pin] of ended) {
      this.#outputs.ended(chip, pin);
      // Only now: an eventfd's line is lowered by that, and would else interrupt a second time.
      if (chip === KVM_IRQCHIP_IOAPIC) this.locked(() => this.ioapic.again(pin));
    }
    return result;
  }

  #setLine(line: number, level: boolean): void {
    if (line < 16) {
      this.pic.setIrq(line, level);
      this.#lookAtPic();
    }
    if (line !== 2) this.ioapic.setIrq(line === 0 ? 2 : line, level);
  }

  #lookAtPic(): void {
    if (!this.pic.output) return;
    for (const vcpu of this.#outputs.vcpus()) if (vcpu.lapic.takesExternal) vcpu.request();
  }

  #send(message: Message, among: readonly IrqchipVcpu[]): boolean {
    const meant = among.filter(({ lapic }) => lapic.isFor(message));
    if (message.mode !== Mode.lowest) {
      for (const vcpu of meant) this.#deliver(message, vcpu);
      return meant.length > 0;
    }
    const [first, ...rest] = meant.filter(({ lapic }) => lapic.enabled);
    if (!first) return false;
    this.#deliver(
      message,
      rest.reduce((best, vcpu) => (vcpu.lapic.priority < best.lapic.priority ? vcpu : best), first),
    );
    return true;
  }

  #deliver({ mode, vector, level }: Pick<Message, "mode" | "vector" | "level">, vcpu: IrqchipVcpu): void {
    switch (mode) {
      case Mode.fixed:
      case Mode.lowest:
        if (vcpu.lapic.enabled) vcpu.lapic.accept(vector, level);
        return;
      case Mode.nmi:
        vcpu.nonMaskable();
        return;
      case Mode.init:
        vcpu.init();
        return;
      case Mode.startUp:
        vcpu.startUp(vector);
        return;
      case Mode.external:
        vcpu.request();
    }
  }
}

/** Where an access lies in a range that it is wholly in. */
function placeIn(address: bigint, size: number, start: bigint | undefined, length: number): number | undefined {
  if (start === undefined || address < start || address + BigInt(size) > start + BigInt(length)) return undefined;
  return Number(address - start);
}
