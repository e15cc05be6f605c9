/** tlbie among several vCPUs: what another is asked to drop, and when it does. The vCPUs do not run: each step is a call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Request, state, tlb } from "../engines/layout.js";
import { Leaf, MSR, TestMachine } from "../engines/runtime/machine.test-support.js";

const [first, second, beside, other] = [0x200000, 0x300000, 0x400000, 0x500000] as const;
const page = 0x10000n;
/** Has the same place in the soft TLB as nothing of the above. */
const far = 0x70000n;
const largePage = 0x40000000n;
const rights = Leaf.read | Leaf.write | Leaf.execute;
const pid = 1n << 32n;
/** RB of tlbie: AP of 4 KiB, 2 MiB, 1 GiB and 64 KiB pages. */
const AP = { small: 0n, large: 1n << 5n, huge: 2n << 5n, medium: 5n << 5n } as const;

/** Two vCPUs of process 1, the second in the guest with `page` and `far` in its soft TLB. */
function pair(): { m: TestMachine; a: number; b: number; remap: () => void; tlbie: (rb: bigint) => void } {
  const m = new TestMachine({ vcpus: 2 });
  const [a, b] = m.vcpus as [number, number];
  const entry = m.map(1, page, first, 16, rights);
  m.map(1, far, beside, 16, rights);
  m.map(1, largePage, other, 16, rights);
  m.map(0, 0xc000000000000000n, 0, 21, rights | Leaf.privileged);
  for (const [i, place] of [first, second, beside, other].entries()) m.view.setInt32(m.ram + place, i + 1, true);
  for (const s of [a, b]) {
    m.set("pid", 1n, s);
    m.mode(MSR.SF | MSR.DR | MSR.IR | MSR.LE, s);
  }
  m.set("pc", 0xc000000000001000n, b);
  m.set("inGuest", 1n, b);
  assert.deepEqual([m.load(page, 4, b), m.load(far, 4, b)], [1n, 3n]);
  return {
    m,
    a,
    b,
    remap: () => m.view.setBigUint64(m.ram + entry, (3n << 62n) | BigInt(second) | rights),
    tlbie: (rb) => m.call("tlbInvalidateEntry", a, rb, pid, 0, 1, 1),
  };
}

/** All that a vCPU's state holds, by field. */
const fieldsOf = (m: TestMachine, s: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(state).map(([name, { type, count, offset }]) => {
      const size = { i32: 4, i64: 8, f64: 8, v128: 16 }[type] * count;
      return [name, Buffer.from(m.memory.buffer, s + offset, size).toString("hex")];
    }),
  );

test("a page that another vCPU is to drop: its next access misses, takes the request and finds the new translation", () => {
  const { m, b, remap, tlbie } = pair();
  remap();
  assert.ok(m.hits(page, tlb.readTag, b));
  tlbie(page | AP.medium);
  assert.equal(m.get("requests", b), BigInt(Request.dropPages));
  assert.equal(m.hits(page, tlb.readTag, b), false);
  assert.equal(m.load(page, 4, b), 2n);
  assert.equal(m.takeFault(b), false);
  assert.equal(m.get("requests", b), 0n);
});

test("so does one of every place in the soft TLB, and nothing else of the other vCPU changes", () => {
  for (const distance of [0, 1023, 1024, 2048, tlb.entries - 1, tlb.entries]) {
    const ea = page + (BigInt(distance) << BigInt(tlb.pageShift));
    for (const ap of [AP.medium, AP.large]) {
      const { m, b, tlbie } = pair();
      const entry = m.map(1, ea, first, 16, rights);
      assert.equal(m.load(ea, 4, b), 1n, `page ${distance}`);
      m.view.setBigUint64(m.ram + entry, (3n << 62n) | BigInt(second) | rights);
      const before = fieldsOf(m, b);
      tlbie(ea | ap);
      const changed = Object.entries(fieldsOf(m, b)).filter(([name, bytes]) => bytes !== before[name]);
      assert.deepEqual(changed.map(([name]) => name).sort(), ["dropSets", "dropWords", "requests"], `page ${distance}`);
      // It starts over where the page that its code is in was among them.
      const value = m.load(ea, 4, b);
      assert.equal(m.takeFault(b) ? m.load(ea, 4, b) : value, 2n, `page ${distance}`);
    }
  }
});

test("a store takes it too", () => {
  const { m, b, remap, tlbie } = pair();
  m.store(page + 8n, 4, 7n, b);
  remap();
  tlbie(page | AP.medium);
  assert.equal(m.hits(page, tlb.writeTag, b), false);
  m.store(page + 8n, 4, 8n, b);
  assert.deepEqual(
    [first, second].map((place) => m.view.getInt32(m.ram + place + 8, true)),
    [7, 8],
  );
  assert.equal(m.get("requests", b), 0n);
});

test("what is not named stays, and its use takes no notice", () => {
  const { m, b, tlbie } = pair();
  tlbie(page | AP.medium);
  assert.ok(m.hits(far, tlb.readTag, b));
  m.call("service", b);
  assert.ok(m.hits(far, tlb.readTag, b));
  assert.equal(m.get("requests", b), 0n);
});

test("the end of a slice takes it where no access does", () => {
  const { m, b, remap, tlbie } = pair();
  remap();
  tlbie(page | AP.medium);
  m.call("service", b);
  assert.equal(m.get("requests", b), 0n);
  assert.equal(m.load(page, 4, b), 2n);
});

test("all contexts drop it, not only the one that the vCPU is in", () => {
  const { m, b, remap, tlbie } = pair();
  const problem = MSR.SF | MSR.DR | MSR.IR | MSR.LE | MSR.PR;
  m.mode(problem, b);
  assert.equal(m.load(page, 4, b), 1n);
  m.mode(MSR.SF | MSR.DR | MSR.IR | MSR.LE, b);
  remap();
  tlbie(page | AP.medium);
  m.call("service", b);
  m.mode(problem, b);
  assert.equal(m.load(page, 4, b), 2n);
});

test("code whose page is dropped is fetched anew before the access that found it", () => {
  const { m, b, remap, tlbie } = pair();
  m.set("pc", page + 0x100n, b);
  m.set("recheck", 0n, b);
  remap();
  tlbie(page | AP.medium);
  assert.equal(m.load(page, 4, b), 0n);
  assert.ok(m.takeFault(b));
  assert.deepEqual([m.get("pc", b), m.get("recheck", b), m.get("requests", b)], [page + 0x100n, 1n, 0n]);
  assert.equal(m.load(page, 4, b), 2n);
});

test("an instruction that runs alone is not disturbed", () => {
  const { m, b, tlbie } = pair();
  m.set("mode", m.get("mode", b) | 4n, b);
  tlbie(page | AP.medium);
  m.load(page, 4, b);
  assert.equal(m.get("requests", b), BigInt(Request.dropPages));
  m.set("mode", m.get("mode", b) & ~4n, b);
});

test("pages of 2 MiB are dropped in all their parts, small ones with their neighbours", () => {
  const { m, b, tlbie } = pair();
  tlbie(0n | AP.large);
  m.call("service", b);
  assert.deepEqual([m.hits(page, tlb.readTag, b), m.hits(far, tlb.readTag, b)], [false, false]);
  const entry = m.map(1, 0x600000n, first, 12, rights);
  assert.equal(m.load(0x600000n, 4, b), 1n);
  m.view.setBigUint64(m.ram + entry, (3n << 62n) | BigInt(second) | rights);
  assert.equal(m.load(0x600000n, 4, b), 1n);
  tlbie(0x600000n | AP.small);
  assert.equal(m.load(0x600000n, 4, b), 2n);
});

test("addresses that are far apart may share a set, and each is dropped", () => {
  const { m, b, tlbie } = pair();
  for (let n = 0n; n < 1024n; n++) tlbie((n << 16n) | AP.medium);
  assert.equal(m.get("requests", b), BigInt(Request.dropPages));
  m.call("service", b);
  assert.deepEqual([m.hits(page, tlb.readTag, b), m.hits(far, tlb.readTag, b)], [false, false]);
  assert.equal(m.load(largePage, 4, b), 4n);
  tlbie(((1n << 51n) - 0x10000n) | largePage | AP.medium);
  m.call("service", b);
  assert.equal(m.load(largePage, 4, b), 4n);
});

test("1 GiB, a process, everything, and what is no radix are a whole flush", () => {
  const { m, a, b } = pair();
  for (const [what, rb, ric, prs, r] of [
    ["1 GiB", page | AP.huge, 0, 1, 1],
    ["a process", 0x400n, 0, 1, 1],
    ["a process's tables too", 0x400n, 2, 1, 1],
    ["a partition", 0x800n, 0, 1, 1],
    ["everything", 0xc00n, 0, 1, 1],
    ["a cluster", page | AP.medium, 3, 1, 1],
    ["the partition's own translation", page | AP.medium, 0, 0, 1],
    ["hash", page, 0, 0, 0],
  ] as const) {
    m.load(far, 4, b);
    assert.ok(m.hits(far, tlb.readTag, b));
    m.call("tlbInvalidateEntry", a, rb, pid, ric, prs, r);
    assert.equal(m.get("requests", b), BigInt(Request.flushTlb), what);
    m.call("service", b);
    assert.equal(m.hits(far, tlb.readTag, b), false, what);
  }
});

test("no page walk is cached, so that to forget it asks nobody for anything", () => {
  const { m, a, b } = pair();
  m.call("tlbInvalidateEntry", a, page | AP.medium, pid, 1, 1, 1);
  assert.equal(m.get("requests", b), 0n);
});

test("ptesync does not wait for a vCPU outside the guest, nor for one that has taken it", () => {
  const { m, a, b, tlbie } = pair();
  m.set("inGuest", 0n, b);
  tlbie(page | AP.medium);
  m.call("synchronizeTranslations", a);
  assert.equal(m.get("requests", b), BigInt(Request.dropPages));
  m.set("inGuest", 1n, b);
  m.call("service", b);
  m.call("synchronizeTranslations", a);
});

test("slices are short after a flush, and the clock is looked at as often as without", () => {
  const { m, b, tlbie } = pair();
  tlbie(page | AP.medium);
  m.call("service", b);
  m.set("budget", -1n, b);
  m.call("service", b);
  const short = Number(m.get("sliceLength", b));
  m.set("decExpiry", 0n, b);
  m.set("decPending", 0n, b);
  let instructions = 0;
  while (m.get("decPending", b) === 0n) {
    m.set("budget", -1n, b);
    m.call("service", b);
    instructions += short / 8;
    assert.ok(instructions <= 16384, "an interrupt that is late");
  }
  assert.ok(short / 8 < 1000, `${short / 8} instructions`);
});
