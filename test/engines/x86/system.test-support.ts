/** A processor at level 0 in every way that engines run it: for tests of what the manuals say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { features } from "../../../src/arch/x86/engines/features.js";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { Access, Processor } from "./processor.js";

export const ways = ["stepped", "interpreted", "translated"] as const;
export type Way = (typeof ways)[number];

export const ram = 0x100_0000;
export const code = 0x10_0000;
export const tables = 0x1000;
export const interrupts = 0x8000;
export const segments = 0x9000;
const task = 0xa000;
const handlers = 0xb000;
const stackTop = 0x2_0000;

/** A processor at level 0 whose exceptions lead to a HLT of their own. */
export class System extends Processor {
  readonly #way: Way;

  constructor(way: Way) {
    super(ram, { translate: way === "translated" });
    this.#way = way;
    this.putRam64(tables, BigInt(tables + 0x1000) | 7n);
    this.putRam64(tables + 0x1000, BigInt(tables + 0x2000) | 7n);
    for (let i = 0; i < 8; i++) this.putRam64(tables + 0x2000 + 8 * i, BigInt(i * 0x20_0000) | 0x83n);
    this.ram(handlers, 256).fill(0xf4);
    for (let vector = 0; vector < 256; vector++) {
      const low = BigInt((handlers + vector) & 0xffff) | (8n << 16n) | (0x8e00n << 32n);
      this.putRam64(interrupts + 16 * vector, low);
    }
    this.putRam64(segments + 8, 0x00af9b000000ffffn);
    this.putRam64(segments + 16, 0x00cf93000000ffffn);
    this.longMode({ tables: BigInt(tables), cpl: 0, code: 8, data: 16 });
    this.setSegment(8, 0x30, BigInt(task), 0x67, Access.tss);
    this.set64("gdtBase", BigInt(segments));
    this.set("gdtLimit", 0x7f);
    this.set64("idtBase", BigInt(interrupts));
    this.set("idtLimit", 0xfff);
    this.set64("features", -1n);
    this.set64("debug", 0xffff_0ff0n, 6);
    this.set64("debug", 0x400n, 7);
    this.flags = 2n;
    this.reset();
  }

  /** Puts code there, in Intel's syntax, and makes it what is next. */
  load(lines: readonly string[]): number[] {
    const places: number[] = [];
    let at = code;
    for (const line of lines) {
      places.push(at);
      const bytes = assemble(line, 64, BigInt(at));
      this.ram(at, bytes.length).set(bytes);
      at += bytes.length;
    }
    this.ram(at, 1)[0] = 0xf4;
    places.push(at);
    this.written(code, 4096);
    // Before anything waits: it looks at what does.
    if (this.#way === "translated") this.translator.translateNow([BigInt(code)]);
    this.set64("general", BigInt(stackTop), 4);
    this.set64("pc", BigInt(code));
    return places;
  }

  /** Runs until something else than a step or a slice is over. */
  go(): number {
    for (let i = 0; i < 100_000; i++) {
      const exit = this.#way === "stepped" ? this.step() : this.run(100);
      if (exit !== ExitCode.none) return exit;
    }
    throw new Error(`it does not end: it is at ${this.get64("pc").toString(16)}`);
  }

  /** Runs to a HLT: the exception's vector, or -1. */
  end(): number {
    assert.equal(this.go(), ExitCode.halt);
    const pc = Number(this.get64("pc"));
    return pc > handlers && pc <= handlers + 256 ? pc - 1 - handlers : -1;
  }

  /** The words of the last exception's frame, from the lowest. */
  frame(index: number): bigint {
    return this.getRam64(Number(this.get64("general", 4)) + 8 * index);
  }
}

/** Bits of `features` of a processor that has all but these. */
export const featuresWithout = (...names: readonly string[]): bigint =>
  names.reduce((all, name) => all & ~(1n << BigInt((features as readonly string[]).indexOf(name))), -1n);

/** One test in every way. */
export function inEveryWay(name: string, body: (make: () => System, way: Way) => void): void {
  test(name, () => {
    for (const way of ways) {
      const made: System[] = [];
      const make = () => {
        made.push(new System(way));
        return made.at(-1) as System;
      };
      body(make, way);
    }
  });
}
