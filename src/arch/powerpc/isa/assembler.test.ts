import assert from "node:assert/strict";
import { test } from "node:test";
import { type AssembleOptions, AssemblyError, assemble, assembleWord } from "./assembler.js";
import { disassemble } from "./disassembler.js";

const words = (source: string, options: AssembleOptions = {}) => {
  const { bytes } = assemble(source, options);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) =>
    view.getUint32(4 * i, options.littleEndian ?? true).toString(16),
  );
};

test("instructions, labels and local labels", () => {
  assert.deepEqual(words("start: add r3, r4, r5\n1: addo. 3,4,5 # comment\n b 1b; b 1f\n bc 16, 0, start\n1: blr"), [
    "7c642a14",
    "7c642e15",
    "4bfffffc",
    "48000008",
    "4200fff0",
    "4e800020",
  ]);
  assert.deepEqual(words("lwzu r5, -4(r6)"), ["84a6fffc"]);
  assert.deepEqual(words("lwzu r5, sym@l+0(r6)", { symbols: { sym: 0x1234 } }), ["84a61234"]);
});

test("conditional branches by their extended mnemonics", () => {
  const at = { origin: 0x1000 };
  assert.deepEqual(words("x: beq x; bne- cr7, x; bdnz+ x; bltlr cr1; bctrl; bdnzf 4*cr2+eq, x; bgea 0x40", at), [
    "41820000",
    "40defffc",
    "4320fff8",
    "4d840020",
    "4e800421",
    "400affec",
    "40800042",
  ]);
  assert.equal(disassemble(0x409e0010, { address: 0x1000n }), "bne cr7,0x1010");
  assert.equal(disassemble(0x4e800020), "blr");
  assert.equal(disassemble(0x4e800020, { aliases: false }), "bclr 20,lt");
});

test("a repeated branch to a number is not the same word", () => {
  assert.deepEqual(words("b 0; b 0; beq 0; beq 0; bdnzl 0; bdnzl 0; mtspr 48, r3; mtspr 48, r3; mfpid r4"), [
    "48000000",
    "4bfffffc",
    "4182fff8",
    "4182fff4",
    "4200fff1",
    "4200ffed",
    "7c700ba6",
    "7c700ba6",
    "7c900aa6",
  ]);
});

test("data, both byte orders", () => {
  const source = '.byte 1, \'a\', -1\n.align 2\n.long end, 0x12345678\n.quad . ; .asciz "h\\n\\"" ; .balign 4\nend:';
  const little = assemble(source, { origin: 0x100n });
  const text = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  assert.equal(text(little.bytes), "0161ff0018010000785634120c01000000000000680a2200");
  const big = assemble(source, { origin: 0x100n, littleEndian: false });
  assert.equal(text(big.bytes), "0161ff000000011812345678000000000000010c680a2200");
  assert.equal(big.symbols.get("end"), 0x118n);
});

test("what is wrong is said with its line", () => {
  const wrong = (source: string, pattern: RegExp) =>
    assert.throws(
      () => assemble(source),
      (error: unknown) => error instanceof AssemblyError && pattern.test(error.message),
    );
  wrong("nop_\n", /^line 1: unknown instruction "nop_"/);
  wrong("\nadd r3, r4\n", /^line 2: add r3, r4: expected "," at the end/);
  wrong("add r3, r4, r32", /there is no register r32/);
  wrong("add r3, r4, f5", /f5 is not a general register/);
  wrong("lwzu r3, 32768(r4)", /d: 32768 is not in -32768..32767/);
  wrong("b nowhere", /"nowhere" is not defined/);
  wrong("b 2", /target: 2 is not a multiple of 4/);
  wrong(".long 0x100000000", /does not fit .long/);
  wrong(".bogus 1", /unknown directive/);
  wrong("a: a:", /"a" is defined twice/);
  wrong(".org 8\n.org 4", /^line 2: .org goes back by 4 bytes/);
});

test("a word assembles from its own disassembly", () => {
  for (const word of [0x7c642a14, 0x84a6fffc, 0x4bfffffc, 0x4e800020, 0x41820010, 0x4e9e0020]) {
    assert.equal(assembleWord(disassemble(word)), word);
  }
});
