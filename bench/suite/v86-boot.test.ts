import assert from "node:assert/strict";
import { test } from "node:test";
import { disassemble } from "../../src/arch/x86/isa/disassembler.js";
import { loadMultiboot } from "../../src/vmm/loaders/multiboot.js";
import { linuxBoot } from "../../src/vmm/machines/pc/linux-boot.js";
import { entryOf, v86Boot } from "./v86-boot.js";

const kernel = {
  byteOrder: "little",
  bits: 32,
  entry: 0x100_0000,
  segments: [{ address: 0x100_0000, size: 0x20_0000, data: Uint8Array.of(0x90, 0xf4) }],
} as const;

test("a multiboot kernel, by our own loader of such, enters Linux as its protocol says", () => {
  const boot = linuxBoot({ kernel, commandLine: "quiet", memorySize: 64 << 20 });
  const bytes = entryOf(boot);
  const loaded = loadMultiboot(bytes, "the entry");
  const [segment] = loaded?.segments ?? [];
  assert.ok(loaded && segment);
  const lies = [segment.address, segment.address + segment.size] as const;
  for (const { address, bytes: other } of boot.memory) {
    assert.ok(address >= lies[1] || address + other.length <= lies[0], `on what is at ${address.toString(16)}`);
  }
  const code: string[] = [];
  for (let at = loaded.entry - segment.address; !code.at(-1)?.startsWith("jmp"); ) {
    const found = disassemble(segment.data.subarray(at), 32);
    assert.ok(typeof found !== "string", `${found}`);
    code.push(found.text);
    at += found.length;
  }
  const [table = ""] = code;
  const [, place = ""] = /^lgdt .*\b0x([0-9a-f]+)/.exec(table) ?? [];
  const view = new DataView(bytes.buffer, Number.parseInt(place, 16) - segment.address);
  assert.deepEqual([view.getUint16(0, true), view.getUint32(2, true)], [31, Number(boot.sregs.gdt.base)]);
  assert.ok(code.includes(`mov esi,0x${boot.regs.rsi?.toString(16)}`), code.join("; "));
  assert.equal(code.at(-1), "jmp 0x10:0x1000000");
});

test("a kernel of 64 bits, or none, is refused", () => {
  const nothing = new Uint8Array(0);
  assert.throws(() => v86Boot(Uint8Array.of(1, 2, 3), nothing, "", 64 << 20), /not an ELF file/);
});
