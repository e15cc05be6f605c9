import assert from "node:assert/strict";
import { test } from "node:test";
import { archLayout, ExitCode, Request } from "../engines/layout.js";
import { MSR, TestMachine } from "../engines/runtime/machine.test-support.js";

const real = MSR.SF | MSR.ME | MSR.LE;
const kernel = real | MSR.RI | MSR.IR | MSR.DR;
const user = kernel | MSR.PR | MSR.EE | MSR.FP | MSR.VEC;

function machine(msr: bigint, pc = 0x1000n): TestMachine {
  const m = new TestMachine();
  m.set("pc", pc);
  m.mode(msr);
  m.call("service", m.s);
  return m;
}

test("where an interrupt goes: AIL 0, 2, 3, and translation off", () => {
  for (const [ail, msr, target, expected] of [
    [0, user, 0xc00n, real],
    [2, user, 0x18c00n, real | MSR.IR | MSR.DR],
    [3, user, 0xc000000000004c00n, real | MSR.IR | MSR.DR],
    [3, real, 0xc00n, real],
    [3, real | MSR.DR, 0xc00n, real],
  ] as const) {
    const m = machine(msr);
    m.view.setInt32(archLayout.ail, ail, true);
    m.call("systemCall", m.s, 0);
    assert.equal(m.get("pc"), target);
    assert.equal(m.get("msr"), expected);
    assert.equal(m.get("srr0"), 0x1004n);
    assert.equal(m.get("srr1"), msr);
  }
});

test("interrupts are taken in the byte order that H_SET_MODE chose, in 64-bit mode", () => {
  const m = machine(MSR.ME | MSR.LE);
  m.view.setInt32(archLayout.interruptLittleEndian, 0, true);
  m.call("raise", m.s, 0);
  assert.equal(m.get("msr"), MSR.SF | MSR.ME);
  assert.equal(m.get("mode"), 2n);
  assert.equal(m.get("srr1"), MSR.ME | MSR.LE | 0x80000n);
});

test("what an instruction raises by itself", () => {
  for (const [routine, argument, vector, cause] of [
    ["raise", 0, 0x700n, 0x80000n],
    ["raise", 1, 0x700n, 0x40000n],
    ["raise", 2, 0x700n, 0x20000n],
    ["raise", 3, 0x700n, 0x100000n],
    ["raiseUnavailable", 0, 0x800n, 0n],
    ["raiseUnavailable", 1, 0xf20n, 0n],
    ["raiseUnavailable", 2, 0xf40n, 0n],
  ] as const) {
    const m = machine(real);
    m.call(routine, m.s, argument);
    assert.ok(m.takeFault());
    assert.equal(m.get("pc"), vector);
    assert.equal(m.get("srr0"), 0x1000n);
    assert.equal(m.get("srr1"), real | cause);
  }
  const m = machine(real);
  m.set("fscr", 0x12n);
  m.call("facilityUnavailable", m.s, 12);
  assert.equal(m.get("pc"), 0xf60n);
  assert.equal(m.get("fscr"), (12n << 56n) | 0x12n);
});

test("fetch delivers its own interrupts and goes on at the vector", () => {
  const m = machine(kernel, 0x5000n);
  m.map(0, 0xc000000010000000n, 0, 16, 0n);
  m.view.setInt32(archLayout.ail, 0, true);
  assert.notEqual(m.call("fetch", m.s), 0);
  assert.equal(m.get("pc"), 0x400n);
  assert.equal(m.get("srr0"), 0x5000n);
  assert.equal(m.get("srr1"), kernel | 0x40000000n);
  m.set("pc", 0x4000000000000000n);
  m.mode(kernel);
  m.call("fetch", m.s);
  assert.equal(m.get("pc"), 0x480n);
  assert.equal(m.get("srr1"), kernel);
  m.set("pc", 0x50000000n);
  m.mode(real);
  m.call("fetch", m.s);
  assert.equal(m.get("pc"), 0x200n);
  assert.equal(m.get("srr1"), real | 0x080c0000n);
  assert.equal(m.get("msr"), real & ~MSR.ME);
  m.set("pc", 0x50000000n);
  assert.equal(m.call("fetch", m.s), 0);
  assert.equal(m.get("exitCode"), BigInt(ExitCode.internalError));
});

test("fetch: no-execute pages, and vectors that cannot be fetched do not hang the engine", () => {
  const m = machine(kernel, 0x5000n);
  m.map(0, 0n, 0x800000, 16, 4n | 2n | 8n);
  m.map(0, 0xc000000000000000n, 0x800000, 16, 4n | 2n | 8n);
  assert.equal(m.call("fetch", m.s), 0);
  assert.equal(m.get("exitCode"), 0n);
  assert.equal(m.get("pc"), 0xc000000000004400n);
  assert.equal(m.get("srr1") & 0x783f0000n, 0x10000000n);
});

test("sc 1 is a hypercall, but not from problem state", () => {
  const m = machine(kernel);
  m.call("systemCall", m.s, 1);
  assert.equal(m.get("exitCode"), BigInt(ExitCode.hypercall));
  assert.equal(m.get("pc"), 0x1004n);
  assert.equal(m.call("fetch", m.s), 0);
  const n = machine(user);
  n.call("systemCall", n.s, 1);
  assert.equal(n.get("exitCode"), 0n);
  assert.equal(n.get("pc"), 0xc000000000004c00n);
});

test("scv and rfscv", () => {
  const m = machine(user);
  m.call("systemCallVectored", m.s, 0);
  assert.equal(m.get("pc"), 0xc000000000004f60n, "FSCR[SCV] is off");
  m.mode(user);
  m.set("pc", 0x1000n);
  m.set("fscr", 1n << 12n);
  m.call("systemCallVectored", m.s, 1);
  assert.equal(m.get("pc"), 0xc000000000003020n);
  assert.equal(m.get("lr"), 0x1004n);
  assert.equal(m.get("ctr"), user);
  assert.equal(m.get("msr"), kernel | MSR.EE);
  m.call("returnFromSystemCallVectored", m.s);
  assert.equal(m.get("pc"), 0x1004n);
  assert.equal(m.get("msr"), user);
});

test("rfid: problem state brings translation and EE; HV and ME are not its to set", () => {
  const m = machine(real);
  m.set("srr0", 0x12345677n);
  m.set("srr1", MSR.SF | MSR.PR | MSR.LE | (1n << 60n) | (1n << 34n));
  m.call("returnFromInterrupt", m.s);
  assert.equal(m.get("pc"), 0x12345674n);
  assert.equal(m.get("msr"), MSR.SF | MSR.PR | MSR.EE | MSR.IR | MSR.DR | MSR.ME | MSR.LE);
  const n = machine(real);
  n.set("srr0", 0x1_0000_2000n);
  n.set("srr1", MSR.ME);
  n.call("returnFromInterrupt", n.s);
  assert.equal(n.get("pc"), 0x2000n, "32-bit mode");
  assert.equal(n.get("mode"), 0n);
});

test("mtmsrd keeps ME and LE; facilities follow", () => {
  const m = machine(real);
  m.call("setMsr", m.s, BigInt.asIntN(64, MSR.SF | MSR.FP | MSR.VSX));
  assert.equal(m.get("msr"), real | MSR.FP | MSR.VSX);
  assert.equal(m.get("facilities"), 5n);
});

test("the decrementer waits for EE, lasts while it is negative, and is 56 bits wide", () => {
  const m = machine(real);
  m.call("setDecrementer", m.s, 512000n);
  assert.equal(m.call<bigint>("decrementer", m.s), 512000n);
  m.clock += 2;
  assert.equal(m.call<bigint>("decrementer", m.s), -512000n);
  const endOfSlice = () => {
    m.set("budget", 0n);
    return m.call("service", m.s);
  };
  endOfSlice();
  assert.equal(m.get("pc"), 0x1000n);
  assert.equal(m.get("recheck"), 0n);
  m.call("setMsr", m.s, BigInt.asIntN(64, real | MSR.EE));
  assert.equal(m.get("recheck"), 1n, "EE was turned on with an interrupt waiting");
  m.call("service", m.s);
  assert.equal(m.get("pc"), 0x900n);
  assert.equal(m.get("srr0"), 0x1000n);
  assert.equal(m.get("srr1"), real | MSR.EE);
  m.mode(real | MSR.EE);
  m.call("service", m.s);
  assert.equal(m.get("srr0"), 0x900n, "still negative");
  m.call("setDecrementer", m.s, 0x7fffffffffffffn);
  assert.equal(m.call<bigint>("decrementer", m.s), 0x7fffffffffffffn);
  m.set("pc", 0x2000n);
  m.mode(real | MSR.EE);
  endOfSlice();
  assert.equal(m.get("pc"), 0x2000n);
  m.call("setDecrementer", m.s, 0x80000000000000n);
  assert.equal(m.get("recheck"), 1n);
  m.call("service", m.s);
  assert.equal(m.get("pc"), 0x900n);
  // The most negative value is soon the most positive one.
  m.set("pc", 0x3000n);
  m.mode(real);
  m.call("setDecrementer", m.s, 0x80000000000001n);
  m.clock += 1;
  m.mode(real | MSR.EE);
  endOfSlice();
  assert.equal(m.get("pc"), 0x3000n, "it wrapped while interrupts were off");
  assert.equal(m.get("decPending"), 0n);
});

test("external interrupts come before the decrementer, doorbells after, once", () => {
  const m = machine(real | MSR.EE);
  m.set("externalPending", 1n);
  m.call("setDecrementer", m.s, -1n);
  m.call("sendDoorbell", m.s, 5n << 27n);
  assert.equal(m.get("recheck"), 1n);
  const next = () => {
    m.mode(real | MSR.EE);
    m.set("pc", 0x1000n);
    m.call("service", m.s);
    return m.get("pc");
  };
  assert.equal(next(), 0x500n);
  assert.equal(next(), 0x500n, "the controller still asserts it");
  m.set("externalPending", 0n);
  assert.equal(next(), 0x900n);
  m.set("decPending", 0n);
  assert.equal(next(), 0xa00n);
  assert.equal(next(), 0x1000n);
});

test("service: requests, the count of instructions, leaving", () => {
  const m = machine(real);
  assert.equal(m.call("service", m.s), 0);
  const slice = m.get("budget");
  m.set("budget", slice - 80n);
  const before = m.get("instructions");
  m.call("service", m.s);
  assert.equal(m.get("instructions"), before + 10n);
  m.set("requests", BigInt(Request.leave));
  assert.equal(m.call("service", m.s), 1);
  assert.equal(m.get("requests"), 0n);
  m.set("immediateExit", 1n);
  assert.equal(m.call("service", m.s), 1);
  m.set("immediateExit", 0n);
  m.set("requests", BigInt(Request.systemReset));
  assert.equal(m.call("service", m.s), 0);
  assert.equal(m.get("pc"), 0x100n);
  m.set("leaveAt", BigInt.asUintN(64, m.call<bigint>("timeBase", m.s)) + 512000n);
  m.set("budget", 0n);
  assert.equal(m.call("service", m.s), 0);
  m.clock += 1;
  m.set("budget", 0n);
  assert.equal(m.call("service", m.s), 1);
});

test("pause: what waits is looked at now; with a deadline, which a thread with others to run has, these come first", () => {
  const m = machine(real);
  m.call("service", m.s);
  m.call("pause", m.s);
  assert.equal(m.get("recheck"), 1n);
  assert.equal(m.call("service", m.s), 0);
  m.set("leaveAt", BigInt.asUintN(64, m.call<bigint>("timeBase", m.s)) + 512000n);
  m.call("pause", m.s);
  assert.equal(m.get("recheck"), 1n);
  assert.equal(m.call("service", m.s), 1);
});

test("the Trace interrupt", () => {
  const m = machine(real | MSR.SE, 0x2004n);
  m.call("traced", m.s, BigInt.asIntN(64, real), 0);
  assert.equal(m.get("pc"), 0x2004n);
  m.call("traced", m.s, BigInt.asIntN(64, real | MSR.SE), 0);
  assert.equal(m.get("pc"), 0xd00n);
  assert.equal(m.get("srr0"), 0x2004n);
});
