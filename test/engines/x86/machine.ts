/**
 * One x86 processor in 64 KiB of pages at addresses that a program of the host can have too, at level 3: what instructions do to
 * registers, flags and memory. The pages lie in RAM in another order, so that an instruction or an access over a page's end has
 * its halves in two places. Every exception leads to a HLT of its own.
 */
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { Access, Processor } from "./processor.js";

/** Where its pages begin. */
export const base = 0x2000_0000n;
const pageSize = 4096;
/** Where in RAM each page lies, in pages. */
const placement = [5, 2, 9, 0, 7, 12, 3, 1, 14, 11, 6, 13, 4, 10, 8, 15].map((place) => place + 16);
/** Bytes that there are, from `base` on. */
export const extent = placement.length * pageSize;

/** The system's pages, of which each has its place in RAM and its address from `system` on. */
const system = 0xffff_8000_0000_0000n;
const page = { tables: 0, handlers: 8, interrupts: 9, segments: 10, stack: 11 } as const;
const addressOf = (name: keyof typeof page) => system + BigInt(page[name] * pageSize);
/** Selectors as Linux has them. */
const selector = { kernelCode: 0x10, user32: 0x23, userData: 0x2b, userCode: 0x33, task: 0x40 } as const;

export interface Registers {
  /** RAX to R15. */
  readonly general: readonly bigint[];
  readonly flags: bigint;
  /** x87, MXCSR and XMM as FXSAVE has them. */
  readonly floating?: Uint8Array;
}

export interface Outcome extends Registers {
  readonly floating: Uint8Array;
  readonly pc: bigint;
  /** The exception's vector; -1 if there was none. */
  readonly vector: number;
}

/** Code that it runs: of 64 bits; of 32 bits in flat segments; of 32 bits where ES lacks the last byte, and so is not flat. */
export type Code = "64" | "32" | "32 in segments";

export class X86Machine {
  readonly #processor = new Processor(32 * pageSize);
  readonly #code: Code;

  constructor(code: Code = "64") {
    this.#code = code;
    const p = this.#processor;
    // Four levels of tables for each of the two places.
    const at = (index: number) => BigInt(index * pageSize);
    const entry = (table: number, address: bigint, shift: bigint, value: bigint) =>
      p.putRam64(table * pageSize + Number((address >> shift) & 511n) * 8, value);
    const map = (first: number, address: bigint, levels: readonly number[], bits: bigint) => {
      let table = first;
      levels.forEach((next, i) => {
        entry(table, address, BigInt(39 - 9 * i), at(next) | bits);
        table = next;
      });
      return table;
    };
    const users = map(0, base, [1, 2, 3], 7n);
    placement.forEach((place, i) => entry(users, base + BigInt(i * pageSize), 12n, at(place) | 7n));
    const own = map(0, system, [4, 5, 6], 3n);
    for (let i = 0; i < 16; i++) entry(own, system + BigInt(i * pageSize), 12n, at(i) | 3n);
    p.ram(page.handlers * pageSize, 256).fill(0xf4);
    for (let vector = 0; vector < 256; vector++) {
      const gate = addressOf("handlers") + BigInt(vector);
      const low =
        (gate & 0xffffn) | (BigInt(selector.kernelCode) << 16n) | (0xee01n << 32n) | ((gate & 0xffff0000n) << 32n);
      p.putRam64(page.interrupts * pageSize + 16 * vector, low);
      p.putRam64(page.interrupts * pageSize + 16 * vector + 8, gate >> 32n);
    }
    const segments = page.segments * pageSize;
    p.putRam64(segments + selector.kernelCode, 0x00af9b000000ffffn);
    p.putRam64(segments + 0x28, 0x00cff3000000ffffn);
    p.putRam64(segments + 0x30, 0x00affb000000ffffn);
    // IST1 of the TSS, which lies behind the descriptors, and no bitmap of ports.
    const task = addressOf("segments") + 0x800n;
    p.ram(segments + 0x800 + 102, 2).set([0x68, 0]);
    p.putRam64(segments + 0x800 + 36, addressOf("stack") + BigInt(pageSize));
    p.longMode({ tables: 0n, cpl: 3, code: selector.userCode, data: selector.userData });
    p.setSegment(8, selector.task, task, 0x67, Access.tss);
    p.set64("gdtBase", addressOf("segments"));
    p.set("gdtLimit", 0x7f);
    p.set64("idtBase", addressOf("interrupts"));
    p.set("idtLimit", 0xfff);
    p.set64("features", -1n);
    p.flags = 2n;
    p.reset();
  }

  /** Bytes at `base` and behind. */
  get image(): Uint8Array {
    const image = new Uint8Array(extent);
    placement.forEach((place, i) => image.set(this.#processor.ram(place * pageSize, pageSize), i * pageSize));
    return image;
  }

  set image(image: Uint8Array) {
    placement.forEach((place, i) =>
      this.#processor.ram(place * pageSize, pageSize).set(image.subarray(i * pageSize, (i + 1) * pageSize)),
    );
    this.#processor.written(16 * pageSize, extent);
  }

  set registers({ general, flags, floating }: Registers) {
    const p = this.#processor;
    general.forEach((value, i) => p.set64("general", value, i));
    if (floating) p.floating = floating;
    p.flags = flags & ~0x100n;
    p.longMode({ tables: 0n, cpl: 3, code: selector.userCode, data: selector.userData });
    if (this.#code !== "64") p.setSegment(1, selector.user32, 0n, -1, Access.code32 | Access.user);
    if (this.#code === "32 in segments") p.set("segmentLimit", -2, 0);
    p.changed();
  }

  /** Sets the base of a segment: 4 is FS, 5 GS. */
  setBase(segment: number, address: bigint): void {
    this.#processor.set64("segmentBase", address, segment);
  }

  /** Sets the limit of a segment and what it is. */
  setLimit(segment: number, limit: number, access: number): void {
    this.#processor.set("segmentLimit", limit, segment);
    this.#processor.set("segmentAccess", access, segment);
  }

  /** Address of the last page fault. */
  get faultAddress(): bigint {
    return this.#processor.get64("control", 2);
  }

  /** Makes regions of the code at these addresses, hot or not. */
  translate(addresses: readonly bigint[]): void {
    const p = this.#processor;
    const pc = p.get64("pc");
    p.translator.translateNow(addresses);
    p.set64("pc", pc);
  }

  /** How often a region was entered from the interpreter. */
  get regionRuns(): number {
    return this.#processor.regionRuns;
  }

  /** How many regions are gone since their code was written. */
  get regionsDropped(): number {
    return this.#processor.translator.stats()["regionsDropped"] as number;
  }

  /**
   * Runs from `pc` to an exception; or, stepped, until something else than the instruction at `pc` is next, or to the end. The
   * int3 behind an instruction that was to run is where it ended.
   */
  run(pc: bigint, step: boolean, whole = false): Outcome {
    const p = this.#processor;
    p.set64("pc", pc);
    const handlers = addressOf("handlers");
    const handled = () => p.get64("pc") >= handlers && p.get64("pc") <= handlers + 256n;
    if (step) {
      let steps = 0;
      do {
        const exit = p.step();
        if (exit !== ExitCode.none && exit !== ExitCode.halt) throw new Error(`a step left with ${exit}`);
        if (++steps > 20_000) break;
      } while (!handled() && (whole || p.get64("pc") === pc));
    } else {
      // Longer than it takes on a host that has no time for it: every case ends by itself.
      const exit = p.run(2000);
      if (exit !== ExitCode.none && exit !== ExitCode.halt) throw new Error(`it left with ${exit}`);
    }
    const general = Array.from({ length: 16 }, (_, i) => p.get64("general", i));
    const { floating } = p;
    if (!handled()) return { general, floating, flags: p.flags, pc: p.get64("pc"), vector: -1 };
    // What the exception pushed.
    const physical = page.stack * pageSize + Number(p.get64("general", 4) - addressOf("stack"));
    const coded = [8, 10, 11, 12, 13, 14, 17].includes(p.get("lastInterrupt")) ? 8 : 0;
    const pushed = (i: number) => p.getRam64(physical + coded + 8 * i);
    general[4] = pushed(3);
    const vector = p.get("lastInterrupt");
    // Not RF, which faults set.
    const outcome = { general, floating, flags: pushed(2) & ~0x10000n, pc: pushed(0), vector };
    return vector === 3 && !whole ? { ...outcome, pc: outcome.pc - 1n, vector: -1 } : outcome;
  }
}
