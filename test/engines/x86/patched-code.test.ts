/** Code that is patched while it runs, as Linux patches its own: the rest of its page stays decoded and translated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { base, extent, X86Machine } from "./machine.js";

const places = { loop: base + 0x4100n, callee: base + 0x4800n, stack: base + 0x3000n };

/** A loop that writes the immediate of what it calls, `distance` bytes from its beginning, each time another. */
function run(translate: boolean, times: number) {
  const image = new Uint8Array(extent).fill(0xcc);
  const put = (at: bigint, lines: readonly string[]): bigint => {
    let to = at;
    for (const line of lines) {
      const code = assemble(line, 64, to);
      image.set(code, Number(to - base));
      to += BigInt(code.length);
    }
    return to;
  };
  put(places.callee, ["mov eax, 0x7f", "ret"]);
  put(places.loop, [
    "mov byte ptr [rbx], cl",
    `call 0x${places.callee.toString(16)}`,
    "add rdx, rax",
    "sub ecx, 0x1",
    `jne 0x${places.loop.toString(16)}`,
    "ud2",
  ]);
  const machine = new X86Machine();
  machine.image = image;
  const general = Array.from({ length: 16 }, () => 0n);
  Object.assign(general, { 1: BigInt(times), 3: places.callee + 1n, 4: places.stack });
  machine.registers = { general, flags: 0x202n };
  if (translate) machine.translate([places.loop, places.callee]);
  const outcome = machine.run(places.loop, !translate, true);
  return { vector: outcome.vector, sum: outcome.general[2], dropped: machine.regionsDropped, runs: machine.regionRuns };
}

// More often than a page is watched at a time.
for (const times of [1, 40, 600]) {
  test(`what is called is patched ${times} times, and is what was written`, () => {
    const sum = Array.from({ length: times }, (_, i) => (i + 1) & 0xff).reduce((a, b) => a + b, 0);
    assert.deepEqual([run(false, times).vector, run(false, times).sum], [6, BigInt(sum)]);
    const translated = run(true, times);
    assert.deepEqual([translated.vector, translated.sum], [6, BigInt(sum)]);
    assert.ok(translated.runs > 0);
    // What is called; the loop too where the page was let go.
    assert.equal(translated.dropped, times > 255 ? 2 : 1);
  });
}
