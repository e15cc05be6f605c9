import assert from "node:assert/strict";
import { test } from "node:test";
import { archLayout, codePage, Handler, Request, state, tlb, vcpuLayout } from "../layout.js";
import { MSR, TestMachine } from "./machine.test-support.js";

const real = MSR.SF | MSR.ME | MSR.LE;
/** Handler 9 of the fixture's decode table. */
const known = (31 << 26) >>> 0;

function decodeAt(m: TestMachine, pc: bigint, s = m.s): { entry: number; handler: number; word: number } {
  m.set("pc", pc, s);
  const entry = m.call("fetch", s);
  if (m.view.getInt32(entry, true) === Handler.undecoded) m.call("decode", s, entry);
  return { entry, handler: m.view.getInt32(entry, true), word: m.view.getUint32(entry + 4, true) };
}
const owners = (m: TestMachine, page: number) =>
  m.view.getUint32(m.view.getInt32(archLayout.codeOwners, true) + page * 4, true) & 0xffffff;

test("fetch and decode, in both byte orders", () => {
  const m = new TestMachine();
  m.view.setUint32(m.ram + 0x5010, known | 5, true);
  m.view.setUint32(m.ram + 0x5014, known | 6, false);
  const little = decodeAt(m, 0x5010n);
  assert.deepEqual([little.handler, little.word], [9, known | 5]);
  const page = Number(m.get("fetchPage"));
  assert.equal(little.entry, page + 0x20);
  assert.equal(m.view.getInt32(page + codePage.instructions * 8, true), Handler.nextPage);
  assert.equal(m.view.getUint32(page + codePage.physical, true), 5);
  assert.equal(decodeAt(m, 0x5018n).handler, Handler.illegal);
  assert.equal(m.call("fetch", m.s), little.entry + 16);
  m.mode(MSR.SF | MSR.ME);
  const big = decodeAt(m, 0x5014n);
  assert.deepEqual([big.handler, big.word], [9, known | 6]);
  assert.notEqual(Number(m.get("fetchPage")), page);
  assert.equal(m.get("statDecode"), 3n);
});

test("a store to decoded code drops it, and then has its write tag", () => {
  const m = new TestMachine();
  m.store(0x20000n, 4, 1n);
  assert.ok(m.hits(0x20000n, tlb.writeTag));
  const first = decodeAt(m, 0x20100n);
  assert.equal(first.handler, Handler.illegal);
  assert.equal(owners(m, 2), 1);
  assert.equal(m.hits(0x20000n, tlb.writeTag), false, "the store must be noticed");
  m.load(0x20000n, 4);
  assert.equal(m.hits(0x20000n, tlb.writeTag), false);
  m.store(0x20100n, 4, BigInt(known));
  assert.ok(m.hits(0x20000n, tlb.writeTag));
  assert.equal(owners(m, 2), 0);
  assert.deepEqual(m.dropped, [0x20]);
  assert.equal(decodeAt(m, 0x20100n).handler, 9);
});

test("a page that goes back and forth is watched: only what is written is dropped", () => {
  const m = new TestMachine();
  for (let i = 0; i < 8; i++) {
    decodeAt(m, 0x20100n);
    m.store(0x20100n, 4, BigInt(known | i));
    assert.equal(decodeAt(m, 0x20100n).word, known | i);
  }
  decodeAt(m, 0x20200n);
  m.store(0x20100n, 4, BigInt(known | 77));
  assert.equal(owners(m, 2), 1);
  assert.equal(m.hits(0x20000n, tlb.writeTag), false);
  const kept = decodeAt(m, 0x20200n);
  assert.equal(m.view.getInt32(kept.entry, true), kept.handler);
  const decodes = m.get("statDecode");
  assert.equal(decodeAt(m, 0x20200n).handler, Handler.illegal);
  assert.equal(m.get("statDecode"), decodes);
  assert.equal(decodeAt(m, 0x20100n).word, known | 77);
  for (let i = 0; i < 300; i++) m.store(0x20100n, 4, BigInt(known | i));
  assert.equal(decodeAt(m, 0x20100n).word, (known | 299) >>> 0);
});

test("icbi drops the block; where nothing is decoded it does nothing", () => {
  const m = new TestMachine();
  m.call("invalidateInstructionBlock", m.s, 0x30000n);
  assert.deepEqual(m.dropped, []);
  decodeAt(m, 0x20100n);
  decodeAt(m, 0x20180n);
  // A write that the engine does not see.
  m.view.setUint32(m.ram + 0x20100, known, true);
  m.view.setUint32(m.ram + 0x20180, known, true);
  m.call("invalidateInstructionBlock", m.s, 0x2017fn);
  assert.equal(decodeAt(m, 0x20100n).handler, 9);
  assert.equal(decodeAt(m, 0x20180n).handler, Handler.illegal);
  m.call("invalidateInstructionBlock", m.s, 0x80000000n);
  assert.equal(m.takeFault(), false);
  m.map(0, 0xc000000010000000n, 0, 16, 0n);
  m.mode(real | MSR.DR | MSR.IR);
  m.call("invalidateInstructionBlock", m.s, 0x80000000n);
  assert.ok(m.takeFault());
  assert.equal(m.get("dsisr"), 0x40000000n);
});

test("a device's write reaches the owners", () => {
  const m = new TestMachine();
  decodeAt(m, 0x20100n);
  m.view.setUint32(m.ram + 0x20100, known, true);
  m.call("guestMemoryWritten", 0x20100n, 4n);
  assert.equal(m.get("requests"), BigInt(Request.mail));
  m.call("service", m.s);
  assert.equal(decodeAt(m, 0x20100n).handler, 9);
});

test("code pages are used in turn", () => {
  const m = new TestMachine();
  const count = TestMachine.ramSize >> codePage.shift;
  assert.ok(count > codePage.pages);
  for (let page = 0; page < count; page++) m.view.setUint32(m.ram + page * 4096, known | page, true);
  for (let page = 0; page < count; page++) assert.equal(decodeAt(m, BigInt(page * 4096)).word, (known | page) >>> 0);
  assert.equal(m.dropped.length, count - codePage.pages);
  assert.equal(m.dropped[0], 0);
  for (let page = 0; page < count; page++) assert.equal(decodeAt(m, BigInt(page * 4096)).word, (known | page) >>> 0);
  const end = m.s + vcpuLayout.code + codePage.pages * codePage.size;
  assert.ok(Number(m.get("fetchPage")) < end);
});

test("two vCPUs: decoding takes the other's write tags, its store drops the code", () => {
  const m = new TestMachine({ vcpus: 2 });
  const [a, b] = m.vcpus as [number, number];
  m.store(0x20000n, 4, 1n, b);
  assert.ok(m.hits(0x20000n, tlb.writeTag, b));
  decodeAt(m, 0x20100n, a);
  assert.equal(m.get("requests", b), BigInt(Request.mail));
  m.call("service", b);
  assert.equal(m.hits(0x20000n, tlb.writeTag, b), false);
  m.store(0x20100n, 4, BigInt(known), b);
  assert.equal(owners(m, 2), 0);
  m.call("service", a);
  assert.equal(decodeAt(m, 0x20100n, a).handler, 9);
});

test("a mailbox that overflows becomes a whole flush", () => {
  const m = new TestMachine({ vcpus: 2 });
  const [a, b] = m.vcpus as [number, number];
  m.store(0x20000n, 4, 1n, b);
  for (let page = 0; page < 100; page++) decodeAt(m, BigInt(page * 0x10000), a);
  assert.equal(Number(m.get("requests", b)), Request.mail | Request.flushCode | Request.flushTlb);
  m.call("service", b);
  assert.equal(m.hits(0x20000n, tlb.writeTag, b), false);
  assert.equal(m.view.getInt32(b + state.mailTail.offset, true), 64);
  m.store(0x20000n, 4, 1n, b);
  assert.equal(m.takeFault(b), false);
});
