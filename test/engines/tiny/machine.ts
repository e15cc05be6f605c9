/**
 * A machine with one tiny processor and its run-time library, in JavaScript: pages of 4 KiB that lie in memory in another
 * order than by their addresses, so that an instruction or an access over a page's end has its halves in two places.
 */
import { createHash } from "node:crypto";
import { buildInterpreter } from "../../../src/engine/interpret/build.js";
import type { Interpreter } from "../../../src/engine/interpret/interpreter.js";
import { Handler, jumpCache } from "../../../src/engine/layout.js";
import { Translator } from "../../../src/engine/translate/translator.js";
import { vmLayout } from "../../../src/kvm/layout.js";
import { longest } from "./isa.js";
import { codePage, decodeBytes, interpreterTarget, state, tlb, translatorTarget, vcpu } from "./target.js";

/** Why the processor stopped. */
export const Exit = { halt: 16, illegal: 17, pageFault: 18 } as const;

const codeMap = 0x60000;
const s = 0x100000;
const ram = 0x400000;
const pageSize = 4096;
/** Where each page of addresses lies; what is not in it faults. */
const placement = [5, 2, 9, 0, 7, 12, 3, 1, 14, 11, 6, 13, 4, 10, 8, 15];
const asid = 1n;
const slice = 1000 * codePage.entrySize;

const interpreter = new WebAssembly.Module(buildInterpreter({ target: interpreterTarget, shared: false }));

/** Registers, the return address, pc, why it stopped, what it cost. */
export interface Outcome {
  readonly registers: readonly bigint[];
  readonly link: bigint;
  readonly pc: bigint;
  readonly exit: number;
  readonly budget: number;
  /** A digest of all that can be stored to. */
  readonly storage: string;
}

export class TinyMachine {
  readonly #memory = new WebAssembly.Memory({ initial: 96, maximum: 65536 });
  readonly #view = new DataView(this.#memory.buffer);
  readonly #interpreter: Interpreter;
  readonly #translator: Translator;
  #slices = 0;

  constructor() {
    const translator = new Translator(translatorTarget, this.#memory, s);
    this.#translator = translator;
    const runtime = this.#runtime() as unknown as Interpreter["runtime"];
    const imports = {
      runtime: runtime as WebAssembly.ModuleImports,
      env: { memory: this.#memory, regions: translator.regions },
    };
    const { run, step, instead } = new WebAssembly.Instance(interpreter, imports).exports as unknown as Interpreter;
    this.#interpreter = { runtime, run, step, instead };
    this.#set("asid", asid);
    this.#set("fetchAsid", asid);
    this.#set("tlb", s + vcpu.tlb);
    this.#set("fetchTlb", s + vcpu.tlb + tlb.entries * tlb.entrySize);
    this.#set("codeMap", codeMap);
    this.#set("jumpContext", 1);
    translator.bind(this.#interpreter);
  }

  #get(field: keyof typeof state): number {
    return this.#view.getInt32(s + state[field].offset, true);
  }

  #set(field: keyof typeof state, value: number | bigint): void {
    const at = s + state[field].offset;
    if (typeof value === "bigint") this.#view.setBigInt64(at, value, true);
    else this.#view.setInt32(at, value, true);
  }

  get #pc(): bigint {
    return this.#view.getBigUint64(s + state.pc.offset, true);
  }

  /** Address in the memory of what lies at a guest's address; undefined if nothing does. */
  #host(address: bigint): number | undefined {
    const place = address < BigInt(placement.length * pageSize) ? placement[Number(address >> 12n)] : undefined;
    return place === undefined ? undefined : ram + place * pageSize + Number(address & 0xfffn);
  }

  write(address: bigint, bytes: readonly number[]): void {
    bytes.forEach((byte, i) => this.#view.setUint8(this.#host(address + BigInt(i)) as number, byte));
  }

  /** The soft TLB's entry for an address, its page's addend in it. */
  #entry(table: number, address: bigint, host: number): number {
    const entry = table + (Number(address >> 12n) % tlb.entries) * tlb.entrySize;
    this.#view.setInt32(entry + tlb.addend, (host - Number(BigInt.asIntN(32, address))) | 0, true);
    this.#view.setInt32(entry + tlb.physicalPage, (host - ram) >>> 12, true);
    return entry;
  }

  #fault(address: bigint): void {
    this.#set("exitCode", Exit.pageFault);
    this.#set("exitAddress", address);
    this.#set("fault", 1);
  }

  /** One byte after another, since they may lie in two pages. */
  #access(address: bigint, size: number, tag: number, each: (host: number, i: number) => void): void {
    const last = BigInt.asUintN(64, address + BigInt(size - 1));
    const bytes = Array.from({ length: size }, (_, i) => this.#host(BigInt.asUintN(64, address + BigInt(i))));
    const missing = bytes.indexOf(undefined);
    if (missing >= 0) {
      this.#fault(BigInt.asUintN(64, address + BigInt(missing)));
      return;
    }
    for (const at of [address, last]) {
      const entry = this.#entry(s + vcpu.tlb, at, this.#host(at) as number);
      this.#view.setBigInt64(entry + tag, (at & ~0xfffn) | asid, true);
    }
    (bytes as number[]).forEach(each);
  }

  /** Handler and word of the instruction that a decoded entry stands for. */
  #decoding(entry: number): { handler: number; word: number } {
    const pages = s + vcpu.code;
    const page = pages + Math.floor((entry - pages) / codePage.size) * codePage.size;
    const address = this.#view.getBigUint64(page + codePage.effective, true) + BigInt((entry - page) >> codePage.scale);
    let beyond = false;
    const found = decodeBytes((i) => {
      const host = this.#host(address + BigInt(i));
      if (host === undefined) beyond = true;
      return host === undefined ? 0 : this.#view.getUint8(host);
    });
    const opcode = this.#view.getUint8(this.#host(address) as number);
    if (!found || beyond) return { handler: Handler.illegal, word: 0 };
    return { handler: this.#view.getUint8(vmLayout.decodeTables + opcode), word: found.word };
  }

  #fetch(): number {
    const pc = this.#pc;
    const host = this.#host(pc);
    if (host === undefined) {
      this.#set("exitCode", Exit.pageFault);
      this.#set("exitAddress", pc);
      return 0;
    }
    const physical = (host - ram) >>> 12;
    const entry = this.#entry(this.#get("fetchTlb"), pc, host);
    this.#view.setBigInt64(entry + tlb.executeTag, (pc & ~0xfffn) | asid, true);
    let page = this.#view.getInt32(codeMap + 4 * physical, true);
    if (page === 0) {
      page = s + vcpu.code + physical * codePage.size;
      this.#view.setInt32(codeMap + 4 * physical, page, true);
      this.#view.setInt32(page + codePage.physical, physical, true);
      this.#view.setBigInt64(page + codePage.effective, pc & ~0xfffn, true);
      for (let i = 0; i < longest; i++) {
        this.#view.setInt32(page + (codePage.instructions + i) * codePage.entrySize, Handler.nextPage, true);
      }
    }
    this.#set("fetchPage", page);
    return page + (Number(pc & 0xfffn) << codePage.scale);
  }

  /** The routines that emitted code and the translator call. */
  #runtime(): Record<string, (...args: never[]) => unknown> {
    const unused = () => {
      throw new Error("this processor has no such access");
    };
    return {
      fetch: () => this.#fetch(),
      decode: (_: number, entry: number) => {
        const { handler, word } = this.#decoding(entry);
        this.#view.setInt32(entry + 4, word, true);
        this.#view.setInt32(entry, handler, true);
      },
      instructionAt: (_: number, entry: number) => {
        const { handler, word } = this.#decoding(entry);
        return (BigInt(word >>> 0) << 32n) | BigInt(handler);
      },
      service: () => {
        this.#set("recheck", 0);
        if (this.#get("budget") <= 0) {
          this.#spent += this.#get("sliceLength") - this.#get("budget");
          this.#set("budget", slice);
          this.#set("sliceLength", slice);
          this.#slices--;
          this.#translator.sampled();
        }
        return this.#get("exitCode") === 0 && this.#slices > 0 ? 0 : 1;
      },
      regionLeft: () => {
        this.#set("exitsToSample", 3);
        this.#translator.sampled();
      },
      stopsHere: () => 0,
      runAlone: () => 0,
      ranAlone: () => {},
      loadSlow: (_: number, address: bigint, size: number) => {
        let value = 0n;
        this.#access(BigInt.asUintN(64, address), size, tlb.readTag, (host, i) => {
          value |= BigInt(this.#view.getUint8(host)) << BigInt(8 * i);
        });
        return BigInt.asIntN(64, value);
      },
      storeSlow: (_: number, address: bigint, size: number, value: bigint) => {
        this.#access(BigInt.asUintN(64, address), size, tlb.writeTag, (host, i) =>
          this.#view.setUint8(host, Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn)),
        );
      },
      loadQuadSlow: unused,
      storeQuadSlow: unused,
      halt: () => {
        this.#set("exitCode", Exit.halt);
        this.#set("fault", 1);
      },
      illegal: () => this.#set("exitCode", Exit.illegal),
      // What the translator asks about the code at pc.
      codeHost: () => this.#host(this.#pc) ?? 0,
      codePhysicalPage: () => ((this.#host(this.#pc) as number) - ram) >>> 12,
      codePageFor: (_: number, page: number) =>
        page < placement.length ? this.#view.getInt32(codeMap + 4 * page, true) : 0,
      codeSpan: () => codePage.shift,
      contextRefresh: () => 0,
      forgetJumps: () => {
        const at = s + vcpu.jumpCache;
        new Uint8Array(this.#memory.buffer, at, jumpCache.entries * jumpCache.entrySize).fill(0);
        return 0;
      },
    } as unknown as Record<string, (...args: never[]) => unknown>;
  }
  #spent = 0;

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

  /** Runs from `pc`, or steps one instruction at a time, until the processor stops or so many slices are over. */
  run(pc: bigint, { registers = [] as readonly bigint[], step = false, slices = 1000 } = {}): Outcome {
    registers.forEach((value, i) =>
      this.#view.setBigInt64(s + state.registers.offset + 8 * i, BigInt.asIntN(64, value), true),
    );
    this.#set("pc", pc);
    this.#set("exitCode", 0);
    this.#set("budget", slice);
    this.#set("sliceLength", slice);
    this.#slices = slices;
    this.#spent = 0;
    if (step) {
      this.#set("mode", 1);
      while (this.#get("exitCode") === 0 && this.#slices > 0) this.#interpreter.step(s);
      this.#set("mode", 0);
    } else this.#interpreter.run(s);
    const at = (offset: number) => this.#view.getBigUint64(s + offset, true);
    return {
      registers: Array.from({ length: 8 }, (_, i) => at(state.registers.offset + 8 * i)),
      link: at(state.link.offset),
      pc: this.#pc,
      exit: this.#get("exitCode"),
      budget: this.#spent + this.#get("sliceLength") - this.#get("budget"),
      storage: createHash("sha256")
        .update(new Uint8Array(this.#memory.buffer, ram, placement.length * pageSize))
        .digest("hex"),
    };
  }
}
