/** Debug registers in real mode and in code of 32 bits: breakpoints on linear addresses. Stepped, interpreted and translated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExitCode, Segment } from "../../../src/arch/x86/engines/layout.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { fixed6, on } from "./debug.test-support.js";
import { Processor } from "./processor.js";

const ways = ["stepped", "interpreted", "translated"] as const;

/** Real mode, and protected mode with flat segments of 32 bits; #DB ends in a HLT at 0x500. */
function outside64(bits: 16 | 32, way: (typeof ways)[number]): Processor {
  const one = new Processor(2 << 20, { translate: way === "translated" });
  one.set64("features", -1n);
  one.set64("debug", fixed6, 6);
  one.set64("debug", 0x400n, 7);
  one.flags = 2n;
  one.set64("control", bits === 16 ? 0x6000_0010n : 0x6000_0011n, 0);
  for (let i = 0; i < 6; i++) {
    if (bits === 16) one.setSegment(i, 0x100, 0x1000n, 0xffff, i === Segment.cs ? 0x9b : 0x93);
    else one.setSegment(i, i === Segment.cs ? 8 : 16, 0n, -1, i === Segment.cs ? 0xc09b : 0xc093);
  }
  one.set64("gdtBase", 0x6000n);
  one.set("gdtLimit", 0x1f);
  one.putRam64(0x6008, 0x00cf9b000000ffffn);
  one.putRam64(0x6010, 0x00cf93000000ffffn);
  one.set64("idtBase", bits === 16 ? 0n : 0x7000n);
  one.set("idtLimit", 0x3ff);
  if (bits === 16) one.putRam64(0, 0x0000_0500_0000_0000n);
  else one.putRam64(0x7008, 0x0000_8e00_0008_0500n);
  one.ram(0x500, 1)[0] = 0xf4;
  one.set64("general", 0x8000n, 4);
  one.reset();
  return one;
}

for (const bits of [16, 32] as const) {
  for (const way of ways) {
    test(`code of ${bits} bits has breakpoints on linear addresses, ${way}`, () => {
      const base = bits === 16 ? 0x1000 : 0;
      const start = 0x2000;
      const put = (one: Processor, lines: readonly string[]): number[] => {
        const places: number[] = [];
        let at = start;
        for (const line of lines) {
          places.push(at);
          const bytes = assemble(line, bits, BigInt(at));
          one.ram(base + at, bytes.length).set(bytes);
          at += bytes.length;
        }
        one.ram(base + at, 1)[0] = 0xf4;
        one.written(start + base, 4096);
        one.set64("pc", BigInt(base + start));
        if (way === "translated" && bits === 32) one.translator.translateNow([BigInt(base + start)]);
        places.push(at);
        return places;
      };
      const go = (one: Processor): void => {
        for (let i = 0; i < 1000; i++) {
          const exit = way === "stepped" ? one.step() : one.run(100);
          if (exit === ExitCode.halt) return;
          assert.equal(exit, ExitCode.none);
        }
        assert.fail("it does not end");
      };
      const frame = (one: Processor): number => {
        const at = Number(one.get64("general", 4)) + base;
        const [low = 0, high = 0] = one.ram(at, 2);
        return low + 256 * high;
      };
      const cases: readonly (readonly [string, number, number, number, "execute" | "write"])[] = [
        ["inc ebx", 4, base + start, 4, "execute"],
        ["mov dword ptr [0x3000], eax", 5, base + 0x3000, 4, "write"],
        ["push eax", 5, base + 0x7ffc, 2, "write"],
      ];
      for (const [line, stops, address, bytes, kind] of cases) {
        const one = outside64(bits, way);
        const lines = (at: number) => [
          `mov eax, 0x${at.toString(16)}`,
          "mov dr2, eax",
          `mov eax, 0x${on(2, kind, kind === "execute" ? 1 : (bytes as 2 | 4)).toString(16)}`,
          "mov dr7, eax",
          line,
          "nop",
        ];
        const first = put(one, lines(address));
        const places = kind === "execute" ? put(one, lines(base + (first[4] as number))) : first;
        go(one);
        assert.equal(Number(one.get64("pc")), 0x501, `${line}`);
        assert.equal(frame(one), places[stops], line);
        assert.equal(one.get64("debug", 6), fixed6 | 4n);
        if (kind === "execute") assert.equal(one.get64("general", 3), 0n);
      }
    });
  }
}
