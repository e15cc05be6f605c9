/**
 * A machine with one tiny processor: pages of 4 KiB that lie in memory in another order than by their addresses, so that an
 * instruction or an access over a page's end has its halves in two places.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Interpreter, instantiateInterpreter } from "../../../src/engine/interpret/interpreter.js";
import { engineRequests as Request } from "../../../src/engine/layout.js";
import { Translator } from "../../../src/engine/translate/translator.js";
import { memorySlot, vmLayout } from "../../../src/kvm/layout.js";
import { archLayout, codePage, Exit, pages, state, translatorTarget, vcpu } from "./target.js";

const s = 0x100000;
const owners = 0x60000;
const codeMap = 0x70000;
const ram = 0x400000;
const pageSize = 4096;
/** Where each page of addresses lies; what is not in it faults. */
const placement = [5, 2, 9, 0, 7, 12, 3, 1, 14, 11, 6, 13, 4, 10, 8, 15];
const ramSize = placement.length * pageSize;
/** A page of addresses that leads to where no memory is. */
export const devicePage = 0x18n;

const compiled = (name: string) => new WebAssembly.Module(readFileSync(new URL(name, import.meta.url)));
const assets = { runtime: compiled("runtime.wasm"), interpreter: compiled("interpreter.wasm") };

/** Registers, the return address, pc, why it stopped, what it cost. */
export interface Outcome {
  readonly registers: readonly bigint[];
  readonly link: bigint;
  readonly pc: bigint;
  readonly exit: number;
  /** Of the last access that faulted or went to a device. */
  readonly address: bigint;
  /** Bytes of decoded entries passed. */
  readonly cost: number;
  /** A digest of all that can be stored to. */
  readonly storage: string;
}

export class TinyMachine {
  readonly #memory = new WebAssembly.Memory({ initial: 96, maximum: 65536 });
  readonly #view = new DataView(this.#memory.buffer);
  readonly #interpreter: Interpreter;
  readonly #translator: Translator;

  constructor() {
    if (s + vcpu.size > ram) throw new Error("the processor's state reaches into RAM");
    const word = (at: number, value: number) => this.#view.setInt32(at, value, true);
    word(vmLayout.vcpuCount, 1);
    word(vmLayout.vcpus, s);
    word(vmLayout.slotCount, 1);
    this.#view.setBigInt64(vmLayout.slots + memorySlot.offset.size, BigInt(ramSize), true);
    word(vmLayout.slots + memorySlot.offset.address, ram);
    this.#view.setBigInt64(archLayout.ramLimit, BigInt(ramSize), true);
    word(archLayout.codeOwners, owners);
    word(archLayout.codeMapSize, placement.length * 4);
    placement.forEach((place, page) => word(archLayout.pageTable + 4 * page, place + 1));
    word(archLayout.pageTable + 4 * Number(devicePage), pages + 1);
    this.#set("codeMaps", codeMap);

    const translator = new Translator(translatorTarget, this.#memory, s);
    this.#translator = translator;
    this.#interpreter = instantiateInterpreter(assets, this.#memory, {
      regions: translator.regions,
      codeDropped: (page, first, end) => translator.codeDropped(page, first, end),
      sampled: () => translator.sampled(),
    });
    translator.bind(this.#interpreter);
    (this.#interpreter.runtime["reset"] as (state: number) => void)(s);
  }

  #get(field: keyof typeof state): number {
    return this.#view.getInt32(s + state[field].offset, true);
  }

  #get64(field: keyof typeof state, index = 0): bigint {
    return this.#view.getBigUint64(s + state[field].offset + 8 * index, true);
  }

  #set(field: keyof typeof state, value: number | bigint): void {
    const at = s + state[field].offset;
    if (typeof value === "bigint") this.#view.setBigInt64(at, value, true);
    else this.#view.setInt32(at, value, true);
  }

  write(address: bigint, bytes: readonly number[]): void {
    bytes.forEach((byte, i) => {
      const at = Number(address) + i;
      this.#view.setUint8(ram + (placement[at >>> 12] as number) * pageSize + (at & 0xfff), byte);
    });
  }

  /** Makes regions of the code at these addresses, hot or not. */
  translate(addresses: readonly bigint[]): void {
    this.#translator.translateNow(addresses);
  }

  /** How many regions have been made. */
  get regions(): number {
    return this.#translator.stats()["regions"] as number;
  }

  /** How often a region was entered from the interpreter. */
  get regionRuns(): number {
    return this.#get("statRegionRuns");
  }

  /** Addresses at which the user of KVM has breakpoints. */
  set breakpoints(addresses: readonly bigint[]) {
    addresses.forEach((address, i) => this.#view.setBigInt64(s + state.breakAddress.offset + 8 * i, address, true));
    this.#set("breakCount", addresses.length);
    this.#set("breaking", addresses.length > 0 ? 1 : 0);
    this.#set("requests", Request.flushCode);
  }

  /** The device's answer to the access that left with Exit.mmio, before the instruction is run again. */
  answer(value: bigint): void {
    this.#set("mmioValues", value);
    this.#set("mmioCompleted", 1);
    this.#set("mmioConsumed", 0);
    this.#set("mmioReplay", 1);
    this.#set("exitCode", 0);
    this.#interpreter.step(s);
    this.#set("mmioCompleted", 0);
    this.#set("mmioConsumed", 0);
    this.#set("mmioReplay", 0);
  }

  /** Runs from `pc`, or steps one instruction at a time, until the processor stops or so many slices are over. */
  run(pc: bigint, { registers = [] as readonly bigint[], step = false, slices = 1000 } = {}): Outcome {
    registers.forEach((value, i) =>
      this.#view.setBigInt64(s + state.registers.offset + 8 * i, BigInt.asIntN(64, value), true),
    );
    const spent = () =>
      Number(this.#get64("instructions")) * codePage.entrySize + this.#get("sliceLength") - this.#get("budget");
    const before = spent();
    this.#set("pc", pc);
    this.#set("exitCode", Exit.none);
    const end = this.#get64("time") + BigInt(slices);
    this.#set("leaveAt", end);
    if (step) while (this.#get("exitCode") === Exit.none && this.#get64("time") < end) this.#interpreter.step(s);
    else this.#interpreter.run(s);
    return {
      registers: Array.from({ length: 8 }, (_, i) => this.#get64("registers", i)),
      link: this.#get64("link"),
      pc: this.#get64("pc"),
      exit: this.#get("exitCode"),
      address: this.#get64("exitAddress"),
      cost: spent() - before,
      storage: createHash("sha256")
        .update(new Uint8Array(this.#memory.buffer, ram, ramSize))
        .digest("hex"),
    };
  }
}
