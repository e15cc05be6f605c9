/** Protection keys, random numbers, MONITOR and MWAIT, CLZERO: from the manuals. Each stepped, interpreted and translated. */
import assert from "node:assert/strict";
import { featuresWithout, inEveryWay, type System, tables } from "./system.test-support.js";

/** Where the pages are that tests make: 512 GiB. */
const walked = 0x80_0000_0000n;
/** CR4.PKE. */
const keysOn = 0x400000n;
const entry = tables + 0x3000;
const wrpkru = (value: number) => [`mov eax, 0x${value.toString(16)}`, "xor ecx, ecx", "xor edx, edx", "wrpkru"];

/** A page of 1 GiB at `walked` with this key, the users' or the system's, that may be written or not. */
function mapped(make: () => System, key: number, more = 7n): System {
  const one = make();
  one.putRam64(tables + 8, BigInt(entry) | 7n);
  one.putRam64(entry, 0x80n | more | (BigInt(key) << 59n));
  one.set64("control", one.get64("control", 4) | keysOn, 4);
  one.changed();
  return one;
}
const at = `mov rbx, 0x${walked.toString(16)}`;
const reads = [at, "mov rax, qword ptr [rbx+0x100000]"];
const writes = [at, "mov qword ptr [rbx+0x100000], rax"];

/** The vector of what it does, and a page fault's code. */
function found(one: System, lines: readonly string[]): number[] {
  one.load(lines);
  const vector = one.end();
  return vector === 14 ? [14, Number(one.frame(0))] : [vector];
}

inEveryWay("PKRU is read and written with CR4.PKE, ECX and EDX of 0", (make) => {
  const one = mapped(make, 0);
  assert.deepEqual(found(one, [...wrpkru(0x55555554), "mov edx, 0x7", "rdpkru"]), [-1]);
  assert.deepEqual([one.get64("general", 0), one.get64("general", 2)], [0x55555554n, 0n]);
  assert.deepEqual(found(one, ["mov ecx, 0x1", "rdpkru"]), [13]);
  assert.deepEqual(found(one, ["mov ecx, 0x1", "xor edx, edx", "wrpkru"]), [13]);
  assert.deepEqual(found(one, ["xor ecx, ecx", "mov edx, 0x1", "wrpkru"]), [13]);
  one.set64("control", one.get64("control", 4) & ~keysOn, 4);
  assert.deepEqual(found(one, ["xor ecx, ecx", "rdpkru"]), [6]);
  assert.deepEqual(found(one, wrpkru(0)), [6]);
});

inEveryWay("a processor without keys has neither the instructions nor CR4.PKE", (make) => {
  const one = mapped(make, 0);
  one.set64("features", featuresWithout("pku"));
  assert.deepEqual(found(one, ["xor ecx, ecx", "rdpkru"]), [6]);
  assert.deepEqual(found(one, ["mov rax, cr4", "or eax, 0x400000", "mov cr4, rax"]), [13]);
  one.set64("features", -1n);
  assert.deepEqual(found(one, ["mov rax, cr4", "or eax, 0x400000", "mov cr4, rax"]), [-1]);
});

inEveryWay("a key's bits keep from reading, and from writing as CR0.WP says", (make) => {
  const one = mapped(make, 5);
  const [access, write] = [1 << 10, 2 << 10];
  assert.deepEqual(found(one, [...wrpkru(0), ...writes]), [-1]);
  // What the soft TLB has is gone with what it was by.
  assert.deepEqual(found(one, [...wrpkru(access), ...reads]), [14, 0x21]);
  assert.deepEqual(found(one, [...wrpkru(access), ...writes]), [14, 0x23]);
  assert.deepEqual(found(one, [...wrpkru(write), ...reads]), [-1]);
  one.set64("control", one.get64("control", 0) | 0x10000n, 0);
  one.changed();
  assert.deepEqual(found(one, [...wrpkru(0), ...writes, ...wrpkru(write), ...writes]), [14, 0x23]);
  one.load(["mov rax, cr0", "and eax, 0xfffeffff", "mov cr0, rax", ...writes]);
  assert.equal(one.end(), -1);
  // Another key's bits are nothing to it.
  assert.deepEqual(found(one, [...wrpkru(~(3 << 10) >>> 0), ...writes]), [-1]);
});

inEveryWay("XRSTOR sets PKRU, and what was translated by the old one is gone", (make) => {
  const one = mapped(make, 5);
  one.set64("xcr0", 0x207n);
  const area = 0x30_0000;
  const restore = [`mov edi, 0x${area.toString(16)}`, "mov eax, 0x200", "xor edx, edx", "xrstor [rdi]"];
  for (const [place, form] of [
    [2688, 0n],
    [576, (1n << 63n) | 0x200n],
    [832, (1n << 63n) | 0x204n],
  ] as const) {
    one.ram(area, 4096).fill(0);
    one.putRam64(area + 520, form);
    const put = (keys: number | undefined) => {
      one.putRam64(area + 512, keys === undefined ? 0n : 0x200n);
      one.putRam64(area + place, BigInt(keys ?? -1));
    };
    put(1 << 10);
    assert.deepEqual(found(one, [...wrpkru(0), ...writes, ...restore, ...reads]), [14, 0x21]);
    put(2 << 10);
    assert.deepEqual(found(one, [...restore, ...reads]), [-1]);
    // Without PKRU in the area there is none that keeps from anything.
    put(undefined);
    assert.deepEqual(found(one, [...wrpkru(3 << 10), ...restore, ...writes]), [-1]);
  }
});

inEveryWay("the system's own pages have no keys; without CR4.PKE none has", (make) => {
  const access = 1 << 10;
  const systems = mapped(make, 5, 3n);
  assert.deepEqual(found(systems, [...wrpkru(access), ...writes]), [-1]);
  const one = mapped(make, 5);
  one.set("pkru", access);
  one.set64("control", one.get64("control", 4) & ~keysOn, 4);
  one.changed();
  assert.deepEqual(found(one, writes), [-1]);
});

inEveryWay("code is fetched whatever its key says; what is not there has no key", (make) => {
  const one = mapped(make, 5, 5n);
  one.ram(0x30_0000, 1)[0] = 0xf4;
  one.written(0x30_0000, 1);
  one.load([...wrpkru(3 << 10), at, "add rbx, 0x300000", "jmp rbx"]);
  assert.equal(one.end(), -1);
  assert.equal(one.get64("pc"), walked + 0x30_0001n);
  const absent = mapped(make, 5, 6n);
  assert.deepEqual(found(absent, [...wrpkru(1 << 10), ...reads]), [14, 0]);
  // A page that cannot be written has both reasons.
  const guarded = mapped(make, 5, 5n);
  guarded.set64("control", guarded.get64("control", 0) | 0x10000n, 0);
  guarded.changed();
  assert.deepEqual(found(guarded, [...wrpkru(2 << 10), ...writes]), [14, 0x23]);
});

inEveryWay("CPUID says that CR4.PKE is set", (make) => {
  const one = mapped(make, 0);
  // One entry: leaf 7, index 0, which counts; EAX to EDX.
  [7, 0, 1, 0, 0, 8, 0].forEach((word, i) => one.set("cpuid", word, i));
  one.set("cpuidCount", 1);
  const ecx = () => {
    assert.deepEqual(found(one, ["mov eax, 0x7", "xor ecx, ecx", "cpuid"]), [-1]);
    return one.get64("general", 1);
  };
  assert.equal(ecx(), 0x18n);
  one.set64("control", one.get64("control", 4) & ~keysOn, 4);
  assert.equal(ecx(), 8n);
});

inEveryWay("random numbers are of their size, set CF and nothing else, and come from the source", (make) => {
  for (const name of ["rdrand", "rdseed"]) {
    let drawn = 0;
    const one = make();
    one.random = () => (drawn += 0x1111_1111) | 0;
    const before = ["mov rax, 0xffffffffffffffff", "mov rbx, 0xffffffffffffffff", "mov rcx, 0xffffffffffffffff"];
    const flags = ["xor edx, edx", "dec edx", "std", "stc"];
    assert.deepEqual(found(one, [...before, ...flags, `${name} ax`, `${name} ebx`, `${name} rcx`]), [-1]);
    assert.equal(one.get64("general", 0), 0xffff_ffff_ffff_1111n);
    assert.equal(one.get64("general", 3), 0x3333_3333n);
    assert.equal(one.get64("general", 1), 0x6666_6666_5555_5555n);
    assert.equal(one.flags & 0xcd5n, 0x401n);
    one.set64("features", featuresWithout(name));
    assert.deepEqual(found(one, [`${name} ax`]), [6]);
  }
});

// That they are none of programs, native.test.ts says.
inEveryWay("MONITOR and MWAIT do nothing", (make) => {
  const one = make();
  assert.deepEqual(
    found(one, ["xor ecx, ecx", "mov rax, 0x8000000000000000", "monitor", "mwait", "mov ebx, 0x7"]),
    [-1],
  );
  assert.equal(one.get64("general", 3), 7n);
});

inEveryWay("CLZERO clears the line that RAX points into, or faults as a store does", (make) => {
  const one = make();
  one.ram(0x30_0000, 256).fill(0x55);
  assert.deepEqual(found(one, ["mov eax, 0x300067", "clzero"]), [-1]);
  const line = Buffer.from(one.ram(0x30_0000, 256));
  assert.ok(line.subarray(64, 128).every((byte) => byte === 0));
  assert.ok([...line.subarray(0, 64), ...line.subarray(128)].every((byte) => byte === 0x55));
  assert.deepEqual(found(one, [at, "mov rax, rbx", "clzero"]), [14, 2]);
});
