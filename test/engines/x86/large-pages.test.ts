/** What translations outlive a write to CR3, which ones INVLPG takes away, and regions over the pages of 4 KiB of a large one. */
import assert from "node:assert/strict";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { code, inEveryWay, type System, tables } from "./system.test-support.js";

/** Tables of 4 KiB pages for what lies from 512 GiB on: a page of each table. */
const walked = 0x80_0000_0000n;
const below = tables + 0x3000;
const [global, present] = [0x100n, 3n];
/** Two pages of RAM that say which they are. */
const [one, other] = [0x20_0000, 0x20_1000];

/** Maps 4 KiB from `walked` on to these pages, with these bits. */
function mapSmall(m: System, pages: readonly number[], bits = present): void {
  m.putRam64(tables + 8, BigInt(below) | present);
  m.putRam64(below, BigInt(below + 0x1000) | present);
  m.putRam64(below + 0x1000, BigInt(below + 0x2000) | present);
  for (const [i, page] of pages.entries()) m.putRam64(below + 0x2000 + 8 * i, BigInt(page) | bits);
}

/** Code, tables and the stack. */
function makeKernelGlobal(m: System): void {
  for (let i = 0; i < 8; i++) m.putRam64(tables + 0x2000 + 8 * i, BigInt(i * 0x20_0000) | 0x183n);
}

/** Reads by `walked`, does this, maps the other page, does that, and reads again. */
function readAround(m: System, bits: bigint, then: readonly string[], pge = true): [bigint, bigint] {
  makeKernelGlobal(m);
  m.putRam64(one, 1n);
  m.putRam64(other, 2n);
  mapSmall(m, [one], bits);
  m.load([
    "mov rax, cr4",
    pge ? "or rax, 0x80" : "and rax, 0xffffffffffffff7f",
    "mov cr4, rax",
    `mov rbx, 0x${walked.toString(16)}`,
    "mov rsi, qword ptr [rbx]",
    `mov rax, 0x${(BigInt(other) | bits).toString(16)}`,
    `mov rcx, 0x${(below + 0x2000).toString(16)}`,
    "mov qword ptr [rcx], rax",
    ...then,
    "mov rdi, qword ptr [rbx]",
  ]);
  assert.equal(m.end(), -1);
  return [m.get64("general", 6), m.get64("general", 7)];
}

const writeControl3 = ["mov rax, cr3", "mov cr3, rax"];

inEveryWay("a write to CR3 takes away what is not global", (make) => {
  assert.deepEqual(readAround(make(), present, writeControl3), [1n, 2n]);
  assert.deepEqual(readAround(make(), present, ["invlpg byte ptr [rbx]"]), [1n, 2n]);
  // Without CR4.PGE nothing is.
  assert.deepEqual(readAround(make(), present | global, writeControl3, false), [1n, 2n]);
});

inEveryWay("what is global outlives a write to CR3, not INVLPG nor a change of CR4.PGE", (make) => {
  assert.deepEqual(readAround(make(), present | global, writeControl3), [1n, 1n]);
  assert.deepEqual(readAround(make(), present | global, ["invlpg byte ptr [rbx]"]), [1n, 2n]);
  const changed = ["mov rax, cr4", "xor rax, 0x80", "mov cr4, rax"];
  assert.deepEqual(readAround(make(), present | global, changed), [1n, 2n]);
});

/** Reads the limit of a descriptor in a table by `walked` as `readAround` reads a number. */
function limitAround(m: System, bits: bigint, then: readonly string[]): [bigint, bigint] {
  const register = 0x20_2000;
  makeKernelGlobal(m);
  m.putRam64(register, (walked << 16n) | 0xfn);
  m.putRam64(register + 8, walked >> 48n);
  const descriptor = 0x0040_9300_0000_0000n;
  m.putRam64(one + 8, descriptor | 1n);
  m.putRam64(other + 8, descriptor | 2n);
  mapSmall(m, [one], bits);
  m.load([
    ...["mov rax, cr4", "or rax, 0x80", "mov cr4, rax"],
    ...[`mov ebx, 0x${register.toString(16)}`, "lgdt [rbx]", "mov ebx, 0x8", "lsl esi, ebx", "lsl esi, ebx"],
    `mov rax, 0x${(BigInt(other) | bits).toString(16)}`,
    `mov rcx, 0x${(below + 0x2000).toString(16)}`,
    "mov qword ptr [rcx], rax",
    `mov rdx, 0x${walked.toString(16)}`,
    ...then,
    "lsl edi, ebx",
  ]);
  assert.equal(m.end(), -1);
  return [m.get64("general", 6), m.get64("general", 7)];
}

inEveryWay("what the processor knows of its tables' pages goes with that of data", (make) => {
  assert.deepEqual(limitAround(make(), present, writeControl3), [1n, 2n]);
  assert.deepEqual(limitAround(make(), present | global, ["invlpg byte ptr [rdx]"]), [1n, 2n]);
  assert.deepEqual(limitAround(make(), present | global, writeControl3), [1n, 1n]);
});

inEveryWay("more pages that are not global than are noted go with a write to CR3", (make) => {
  const m = make();
  const count = 300;
  mapSmall(
    m,
    Array.from({ length: count }, () => one),
  );
  m.putRam64(one, 1n);
  m.putRam64(other, 2n);
  const read = (register: string) => [
    `xor ${register}, ${register}`,
    `mov rbx, 0x${walked.toString(16)}`,
    `mov ecx, ${count}`,
    ...[`add ${register}, qword ptr [rbx]`, "add rbx, 0x1000", "sub ecx, 0x1"],
  ];
  const loop = (lines: readonly string[], register: string) => [
    ...lines,
    `jne 0x${loopAt(lines, register).toString(16)}`,
  ];
  let at = code;
  /** Where the loop's body begins: behind what is loaded before it. */
  const loopAt = (lines: readonly string[], register: string): number => {
    let to = at;
    for (const line of lines) {
      if (line.startsWith(`add ${register}`)) return to;
      to += assemble(line, 64, BigInt(to)).length;
    }
    throw new Error("no loop");
  };
  const all: string[] = [];
  const put = (lines: readonly string[]) => {
    for (const line of lines) {
      all.push(line);
      at += assemble(line, 64, BigInt(at)).length;
    }
  };
  put(["mov rax, cr4", "or rax, 0x80", "mov cr4, rax"]);
  put(loop(read("rsi"), "rsi"));
  // All of them lead to the other page now.
  put([`mov rcx, 0x${(below + 0x2000).toString(16)}`, `mov rax, 0x${(BigInt(other) | present).toString(16)}`]);
  for (let i = 0; i < 8; i++) put([`mov qword ptr [rcx+${8 * i * 37}], rax`]);
  put(writeControl3);
  put(loop(read("rdi"), "rdi"));
  m.load(all);
  assert.equal(m.end(), -1);
  assert.deepEqual([m.get64("general", 6), m.get64("general", 7)], [BigInt(count), BigInt(count + 8)]);
});

inEveryWay(
  "INVLPG of an address in a large page takes all of it away, and of one beside it that page alone",
  (make) => {
    const m = make();
    m.putRam64(0x40_0000, 1n);
    m.putRam64(0x60_0000, 2n);
    // 2 MiB at 2 MiB, which become another 2 MiB; dropped by an address that was not read.
    m.load([
      "mov ebx, 0x200000",
      `mov ecx, 0x${(tables + 0x2008).toString(16)}`,
      "mov eax, 0x400083",
      ...["mov qword ptr [rcx], rax", "invlpg byte ptr [rbx]", "mov rsi, qword ptr [rbx]"],
      "mov eax, 0x600083",
      ...["mov qword ptr [rcx], rax", "invlpg byte ptr [rbx+0x1ff000]", "mov rdi, qword ptr [rbx]"],
    ]);
    assert.equal(m.end(), -1);
    assert.deepEqual([m.get64("general", 6), m.get64("general", 7)], [1n, 2n]);
  },
);

inEveryWay(
  "INVLPG finds all that was read of a large page, of two that share a note too, and again after it",
  (make) => {
    const m = make();
    // Two of 2 MiB that share a note.
    const [near, far] = [0x20_0000n, 0x1_0020_0000n];
    const entryOf = (address: bigint): bigint => BigInt(tables) + 0x2000n + 8n * ((address >> 21n) & 511n);
    // The fifth GiB has the table that the first has, one entry of which is for both.
    m.putRam64(tables + 0x1000 + 8 * Number(far >> 30n), BigInt(tables + 0x2000) | present);
    const places = [0n, 0x1_f000n, 0x2_0000n, 0x10_0000n, 0x1f_f000n];
    for (const [i, page] of [0x20_0000, 0x40_0000, 0x60_0000].entries())
      for (const place of places) m.putRam64(page + Number(place), BigInt(i + 1));
    const sum = (addresses: readonly bigint[], register: string) => [
      `xor ${register}, ${register}`,
      ...addresses.flatMap((address) =>
        places.flatMap((place) => [`mov rbx, 0x${(address + place).toString(16)}`, `add ${register}, qword ptr [rbx]`]),
      ),
    ];
    const remap = (page: number, dropped: readonly bigint[]) => [
      ...[`mov rcx, 0x${entryOf(near).toString(16)}`, `mov eax, 0x${(page | 0x83).toString(16)}`],
      "mov qword ptr [rcx], rax",
      ...dropped.flatMap((address) => [`mov rbx, 0x${(address + 0x8_8000n).toString(16)}`, "invlpg byte ptr [rbx]"]),
    ];
    const both = [near, far];
    m.load([
      ...[...sum([near], "rsi"), ...remap(0x40_0000, [near]), ...sum([near], "rdi")],
      ...[...sum([far], "r8"), ...remap(0x60_0000, both), ...sum(both, "r9")],
      ...[...remap(0x20_0000, both), ...sum(both, "r10")],
    ]);
    assert.equal(m.end(), -1);
    const seen = [6, 7, 8, 9, 10].map((register) => m.get64("general", register));
    assert.deepEqual(seen, [5n, 10n, 10n, 30n, 10n]);
  },
);

/** Code over a page's end in a large page: a loop whose middle instruction goes on in the next page. */
const pageEnd = code + 0x2000;
function putLoop(m: System, times: number): void {
  const lines = ["add esi, 0x1", "add edi, 0x11223344", "sub ecx, 0x1"];
  const middle = assemble(lines[1] as string, 64, 0n).length;
  let at = pageEnd - assemble(lines[0] as string, 64, 0n).length - middle + 2;
  const start = at;
  for (const line of [...lines, `jne 0x${start.toString(16)}`, `jmp 0x${(code + 0x800).toString(16)}`]) {
    const bytes = assemble(line, 64, BigInt(at));
    m.ram(at, bytes.length).set(bytes);
    at += bytes.length;
  }
  m.ram(code + 0x800, 1)[0] = 0xf4;
  m.written(pageEnd - 16, 64);
  m.load([`mov ecx, ${times}`, "xor esi, esi", "xor edi, edi", `jmp 0x${start.toString(16)}`]);
}

inEveryWay(
  "an instruction that goes on in the next page is what stands there, also when that is written",
  (make, way) => {
    const m = make();
    const times = way === "stepped" ? 50 : 20_000;
    const round = () => {
      putLoop(m, times);
      m.set64("pc", BigInt(code));
      m.end();
      const pc = Number(m.get64("pc"));
      assert.equal(pc, code + 0x801);
      assert.equal(m.get64("general", 6), BigInt(times));
      return m.get64("general", 7);
    };
    const sum = (value: number) => BigInt.asUintN(32, BigInt(times) * BigInt(value));
    assert.equal(round(), sum(0x11223344));
    // Twice: what ran may have been translated only then.
    assert.equal(round(), sum(0x11223344));
    const store = assemble(`mov byte ptr [0x${(pageEnd + 1).toString(16)}], 0x55`, 64, BigInt(code));
    putLoop(m, times);
    m.ram(code, store.length).set(store);
    const back = assemble(`jmp 0x${(code + 0x40).toString(16)}`, 64, BigInt(code + store.length));
    m.ram(code + store.length, back.length).set(back);
    let at = code + 0x40;
    const start = pageEnd - 3 - 6 + 2;
    for (const line of [`mov ecx, ${times}`, "xor esi, esi", "xor edi, edi", `jmp 0x${start.toString(16)}`]) {
      const bytes = assemble(line, 64, BigInt(at));
      m.ram(at, bytes.length).set(bytes);
      at += bytes.length;
    }
    m.written(code, 0x800);
    m.set64("pc", BigInt(code));
    m.end();
    assert.equal(m.get64("general", 6), BigInt(times));
    const written = m.get64("general", 7);
    assert.notEqual(written, sum(0x11223344));
    assert.equal(written, sum(m.ram(pageEnd - 2, 4).reduce((all, byte, i) => all + byte * 2 ** (8 * i), 0)));
  },
);

inEveryWay("a breakpoint in a region's second page is met", (make, way) => {
  const m = make();
  putLoop(m, way === "stepped" ? 50 : 20_000);
  assert.equal(m.end(), -1);
  // Behind the instruction that goes on there.
  const at = pageEnd + 2;
  const lines = ["mov eax, 0x401", `mov ebx, 0x${at.toString(16)}`, "mov dr0, rbx", "mov dr7, rax", "mov ecx, 0x3"];
  m.load([...lines, `jmp 0x${(pageEnd - 3 - 6 + 2).toString(16)}`]);
  assert.equal(m.end(), 1);
  assert.equal(m.frame(0), BigInt(at));
});

inEveryWay("code over the end of a page of 4 KiB goes on where the tables say", (make, way) => {
  const m = make();
  const rounds = way === "stepped" ? 50 : 60_000;
  // Two pages that follow each other in the guest's addresses alone, and what is to take the place of the second.
  const pages = [0x20_0000, 0x20_4000, 0x20_9000] as const;
  mapSmall(m, [pages[0], pages[1]]);
  const start = walked + 0x1000n - 7n;
  const lines = ["add esi, 0x1", "add edi, 0x11223344", "sub ecx, 0x1", `jne 0x${start.toString(16)}`];
  const bytes: number[] = [];
  for (const line of lines) bytes.push(...assemble(line, 64, start + BigInt(bytes.length)));
  bytes.push(0xf4);
  bytes.forEach((byte, i) => {
    if (i < 7) m.ram(pages[0] + 0x1000 - 7 + i, 1)[0] = byte;
    else for (const page of pages.slice(1)) m.ram(page + i - 7, 1)[0] = byte;
  });
  // The immediate's third and fourth byte.
  m.ram(pages[2], 1)[0] = 0x66;
  const run = (before: readonly string[]): bigint => {
    const clear = ["xor esi, esi", "xor edi, edi", `mov ecx, ${rounds}`, `mov rax, 0x${start.toString(16)}`, "jmp rax"];
    m.load([...before, ...clear]);
    m.end();
    assert.equal(m.get64("pc"), start + BigInt(bytes.length));
    assert.equal(m.get64("general", 6), BigInt(rounds));
    return m.get64("general", 7);
  };
  const sum = (value: number) => BigInt.asUintN(32, BigInt(rounds) * BigInt(value));
  for (let n = 0; n < 3; n++) assert.equal(run([]), sum(0x11223344));
  if (way === "translated") {
    const before = m.regionRuns;
    run([]);
    // From each page into the other, and not from the interpreter.
    assert.ok(m.regionRuns - before < rounds / 2, `${m.regionRuns - before} runs of regions`);
  }
  assert.equal(run([`mov byte ptr [0x${(pages[1] + 1).toString(16)}], 0x55`]), sum(0x55223344));
  const remap = [
    `mov rbx, 0x${(below + 0x2008).toString(16)}`,
    `mov eax, 0x${(pages[2] | 3).toString(16)}`,
    "mov qword ptr [rbx], rax",
    `mov rbx, 0x${(walked + 0x1000n).toString(16)}`,
    "invlpg byte ptr [rbx]",
  ];
  assert.equal(run(remap), sum(0x11663344));
  // And where there is none.
  m.load([
    `mov rbx, 0x${(below + 0x2008).toString(16)}`,
    ...["xor eax, eax", "mov qword ptr [rbx], rax", `mov rbx, 0x${(walked + 0x1000n).toString(16)}`],
    ...["invlpg byte ptr [rbx]", "xor esi, esi", "mov ecx, 0x5", `mov rax, 0x${start.toString(16)}`, "jmp rax"],
  ]);
  assert.equal(m.end(), 14);
  assert.equal(m.get64("control", 2), walked + 0x1000n);
  assert.equal(m.frame(1), start + 3n);
  assert.equal(m.get64("general", 6), 1n);
});
