/**
 * A machine with one processor of any kind and a run-time library in JavaScript, for a processor that has none of its own yet:
 * pages of 4 KiB that lie in memory in another order than by their addresses, so that an instruction or an access over a page's
 * end has its halves in two places.
 */
import { createHash } from "node:crypto";
import { buildInterpreter } from "../../../src/engine/interpret/build.js";
import type { Interpreter } from "../../../src/engine/interpret/interpreter.js";
import type { HandlerSpec, InterpreterTarget } from "../../../src/engine/interpret/target.js";
import { type EngineField, type Field, Handler, jumpCache } from "../../../src/engine/layout.js";
import type { TranslatorTarget } from "../../../src/engine/translate/target.js";
import { Translator } from "../../../src/engine/translate/translator.js";

/** Why the processor stopped, of what any can; its own reasons are 16 and from 32 on. */
export const Exit = { illegal: 17, pageFault: 18 } as const;

const codeMap = 0x60000;
/** Address of the vCPU's state. */
const s = 0x100000;
const ram = 0x400000;
const pageSize = 4096;
/** Where each page of addresses lies; what is not in it faults. */
const placement = [5, 2, 9, 0, 7, 12, 3, 1, 14, 11, 6, 13, 4, 10, 8, 15];
/** Bytes that there are, from `base` on. */
export const extent = placement.length * pageSize;
const asid = 1n;

/** A kind of processor: what an architecture fills in, and the interpreter that is built of it, once. */
export interface Processor {
  readonly fields: Readonly<Record<string, Field>>;
  readonly longest: number;
  translator(memory: WebAssembly.Memory): Translator;
  readonly target: Pick<InterpreterTarget, "layout">;
  readonly interpreter: WebAssembly.Module;
}

export function processor<S extends HandlerSpec, V>(
  target: InterpreterTarget<S>,
  translatorTarget: TranslatorTarget<V>,
  longest: number,
): Processor {
  return {
    fields: target.layout.state,
    longest,
    translator: (memory) => new Translator(translatorTarget, memory, s),
    target,
    interpreter: new WebAssembly.Module(buildInterpreter({ target, shared: false })),
  };
}

/** What a decoded entry is made of. */
export interface Decoding {
  readonly handler: number;
  readonly word: number;
}

export abstract class PagedMachine {
  readonly #memory = new WebAssembly.Memory({ initial: 128, maximum: 65536 });
  protected readonly view = new DataView(this.#memory.buffer);
  readonly #processor: Processor;
  /** Address of the first page. */
  readonly #base: bigint;
  readonly #slice: number;
  readonly #interpreter: Interpreter;
  readonly #translator: Translator;
  #slices = 0;

  constructor(processor: Processor, base = 0n) {
    this.#processor = processor;
    this.#base = base;
    const { layout } = processor.target;
    this.#slice = 1000 * layout.codePage.entrySize;
    const { tlb, vcpu } = layout;
    const translator = processor.translator(this.#memory);
    this.#translator = translator;
    const runtime = { ...this.#runtime(), ...this.routines() } as unknown as Interpreter["runtime"];
    const imports = {
      runtime: runtime as WebAssembly.ModuleImports,
      env: { memory: this.#memory, regions: translator.regions },
    };
    const { run, step, instead } = new WebAssembly.Instance(processor.interpreter, imports)
      .exports as unknown as Interpreter;
    this.#interpreter = { runtime, run, step, instead };
    this.#set("asid", asid);
    this.#set("fetchAsid", asid);
    this.#set("tlb", s + vcpu.tlb);
    this.#set("fetchTlb", s + vcpu.tlb + tlb.entries * tlb.entrySize);
    this.#set("codeMap", codeMap);
    this.#set("jumpContext", 1);
    translator.bind(this.#interpreter);
  }

  /** The processor's own routines. */
  protected abstract routines(): Readonly<Record<string, (...args: never[]) => unknown>>;

  /**
   * Handler and word of the instruction whose bytes `byte` gives, which stands at this physical address; undefined if there
   * is none.
   */
  protected abstract decoding(byte: (i: number) => number, physical: number): Decoding | undefined;

  get #layout() {
    return this.#processor.target.layout;
  }

  /** Address of a field of the state. */
  protected at(field: string): number {
    return s + (this.#processor.fields[field] as Field).offset;
  }

  #get(field: EngineField): number {
    return this.view.getInt32(this.at(field), true);
  }

  #set(field: EngineField, value: number | bigint): void {
    const at = this.at(field);
    if (typeof value === "bigint") this.view.setBigInt64(at, value, true);
    else this.view.setInt32(at, value, true);
  }

  get #pc(): bigint {
    return this.view.getBigUint64(this.at("pc"), true);
  }

  /** Address in the memory of what lies at a guest's address; undefined if nothing does. */
  #host(address: bigint): number | undefined {
    const distance = BigInt.asUintN(64, address - this.#base);
    const place = distance < BigInt(extent) ? placement[Number(distance >> 12n)] : undefined;
    return place === undefined ? undefined : ram + place * pageSize + Number(distance & 0xfffn);
  }

  write(address: bigint, bytes: readonly number[]): void {
    bytes.forEach((byte, i) => this.view.setUint8(this.#host(address + BigInt(i)) as number, byte));
  }

  /** All that is stored, in the order of addresses. */
  get image(): Uint8Array {
    const image = new Uint8Array(extent);
    placement.forEach((place, i) => image.set(this.#page(place), i * pageSize));
    return image;
  }

  set image(image: Uint8Array) {
    placement.forEach((place, i) => this.#page(place).set(image.subarray(i * pageSize, (i + 1) * pageSize)));
  }

  #page(place: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, ram + place * pageSize, pageSize);
  }

  /** The instructions that were at these addresses are others now. */
  forget(address: bigint, length: number): void {
    const { codePage } = this.#layout;
    for (let i = 0; i < length; i++) {
      const host = this.#host(address + BigInt(i));
      const page = host === undefined ? 0 : this.view.getInt32(codeMap + 4 * ((host - ram) >>> 12), true);
      if (page !== 0)
        this.view.setInt32(page + (((host as number) & 0xfff) << codePage.scale), Handler.undecoded, true);
    }
  }

  /** The processor stops before this instruction. */
  protected stop(exit: number): void {
    this.#set("exitCode", exit);
    this.#set("fault", 1);
  }

  /** The soft TLB's entry for an address, its page's addend in it. */
  #entry(table: number, address: bigint, host: number): number {
    const { tlb } = this.#layout;
    const entry = table + (Number(address >> 12n) % tlb.entries) * tlb.entrySize;
    this.view.setInt32(entry + tlb.addend, (host - Number(BigInt.asIntN(32, address))) | 0, true);
    this.view.setInt32(entry + tlb.physicalPage, (host - ram) >>> 12, true);
    return entry;
  }

  #fault(address: bigint): void {
    this.#set("exitAddress", address);
    this.stop(Exit.pageFault);
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
      const entry = this.#entry(s + this.#layout.vcpu.tlb, at, this.#host(at) as number);
      this.view.setBigInt64(entry + tag, (at & ~0xfffn) | asid, true);
    }
    (bytes as number[]).forEach(each);
  }

  /** Handler and word of the instruction that a decoded entry stands for. */
  #decoding(entry: number): Decoding {
    const { codePage, vcpu } = this.#layout;
    const pages = s + vcpu.code;
    const page = pages + Math.floor((entry - pages) / codePage.size) * codePage.size;
    const address = this.view.getBigUint64(page + codePage.effective, true) + BigInt((entry - page) >> codePage.scale);
    let beyond = false;
    const byte = (i: number) => {
      const host = this.#host(address + BigInt(i));
      if (host === undefined) beyond = true;
      return host === undefined ? 0 : this.view.getUint8(host);
    };
    const found = this.decoding(byte, (this.#host(address) as number) - ram);
    return found && !beyond ? found : { handler: Handler.illegal, word: 0 };
  }

  #fetch(): number {
    const { codePage, tlb, vcpu } = this.#layout;
    const pc = this.#pc;
    const host = this.#host(pc);
    if (host === undefined) {
      this.#set("exitCode", Exit.pageFault);
      this.#set("exitAddress", pc);
      return 0;
    }
    const physical = (host - ram) >>> 12;
    const entry = this.#entry(this.#get("fetchTlb"), pc, host);
    this.view.setBigInt64(entry + tlb.executeTag, (pc & ~0xfffn) | asid, true);
    let page = this.view.getInt32(codeMap + 4 * physical, true);
    if (page === 0) {
      page = s + vcpu.code + physical * codePage.size;
      this.view.setInt32(codeMap + 4 * physical, page, true);
      this.view.setInt32(page + codePage.physical, physical, true);
      this.view.setBigInt64(page + codePage.effective, pc & ~0xfffn, true);
      for (let i = 0; i < this.#processor.longest; i++) {
        this.view.setInt32(page + (codePage.instructions + i) * codePage.entrySize, Handler.nextPage, true);
      }
    }
    this.#set("fetchPage", page);
    return page + (Number(pc & 0xfffn) << codePage.scale);
  }

  /** The routines that emitted code and the translator call. */
  #runtime(): Record<string, (...args: never[]) => unknown> {
    const { codePage, tlb, vcpu } = this.#layout;
    const unused = () => {
      throw new Error("this processor has no such access");
    };
    return {
      fetch: () => this.#fetch(),
      decode: (_: number, entry: number) => {
        const { handler, word } = this.#decoding(entry);
        this.view.setInt32(entry + 4, word, true);
        this.view.setInt32(entry, handler, true);
      },
      instructionAt: (_: number, entry: number) => {
        const { handler, word } = this.#decoding(entry);
        return (BigInt(word >>> 0) << 32n) | BigInt(handler);
      },
      service: () => {
        this.#set("recheck", 0);
        if (this.#get("budget") <= 0) {
          this.#spent += this.#get("sliceLength") - this.#get("budget");
          this.#set("budget", this.#slice);
          this.#set("sliceLength", this.#slice);
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
          value |= BigInt(this.view.getUint8(host)) << BigInt(8 * i);
        });
        return BigInt.asIntN(64, value);
      },
      storeSlow: (_: number, address: bigint, size: number, value: bigint) => {
        this.#access(BigInt.asUintN(64, address), size, tlb.writeTag, (host, i) =>
          this.view.setUint8(host, Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn)),
        );
      },
      loadQuadSlow: unused,
      storeQuadSlow: unused,
      illegal: () => this.#set("exitCode", Exit.illegal),
      // What the translator asks about the code at pc.
      codeHost: () => this.#host(this.#pc) ?? 0,
      codePhysicalPage: () => ((this.#host(this.#pc) as number) - ram) >>> 12,
      codePageFor: (_: number, page: number) =>
        page < placement.length ? this.view.getInt32(codeMap + 4 * page, true) : 0,
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

  /**
   * Runs from `pc`, or steps one instruction at a time, until the processor stops, so many slices are over, or `until`, which
   * is asked between steps, says so.
   */
  protected go(pc: bigint, { step = false, slices = 1000, until = (_: bigint): boolean => false } = {}): Stop {
    this.#set("pc", pc);
    this.#set("exitCode", 0);
    this.#set("fault", 0);
    this.#set("budget", this.#slice);
    this.#set("sliceLength", this.#slice);
    this.#slices = slices;
    this.#spent = 0;
    if (step) {
      this.#set("mode", 1);
      do this.#interpreter.step(s);
      while (this.#get("exitCode") === 0 && this.#slices > 0 && !until(this.#pc));
      this.#set("mode", 0);
    } else this.#interpreter.run(s);
    return {
      pc: this.#pc,
      exit: this.#get("exitCode"),
      budget: this.#spent + this.#get("sliceLength") - this.#get("budget"),
    };
  }

  /** A digest of all that can be stored to. */
  protected get storage(): string {
    return createHash("sha256")
      .update(new Uint8Array(this.#memory.buffer, ram, extent))
      .digest("hex");
  }
}

/** Where and why the processor stopped, and what it cost. */
export interface Stop {
  readonly pc: bigint;
  readonly exit: number;
  readonly budget: number;
}
