/** XSAVE and its kin as level 0 has them, from the manual: what is a fault, what is offered, areas over a page's end. */
import assert from "node:assert/strict";
import { featuresWithout, inEveryWay, type System, tables } from "./system.test-support.js";

const data = 0x3_0000;
const compacted = 1n << 63n;
const control = (index: number, change: (value: bigint) => bigint) => (m: System) =>
  m.set64("control", change(m.get64("control", index)), index);
const hasOsxsave = 0x4_0000n;
const without = control(4, (value) => value & ~hasOsxsave);
const switched = control(0, (value) => value | 8n);

/** The exception of this code, whose RDI is where the data is. */
function vectorOf(m: System, lines: readonly string[], prepare: (m: System) => void = () => {}): number {
  m.longMode({ tables: BigInt(tables), cpl: 0, code: 8, data: 16 });
  m.set64("features", -1n);
  prepare(m);
  m.changed();
  m.load(lines);
  m.set64("general", BigInt(data), 7);
  return m.end();
}
const words = (m: System, at: number) => Array.from({ length: 3 }, (_, i) => m.getRam64(at + 512 + 8 * i));

inEveryWay("without CR4.OSXSAVE they are none, and with CR0.TS those that look at the state are #NM", (make) => {
  const images = ["xsave [rdi]", "xsaveopt [rdi]", "xsavec [rdi]", "xsaves [rdi]", "xrstor [rdi]", "xrstors [rdi]"];
  const m = make();
  for (const line of images) {
    assert.equal(vectorOf(m, [line], without), 6, line);
    assert.equal(vectorOf(m, [line], switched), 7, line);
    assert.equal(vectorOf(m, [line.replace("rdi", "rdi+0x20")]), 13, line);
  }
  for (const line of ["xgetbv", "xsetbv"]) {
    const lines = ["xor ecx, ecx", "xor edx, edx", "mov eax, 0x3", line];
    assert.equal(vectorOf(m, lines, without), 6);
    assert.equal(vectorOf(m, lines, switched), -1);
  }
  // A processor that does not say that it has them.
  const lacks =
    (...names: readonly string[]) =>
    (m: System) =>
      m.set64("features", featuresWithout(...names));
  for (const [name, line] of [
    ["xsave", "xsave [rdi]"],
    ["xsaveopt", "xsaveopt [rdi]"],
    ["xsavec", "xsavec [rdi]"],
    ["xsaves", "xrstors [rdi]"],
  ] as const)
    assert.equal(vectorOf(m, [line], lacks(name)), 6, line);
  const sets = ["mov rax, cr4", "or eax, 0x40000", "mov cr4, rax"];
  assert.equal(vectorOf(m, sets, lacks("xsave")), 13);
  assert.equal(vectorOf(m, sets, without), -1);
  // An area of the other form is none without XSAVEC.
  m.putRam64(data + 520, compacted | 7n);
  assert.equal(vectorOf(m, ["mov eax, 0x7", "xor edx, edx", "xrstor [rdi]"], lacks("xsavec")), 13);
});

inEveryWay("XSETBV takes what there is, and AVX's instructions are there from then on", (make) => {
  const set = (value: bigint, number = 0) => [
    `mov ecx, 0x${number.toString(16)}`,
    `mov eax, 0x${(value & 0xffff_ffffn).toString(16)}`,
    `mov edx, 0x${(value >> 32n).toString(16)}`,
    "xsetbv",
  ];
  const m = make();
  for (const value of [0n, 2n, 4n, 5n, 0xfn, 0xe7n, 1n << 62n, 1n << 63n])
    assert.equal(vectorOf(m, set(value)), 13, value.toString(16));
  assert.equal(vectorOf(m, set(7n, 1)), 13);
  const avx = ["vpaddd xmm1, xmm2, xmm3"];
  for (const [value, vector] of [
    [1n, 6],
    [3n, 6],
    [7n, -1],
  ] as const) {
    assert.equal(vectorOf(m, [...set(value), "xgetbv", "mov ebx, eax", ...avx]), vector, value.toString(16));
    assert.equal(m.get64("general", 3), value);
  }
  for (const value of [0x201n, 0x203n, 0x207n]) {
    assert.equal(vectorOf(m, [...set(value), "xgetbv"]), -1);
    assert.equal(m.get64("general", 0), value);
  }
  for (const value of [0x200n, 0x205n, 0x20fn, 0x407n]) assert.equal(vectorOf(m, set(value)), 13, value.toString(16));
  assert.equal(vectorOf(m, avx, without), 6);
  assert.equal(vectorOf(m, avx, switched), 7);
  assert.equal(vectorOf(m, ["mov ecx, 0x2", "xgetbv"]), 13);
});

inEveryWay("CPUID says which components there are, and how large an area is by now", (make) => {
  const m = make();
  const entries = [
    [0, 0, 0, 0xd, 0, 0, 0],
    [1, 0, 0, 0, 0, 1 << 26, 0],
    [0xd, 0, 1, 3, 832, 832, 0],
    [0xd, 1, 1, 0xf, 832, 0, 0],
  ];
  entries.flat().forEach((word, i) => m.set("cpuid", word, i));
  m.set("cpuidCount", entries.length);
  const ask = (subleaf: number) => ["mov eax, 0xd", `mov ecx, 0x${subleaf}`, "cpuid"];
  const set = ["xor ecx, ecx", "xor edx, edx", "mov eax, 0x7", "xsetbv"];
  const sse = (m: System) => m.set64("xcr0", 3n);
  assert.equal(vectorOf(m, [...ask(0), "mov esi, ebx", ...ask(1)], sse), -1);
  assert.deepEqual([m.get64("general", 6), m.get64("general", 3)], [576n, 576n]);
  // AVX's is none of them.
  assert.equal(vectorOf(m, set, sse), 13);
  m.set("cpuid", 7, 7 * 2 + 3);
  assert.equal(vectorOf(m, [...set, ...ask(0), "mov esi, ebx", ...ask(1)], sse), -1);
  assert.deepEqual([m.get64("general", 6), m.get64("general", 3)], [832n, 832n]);
  // PKRU's is far behind in the one form, and next in the other.
  const keys = ["xor ecx, ecx", "xor edx, edx", "mov eax, 0x207", "xsetbv"];
  assert.equal(vectorOf(m, keys, sse), 13);
  m.set("cpuid", 0x207, 7 * 2 + 3);
  assert.equal(vectorOf(m, [...keys, ...ask(0), "mov esi, ebx", ...ask(1)], sse), -1);
  assert.deepEqual([m.get64("general", 6), m.get64("general", 3)], [2696n, 840n]);
  keys[2] = "mov eax, 0x203";
  assert.equal(vectorOf(m, [...keys, ...ask(0), "mov esi, ebx", ...ask(1)], sse), -1);
  assert.deepEqual([m.get64("general", 6), m.get64("general", 3)], [2696n, 584n]);
  // OSXSAVE is CR4's.
  const osxsave = ["mov eax, 0x1", "cpuid", "and ecx, 0x8000000"];
  assert.equal(vectorOf(m, osxsave), -1);
  assert.equal(m.get64("general", 1), 0x800_0000n);
  assert.equal(vectorOf(m, osxsave, without), -1);
  assert.equal(m.get64("general", 1), 0n);
});

inEveryWay("PKRU has its place in each form of an area, and begins as 0", (make) => {
  const mask = (value: number) => [`mov eax, 0x${value.toString(16)}`, "xor edx, edx"];
  const all = (m: System) => m.set64("xcr0", 0x207n);
  const m = make();
  const places: readonly (readonly [line: string, components: number, at: number, form: bigint])[] = [
    ["xsave [rdi]", 0x207, 2688, 0n],
    ["xsaveopt64 [rdi]", 0x200, 2688, 0n],
    ["xsavec [rdi]", 0x207, 832, compacted | 0x207n],
    ["xsaves64 [rdi]", 0x203, 576, compacted | 0x203n],
    ["xsavec64 [rdi]", 0x200, 576, compacted | 0x200n],
  ];
  for (const [line, components, at, form] of places) {
    m.ram(data, 4096).fill(0xaa);
    m.ram(data + 512, 64).fill(0);
    m.set("pkru", 0x8765_4320);
    assert.equal(vectorOf(m, [...mask(components), line], all), -1, line);
    assert.equal(m.getRam64(data + at), 0x8765_4320n, line);
    assert.equal(m.getRam64(data + 512) & 0x200n, 0x200n, line);
    assert.equal(m.getRam64(data + 520), form, line);
    // Nothing is written behind it, nor where the other form has it.
    for (const beside of [at + 8, at === 2688 ? 832 : 2688]) assert.equal(m.ram(data + beside, 1)[0], 0xaa, line);
    // Its upper half is nothing to the processor, and CR4.PKE (which is off) neither.
    m.putRam64(data + at, 0xdddd_dddd_1234_5678n);
    m.set("pkru", 0);
    const restore = line.startsWith("xsaves") ? "xrstors64 [rdi]" : "xrstor [rdi]";
    assert.equal(vectorOf(m, [...mask(components & ~0x200), restore], all), -1, line);
    assert.equal(m.get("pkru"), 0, "it was not asked for");
    assert.equal(vectorOf(m, [...mask(components), restore], all), -1, line);
    assert.equal(m.get("pkru"), 0x1234_5678, line);
    // What the area has not is as it begins.
    m.putRam64(data + 512, m.getRam64(data + 512) & ~0x200n);
    assert.equal(vectorOf(m, [...mask(components), restore], all), -1, line);
    assert.equal(m.get("pkru"), 0, line);
  }
  // As it begins, it is not in use, and XSAVEC leaves it out.
  const used = ["mov ecx, 0x1", "xgetbv"];
  m.ram(data, 4096).fill(0);
  assert.equal(vectorOf(m, [...mask(0x200), "xsavec [rdi]", ...used], all), -1);
  assert.deepEqual([m.getRam64(data + 512), m.get64("general", 0) & 0x200n], [0n, 0n]);
  m.set("pkru", 4);
  assert.equal(vectorOf(m, used, all), -1);
  assert.equal(m.get64("general", 0) & 0x200n, 0x200n);
  // Without its bit in XCR0 an area cannot have it, and nobody saves it.
  m.putRam64(data + 512, 0x200n);
  m.putRam64(data + 520, 0n);
  assert.equal(vectorOf(m, [...mask(0x207), "xrstor [rdi]"]), 13);
  m.putRam64(data + 512, 0n);
  assert.equal(vectorOf(m, [...mask(0x207), "xsave [rdi]"]), -1);
  assert.deepEqual([m.getRam64(data + 512) & 0x200n, m.getRam64(data + 2688)], [0n, 0n]);
});

inEveryWay("an area whose part for PKRU is not there is neither saved nor restored", (make) => {
  const edge = 0x20_0000;
  const at = edge - 2688;
  const area = `[rdi+0x${(at - data).toString(16)}]`;
  const prepare = (m: System) => {
    m.set64("xcr0", 0x207n);
    m.putRam64(tables + 0x2000 + 8, 0n);
  };
  const m = make();
  m.ram(at, 2688).fill(0xaa);
  m.set("pkru", 4);
  assert.equal(vectorOf(m, ["mov eax, 0x207", "xor edx, edx", `xsave ${area}`], prepare), 14);
  assert.equal(m.get64("control", 2), BigInt(edge));
  assert.ok(m.ram(at, 2688).every((byte) => byte === 0xaa));
  m.ram(at, 2688).fill(0);
  m.putRam64(at + 512, 0x202n);
  m.set("vector", 0x1234, 0);
  m.set("mxcsr", 0x1f80);
  assert.equal(vectorOf(m, ["mov eax, 0x207", "xor edx, edx", `xrstor ${area}`], prepare), 14);
  assert.deepEqual([m.get64("control", 2), m.get("vector"), m.get("pkru")], [BigInt(edge), 0x1234, 4]);
});

inEveryWay("XSAVES and XRSTORS have areas of the compacted form, and those alone", (make) => {
  const m = make();
  const load = ["mov eax, 0x5", "movd xmm1, eax", "vpaddd ymm2, ymm1, ymm1"];
  const all = ["mov eax, 0x7", "xor edx, edx"];
  m.set("vectorHigh", 9, 4);
  assert.equal(vectorOf(m, [...load, ...all, "xsaves64 [rdi]"]), -1);
  assert.deepEqual(words(m, data), [7n, compacted | 7n, 0n]);
  assert.equal(m.ram(data + 160 + 16, 1)[0], 5);
  assert.equal(vectorOf(m, ["xorps xmm1, xmm1", ...all, "xrstors64 [rdi]", "movd ebx, xmm1"]), -1);
  assert.equal(m.get64("general", 3), 5n);
  m.putRam64(data + 520, 0n);
  assert.equal(vectorOf(m, [...all, "xrstors64 [rdi]"]), 13);
  assert.equal(vectorOf(m, [...all, "xrstor64 [rdi]"]), -1);
});

inEveryWay("the x87's last instruction is in an area with 64 bits of addresses, or with 32", (make) => {
  const m = make();
  const all = ["mov eax, 0x1", "xor edx, edx"];
  m.ram(data, 1024).fill(0);
  m.putRam64(data, 0x05d1_0000_0000_037fn);
  m.putRam64(data + 8, 0x1234_5678_9abcn);
  m.putRam64(data + 16, 0x7654_3210_fedcn);
  m.putRam64(data + 512, 1n);
  assert.equal(vectorOf(m, [...all, "xrstor64 [rdi]", "xsave64 [rdi+0x400]", "xsave [rdi+0x800]"]), -1);
  const part = (at: number) => [0, 8, 16].map((offset) => m.getRam64(data + at + offset));
  assert.deepEqual(part(0x400), part(0));
  assert.deepEqual(part(0x800), [part(0)[0], 0x5678_9abcn, 0x3210_fedcn]);
});

inEveryWay("what cannot be as a whole does not begin, over a page's end either", (make) => {
  const edge = 0x20_0000;
  const at = edge - 256;
  const lines = (line: string) => ["mov eax, 0x7", "xor edx, edx", line];
  const area = `[rdi+0x${(at - data).toString(16)}]`;
  const readOnly = (m: System) => m.putRam64(tables + 0x2000 + 8, BigInt(edge) | 0x81n);
  const absent = (m: System) => m.putRam64(tables + 0x2000 + 8, 0n);
  for (const name of ["xsave", "xsavec", "fxsave"]) {
    const m = make();
    m.ram(at, 1024).fill(0xaa);
    m.set("vector", 0x1234, 0);
    assert.equal(vectorOf(m, lines(`${name} ${area}`), readOnly), 14, name);
    assert.deepEqual(m.get64("control", 2), BigInt(edge), name);
    assert.equal(m.frame(0), 3n);
    assert.ok(
      m.ram(at, 256).every((byte) => byte === 0xaa),
      `${name} has stored a part`,
    );
  }
  const m = make();
  m.ram(at, 1024).fill(0);
  m.ram(at + 160, 16).fill(0x55);
  m.putRam64(at + 512, 2n);
  m.set("vector", 0x1234, 0);
  m.set("mxcsr", 0x1f80);
  assert.equal(vectorOf(m, lines(`xrstor ${area}`), absent), 14);
  // The header is looked at first.
  assert.deepEqual([m.get64("control", 2), m.get("vector")], [BigInt(at + 512), 0x1234]);
  assert.equal(vectorOf(m, lines(`xrstor ${area}`), readOnly), -1);
  assert.equal(m.get("vector"), 0x5555_5555);
});

inEveryWay("outside 64-bit mode there are eight registers, and the others' places stay", (make) => {
  const m = make();
  for (let i = 0; i < 64; i++) {
    m.set("vector", 0x100 + i, i);
    m.set("vectorHigh", 0x200 + i, i);
  }
  for (const name of ["xsave", "fxsave"]) {
    m.ram(data, 832).fill(0xaa);
    m.load(["mov eax, 0x7", "xor edx, edx", `${name} [rdi]`, `${name.replace("save", "rstor")} [rdi]`]);
    m.set64("general", BigInt(data), 7);
    if (name === "xsave") m.ram(data + 512, 64).fill(0);
    m.setSegment(1, 8, 0n, -1, 0xc09b);
    m.changed();
    assert.equal(m.end(), -1, name);
    assert.equal(m.ram(data + 287, 1)[0], 0);
    assert.deepEqual([...m.ram(data + 272, 1), ...m.ram(data + 288, 1)], [0x1c, 0xaa]);
    assert.deepEqual([m.get("vector", 28), m.get("vector", 32)], [0x11c, 0x120]);
    if (name === "xsave") assert.deepEqual([...m.ram(data + 688, 1), ...m.ram(data + 704, 1)], [0x1c, 0xaa]);
    assert.deepEqual([m.get("vectorHigh", 28), m.get("vectorHigh", 32)], [0x21c, 0x220]);
  }
});

inEveryWay("an area that is stored over code is what runs next", (make) => {
  const m = make();
  const area = 0x4_0000;
  // mov eax, 1 (or 2); ret, where XMM0 lies.
  const code = (value: number) => [0xb8, value, 0, 0, 0, 0xc3];
  m.ram(area + 160, 6).set(code(1));
  m.ram(data, 6).set(code(2));
  const call = ["mov esi, 0x400a0", "call rsi"];
  assert.equal(
    vectorOf(m, [
      ...[...call, "mov ebx, eax", "movups xmm0, xmmword ptr [rdi]"],
      ...["mov eax, 0x2", "xor edx, edx", "xsave [rdi+0x10000]", ...call],
    ]),
    -1,
  );
  assert.deepEqual([m.get64("general", 3), m.get64("general", 0)], [1n, 2n]);
});
