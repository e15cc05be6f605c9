/**
 * Debug registers, single steps and what they have to do with other events, from the manuals: Intel SDM, volume 3, "Debug
 * Registers", "Debug Exceptions", "Priority Among Concurrent Events". QEMU 7.2 is no judge of these (kvm-unit-tests' program
 * `debug` does not end there). Each stepped, interpreted and translated.
 */
import assert from "node:assert/strict";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { fixed6, on } from "./debug.test-support.js";
import { code, inEveryWay, interrupts, type System, tables } from "./system.test-support.js";

const handler = 0x18_0000;
const log = 0x1a_0000;
/** What is watched, at the end of a page. */
const data = 0x1c_0ff8;
const resume = 0x1_0000n;
const trap = 0x100n;
const step = 0x4000n;

const setRegister = (register: number, value: number | bigint): string[] => [
  `mov rax, 0x${value.toString(16)}`,
  `mov dr${register}, rax`,
];

interface Told {
  readonly rip: number;
  /** DR6 without what is always set in it. */
  readonly causes: bigint;
  readonly flags: bigint;
}

/** #DB is noted behind R14, and the guest goes on, past a breakpoint. */
function noting(one: System): void {
  let at = handler;
  for (const line of [
    "mov r13, qword ptr [rsp]",
    "mov qword ptr [r14], r13",
    "mov r13, dr6",
    "mov qword ptr [r14+0x8], r13",
    "mov r13, qword ptr [rsp+0x10]",
    "mov qword ptr [r14+0x10], r13",
    "add r14, 0x18",
    "or r13, 0x10000",
    "mov qword ptr [rsp+0x10], r13",
    "mov r13d, 0xffff0ff0",
    "mov dr6, r13",
    "iretq",
  ]) {
    const bytes = assemble(line, 64, BigInt(at));
    one.ram(at, bytes.length).set(bytes);
    at += bytes.length;
  }
  one.putRam64(
    interrupts + 16,
    BigInt(handler & 0xffff) | (8n << 16n) | (0x8e00n << 32n) | (BigInt(handler >> 16) << 48n),
  );
  one.set64("general", BigInt(log), 14);
}

function told(one: System): readonly Told[] {
  const count = (Number(one.get64("general", 14)) - log) / 24;
  return Array.from({ length: count }, (_, i) => ({
    rip: Number(one.getRam64(log + 24 * i)),
    causes: one.getRam64(log + 24 * i + 8) ^ fixed6,
    flags: one.getRam64(log + 24 * i + 16),
  }));
}

/** What #DB was told of while this ran to its end. */
function run(
  one: System,
  lines: readonly string[],
): { readonly places: readonly number[]; readonly told: readonly Told[] } {
  noting(one);
  const places = one.load(lines);
  assert.equal(one.end(), -1);
  return { places, told: told(one) };
}

const brief = (all: readonly Told[]) => all.map(({ rip, causes }) => [rip, causes]);

inEveryWay("a breakpoint is a fault before its instruction, each time, and RF takes it past", (make) => {
  for (let register = 0; register < 4; register++) {
    const one = make();
    const lines = (at: number) => [
      ...setRegister(register, at),
      ...setRegister(7, on(register, "execute")),
      "mov ecx, 0x3",
      "xor ebx, ebx",
      "nop",
      "inc ebx",
      "dec ecx",
      `jne 0x${at.toString(16)}`,
      ...setRegister(7, 0),
      "nop",
    ];
    // Instructions have the same lengths wherever it is.
    const at = make().load(lines(code + 0x20))[6] as number;
    const { told } = run(one, lines(at));
    assert.deepEqual(brief(told), Array(3).fill([at, 1n << BigInt(register)]));
    for (const { flags } of told) assert.equal(flags & resume, 0n);
    assert.equal(one.get64("general", 3), 3n);
    assert.equal(one.get64("systemFlags") & resume, 0n);
  }
});

inEveryWay("breakpoints come into code that has run, and go again", (make, way) => {
  const armed = on(0, "execute");
  const program = (called: number, start: number, breakpoint: number) => {
    const calls = (control: number, count: number) => [
      ...setRegister(7, control),
      `mov ecx, 0x${count.toString(16)}`,
      `call 0x${called.toString(16)}`,
    ];
    return [
      ...[`jmp 0x${start.toString(16)}`, "inc ebx", "nop", "dec ecx", `jne 0x${called.toString(16)}`, "ret"],
      ...[...setRegister(0, breakpoint), "xor ebx, ebx", ...calls(0, 0x200), ...calls(armed, 3), ...calls(0, 0x200)],
      ...[...calls(armed, 2), ...setRegister(7, 0)],
    ];
  };
  const places = make().load(program(code + 2, code + 11, code));
  const [, called, inside, , , end, start] = places as [number, number, number, number, number, number, number];
  // Where a loop and a region begin, in their midst, and behind them.
  for (const [breakpoint, count] of [
    [called, 5],
    [inside, 5],
    [end, 2],
  ] as const) {
    const one = make();
    noting(one);
    one.load(program(called, start, breakpoint));
    if (way === "translated") one.translator.translateNow([BigInt(called)]);
    one.set64("pc", BigInt(code));
    assert.equal(one.end(), -1);
    assert.deepEqual(brief(told(one)), Array(count).fill([breakpoint, 1n]));
    assert.equal(one.get64("general", 3), 0x405n);
    if (way === "translated") assert.ok(one.regionRuns > 0);
  }
});

inEveryWay("a breakpoint leaves the code of other pages alone", (make, way) => {
  const program = (outer: number, inner: number) => [
    ...["mov edx, 0x3", "mov ecx, 0x400", "dec ecx", `jne 0x${inner.toString(16)}`],
    ...[...setRegister(0, inner + 0x3000), ...setRegister(7, on(0, "execute")), "dec edx"],
    `jne 0x${outer.toString(16)}`,
  ];
  const [, outer, inner] = make().load(program(code + 5, code + 10)) as [number, number, number];
  const one = make();
  noting(one);
  one.load(program(outer, inner));
  const dropped = () => one.translator.stats()["regionsDropped"];
  const before = dropped();
  assert.equal(one.end(), -1);
  assert.deepEqual(told(one), []);
  assert.equal(dropped(), before);
  if (way === "translated") assert.ok(one.regionRuns >= 3);
});

inEveryWay("a breakpoint comes before what keeps its instruction from being fetched", (make) => {
  const one = make();
  const nowhere = 0x80_0000_0000n;
  noting(one);
  one.load([
    ...setRegister(1, nowhere),
    ...setRegister(7, on(1, "execute")),
    `mov rax, 0x${nowhere.toString(16)}`,
    "jmp rax",
  ]);
  assert.equal(one.end(), 14);
  assert.deepEqual(brief(told(one)), [[Number(nowhere), 2n]]);
  assert.equal(one.frame(1), nowhere);
});

inEveryWay("watched bytes trap behind what touches them, and nothing else does", (make) => {
  const cases: readonly (readonly [string, number, number, boolean])[] = [
    ["mov byte ptr [rdi], al", on(0, "write", 1), 0, true],
    ["mov byte ptr [rdi+0x1], al", on(0, "write", 1), 0, false],
    ["mov byte ptr [rdi+0x1], al", on(0, "write", 2), 0, true],
    ["mov byte ptr [rdi+0x3], al", on(0, "write", 4), 0, true],
    ["mov byte ptr [rdi-0x1], al", on(0, "write", 4), 0, false],
    ["mov byte ptr [rdi+0x4], al", on(0, "write", 4), 0, false],
    ["mov byte ptr [rdi+0x7], al", on(0, "write", 8), 0, true],
    ["mov qword ptr [rdi-0x7], rax", on(0, "write", 1), 0, true],
    ["mov qword ptr [rdi-0x8], rax", on(0, "write", 8), 0, false],
    // The registers' low bits do not count.
    ["mov byte ptr [rdi], al", on(0, "write", 4), 3, true],
    ["mov al, byte ptr [rdi]", on(0, "write", 1), 0, false],
    ["mov al, byte ptr [rdi]", on(0, "access", 1), 0, true],
    ["cmp dword ptr [rdi], eax", on(0, "access", 4), 0, true],
    ["add dword ptr [rdi], eax", on(0, "write", 4), 0, true],
    ["xchg dword ptr [rdi], eax", on(0, "write", 4), 0, true],
    // Over the end of the page, from both sides.
    ["mov qword ptr [rdi+0x4], rax", on(0, "write", 4), 4, true],
    ["mov qword ptr [rdi+0x4], rax", on(0, "write", 4), 8, true],
    ["mov qword ptr [rdi+0x4], rax", on(0, "write", 4), 12, false],
    ["movups xmmword ptr [rdi-0x8], xmm0", on(0, "write", 8), 0, true],
    ["movups xmm0, xmmword ptr [rdi-0x8]", on(0, "access", 8), 0, true],
    ["movups xmmword ptr [rdi-0x8], xmm0", on(0, "write", 8), 8, false],
    ["fxsave [rdi-0x100]", on(0, "write", 4), 0, true],
    ["prefetcht0 byte ptr [rdi]", on(0, "access", 1), 0, false],
    ["lea rax, [rdi]", on(0, "access", 1), 0, false],
  ];
  for (const [line, control, further, hits] of cases) {
    const one = make();
    const { places, told } = run(one, [
      `mov edi, 0x${(line.startsWith("fxsave") ? data & ~0xf : data).toString(16)}`,
      ...setRegister(
        0,
        (line.startsWith("fxsave") ? data & ~0xf : data) + further - (line.startsWith("fxsave") ? 0x20 : 0),
      ),
      ...setRegister(7, control),
      line,
      "nop",
    ]);
    assert.deepEqual(brief(told), hits ? [[places[6], 1n]] : [], `${line}, ${control.toString(16)}, ${further}`);
    for (const { flags } of told) assert.equal(flags & resume, 0n);
  }
});

inEveryWay("what an instruction hit is told of together, with its step", (make) => {
  const one = make();
  const { places, told } = run(one, [
    `mov edi, 0x${data.toString(16)}`,
    ...setRegister(0, data),
    ...setRegister(3, data + 4),
    ...setRegister(7, on(0, "write", 4) + on(3, "access", 4)),
    "mov qword ptr [rdi], rax",
    "pushfq",
    "or dword ptr [rsp], 0x100",
    "popfq",
    "mov rax, qword ptr [rdi]",
    "and dword ptr [rsp-0x8], 0xfffffeff",
    "push qword ptr [rsp-0x8]",
    "popfq",
    "nop",
  ]);
  const [behind] = told;
  assert.deepEqual([behind?.rip, behind?.causes], [places[8], 9n]);
  assert.deepEqual(brief(told.slice(1, 3)), [
    [places[12], step | 8n],
    [places[13], step],
  ]);
  assert.equal((told[1]?.flags ?? 0n) & trap, trap);
});

inEveryWay("repeated strings trap between their parts, with RF", (make) => {
  const one = make();
  const { places, told } = run(one, [
    `mov edi, 0x${(data - 0x10).toString(16)}`,
    "mov ecx, 0x8",
    "mov eax, 0x11223344",
    "mov rdx, rax",
    ...setRegister(2, data - 8),
    ...setRegister(7, on(2, "write", 8)),
    "mov rax, rdx",
    "rep stos dword ptr es:[rdi], eax",
    "mov esi, edi",
  ]);
  const [at, next] = places.slice(9, 11) as [number, number];
  assert.deepEqual(brief(told), [
    [at, 4n],
    [at, 4n],
  ]);
  for (const { flags } of told) assert.equal(flags & resume, resume);
  assert.equal(one.getRam64(data - 8), 0x11223344_11223344n);
  assert.deepEqual([one.get64("general", 1), one.get64("general", 6)], [0n, BigInt(data + 0x10)]);
  // The last part is the instruction's end.
  const last = make();
  const end = run(last, [
    `mov edi, 0x${(data - 0x10).toString(16)}`,
    "mov ecx, 0x3",
    ...setRegister(2, data - 8),
    ...setRegister(7, on(2, "write", 4)),
    "rep stos dword ptr es:[rdi], eax",
    "nop",
  ]);
  assert.deepEqual(brief(end.told), [[end.places[7], 4n]]);
  assert.equal((end.told[0]?.flags ?? resume) & resume, 0n);
  assert.equal(next > at, true);
});

inEveryWay("a breakpoint on a repeated string stops once, however many parts it has", (make) => {
  const lines = (at: number) => [
    `mov edi, 0x${data.toString(16)}`,
    "mov ecx, 0x40",
    ...setRegister(0, at),
    ...setRegister(7, on(0, "execute")),
    "rep stos byte ptr es:[rdi], al",
    "nop",
  ];
  const at = make().load(lines(code + 0x20))[6] as number;
  const one = make();
  assert.deepEqual(brief(run(one, lines(at)).told), [[at, 1n]]);
  assert.equal(one.get64("general", 1), 0n);
});

inEveryWay("what faults has not been done, and traps for nothing", (make) => {
  const one = make();
  noting(one);
  // The second page is not there.
  one.putRam64(tables + 0x2000 + 8, 0n);
  one.load([
    ...setRegister(0, 0x1f_fff8),
    ...setRegister(7, on(0, "write", 8)),
    "mov edi, 0x1ffffc",
    "mov qword ptr [rdi], rax",
  ]);
  assert.equal(one.end(), 14);
  assert.deepEqual(told(one), []);
  assert.equal(one.get("debugHits"), 0);
});

inEveryWay("ports trap behind the access, if CR4.DE says that there are such breakpoints", (make) => {
  for (const extended of [true, false]) {
    const one = make();
    one.set64("control", one.get64("control", 4) | (extended ? 8n : 0n), 4);
    one.changed();
    noting(one);
    const places = one.load([
      ...setRegister(1, 0x60),
      ...setRegister(7, on(1, "port", 4)),
      "mov edx, 0x62",
      "in al, dx",
      "mov edx, 0x64",
      "out dx, al",
      "mov ebx, eax",
    ]);
    assert.equal(one.go(), ExitCode.io);
    one.complete(0x5an);
    assert.equal(one.go(), ExitCode.io);
    assert.deepEqual([one.get64("exitAddress"), one.get64("exitData") & 0xffn], [0x64n, 0x5an]);
    one.complete(0n);
    assert.equal(one.end(), -1);
    assert.deepEqual(brief(told(one)), extended ? [[places[6], 2n]] : []);
    assert.equal(one.get64("general", 3) & 0xffn, 0x5an);
  }
});

inEveryWay("access to debug registers is detected", (make) => {
  for (const line of ["mov rbx, dr0", "mov dr1, rbx", "mov rbx, dr7"]) {
    const one = make();
    noting(one);
    // The handler's own access: GD is gone by then.
    const places = one.load([...setRegister(7, 0x2000), line, "nop"]);
    assert.equal(one.end(), -1);
    const seen = told(one);
    assert.deepEqual(brief(seen), [[places[2], 0x2000n]]);
    assert.equal((seen[0]?.flags ?? 0n) & resume, resume);
    assert.equal(one.get64("debug", 7), 0x400n);
  }
  const one = make();
  noting(one);
  one.set64("control", one.get64("control", 4) | 8n, 4);
  one.changed();
  one.load([...setRegister(7, 0x2000), "mov rbx, dr4"]);
  assert.equal(one.end(), 6);
});

inEveryWay("behind MOV SS, traps wait for the next instruction; its own interrupt takes them along", (make) => {
  const ending = (line: string) => {
    const one = make();
    one.putRam64(data, 16n);
    const { places, told } = run(one, [
      `mov edi, 0x${data.toString(16)}`,
      ...setRegister(0, data),
      ...setRegister(7, on(0, "access", 4)),
      "mov ss, word ptr [rdi]",
      line,
      "nop",
    ]);
    return { place: (i: number) => places[i], told: brief(told) };
  };
  const plain = ending("inc ebx");
  assert.deepEqual(plain.told, [[plain.place(7), 1n]]);
  const once = ending("int1");
  assert.deepEqual(once.told, [[once.place(7), 1n]]);
  // The interrupt's handler is where the trap finds it.
  const twice = ending("int 0x1");
  assert.deepEqual(twice.told, [
    [handler, 1n],
    [twice.place(7), 0n],
  ]);
});

inEveryWay("INT1 asks no gate, leaves no cause, and takes no step along", (make) => {
  const one = make();
  const { places, told } = run(one, ["mov eax, 0x0", "int1", "nop"]);
  assert.deepEqual(brief(told), [[places[2], 0n]]);
});

inEveryWay("with BTF a step is a branch that is taken, once", (make) => {
  const one = make();
  noting(one);
  const places = one.load([
    "mov ecx, 0x1d9",
    "mov eax, 0x2",
    "xor edx, edx",
    "wrmsr",
    "pushfq",
    "or dword ptr [rsp], 0x100",
    "popfq",
    "nop",
    "nop",
    `mov edi, 0x${data.toString(16)}`,
    "mov ecx, 0x4",
    "rep stos byte ptr es:[rdi], al",
    "cmp eax, eax",
    "jne 0x100100",
    "call rbx",
  ]) as number[];
  // Without TF again, to a HLT.
  let target = code + 0x800;
  const ends: number[] = [target];
  for (const line of ["pushfq", "and dword ptr [rsp], 0xfffffeff", "popfq", "hlt"]) {
    const bytes = assemble(line, 64, BigInt(target));
    one.ram(target, bytes.length).set(bytes);
    target += bytes.length;
    ends.push(target);
  }
  one.set64("general", BigInt(ends[0] as number), 3);
  assert.equal(one.go(), ExitCode.halt);
  // The handler's end finds BTF cleared: then each instruction is a step.
  assert.deepEqual(
    brief(told(one)),
    ends.slice(0, 4).map((at) => [at, step]),
  );
  assert.equal(places.length, 16);
  for (const value of [4n, 1n << 32n]) {
    one.load([
      "mov ecx, 0x1d9",
      `mov eax, 0x${(value & 0xffffffffn).toString(16)}`,
      `mov edx, 0x${(value >> 32n).toString(16)}`,
      "wrmsr",
    ]);
    assert.equal(one.end(), 13);
  }
});

inEveryWay("SYSRET that sets TF has a step behind it, SYSCALL that clears it none", (make) => {
  const one = make();
  noting(one);
  one.setMsr("star", 8n << 32n);
  one.setMsr("syscallMask", 0x100n);
  const target = code + 0x800;
  one.setMsr("lstar", BigInt(target));
  one.ram(target, 2).set([0x90, 0xf4]);
  one.load(["pushfq", "or dword ptr [rsp], 0x100", "popfq", "syscall"]);
  assert.equal(one.go(), ExitCode.halt);
  assert.deepEqual(told(one), []);
  assert.equal(one.get64("pc"), BigInt(target + 2));
});

inEveryWay("HLT with TF is over at once", (make) => {
  const { places, told } = run(make(), [
    "pushfq",
    "or dword ptr [rsp], 0x100",
    "popfq",
    "hlt",
    "and dword ptr [rsp-0x8], 0xfffffeff",
    "push qword ptr [rsp-0x8]",
    "popfq",
  ]);
  assert.deepEqual(brief(told).slice(0, 2), [
    [places[4], step],
    [places[5], step],
  ]);
});

inEveryWay("a handler that stops itself for ever keeps nobody from the processor", (make) => {
  const one = make();
  noting(one);
  // Its stack ends in time, or the slice does.
  one.load([...setRegister(0, handler), ...setRegister(7, on(0, "execute")), "int1"]);
  for (let i = 0; i < 20; i++) {
    const exit = one.run(1);
    assert.ok(exit === ExitCode.none || exit === ExitCode.shutdown, `${exit}`);
    if (exit === ExitCode.shutdown) break;
  }
});
