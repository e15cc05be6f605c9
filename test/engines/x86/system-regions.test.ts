/** What a system does at each call and each switch, and that it does so without leaving what was translated. */
import assert from "node:assert/strict";
import { msrPlaces } from "../../../src/arch/x86/engines/msrs.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { code, featuresWithout, inEveryWay, type System, tables, type Way } from "./system.test-support.js";

const bases = 0x1_0000n;
const timeStampDisable = 0x4n;
const hex = (number: number | bigint): string => `0x${number.toString(16)}`;
const rounds = (way: Way): number => (way === "stepped" ? 40 : 200_000);

/** CR4 with what is to be there of it. */
function withControl(make: () => System, bits: bigint): System {
  const one = make();
  one.set64("control", one.get64("control", 4) | bits, 4);
  one.changed();
  return one;
}

/** Runs these lines again and again; how often a region was begun for each time. */
function loop(one: System, count: number, lines: readonly string[]): number {
  const first = `mov r15d, ${hex(count)}`;
  const start = code + assemble(first, 64, BigInt(code)).length;
  one.load([first, ...lines, "sub r15d, 0x1", `jne ${hex(start)}`]);
  assert.equal(one.end(), -1);
  return one.regionRuns / count;
}

inEveryWay("bases of FS and GS are read, written and exchanged where they are used", (make, way) => {
  const one = withControl(make, bases);
  const [first, second] = [0x18_0000n, 0x19_0000n];
  for (const [i, base] of [first, second].entries()) one.putRam64(Number(base) + 0x10, BigInt(i + 1));
  one.set64("msrs", second, msrPlaces.kernelGsBase);
  const runs = loop(one, rounds(way), [
    ...[`mov eax, ${hex(first)}`, "wrgsbase rax", "mov rsi, qword ptr gs:[0x10]"],
    ...["swapgs", "add rsi, qword ptr gs:[0x10]", "rdgsbase rdi", "swapgs", "add rsi, qword ptr gs:[0x10]"],
    ...["lea rcx, [rax+0x8]", "wrfsbase rcx", "mov rbx, qword ptr fs:[0x8]", "rdfsbase edx"],
  ]);
  assert.deepEqual(
    [6, 7, 3, 2].map((number) => one.get64("general", number)),
    [4n, second, 1n, first + 8n],
  );
  assert.equal(one.get64("msrs", msrPlaces.kernelGsBase), second);
  if (way === "translated") assert.ok(runs < 0.5, `${runs} runs of regions each time`);
});

inEveryWay("a base is canonical, and CR4.FSGSBASE lets it be asked for", (make) => {
  const one = withControl(make, bases);
  const wild = "mov rax, 0x800000000000";
  for (const line of ["wrfsbase rax", "wrgsbase rax"]) {
    one.load([wild, line]);
    assert.equal(one.end(), 13, line);
  }
  // Of 32 bits it is one always.
  one.load([wild, "or eax, 0x5", "wrfsbase eax", "rdfsbase rdx"]);
  assert.deepEqual([one.end(), one.get64("general", 2)], [-1, 5n]);
  const without = make();
  for (const line of ["wrfsbase rax", "wrgsbase rax", "rdfsbase rax", "rdgsbase rax"]) {
    without.load(["xor eax, eax", line]);
    assert.equal(without.end(), 6, line);
  }
  one.set64("features", featuresWithout("fsgsbase"));
  one.load(["rdfsbase rax"]);
  assert.equal(one.end(), 6);
});

inEveryWay("the time-stamp counter goes on, and is read where code was translated", (make, way) => {
  const one = make();
  one.set64("msrs", 0xffff_ffff_0000_0007n, msrPlaces.tscAux);
  one.set64("general", -1n, 0);
  const wide = (low: string, high: string) => [`shl ${high}, 0x20`, `or ${high}, ${low}`];
  const runs = loop(one, rounds(way), [
    ...["rdtsc", ...wide("rax", "rdx"), "mov rbx, rdx", "rdtscp", ...wide("rax", "rdx")],
    // It never goes back.
    ...["cmp rdx, rbx", "adc rsi, 0x0"],
  ]);
  assert.deepEqual([one.get64("general", 6), one.get64("general", 1)], [0n, 7n]);
  assert.equal(one.get64("general", 0) >> 32n, 0n);
  if (way === "translated") assert.ok(runs < 0.5, `${runs} runs of regions each time`);
});

inEveryWay("keys are read where code was translated", (make, way) => {
  const one = withControl(make, 0x400000n);
  one.set("pkru", 0x55555554);
  const runs = loop(one, rounds(way), ["xor ecx, ecx", "mov rdx, -0x1", "rdpkru", "lea rbx, [rax+rdx]"]);
  assert.equal(one.get64("general", 3), 0x55555554n);
  if (way === "translated") assert.ok(runs < 0.5, `${runs} runs of regions each time`);
});

/** Level 3 asks the system again and again, which answers as Linux does. */
function systemCalls(one: System, count: number, body: readonly string[], outside: readonly string[] = []): number {
  const put = (at: number, lines: readonly string[]): number => {
    for (const line of lines) {
      const bytes = assemble(line, 64, BigInt(at));
      one.ram(at, bytes.length).set(bytes);
      at += bytes.length;
    }
    return at;
  };
  const [user, system] = [code + 0x400, code + 0x800];
  for (let i = 0; i < 8; i++) one.putRam64(tables + 0x2000 + 8 * i, BigInt(i * 0x20_0000) | 0x87n);
  one.set64("msrs", one.get64("msrs", msrPlaces.efer) | 1n, msrPlaces.efer);
  one.set64("msrs", (0x10n << 48n) | (8n << 32n), msrPlaces.star);
  one.set64("msrs", BigInt(system), msrPlaces.lstar);
  one.set64("msrs", 0x200n, msrPlaces.syscallMask);
  one.set64("msrs", 0x18_0000n, msrPlaces.kernelGsBase);
  one.putRam64(0x18_0010, 3n);
  const start = put(user, [`mov r15d, ${hex(count)}`]);
  put(user, [
    `mov r15d, ${hex(count)}`,
    ...outside,
    ...["mov eax, 0x1", "syscall", "add rsi, rax", "sub r15d, 0x1", `jne ${hex(start)}`, "ud2"],
  ]);
  put(system, ["swapgs", "add rax, qword ptr gs:[0x10]", ...body, "swapgs", "sysretq"]);
  one.load([`mov ecx, ${hex(user)}`, "mov r11d, 0x202", "sysretq"]);
  assert.equal(one.get("cpl"), 0);
  const vector = one.end();
  const ended = one.frame(vector === 6 ? 0 : 1);
  assert.ok(ended >= BigInt(user) && ended < BigInt(system), `it ended at ${hex(ended)}`);
  return vector;
}

inEveryWay("a system call and what leads back are translated", (make, way) => {
  const one = make();
  // The system's stack at an exception.
  one.putRam64(0xa004, 0x3_0000n);
  const count = rounds(way);
  assert.equal(systemCalls(one, count, ["rdtsc", "mov eax, 0x4"], []), 6);
  assert.equal(one.get64("general", 6), BigInt(4 * count));
  assert.equal(one.get64("general", 11) & 0x200n, 0x200n, "IF comes back");
  // Of the eleven instructions, with what came before they were hot.
  const translated = Number(one.get64("statTranslated")) / 8 / count;
  if (way === "translated") assert.ok(translated > 9, `${translated} instructions of each time translated`);
});

inEveryWay("CR4.TSD keeps the counter from level 3 alone; what is level 0's is a fault there", (make) => {
  for (const [line, control, vector] of [
    ["rdtsc", timeStampDisable, 13],
    ["rdtscp", timeStampDisable, 13],
    ["rdtsc", 0n, 6],
    ["swapgs", 0n, 13],
    ["sysretq", 0n, 13],
    ["rdpkru", 0n, 6],
  ] as const) {
    const one = withControl(make, control);
    one.putRam64(0xa004, 0x3_0000n);
    assert.equal(systemCalls(one, 1, ["rdtsc"], [line]), vector, line);
  }
});
