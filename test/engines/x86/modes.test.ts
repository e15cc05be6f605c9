/**
 * The ways between modes, from the manuals: a processor that a start-up message woke goes from real mode to 64-bit mode and
 * back, and a program of 32 bits runs under a system of 64. Stepped, interpreted and with translation.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import type { CodeSize } from "../../../src/arch/x86/isa/registers.js";
import { Access, Processor } from "./processor.js";

const ways = ["stepped", "interpreted", "translated"] as const;
type Way = (typeof ways)[number];
/** Descriptors: code of 32 bits, data, code of 64, of 16; of level 3 code of 32 bits, data; a task. */
const descriptors = [
  0n,
  0x00cf9b000000ffffn,
  0x00cf93000000ffffn,
  0x00af9b000000ffffn,
  0x00009b000000ffffn,
  0x00cffb000000ffffn,
  0x00cff3000000ffffn,
  0x00008b0070000067n,
];
const selector = { code32: 8, data: 16, code64: 24, code16: 32, user32: 0x2b, userData: 0x33, task: 0x38 } as const;
const tables = 0x1_0000;
const gdt = 0x6000;
const idt = 0x8000;

class Machine extends Processor {
  readonly way: Way;

  constructor(way: Way) {
    super(4 << 20, { translate: way === "translated" });
    this.way = way;
    descriptors.forEach((one, i) => this.putRam64(gdt + 8 * i, one));
    this.putRam64(tables, BigInt(tables + 0x1000) | 7n);
    this.putRam64(tables + 0x1000, BigInt(tables + 0x2000) | 7n);
    for (let i = 0; i < 2; i++) this.putRam64(tables + 0x2000 + 8 * i, BigInt(i * 0x20_0000) | 0x87n);
    this.set64("features", -1n);
    this.set64("debug", 0xffff_0ff0n, 6);
    this.set64("debug", 0x400n, 7);
    this.flags = 2n;
  }

  /** As a start-up message leaves it. */
  startUp(vector: number): void {
    this.set64("control", 0x6000_0010n, 0);
    for (const i of [2, 3, 4]) this.set64("control", 0n, i);
    this.setMsr("efer", 0n);
    this.set("cpl", 0);
    for (let i = 0; i < 6; i++) this.setSegment(i, 0, 0n, 0xffff, i === 1 ? 0x9b : 0x93);
    this.setSegment(1, vector << 8, BigInt(vector << 12), 0xffff, 0x9b);
    this.set("idtLimit", 0x3ff);
    this.set64("pc", BigInt(vector << 12));
    this.reset();
  }

  /** The processor knows where the tables of descriptors and gates are, and how many bytes they have less one. */
  useTables(gdtLimit: number, idtLimit: number): void {
    this.set64("gdtBase", BigInt(gdt));
    this.set("gdtLimit", gdtLimit);
    this.set64("idtBase", BigInt(idt));
    this.set("idtLimit", idtLimit);
  }

  /** A task of long mode, which has level 0's stack. */
  useTask(): void {
    this.setSegment(8, selector.task, 0x7000n, 0x67, Access.tss);
    this.putRam64(0x7004, 0x5000n);
  }

  /** A gate of long mode to code below 64 KiB. */
  putGate64(vector: number, to: number, kind: bigint): void {
    this.putRam64(idt + 16 * vector, BigInt(to) | (BigInt(selector.code64) << 16n) | (kind << 32n));
    this.putRam64(idt + 16 * vector + 8, 0n);
  }

  put(at: number, size: CodeSize, lines: readonly string[], origin = at): number {
    let to = at;
    for (const line of lines) {
      const bytes = assemble(line, size, BigInt(origin + to - at));
      this.ram(to, bytes.length).set(bytes);
      to += bytes.length;
    }
    return to;
  }

  bytes(at: number, bytes: readonly number[]): number {
    this.ram(at, bytes.length).set(bytes);
    return at + bytes.length;
  }

  /** To HLT. */
  go(): void {
    const step = () => (this.way === "stepped" ? this.step() : this.run(1000));
    for (let i = 0; i < 10_000; i++) {
      const exit = step();
      if (exit === ExitCode.halt) return;
      assert.equal(exit, ExitCode.none, `it left with ${exit} at 0x${this.get64("pc").toString(16)}`);
    }
    assert.fail(`it does not halt: it is at 0x${this.get64("pc").toString(16)}`);
  }
}

const word = (value: number, bytes: number) =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);

/** A test for each way of running. */
function eachWay(name: string, body: (way: Way) => void): void {
  for (const way of ways) test(`${name}, ${way}`, () => body(way));
}

eachWay("a start-up message to 64-bit mode, and back to real mode", (way) => {
  const m = new Machine(way);
  m.startUp(0x99);
  const base = 0x99000;
  const at = (offset: number) => base + offset;
  // Where tables of descriptors are told.
  m.bytes(at(0x800), [...word(0x7f, 2), ...word(gdt, 4)]);
  m.bytes(at(0x808), [...word(0, 2), ...word(0, 4)]);
  let to = m.put(at(0), 16, ["cli", "wbinvd", "mov ax, cs", "mov ds, ax", "mov ss, ax", "mov sp, 0x700"], 0);
  to = m.put(to, 16, ["pushfd", "pop ebx", "push 0x1234", "call 0x400", "mov esi, ds:0x800"], to - base);
  // lidtl, lgdtl, and the far jump, whose offset has 32 bits.
  to = m.bytes(to, [0x66, 0x0f, 0x01, 0x1e, ...word(0x808, 2), 0x66, 0x0f, 0x01, 0x16, ...word(0x800, 2)]);
  to = m.put(to, 16, ["mov eax, cr0", "or eax, 1", "mov cr0, eax"], to - base);
  m.bytes(to, [0x66, 0xea, ...word(at(0x900), 4), ...word(selector.code32, 2)]);
  m.put(at(0x400), 16, ["mov bp, sp", "mov dx, [bp+2]", "ret"], 0x400);
  to = m.put(at(0x900), 32, ["mov ax, 0x10", "mov ds, ax", "mov ss, ax", "mov esp, 0x5000", "mov edi, cr0"]);
  to = m.put(to, 32, ["mov eax, 0x20", "mov cr4, eax", `mov eax, ${tables}`, "mov cr3, eax"]);
  to = m.put(to, 32, ["mov ecx, 0xc0000080", "rdmsr", "or eax, 0x100", "wrmsr"]);
  to = m.put(to, 32, ["mov eax, cr0", "or eax, 0x80000000", "mov cr0, eax"]);
  m.bytes(to, [0xea, ...word(at(0xa00), 4), ...word(selector.code64, 2)]);
  m.put(at(0xa00), 64, ["mov r10, 0x123456789abcdef0", "mov r11, rsp", "mov rcx, cr0", "hlt"]);
  m.go();
  assert.equal(m.get64("general", 10), 0x1234_5678_9abc_def0n);
  assert.equal(m.get64("general", 11), 0x5000n);
  assert.equal(m.get64("general", 3), 2n, "the flags, of 32 bits");
  assert.equal(m.get64("general", 2) & 0xffffn, 0n, "rdmsr's upper half");
  assert.equal(m.get64("general", 6), BigInt(0x7f | ((gdt & 0xffff) << 16)));
  assert.equal(m.get64("general", 7), 0x6000_0011n);
  assert.equal(m.get64("general", 5) & 0xffffn, 0x6fcn, "two words below where the stack was");
  assert.equal(m.get64("general", 1), 0xe000_0011n);
  assert.equal(m.get64("pc"), BigInt(at(0xa00) + 10 + 3 + 3 + 1));

  // Back: to compatible code, out of long mode, to 16 bits, to real mode.
  to = m.put(at(0xb00), 64, ["push 8", `mov ebx, ${at(0xc00)}`, "push rbx"]);
  m.bytes(to, [0x48, 0xcb]);
  to = m.put(at(0xc00), 32, ["mov eax, cr0", "and eax, 0x7fffffff", "mov cr0, eax"]);
  to = m.put(to, 32, ["mov ecx, 0xc0000080", "rdmsr", "and eax, 0xfffffeff", "wrmsr", "mov esi, eax"]);
  m.bytes(to, [0xea, ...word(0xd00, 4), ...word(0x40, 2)]);
  // Its base is where the code is.
  m.putRam64(gdt + 0x40, 0x00009b000000ffffn | (BigInt(base) << 16n));
  to = m.put(at(0xd00), 16, ["mov eax, cr0", "and al, 0xfe", "mov cr0, eax"], 0xd00);
  m.bytes(to, [0xea, ...word(0xe00, 2), ...word(0x9900, 2)]);
  m.put(at(0xe00), 16, ["mov di, cs", "mov ax, 0xb800", "mov es, ax", "mov al, es:[0x10]", "hlt"], 0xe00);
  m.ram(0xb8010, 1)[0] = 0x5a;
  m.set64("pc", BigInt(at(0xb00)));
  m.go();
  assert.equal(m.get64("general", 6) & 0x500n, 0n, "EFER without LME and LMA");
  assert.equal(m.get64("general", 7) & 0xffffn, 0x9900n);
  assert.equal(m.get64("general", 0) & 0xffn, 0x5an);
  assert.equal(m.get("segmentLimit", 1), 0xffff);
});

eachWay("a program of 32 bits under a system of 64 bits", (way) => {
  const m = new Machine(way);
  m.longMode({ tables: BigInt(tables), cpl: 0, code: selector.code64, data: selector.data });
  m.useTables(0x7f, 0xfff);
  m.useTask();
  // Gates of level 3 for 0x80, and of #GP.
  m.putGate64(0x80, 0x3000, 0xee00n);
  m.putGate64(13, 0x3100, 0x8e00n);
  m.put(0x3000, 64, ["mov r8, rax", "mov r9, [rsp]", "mov r10, [rsp+24]", "add rax, 1", "iretq"]);
  m.put(0x3100, 64, ["mov r12, [rsp+8]", "mov r13, [rsp]", "hlt"]);
  // The program: 0x66 is 16 bits, and an address has 32.
  let to = m.put(0x4000, 32, ["inc eax", "push eax", "int 0x80", "pop ecx", "mov dword ptr [esp-4], 0x77"]);
  to = m.put(to, 32, ["mov ebx, -4", "mov edx, [esp+ebx]", "mov si, 0x1111", "lea edi, [esi+ebx]"]);
  m.put(to, 32, ["hlt"]);
  m.reset();
  m.set64("general", 0xffff_ffffn, 0);
  m.set64("general", 0x4800n, 4);
  m.set64("pc", 0x2000n);
  const frame = [selector.userData, 0x4c00, 0x202, selector.user32, 0x4000];
  const rest = m.put(
    0x2000,
    64,
    frame.flatMap((value) => [`mov ebx, ${value}`, "push rbx"]),
  );
  m.put(rest, 64, ["iretq"]);
  m.go();
  assert.equal(m.get64("general", 8), 0n, "an addition of 32 bits");
  assert.equal(m.get64("general", 10), 0x4bfcn, "ESP as the system found it");
  assert.equal(m.get64("general", 0), 1n);
  assert.equal(m.get64("general", 1), 0n);
  assert.equal(m.get64("general", 2), 0x77n);
  assert.equal(m.get64("general", 7), 0x110dn);
  assert.equal(m.get64("general", 12), BigInt(to), "HLT is not for programs");
  assert.equal(m.get64("general", 13), 0n);
  assert.equal(m.get64("general", 9), 0x4004n);
});

eachWay("a segment has a limit, and a type, as it does", (way) => {
  const m = new Machine(way);
  // In code of 32 bits: 4 KiB; 4 KiB by pages; what is beyond 4 KiB, of 16 and of 32 bits; read only; code that cannot be read.
  const kinds = [0x00409300_00000fffn, 0x00c09300_00000000n, 0x00009700_00000fffn, 0x00409700_00000fffn];
  kinds.push(0x00cf9100_0000ffffn, 0x00409900_00000fffn);
  kinds.forEach((one, i) => m.putRam64(gdt + 0x40 + 8 * i, one));
  for (let i = 0; i < 32; i++) m.putRam64(idt + 8 * i, BigInt(0x3000 + i) | (0x8e00n << 32n) | (8n << 16n));
  m.ram(0x3000, 32).fill(0xf4);
  /** Vector of what an instruction of 32 bits at 0x4000 does with this segment in ES; -1: it ended. */
  const outcome = (segment: number, line: string): number => {
    m.set64("control", 0x11n, 0);
    m.set("cpl", 0);
    for (let i = 0; i < 6; i++) m.setSegment(i, i === 1 ? 8 : 16, 0n, -1, i === 1 ? 0xc09b : 0xc093);
    m.useTables(0xff, 0xff);
    m.set("lastInterrupt", -1);
    m.flags = 2n;
    m.set64("general", 0x5000n, 4);
    m.put(m.put(0x4000, 32, [`mov ax, ${segment}`, segment === 0x68 ? "nop" : "mov es, ax", line]), 32, ["hlt"]);
    m.written(0x4000, 64);
    m.set64("pc", 0x4000n);
    m.reset();
    m.go();
    return m.get("lastInterrupt");
  };
  const read = (at: string) => `mov ebx, es:[${at}]`;
  const write = (at: string) => `mov es:[${at}], ebx`;
  assert.deepEqual(
    [
      [0x40, read("0xffc")],
      [0x40, read("0xffd")],
      [0x40, write("0x1000")],
      [0x48, write("0xffc")],
      [0x48, write("0xffe")],
      [0x50, write("0xfff")],
      [0x50, write("0x1000")],
      [0x50, write("0xfffd")],
      [0x58, write("0xfffd")],
      [0x58, write("0xffe")],
      [0x60, read("0x10000")],
      [0x60, write("0x10000")],
      [0, read("0x1000")],
      [0x40, "lea ebx, es:[0xfff0000]"],
    ].map(([segment, line]) => outcome(segment as number, line as string)),
    [-1, 13, 13, -1, 13, 13, -1, 13, -1, 13, -1, 13, 13, -1],
  );
  // Of code that cannot be read, no data segment is made.
  assert.equal(outcome(0x68, "mov es, ax"), 13);
  assert.equal(outcome(0x40, "push es"), -1);
});

eachWay("code of 32 bits, hot, goes from flat segments to others and back", (way) => {
  const m = new Machine(way);
  // 4 KiB of data; code of 64 KiB; data that is read only.
  [0x00409300_00000fffn, 0x00409b00_0000ffffn, 0x00cf9100_0000ffffn].forEach((one, i) =>
    m.putRam64(gdt + 0x40 + 8 * i, one),
  );
  for (let i = 0; i < 32; i++) m.putRam64(idt + 8 * i, BigInt(0x3000 + i) | (0x8e00n << 32n) | (8n << 16n));
  m.ram(0x3000, 32).fill(0xf4);
  m.set64("control", 0x11n, 0);
  m.useTables(0xff, 0xff);
  const begin = (pc: number) => {
    for (let i = 0; i < 6; i++) m.setSegment(i, i === 1 ? 8 : 16, 0n, -1, i === 1 ? 0xc09b : 0xc093);
    m.set("lastInterrupt", -1);
    m.set64("general", 0x2000n, 4);
    m.set64("pc", BigInt(pc));
  };
  // With 32 bits, where the assembler would take 16.
  const relative = (at: number, opcode: readonly number[], target: number) =>
    m.bytes(at, [...opcode, ...word(target - at - opcode.length - 4 + (target < at ? 2 ** 32 : 0), 4)]);
  const call = (at: number, target: number) => relative(at, [0xe8], target);
  const jne = (at: number, target: number) => relative(at, [0x0f, 0x85], target);
  const jumpOn = (at: number, code: number) => m.bytes(at, [0xea, ...word(at + 7, 4), ...word(code, 2)]);
  const rounds = way === "stepped" ? 100 : 20_000;
  /** Makes regions of flat code, which other code at the same place must not enter. */
  const translate = (...places: readonly number[]) => {
    if (way !== "translated") return;
    const pc = m.get64("pc");
    m.translator.translateNow(places.map(BigInt));
    m.set64("pc", pc);
  };

  // A function, called in flat segments, with less of ES, DS and SS, and in another code segment, the same bytes each time.
  const work = 0x4400;
  m.put(work, 32, ["add ebp, es:[0xffc]", "mov [0xff8], ebp", "push ebp", "pop edi", "inc dword ptr [0xff4]", "ret"]);
  const again = m.put(0x4000, 32, [`mov esi, ${rounds}`, "mov edx, 0x40", "mov eax, 0x10"]);
  let to = again;
  for (const lines of [
    [],
    ["mov es, dx"],
    ["mov ds, dx"],
    ["mov esp, 0xf00", "mov ss, dx"],
    ["mov ds, ax", "mov es, ax"],
    ["mov ss, ax", "mov esp, 0x2000"],
  ]) {
    to = call(m.put(to, 32, lines), work);
  }
  to = jumpOn(call(jumpOn(to, 0x48), work), 8);
  to = jne(m.put(to, 32, ["dec esi"]), again);
  // Beyond the limit.
  m.put(to, 32, ["mov es, dx", "mov ecx, es:[0xffd]"]);
  const value = 3;
  m.ram(0xffc, 4).set(word(value, 4));
  begin(0x4000);
  m.reset();
  translate(0x4000, work);
  m.go();
  assert.equal(m.get("lastInterrupt"), 13);
  assert.equal(m.get64("general", 6), 0n, "rounds that are left");
  for (const register of [5, 7]) assert.equal(m.get64("general", register), BigInt(7 * value * rounds));
  assert.equal(m.getRam64(0xff4) & 0xffff_ffffn, BigInt(7 * rounds));
  if (way === "translated") assert.ok(m.regionRuns > 1000, `${m.regionRuns} runs of regions`);

  // FS and GS are flat a while, then as often they are: none, and what else they may be.
  const access = 0x4900;
  for (const [segment, line, vector] of [
    [0, "mov ecx, fs:[0x1000]", 13],
    [0, "mov gs:[0x1000], ecx", 13],
    [0x50, "mov ecx, fs:[0x1000]", -1],
    [0x50, "mov gs:[0x1000], ecx", 13],
    [0x40, "mov gs:[0xffc], ecx", -1],
    [0x40, "mov ecx, fs:[0x1000]", 13],
  ] as const) {
    const start = m.put(0x4800, 32, [`mov esi, ${rounds}`, "mov eax, 0x10", "mov fs, ax", "mov gs, ax"]);
    to = jne(m.put(call(start, access), 32, ["dec esi"]), start);
    m.put(call(m.put(to, 32, [`mov eax, ${segment}`, "mov fs, ax", "mov gs, ax"]), access), 32, ["hlt"]);
    m.put(access, 32, [line, "ret"]);
    m.written(0x4800, 0x200);
    begin(0x4800);
    m.changed();
    translate(0x4800, access);
    m.go();
    assert.equal(m.get("lastInterrupt"), vector, `${line} by ${segment}`);
  }
});

eachWay("instructions that QEMU has otherwise", (way) => {
  const m = new Machine(way);
  m.startUp(0x20);
  const at = 0x20000;
  // TEST by its other number; a NOP of a register; MOVBE, of 16 bits; and STI, of which a step is one.
  let to = m.put(at, 16, ["mov eax, 0x11223380", "mov bx, 0x800"], 0);
  to = m.bytes(to, [0xf6, 0xc8, 0x80, 0x0f, 0x18, 0xc0, 0x0f, 0x38, 0xf0, 0x0f]);
  m.put(to, 16, ["setns dl", "hlt"], to - at);
  m.ram(0x800, 2).set([0x12, 0x34]);
  m.set64("general", 0xffff_ffffn, 1);
  m.go();
  assert.equal(m.get64("general", 1), 0xffff_1234n);
  assert.equal(m.get64("general", 2) & 0xffn, 0n, "the sign of 80h");
  m.bytes(at + 0x100, [0xfb, 0xf3, 0x90, 0x90, 0x90]);
  m.bytes(0x4, [...word(0x300, 2), ...word(0x2000, 2)]);
  m.put(at + 0x300, 16, ["pop cx", "hlt"], 0x300);
  for (const [from, next] of [
    [0x100, 0x101],
    [0x101, 0x103],
  ] as const) {
    m.set64("general", 0x700n, 4);
    m.flags = 0x102n;
    m.set64("pc", BigInt(at + from));
    m.changed();
    m.go();
    assert.equal(m.get64("general", 1) & 0xffffn, BigInt(next));
  }
});

eachWay("returns that QEMU has otherwise", (way) => {
  // RET with more than 32 KiB; a far return at level 3 from a page of the system's.
  const m = new Machine(way);
  m.startUp(0x20);
  const end = m.put(0x20000, 16, ["mov sp, 0x1000", "call 0x100", "hlt"], 0);
  m.put(0x20100, 16, ["ret 0x9000"], 0x100);
  m.go();
  assert.equal(m.get64("general", 4) & 0xffffn, 0xa000n);
  assert.equal(m.get64("pc"), BigInt(end));

  m.longMode({ tables: BigInt(tables), cpl: 3, code: selector.user32, data: selector.userData });
  m.setSegment(1, selector.user32, 0n, -1, 0xc0fb);
  m.useTables(0x7f, 0xfff);
  m.useTask();
  m.putGate64(14, 0x3000, 0x8e00n);
  m.put(0x3000, 64, ["hlt"]);
  m.put(0x4000, 32, ["retf"]);
  // The upper 2 MiB.
  m.putRam64(tables + 0x2008, 0x20_0083n);
  m.set64("general", 0x20_1000n, 4);
  m.set64("pc", 0x4000n);
  m.flags = 2n;
  m.reset();
  m.go();
  assert.equal(m.get("lastInterrupt"), 14);
  assert.equal(m.get64("control", 2), 0x20_1000n);
  assert.equal(m.getRam64(0x5000 - 48), 5n, "a program read what is there");
});

/** VXORPS XMM1, XMM1, XMM1. */
const vex = [0xc5, 0xf0, 0x57, 0xc9];
/** CR4 with OSFXSR and OSXSAVE. */
const wideState = 0x4_0200n;

eachWay("an instruction with VEX is none in real mode, also after it has been one in protected mode", (way) => {
  const m = new Machine(way);
  m.startUp(0x99);
  m.set64("control", wideState, 4);
  m.set64("xcr0", 7n);
  m.set("lastInterrupt", -1);
  m.reset();
  m.putRam64(8 * 3, 0x3000n);
  m.bytes(0x3000, [0xf4]);
  let to = m.put(0x99000, 16, ["mov sp, 0x700", "mov eax, cr0", "or al, 1", "mov cr0, eax"], 0);
  to = m.bytes(to, vex);
  to = m.put(to, 16, ["mov bx, 0x1111", "and al, 0xfe", "mov cr0, eax", "mov bx, 0x2222"], to - 0x99000);
  m.bytes(to, [...vex, 0xf4]);
  m.go();
  assert.equal(m.get64("general", 3) & 0xffffn, 0x2222n);
  assert.equal(m.get("lastInterrupt"), 6);
  assert.equal(m.get64("pc"), 0x3001n);
  assert.equal(m.ram(0x6fa, 2)[0], (to - 0x99000) & 0xff, "the instruction that is none");
});

eachWay("an instruction with VEX is none in virtual-8086 mode", (way) => {
  const m = new Machine(way);
  for (let i = 0; i < 32; i++) m.putRam64(idt + 8 * i, BigInt(0x3000 + i) | (0x8e00n << 32n) | (8n << 16n));
  m.ram(0x3000, 32).fill(0xf4);
  m.setSegment(8, selector.task, 0x7000n, 0x67, Access.tss);
  m.putRam64(0x7004, 0x5000n | (16n << 32n));
  const outcome = (virtual: boolean): number => {
    m.set64("control", 0x11n, 0);
    m.set64("control", wideState, 4);
    m.set64("xcr0", 7n);
    m.set("cpl", 0);
    for (let i = 0; i < 6; i++) m.setSegment(i, i === 1 ? 8 : 16, 0n, -1, i === 1 ? 0xc09b : 0xc093);
    m.useTables(0xff, 0xff);
    m.set("lastInterrupt", -1);
    m.flags = 2n;
    m.set64("general", 0x5000n, 4);
    // GS, FS, DS, ES, SS, ESP, EFLAGS with VM, CS, EIP.
    const frame = [0, 0, 0, 0, 0, 0x800, 0x2_0002, 0x400, 0x10].flatMap((value) => [`mov ebx, ${value}`, "push ebx"]);
    const to = m.put(0x2000, 32, virtual ? [...frame, "iretd"] : ["nop"]);
    m.bytes(to, [...vex, 0xf4]);
    m.bytes(0x4010, [...vex, 0xf4]);
    m.set64("pc", 0x2000n);
    m.reset();
    m.go();
    return m.get("lastInterrupt");
  };
  // HLT is not for level 3.
  assert.deepEqual([outcome(false), outcome(true)], [-1, 6]);
});
