import assert from "node:assert/strict";
import { test } from "node:test";
import { archLayout, ExitCode, InternalError, state, tlb } from "../engines/layout.js";
import { Leaf, MSR, TestMachine } from "../engines/runtime/machine.test-support.js";

const kernel = MSR.SF | MSR.ME | MSR.LE | MSR.RI | MSR.IR | MSR.DR;
const user = kernel | MSR.PR | MSR.EE;
const all = Leaf.read | Leaf.write | Leaf.execute;
const alternate = 0xc000000000004000n;

function machine(msr: bigint): TestMachine {
  const m = new TestMachine();
  m.mode(msr);
  return m;
}

for (const [name, shift, ea, physical] of [
  ["4 KiB", 12, 0x10003000n, 0x800000],
  ["64 KiB", 16, 0x20010000n, 0x810000],
  ["2 MiB", 21, 0x40200000n, 0x800000],
  ["1 GiB", 30, 0x80000000n, 0],
] as const) {
  test(`radix: a page of ${name}`, () => {
    const m = machine(user);
    m.set("pid", 1n);
    m.call("contextChanged", m.s);
    const at = m.map(1, ea, physical, shift, all);
    m.view.setBigUint64(m.ram + physical + 0x128, 0x1122334455667788n, true);
    assert.equal(m.load(ea + 0x128n, 8), 0x1122334455667788n);
    assert.equal(m.call<bigint>("loadSlow", m.s, ea + 0x128n, 4, 1), 0x88776655n);
    assert.equal(m.takeFault(), false);
    assert.equal(m.entry(at) & (Leaf.referenced | Leaf.changed), Leaf.referenced, "a load sets R only");
    assert.equal(m.hits(ea, tlb.readTag), shift >= 16);
    assert.equal(m.hits(ea, tlb.writeTag), false);
    m.store(ea + 0x130n, 2, 0xabcdn);
    assert.equal(m.view.getUint16(m.ram + physical + 0x130, true), 0xabcd);
    assert.equal(m.entry(at) & (Leaf.referenced | Leaf.changed), Leaf.referenced | Leaf.changed);
    assert.equal(m.hits(ea, tlb.writeTag), shift >= 16);
    assert.equal(m.takeFault(), false);
    const misses = m.get("statTlbMiss");
    m.load(ea + 0x200n, 1);
    assert.equal(m.get("statTlbMiss"), misses, "the second access finds the entry");
  });
}

test("radix: DSISR, DAR and SRR0 of faults", () => {
  const m = machine(user);
  m.set("pid", 1n);
  m.call("contextChanged", m.s);
  m.map(1, 0x10000n, 0x810000, 16, Leaf.read);
  m.map(1, 0x20000n, 0x810000, 16, all | Leaf.privileged);
  const fault = (run: () => void, vector: bigint) => {
    m.mode(user);
    m.set("pc", 0x1000n);
    run();
    assert.ok(m.takeFault());
    assert.equal(m.get("pc"), alternate + vector);
    assert.equal(m.get("srr0"), 0x1000n);
    assert.equal(m.get("srr1"), user);
    return [m.get("dsisr"), m.get("dar")];
  };
  assert.deepEqual(
    fault(() => m.load(0x30008n, 8), 0x300n),
    [0x40000000n, 0x30008n],
  );
  assert.deepEqual(
    fault(() => m.store(0x30008n, 8, 0n), 0x300n),
    [0x42000000n, 0x30008n],
  );
  assert.deepEqual(
    fault(() => m.store(0x10004n, 4, 0n), 0x300n),
    [0x0a000000n, 0x10004n],
  );
  assert.deepEqual(
    fault(() => m.load(0x20004n, 4), 0x300n),
    [0x08000000n, 0x20004n],
  );
  const bad = (ea: bigint) => fault(() => m.load(ea, 4), 0x380n)[1];
  assert.equal(bad(0x4000000000000000n), 0x4000000000000000n);
  assert.equal(bad(0x8000000000000000n), 0x8000000000000000n);
  assert.equal(bad(0x0010000000000000n), 0x0010000000000000n, "beyond the tree's 52 bits");
  assert.equal(m.get("dsisr"), 0x08000000n);
});

test("radix: keys of AMR and IAMR hold for the kernel on user pages only", () => {
  const m = machine(kernel);
  m.set("pid", 1n);
  m.map(1, 0x10000n, 0x810000, 16, all | Leaf.changed);
  m.map(0, 0xc000000000000000n, 0x810000, 16, all | Leaf.privileged);
  const amr = (value: bigint) => {
    m.mode(kernel);
    m.set("amr", value);
    m.call("contextChanged", m.s);
  };
  amr(3n << 62n);
  m.load(0xc000000000000000n, 8);
  assert.equal(m.takeFault(), false);
  m.load(0x10000n, 8);
  assert.ok(m.takeFault());
  assert.equal(m.get("dsisr"), 0x08000000n);
  amr(2n << 62n);
  m.load(0x10000n, 8);
  assert.equal(m.takeFault(), false);
  m.store(0x10000n, 8, 0n);
  assert.ok(m.takeFault());
  assert.equal(m.get("dsisr"), 0x0a000000n);
  amr(0n);
  m.store(0x10000n, 8, 0n);
  assert.equal(m.takeFault(), false);
  amr(3n << 62n);
  m.store(0x10000n, 8, 0n);
  assert.ok(m.takeFault(), "what was allowed before is not remembered");
});

test("the kernel's translations outlive a change of PID, a user's do not leak", () => {
  const m = machine(user);
  m.set("amr", 3n << 62n);
  m.map(0, 0xc000000000000000n, 0x800000, 16, all | Leaf.privileged);
  m.map(1, 0x10000n, 0x810000, 16, all);
  m.map(2, 0x10000n, 0x820000, 16, all);
  const pid = (value: bigint, msr: bigint) => {
    m.set("pid", value);
    m.mode(msr);
  };
  m.view.setUint8(m.ram + 0x810000, 1);
  m.view.setUint8(m.ram + 0x820000, 2);
  pid(1n, user);
  assert.equal(m.load(0x10000n, 1), 1n);
  pid(2n, user);
  assert.equal(m.load(0x10000n, 1), 2n);
  pid(1n, user);
  assert.ok(m.hits(0x10000n, tlb.readTag));
  assert.equal(m.load(0x10000n, 1), 1n);
  pid(1n, kernel);
  m.load(0xc000000000000000n, 1);
  pid(2n, kernel);
  assert.ok(m.hits(0xc000000000000000n, tlb.readTag));
});

test("asids run out: tables are emptied, nothing stale is left", () => {
  const m = machine(user);
  for (let pid = 1; pid < 4; pid++) m.map(pid, 0x10000n, 0x810000 + pid * 0x10000, 16, all);
  for (let pid = 1; pid < 4; pid++) m.view.setUint8(m.ram + 0x810000 + pid * 0x10000, pid);
  for (let i = 0; i < 5000; i++) {
    const pid = 1 + (i % 3);
    m.set("pid", BigInt(pid));
    m.mode(user);
    assert.equal(m.load(0x10000n, 1), BigInt(pid));
    m.call("tlbInvalidateEntryLocal", m.s, 1n << 10n, BigInt(pid) << 32n, 0, 1, 1);
  }
});

test("tlbiel: by page, by process, everything", () => {
  const m = machine(user);
  m.set("pid", 1n);
  m.call("contextChanged", m.s);
  const old = m.map(1, 0x10000n, 0x810000, 16, all);
  const small = m.map(1, 0x100000000n, 0x811000, 12, all);
  const read = () => [m.load(0x10000n, 1), m.load(0x100000000n, 1)];
  for (let page = 0; page < 0x40; page++) m.view.setUint8(m.ram + 0x800000 + page * 0x1000, page);
  assert.deepEqual(read(), [0x10n, 0x11n]);
  const move = (at: number, to: number) => m.view.setBigUint64(m.ram + at, (m.entry(at) & ~0xffff000n) | BigInt(to));
  move(old, 0x820000);
  move(small, 0x822000);
  assert.deepEqual(read(), [0x10n, 0x11n], "still cached");
  const invalidate = (rb: bigint, ric = 0) => m.call("tlbInvalidateEntryLocal", m.s, rb, 1n << 32n, ric, 1, 1);
  invalidate(0x10000n | (5n << 5n));
  assert.deepEqual(read(), [0x20n, 0x11n]);
  invalidate(0x100000000n);
  assert.deepEqual(read(), [0x20n, 0x22n]);
  move(old, 0x830000);
  move(small, 0x833000);
  invalidate(1n << 10n, 1);
  assert.deepEqual(read(), [0x20n, 0x22n], "the page walk cache only");
  invalidate(1n << 10n, 2);
  assert.deepEqual(read(), [0x30n, 0x33n]);
  move(old, 0x810000);
  invalidate(3n << 10n);
  assert.equal(read()[0], 0x10n);
});

test("an access that crosses pages: all or nothing", () => {
  const m = machine(user);
  m.set("pid", 1n);
  m.call("contextChanged", m.s);
  m.map(1, 0x10000n, 0x810000, 16, all);
  m.set("pc", 0x1000n);
  m.store(0x1fffcn, 8, 0x1122334455667788n);
  assert.ok(m.takeFault());
  assert.equal(m.get("dar"), 0x20000n);
  assert.equal(m.get("dsisr"), 0x42000000n);
  assert.equal(m.view.getUint32(m.ram + 0x81fffc, true), 0, "nothing was stored");
  m.mode(user);
  m.map(1, 0x20000n, 0x830000, 16, all);
  m.store(0x1fffcn, 8, 0x1122334455667788n);
  assert.equal(m.takeFault(), false);
  assert.equal(m.view.getUint32(m.ram + 0x81fffc, true), 0x55667788);
  assert.equal(m.view.getUint32(m.ram + 0x830000, true), 0x11223344);
  assert.equal(m.load(0x1fffcn, 8), 0x1122334455667788n);
  assert.equal(m.call<bigint>("loadSlow", m.s, 0x1fffen, 4, 1), 0x66554433n);
  // Pages of 4 KiB next to each other.
  m.map(1, 0x300000000n, 0x840000, 12, all);
  m.map(1, 0x300001000n, 0x850000, 12, all);
  m.store(0x300000ffdn, 8, 0x0102030405060708n);
  assert.equal(m.takeFault(), false);
  assert.equal(m.load(0x300000ffdn, 8), 0x0102030405060708n);
  assert.equal(m.view.getUint8(m.ram + 0x850000), 5);
});

test("real mode ignores the top four bits", () => {
  const m = machine(MSR.SF | MSR.ME | MSR.LE);
  m.view.setBigUint64(m.ram + 0x123458, 77n, true);
  assert.equal(m.load(0x123458n, 8), 77n);
  assert.equal(m.load(0xc000000000123458n, 8), 77n);
});

test("outside memory: an exit for each access, then the instruction runs again with the answers", () => {
  const m = machine(MSR.SF | MSR.ME | MSR.LE);
  const exit = () => {
    assert.ok(m.takeFault());
    assert.equal(m.get("exitCode"), BigInt(ExitCode.mmio));
    m.set("exitCode", 0n);
    return [m.get("exitAddress"), m.get("exitSize"), m.get("exitWrite"), m.get("exitData")];
  };
  const complete = (value: bigint) => {
    const done = m.get("mmioCompleted");
    m.view.setBigUint64(m.s + state.mmioValues.offset + 8 * Number(done), value, true);
    m.set("mmioCompleted", done + 1n);
    m.set("mmioReplay", 1n);
  };
  // An instruction of two loads, as lmw has many.
  const run = () => {
    const first = m.call<bigint>("loadSlow", m.s, 0x80000000n, 4, 1);
    if (m.get("fault")) return undefined;
    const second = m.call<bigint>("loadSlow", m.s, 0x80000004n, 4, 0);
    if (m.get("fault")) return undefined;
    return [first, second];
  };
  assert.equal(run(), undefined);
  assert.deepEqual(exit().slice(0, 3), [0x80000000n, 4n, 0n]);
  complete(0x44332211n);
  assert.equal(run(), undefined);
  assert.deepEqual(exit().slice(0, 3), [0x80000004n, 4n, 0n]);
  complete(0x44332211n);
  assert.deepEqual(run(), [0x11223344n, 0x44332211n]);
  for (const name of ["mmioReplay", "mmioCompleted", "mmioConsumed"] as const) m.set(name, 0n);
  m.call("storeSlow", m.s, 0x80000010n, 2, 0x1234n, 1);
  assert.deepEqual(exit(), [0x80000010n, 2n, 1n, 0x3412n]);
});

test("a slot that is read-only: a store exits, a load does not", () => {
  const m = machine(MSR.SF | MSR.ME | MSR.LE);
  m.slot(0, 0n, TestMachine.ramSize, m.ram, 2, 0);
  m.load(0x1000n, 8);
  assert.equal(m.takeFault(), false);
  m.store(0x1000n, 8, 5n);
  assert.ok(m.takeFault());
  assert.equal(m.get("exitCode"), BigInt(ExitCode.mmio));
  assert.equal(m.get("exitAddress"), 0x1000n);
});

test("the dirty log notes the first store to a page", () => {
  const m = machine(MSR.SF | MSR.ME | MSR.LE);
  const bitmap = m.ram + 0xf00000;
  m.slot(0, 0n, TestMachine.ramSize, m.ram, 1, bitmap);
  m.load(0x30000n, 8);
  assert.equal(m.hits(0x30000n, tlb.writeTag), false);
  assert.equal(m.view.getUint8(bitmap), 0);
  m.store(0x30000n, 8, 1n);
  assert.equal(m.view.getUint8(bitmap), 8);
  assert.ok(m.hits(0x30000n, tlb.writeTag));
});

test("reservations: success, interference, wrong address, misalignment", () => {
  const m = machine(MSR.SF | MSR.ME | MSR.LE);
  const reserve = (ea: bigint, size: number) => m.call<bigint>("loadReserve", m.s, ea, size, 0);
  const conditional = (ea: bigint, size: number, value: bigint) => m.call("storeConditional", m.s, ea, size, value, 0);
  m.store(0x2000n, 8, 5n);
  assert.equal(reserve(0x2000n, 8), 5n);
  assert.equal(conditional(0x2000n, 8, 6n), 1);
  assert.equal(conditional(0x2000n, 8, 7n), 0, "the reservation is used up");
  for (const size of [1, 2, 4, 8]) {
    const value = reserve(0x2000n, size);
    assert.equal(conditional(0x2000n, size, value + 1n), 1);
  }
  assert.equal(m.load(0x2000n, 8), 10n);
  reserve(0x2000n, 8);
  m.store(0x2000n, 8, 11n);
  assert.equal(conditional(0x2000n, 8, 12n), 0);
  reserve(0x2000n, 8);
  assert.equal(conditional(0x2008n, 8, 12n), 0);
  m.set("pc", 0x500n);
  reserve(0x2002n, 4);
  assert.ok(m.takeFault());
  assert.equal(m.get("pc"), 0x600n);
  assert.equal(m.get("dar"), 0x2002n);
});

test("dcbz clears 128 bytes; outside memory it raises Alignment", () => {
  const m = machine(MSR.SF | MSR.ME | MSR.LE);
  for (let i = 0; i < 512; i++) m.view.setUint8(m.ram + 0x3000 + i, 0xff);
  m.call("zeroBlock", m.s, 0x30c5n);
  const bytes = new Uint8Array(m.memory.buffer, m.ram + 0x3000, 512);
  assert.deepEqual(
    [...bytes].map((b, i) => (b === 0 ? i : -1)).filter((i) => i >= 0),
    Array.from({ length: 128 }, (_, i) => 0x80 + i),
  );
  m.call("zeroBlock", m.s, 0x80000005n);
  assert.ok(m.takeFault());
  assert.equal(m.get("pc"), 0x600n);
  assert.equal(m.get("dar"), 0x80000005n);
});

test("the hash MMU is asked for: the engine says that it cannot", () => {
  const m = machine(kernel);
  m.view.setInt32(archLayout.radix, 0, true);
  m.load(0x1000n, 8);
  assert.ok(m.takeFault());
  assert.equal(m.get("exitCode"), BigInt(ExitCode.internalError));
  assert.equal(m.get("exitData"), BigInt(InternalError.noHpt));
});
