import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "./assembler.js";
import { disassemble } from "./disassembler.js";
import { insn as declare } from "./insn.js";
import { InstructionSet } from "./instruction-set.js";
import type { CodeSize } from "./registers.js";

/** What is only read. */
const insn = <const E extends readonly string[]>(name: string, encodings: E) => declare(name, encodings, {}, () => {});

const read = (hex: string, codeSize: CodeSize = 64): string => {
  const found = disassemble(
    hex.split(" ").map((byte) => Number.parseInt(byte, 16)),
    codeSize,
  );
  return typeof found === "string" ? found : `${found.length} ${found.text}`;
};

test("a REX prefix counts right before the opcode only", () => {
  assert.equal(read("48 01 c8"), "3 add rax,rcx");
  assert.equal(read("48 66 01 c8"), "4 add ax,cx");
  assert.equal(read("66 48 01 c8"), "4 add rax,rcx");
  assert.equal(read("48 41 01 c8"), "4 add r8d,ecx");
});

test("REX gives other byte registers, with any of its bits", () => {
  assert.equal(read("00 f4"), "2 add ah,dh");
  assert.equal(read("40 00 f4"), "3 add spl,sil");
});

test("a mandatory prefix is taken before the operand size is, F2 and F3 before 66", () => {
  assert.equal(read("f3 0f bc c1"), "4 tzcnt eax,ecx");
  assert.equal(read("66 f3 0f bc c1"), "5 tzcnt ax,cx");
  assert.equal(read("0f bc c1"), "3 bsf eax,ecx");
  // The last of F2 and F3.
  assert.equal(read("f3 f2 0f bc c1"), "5 bsf eax,ecx");
  assert.equal(read("90"), "1 nop");
  assert.equal(read("41 90"), "2 xchg r8d,eax");
  assert.equal(read("f3 90"), "2 pause");
});

test("VEX stands where LES and LDS cannot, and nothing may stand before it", () => {
  assert.equal(read("c4 e2 78 f2 c1"), "5 andn eax,eax,ecx");
  assert.equal(read("c4 e2 78 f2 c1", 32), "5 andn eax,eax,ecx");
  assert.equal(read("c4 01", 32), "2 les eax,FWORD PTR [ecx]");
  for (const prefix of ["66", "f2", "f3", "f0", "40"]) assert.equal(read(`${prefix} c4 e2 78 f2 c1`), "invalid");
  // VEX.vvvv is an operand or 1111.
  assert.equal(read("c4 e3 7b f0 c1 05"), "6 rorx eax,ecx,0x5");
  assert.equal(read("c4 e3 73 f0 c1 05"), "invalid");
});

test("LOCK is for what writes memory", () => {
  assert.equal(read("f0 01 08"), "3 lock add DWORD PTR [rax],ecx");
  assert.equal(read("f0 01 c8"), "invalid");
  assert.equal(read("f0 03 08"), "invalid");
  assert.equal(read("f0 39 08"), "invalid");
  assert.equal(read("f0 90"), "invalid");
});

test("an instruction has 15 bytes at most, and its bytes may end before it does", () => {
  const of = (spare: number) => [...Array<string>(spare).fill("66"), "05", "34", "12"].join(" ");
  assert.equal(read(of(12)), "15 add ax,0x1234");
  assert.equal(read(of(13)), "long");
  assert.equal(read([...Array<string>(20).fill("66")].join(" ")), "long");
  for (let n = 1; n < 7; n++) assert.equal(read("48 81 84 48 78 56 34".split(" ").slice(0, n).join(" ")), "short");
});

test("what differs between the code sizes", () => {
  assert.equal(read("48", 32), "1 dec eax");
  assert.equal(read("8b 40 04", 16), "3 mov ax,WORD PTR [bx+si+0x4]");
  assert.equal(read("8b 40 04", 32), "3 mov eax,DWORD PTR [eax+0x4]");
  assert.equal(read("67 8b 40 04", 64), "4 mov eax,DWORD PTR [eax+0x4]");
  assert.equal(read("8b 05 04 00 00 00", 64), "6 mov eax,DWORD PTR [rip+0x4]");
  assert.equal(read("8b 05 04 00 00 00", 32), "6 mov eax,DWORD PTR ds:0x4");
  assert.equal(read("27", 64), "invalid");
  assert.equal(read("0f 05", 64), "2 syscall");
  assert.equal(read("36 8b 00", 64), "3 mov eax,DWORD PTR [rax]");
  assert.equal(read("64 8b 00", 64), "3 mov eax,DWORD PTR fs:[rax]");
});

test("the control registers' ModRM names a register whatever it says", () => {
  assert.equal(read("0f 20 05 ff ff ff ff"), "3 mov rbp,cr0");
});

test("encodings that overlap do not build, those that say which of them is more special do", () => {
  const plain = insn("a", ["0F 05"]);
  assert.throws(
    () => new InstructionSet([plain, insn("b", ["0F 05 /1  dst:rm"])]),
    /overlap: a "0F 05" and b "0F 05 \/1 {2}dst:rm"/,
  );
  assert.throws(() => new InstructionSet([insn("a", ["50+r  dst:o"]), insn("b", ["53"])]), /overlap/);
  assert.throws(() => new InstructionSet([insn("a", ["63 i64"]), insn("b", ["63"])]), /overlap/);
  new InstructionSet([plain, insn("b", ["F3 0F 05"]), insn("c", ["63 i64"]), insn("d", ["63 o64"])]);
});

test("a malformed encoding is named with what is wrong", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["GG /r  dst:rm", /instruction x, encoding "GG \/r {2}dst:rm": GG is no opcode/],
    ["01 /9  dst:rm", /\/9 says nothing about an opcode/],
    ["01 /r  dst:nothing", /dst:nothing has no type that there is/],
    ["01 /r  dst:rm12", /has no size that there is/],
    ["01  dst:rm", /one operand is in ModRM, and its place is there/],
    ["01 /r  dst:rm, src:m", /one operand is in ModRM/],
  ];
  for (const [encoding, message] of wrong) assert.throws(() => new InstructionSet([insn("x", [encoding])]), message);
});

test("the assembler takes the shortest encoding and says what does not fit", () => {
  const hex = (text: string, codeSize: CodeSize = 64) =>
    assemble(text, codeSize)
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join(" ");
  assert.equal(hex("add rax, 1"), "48 83 c0 01");
  assert.equal(hex("add eax, 0x1234"), "05 34 12 00 00");
  assert.equal(hex("add eax, 0xffffffff"), "83 c0 ff");
  assert.equal(hex("mov rax, 0x123456789"), "48 b8 89 67 45 23 01 00 00 00");
  assert.equal(hex("mov rax, -1"), "48 c7 c0 ff ff ff ff");
  assert.equal(hex("lock add dword ptr [rbp], 2"), "f0 83 45 00 02");
  assert.equal(hex("mov eax, dword ptr [r12+r13*8-0x10]"), "43 8b 44 ec f0");
  assert.equal(hex("rep movs byte ptr es:[rdi], byte ptr ds:[rsi]"), "f3 a4");
  assert.equal(hex("jmp 0x10"), "eb 0e");
  assert.equal(hex("andn eax, ebx, ecx"), "c4 e2 60 f2 c1");
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["frob eax", /there is no instruction frob in 64-bit code/],
    ["add eax, cx", /a register of 32 bits is wanted|of 16 bits/],
    ["add al, 0x100", /the number does not fit/],
    ["add rax, 0x80000000", /the number does not fit/],
    ["mov ah, r8b", /do not go with REX/],
    ["lock add eax, 1", /cannot be locked|memory/],
    ["mov eax, [rsp*2]", /rsp is no index/],
    ["add eax", /other operands/],
    ["mov eax, [bx]", /no addresses of 16 bits/],
    ["mov eax, foo", /foo is no operand/],
  ];
  for (const [text, message] of wrong) assert.throws(() => assemble(text, 64), message, text);
});
