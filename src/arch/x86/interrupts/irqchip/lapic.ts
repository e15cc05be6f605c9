/**
 * A vCPU's local APIC, as registers in memory (xAPIC) and as MSRs (x2APIC), with its timer, which counts by the guest's time.
 * Whoever calls holds the controllers' lock. Source: Intel SDM, volume 3, "Advanced Programmable Interrupt Controller (APIC)".
 */
import { struct } from "../../../../base/struct.js";
import type { Words } from "../../../../kvm/words.js";
import { KVM_APIC_REG_SIZE } from "../../uapi.js";
import { broadcast, type Message, Mode, wideBroadcast } from "./message.js";

export const lapicSize = 0x1000;
/** Ticks of the timer a millisecond, undivided. */
export const timerRate = 1e6;

/** The local vector table, in the order of its registers. */
const vectors = ["timer", "thermal", "performance", "line0", "line1", "error"] as const;
type LocalVector = (typeof vectors)[number];
const place = (name: LocalVector) => vectors.indexOf(name);

export const lapicState = struct({
  id: "i32",
  taskPriority: "i32",
  logicalId: "i32",
  format: "i32",
  spurious: "i32",
  errors: "i32",
  /** Errors since the register was written last. */
  newErrors: "i32",
  command: "i32",
  destination: "i32",
  local: ["i32", vectors.length],
  initialCount: "i32",
  divide: "i32",
  /** 256 bits each. */
  requests: ["i32", 8],
  inService: ["i32", 8],
  levels: ["i32", 8],
  /** When the timer was started and when it is due: the guest's time, ms; 0: it does not run. */
  started: "f64",
  due: "f64",
  /** IA32_TSC_DEADLINE. */
  deadline: "i64",
  /** 1: the guest was told that it need not end the interrupt that it is in the middle of. */
  endOffered: "i32",
});

const version = 0x14 | ((vectors.length - 1) << 16);
const masked = 1 << 16;
const softwareEnable = 0x100;
/** Bits that can be written, by the place in the table. */
const writable = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
const TimerMode = { once: 0, periodic: 1, deadline: 2 } as const;
const Illegal = { sendVector: 0x20, receiveVector: 0x40, register: 0x80 } as const;
/** No shorter period than this is delivered, ms. */
const shortest = 0.05;

/** What a local APIC has to do with its vCPU and the others. */
export interface LapicOutputs {
  /** CR8. */
  taskPriority(): number;
  setTaskPriority(value: number): void;
  /** Whether its registers are in memory, are MSRs, or neither. */
  mode(): "off" | "memory" | "registers";
  /** KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK: to an x2APIC, 255 is one processor. */
  strictBroadcast(): boolean;
  /** When the time-stamp counter stands at this: the guest's time, ms. */
  timeOf(counter: bigint): number;
  /** Something can be taken. */
  request(): void;
  /** To others. `shorthand`: 0 by the destination, 1 itself, 2 all, 3 all others. */
  send(message: Message, shorthand: number): void;
  nonMaskable(): void;
  /** The guest has read or written the task's priority. */
  priorityAccessed(isWrite: boolean): void;
  /** An interrupt has ended, level-triggered or not. */
  ended(vector: number, level: boolean): void;
  /** Tells the guest that it need not end an interrupt by the register. False: it does not want to know. */
  offerEnd(): boolean;
  /** Takes that back. True: the guest has ended it. */
  takeEnd(): boolean;
}

/** Registers, by their place: the address over 16, or the MSR's number less 0x800. */
const Register = {
  id: 2,
  version: 3,
  taskPriority: 8,
  processorPriority: 10,
  end: 11,
  logicalId: 13,
  format: 14,
  spurious: 15,
  inService: 16,
  levels: 24,
  requests: 32,
  errors: 40,
  command: 48,
  destination: 49,
  local: 50,
  initialCount: 56,
  currentCount: 57,
  divide: 62,
  selfInterrupt: 63,
} as const;

export class Lapic {
  readonly #state: Words<typeof lapicState.fields>;
  readonly #outputs: LapicOutputs;

  constructor(state: Words<typeof lapicState.fields>, outputs: LapicOutputs) {
    this.#state = state;
    this.#outputs = outputs;
  }

  /** After power-on, and after INIT: nothing waits. The first processor's line 0 is where the PC's older controllers come in. */
  reset(id: number, first: boolean): void {
    const s = this.#state;
    for (let at = 0; at < lapicState.size; at += 4) s.memory.setI32(s.base + at, 0);
    s.set("id", id);
    s.set("format", -1);
    s.set("spurious", 0xff);
    for (let i = 0; i < vectors.length; i++) s.set("local", masked, i);
    if (first) s.set("local", Mode.external << 8, place("line0"));
  }

  get id(): number {
    return this.#state.get("id");
  }

  setId(id: number): void {
    this.#state.set("id", id);
  }

  get enabled(): boolean {
    return this.#outputs.mode() !== "off" && (this.#state.get("spurious") & softwareEnable) !== 0;
  }

  /** Whether what the older controllers ask for comes to this processor. */
  get takesExternal(): boolean {
    if (this.#outputs.mode() === "off") return true;
    const line = this.#state.get("local", place("line0"));
    return !(line & masked) && ((line >> 8) & 7) === Mode.external;
  }

  /** Whether a message is for it. */
  isFor({ destination, logical, wide = false }: Message): boolean {
    const registers = this.#outputs.mode() === "registers";
    if (destination === (wide || (registers && this.#outputs.strictBroadcast()) ? wideBroadcast : broadcast))
      return true;
    const s = this.#state;
    if (!logical) return destination === (registers ? this.id : this.id & 0xff);
    if (registers) {
      const own = logicalIdOf(this.id);
      return destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0;
    }
    const own = s.get("logicalId") >>> 24;
    if (s.get("format") >>> 28 === 15) return (destination & own) !== 0;
    return destination >> 4 === own >> 4 && (destination & own & 15) !== 0;
  }

  /** An interrupt arrives. */
  accept(vector: number, level: boolean): void {
    const s = this.#state;
    if (vector < 16) {
      s.set("newErrors", s.get("newErrors") | Illegal.receiveVector);
      return;
    }
    this.#put("requests", vector, true);
    this.#put("levels", vector, level);
    if (this.enabled) this.#outputs.request();
  }

  /** What can be taken now: a vector; -1 if there is nothing. */
  get pending(): number {
    if (!this.enabled) return -1;
    const vector = this.#highest("requests");
    return vector >> 4 > this.priority >> 4 ? vector : -1;
  }

  /** Takes it. */
  acknowledge(): number {
    const vector = this.pending;
    if (vector < 0) return vector;
    const s = this.#state;
    const nested = this.#highest("inService") >= 0;
    this.#put("requests", vector, false);
    this.#put("inService", vector, true);
    // What ends later without a word holds up nothing: no other waits or is interrupted, and no line.
    if (nested || this.#highest("requests") >= 0 || this.#bit("levels", vector)) return vector;
    if (this.#outputs.offerEnd()) s.set("endOffered", 1);
    return vector;
  }

  /** What the guest has ended by a word of its own is ended; called by the vCPU's thread, before what is in service counts. */
  settleEnd(): void {
    if (this.#state.get("endOffered") === 0) return;
    this.#state.set("endOffered", 0);
    if (this.#outputs.takeEnd()) this.#end();
  }

  /** When the timer is due: the guest's time, ms; Infinity: it does not run. */
  get due(): number {
    return this.#state.float("due") || Number.POSITIVE_INFINITY;
  }

  expire(now: number): void {
    const s = this.#state;
    const due = s.float("due");
    if (due === 0 || now < due) return;
    const timer = s.get("local", 0);
    const mode = (timer >> 17) & 3;
    const period = Math.max(this.#period(), shortest);
    // The ones that were slept over are one.
    const later = mode === TimerMode.periodic ? due + period * Math.max(1, Math.ceil((now - due) / period)) : 0;
    if (later !== 0) s.setFloat("started", later - period);
    s.setFloat("due", later);
    s.set64("deadline", 0n);
    if (!(timer & masked)) this.accept(timer & 0xff, false);
  }

  /** IA32_TSC_DEADLINE: 0 in other modes. */
  get deadline(): bigint {
    return this.#state.get64("deadline");
  }
  set deadline(counter: bigint) {
    if (this.#timerMode() !== TimerMode.deadline) return;
    this.#state.set64("deadline", counter);
    this.#state.setFloat("due", counter === 0n ? 0 : Math.max(this.#outputs.timeOf(counter), Number.MIN_VALUE));
  }

  /** 1 to 8 bytes of its page. */
  loadMemory(offset: number, size: number, now: number): bigint {
    this.settleEnd();
    const within = offset & 15;
    if (within + size > 4) return 0n;
    const register = offset >> 4;
    if (register === Register.taskPriority) this.#outputs.priorityAccessed(false);
    const value = this.#read(register, now) ?? 0;
    return BigInt.asUintN(8 * size, BigInt(value >>> 0) >> BigInt(8 * within));
  }

  /** Only whole registers are written. */
  storeMemory(offset: number, size: number, value: bigint, now: number): void {
    this.settleEnd();
    if (offset & 15 || size !== 4) return;
    const register = offset >> 4;
    const word = Number(value);
    if (register === Register.id) this.#state.set("id", word >>> 24);
    else if (register === Register.logicalId) this.#state.set("logicalId", word & 0xff000000);
    else if (register === Register.format) this.#state.set("format", word | 0x0fffffff);
    else if (register === Register.destination) this.#state.set("destination", word);
    else if (register === Register.command) this.#command(word, this.#state.get("destination") >>> 24, false);
    else if (!this.#write(register, word, now)) this.#error(Illegal.register);
  }

  /** KVM_GET_LAPIC. `wideIds`: an x2APIC's identifier has 32 bits in it, else 8 of them, at the top. */
  image(now: number, wideIds: boolean): Uint8Array {
    this.settleEnd();
    const bytes = new Uint8Array(KVM_APIC_REG_SIZE);
    const view = new DataView(bytes.buffer);
    for (let register = 0; 16 * register < bytes.length; register++) {
      view.setUint32(16 * register, this.#read(register, now) ?? 0, true);
    }
    if (this.#outputs.mode() !== "registers") return bytes;
    if (wideIds) view.setUint32(16 * Register.id, this.id, true);
    view.setUint32(16 * Register.logicalId, logicalIdOf(this.id), true);
    return bytes;
  }

  /** KVM_SET_LAPIC; the timer goes on from what it counted. False: of an x2APIC, the identifier is another one's. */
  setImage(bytes: Uint8Array, now: number, wideIds: boolean): boolean {
    this.settleEnd();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const word = (register: number): number => view.getUint32(16 * register, true);
    const s = this.#state;
    const id = word(Register.id);
    if (this.#outputs.mode() === "registers") {
      if (wideIds ? id !== this.id : id >>> 24 !== (this.id & 0xff)) return false;
    } else {
      s.set("id", id >>> 24);
      s.set("logicalId", word(Register.logicalId) & 0xff000000);
    }
    s.set("taskPriority", word(Register.taskPriority) & 0xff);
    this.#outputs.setTaskPriority((word(Register.taskPriority) & 0xff) >> 4);
    s.set("format", word(Register.format) | 0x0fffffff);
    s.set("spurious", word(Register.spurious) & 0x1ff);
    s.set("errors", word(Register.errors) & 0xff);
    s.set("command", word(Register.command) & 0xcefff);
    s.set("destination", word(Register.destination));
    for (const [i, bits] of writable.entries()) s.set("local", word(Register.local + i) & bits, i);
    s.set("initialCount", word(Register.initialCount));
    s.set("divide", word(Register.divide) & 11);
    for (let i = 0; i < 8; i++) {
      s.set("inService", word(Register.inService + i), i);
      s.set("levels", word(Register.levels + i), i);
      s.set("requests", word(Register.requests + i), i);
    }
    this.#resume(Math.min(word(Register.currentCount), s.get("initialCount")), now);
    this.#outputs.request();
    return true;
  }

  /** Has the timer count from there; by the time-stamp counter, it waits until it is told of a deadline. */
  #resume(count: number, now: number): void {
    const s = this.#state;
    s.set64("deadline", 0n);
    s.setFloat("due", 0);
    const periodic = this.#timerMode() === TimerMode.periodic;
    if (this.#timerMode() === TimerMode.deadline || s.get("initialCount") === 0 || (count === 0 && !periodic)) return;
    const left = (count * this.#divisor()) / timerRate || this.#period();
    s.setFloat("started", Math.max(0, now - (this.#period() - left)));
    s.setFloat("due", now + Math.max(left, shortest));
  }

  /** An MSR from 0x800 on, less that. Undefined: there is none that can be read. */
  loadRegister(register: number, now: number): bigint | undefined {
    this.settleEnd();
    const s = this.#state;
    if (register === Register.id) return BigInt(this.id);
    if (register === Register.logicalId) return BigInt(logicalIdOf(this.id));
    if (register === Register.command) return BigInt(s.get("command")) | (BigInt(s.get("destination")) << 32n);
    if (register === Register.format || register === Register.destination) return undefined;
    if (register === Register.taskPriority) this.#outputs.priorityAccessed(false);
    const value = this.#read(register, now);
    return value === undefined ? undefined : BigInt(value >>> 0);
  }

  /** False: there is none that takes this. */
  storeRegister(register: number, value: bigint, now: number): boolean {
    this.settleEnd();
    if (register === Register.command) {
      this.#state.set("destination", Number(value >> 32n));
      this.#command(Number(value & 0xffff_ffffn), Number(value >> 32n), true);
      return true;
    }
    if (value >> 32n) return false;
    const word = Number(value);
    if (register === Register.selfInterrupt) {
      if (word > 0xff) return false;
      this.#command(word | (1 << 18), 0, true);
      return true;
    }
    if ((register === Register.end || register === Register.errors) && word !== 0) return false;
    return this.#write(register, word, now);
  }

  #read(register: number, now: number): number | undefined {
    const s = this.#state;
    if (register >= Register.inService && register < Register.errors) {
      const name = (["inService", "levels", "requests"] as const)[(register - Register.inService) >> 3] ?? "requests";
      return s.get(name, register & 7);
    }
    if (register >= Register.local && register < Register.local + vectors.length) {
      return s.get("local", register - Register.local);
    }
    switch (register) {
      case Register.id:
        return s.get("id") << 24;
      case Register.version:
        return version;
      case Register.taskPriority:
        return this.taskPriority;
      case Register.processorPriority:
        return this.priority;
      case Register.logicalId:
        return s.get("logicalId");
      case Register.format:
        return s.get("format");
      case Register.spurious:
        return s.get("spurious");
      case Register.errors:
        return s.get("errors");
      case Register.command:
        return s.get("command");
      case Register.destination:
        return s.get("destination");
      case Register.initialCount:
        return s.get("initialCount");
      case Register.currentCount:
        return this.#currentCount(now);
      case Register.divide:
        return s.get("divide");
      default:
        return undefined;
    }
  }

  /** What is the same both ways. False: no such register. */
  #write(register: number, word: number, now: number): boolean {
    const s = this.#state;
    if (register >= Register.local && register < Register.local + vectors.length) {
      this.#setLocal(register - Register.local, word);
      return true;
    }
    switch (register) {
      case Register.taskPriority:
        this.#outputs.priorityAccessed(true);
        this.taskPriority = word & 0xff;
        return true;
      case Register.end:
        this.#end();
        return true;
      case Register.spurious:
        s.set("spurious", word & 0x1ff);
        if (!(word & softwareEnable))
          for (let i = 0; i < vectors.length; i++) s.set("local", s.get("local", i) | masked, i);
        this.#look();
        return true;
      case Register.errors:
        s.set("errors", s.get("newErrors"));
        s.set("newErrors", 0);
        return true;
      case Register.initialCount:
        if (this.#timerMode() === TimerMode.deadline) return true;
        s.set("initialCount", word);
        this.#start(now);
        return true;
      case Register.divide:
        s.set("divide", word & 11);
        if (s.float("due") !== 0 && this.#timerMode() !== TimerMode.deadline) this.#start(now);
        return true;
      default:
        return false;
    }
  }

  #setLocal(index: number, word: number): void {
    const s = this.#state;
    const before = this.#timerMode();
    let value = word & (writable[index] ?? 0);
    if (!(s.get("spurious") & softwareEnable)) value |= masked;
    s.set("local", value, index);
    // What the older controllers ask for may be let through now.
    if (index === place("line0")) this.#outputs.request();
    // Between counting and a deadline, the timer stops.
    if (index !== 0 || before === this.#timerMode()) return;
    if (before !== TimerMode.deadline && this.#timerMode() !== TimerMode.deadline) return;
    s.setFloat("due", 0);
    s.set("initialCount", 0);
    s.set64("deadline", 0n);
  }

  #command(word: number, destination: number, wide: boolean): void {
    const s = this.#state;
    s.set("command", word & 0xcefff);
    const mode = (word >> 8) & 7;
    const shorthand = (word >> 18) & 3;
    const level = (word & 0x8000) !== 0;
    const asserted = (word & 0x4000) !== 0;
    // The end of an INIT, which processors since the Pentium 4 do nothing at.
    if (mode === Mode.init && level && !asserted) return;
    if ((mode === Mode.fixed || mode === Mode.lowest) && (word & 0xff) < 16) {
      this.#error(Illegal.sendVector);
      return;
    }
    const message = { vector: word & 0xff, mode, logical: (word & 0x800) !== 0, destination, level: false, wide };
    this.#outputs.send(message, shorthand);
  }

  #end(): void {
    const vector = this.#highest("inService");
    if (vector < 0) return;
    this.#put("inService", vector, false);
    this.#outputs.ended(vector, this.#bit("levels", vector));
    this.#look();
  }

  #error(bit: number): void {
    const s = this.#state;
    s.set("newErrors", s.get("newErrors") | bit);
    const local = s.get("local", place("error"));
    if (!(local & masked)) this.accept(local & 0xff, false);
  }

  /** What was held back may be taken now. */
  #look(): void {
    if (this.pending >= 0) this.#outputs.request();
  }

  #timerMode(): number {
    return (this.#state.get("local", 0) >> 17) & 3;
  }

  #divisor(): number {
    const divide = this.#state.get("divide");
    return 2 ** ((((divide & 3) | ((divide & 8) >> 1)) + 1) & 7);
  }

  /** ms. */
  #period(): number {
    return (this.#state.get("initialCount") * this.#divisor()) / timerRate;
  }

  #start(now: number): void {
    const s = this.#state;
    s.setFloat("started", now);
    s.setFloat("due", s.get("initialCount") === 0 ? 0 : now + Math.max(this.#period(), shortest));
  }

  #currentCount(now: number): number {
    const s = this.#state;
    if (s.float("due") === 0 || this.#timerMode() === TimerMode.deadline) return 0;
    const passed = Math.floor(((now - s.float("started")) * timerRate) / this.#divisor());
    return Math.max(0, s.get("initialCount") - Math.max(0, passed));
  }

  /** As CR8 has it, with the lower bits that were written here. */
  get taskPriority(): number {
    const own = this.#state.get("taskPriority");
    const outer = this.#outputs.taskPriority();
    return own >> 4 === outer ? own : outer << 4;
  }
  set taskPriority(value: number) {
    this.#state.set("taskPriority", value);
    this.#outputs.setTaskPriority(value >> 4);
    this.#look();
  }

  /** The highest that is in the middle of being handled, and the highest that waits; 0: none. */
  get highest(): { readonly inService: number; readonly requested: number } {
    return {
      inService: Math.max(this.#highest("inService"), 0),
      requested: Math.max(this.#highest("requests"), 0),
    };
  }

  /** The processor's: what it is in the middle of, or was told to be. */
  get priority(): number {
    const task = this.taskPriority;
    const service = Math.max(this.#highest("inService"), 0);
    return task >> 4 >= service >> 4 ? task : service & 0xf0;
  }

  #bit(name: "requests" | "inService" | "levels", vector: number): boolean {
    return ((this.#state.get(name, vector >> 5) >>> (vector & 31)) & 1) !== 0;
  }

  #put(name: "requests" | "inService" | "levels", vector: number, set: boolean): void {
    const old = this.#state.get(name, vector >> 5);
    const bit = 1 << (vector & 31);
    this.#state.set(name, set ? old | bit : old & ~bit, vector >> 5);
  }

  #highest(name: "requests" | "inService"): number {
    for (let i = 7; i >= 0; i--) {
      const word = this.#state.get(name, i);
      if (word) return 32 * i + 31 - Math.clz32(word);
    }
    return -1;
  }
}

const logicalIdOf = (id: number) => ((id >>> 4) << 16) | (1 << (id & 15));
