import assert from "node:assert/strict";
import { test } from "node:test";
import { archLayout, ExitCode, state } from "../engines/layout.js";
import { MSR, TestMachine } from "../engines/runtime/machine.test-support.js";

const kernel = MSR.SF | MSR.ME | MSR.LE | MSR.RI | MSR.IR | MSR.DR;
const user = kernel | MSR.PR | MSR.EE;
const alternate = 0xc000000000004000n;

/** The smallest table, at the end of RAM's first 8 MiB so that tests can look at it; the engine does not mind. */
const order = 18;
const groups = 1n << BigInt(order - 7);
const R = { changed: 0x80n, referenced: 0x100n, memory: 0x10n, noExecute: 4n, guarded: 8n, pp0: 1n << 63n } as const;
const Segment = { ks: 0x800n, kp: 0x400n, noExecute: 0x200n, class: 0x80n, size64K: 0x110n, size16M: 0x100n } as const;
const tib = 1n << 62n;
const cause = {
  none: 0x40000000n,
  noExecute: 0x10000000n,
  protection: 0x08000000n,
  store: 0x02000000n,
  key: 0x200000n,
};

/** What a page needs to be found. */
interface Page {
  readonly ea: bigint;
  readonly physical: number;
  readonly vsid: bigint;
  readonly segment?: bigint;
  /** log2 of the segment's page size, and the second doubleword's encoding of the page's own. */
  readonly base?: bigint;
  readonly encoding?: bigint;
  readonly r?: bigint;
  readonly secondary?: boolean;
  readonly slot?: number;
}

class HashMachine extends TestMachine {
  readonly table: number;

  constructor(msr = user) {
    super();
    this.table = Math.ceil((this.ram + (8 << 20)) / 65536) * 65536;
    this.view.setInt32(archLayout.radix, 0, true);
    this.view.setInt32(archLayout.hpt, this.table | order, true);
    this.mode(msr);
  }

  /** slbmte of the segment of an address, in entry `index`. */
  segment({ ea, vsid, segment = 0n }: Page, index = 1): void {
    const is1T = (segment & (3n << 62n)) === tib;
    const rs = segment | (vsid << (is1T ? 24n : 12n));
    const esid = ea & ~((1n << (is1T ? 40n : 28n)) - 1n);
    this.call("slbMoveTo", this.s, BigInt.asIntN(64, rs), BigInt.asIntN(64, esid | 0x08000000n | BigInt(index)));
  }

  /** An entry of the table, put where the architecture's hash says; its address. */
  page({
    ea,
    physical,
    vsid,
    segment = 0n,
    base = 12n,
    encoding = 0n,
    secondary = false,
    slot = 0,
    ...rest
  }: Page): number {
    const is1T = (segment & (3n << 62n)) === tib;
    const offset = ea & ((1n << (is1T ? 40n : 28n)) - 1n);
    const number = is1T ? vsid ^ (vsid << 25n) : vsid;
    const hash = number ^ (offset >> base);
    const group = (secondary ? ~hash : hash) & (groups - 1n);
    const avpn = (((vsid << (is1T ? 40n : 28n)) | offset) >> 23n) & ~(((1n << base) - 1n) >> 23n);
    const large = base > 12n || encoding !== 0n ? 4n : 0n;
    const v = (segment & (3n << 62n)) | (avpn << 7n) | large | (secondary ? 2n : 0n) | 1n;
    const r = BigInt(physical) | (encoding << 12n) | (rest.r ?? R.memory | 2n);
    const at = this.table + Number(group) * 128 + slot * 16;
    this.view.setBigUint64(at, BigInt.asUintN(64, v), true);
    this.view.setBigUint64(at + 8, BigInt.asUintN(64, r), true);
    return at;
  }

  note(at: number): bigint {
    return this.view.getBigUint64(at + 8, true) & (R.changed | R.referenced);
  }

  /** The vector and DSISR (or SRR1's cause) that an access ends with, 0 for none. */
  outcome(run: () => void, msr = user): readonly [vector: bigint, cause: bigint] {
    this.mode(msr);
    this.set("pc", 0x1000n);
    run();
    if (!this.takeFault()) return [0n, 0n];
    return [this.get("pc") - alternate, this.get("dsisr")];
  }
}

const plain: Page = { ea: 0x1_2345_6000n, physical: 0x800000, vsid: 0x1234567n };

for (const [name, page] of [
  ["4 KiB in 256 MiB", plain],
  [
    "64 KiB in 256 MiB",
    { ...plain, ea: 0x1_2346_0000n, physical: 0x810000, segment: Segment.size64K, base: 16n, encoding: 1n },
  ],
  ["64 KiB among 4 KiB", { ...plain, ea: 0x1_2346_0000n, physical: 0x810000, encoding: 7n }],
  ["16 MiB in 256 MiB", { ...plain, ea: 0x1_2300_0000n, physical: 0, segment: Segment.size16M, base: 24n }],
  ["4 KiB in 1 TiB", { ...plain, ea: 0x7f_1234_5678_9000n, segment: tib }],
  [
    "64 KiB in 1 TiB",
    {
      ...plain,
      ea: 0xc000_0000_1234_0000n,
      physical: 0x820000,
      segment: tib | Segment.size64K,
      base: 16n,
      encoding: 1n,
    },
  ],
  ["the secondary hash", { ...plain, secondary: true, slot: 7 }],
] as const satisfies readonly (readonly [string, Page])[]) {
  test(`hash: a page of ${name}`, () => {
    const m = new HashMachine();
    m.segment(page);
    const at = m.page(page);
    m.view.setBigUint64(m.ram + page.physical + 0x128, 0x1122334455667788n, true);
    assert.equal(m.load(page.ea + 0x128n, 8), 0x1122334455667788n);
    assert.equal(m.takeFault(), false);
    assert.equal(m.note(at), R.referenced, "a load sets R only");
    m.store(page.ea + 0x130n, 2, 0xabcdn);
    assert.equal(m.view.getUint16(m.ram + page.physical + 0x130, true), 0xabcd);
    assert.equal(m.note(at), R.referenced | R.changed);
    // The table's bitmap has the entry.
    const index = (at - m.table) / 16;
    assert.equal((m.view.getUint8(m.table + 2 ** order + (index >> 3)) >> (index & 7)) & 1, 1);
    const misses = m.get("statTlbMiss");
    m.load(page.ea + 0x200n, 1);
    assert.equal(m.get("statTlbMiss"), misses, "the second access finds the entry");
  });
}

test("hash: no segment, no page, and pages of other segments", () => {
  const m = new HashMachine();
  const load = (ea = plain.ea) => m.outcome(() => m.load(ea, 4));
  assert.deepEqual(load()[0], 0x380n);
  assert.equal(m.get("dar"), plain.ea);
  m.segment(plain);
  assert.deepEqual(load(), [0x300n, cause.none]);
  // Same hash, other virtual page; other kind of segment; other page size than the segment's.
  m.page({ ...plain, vsid: plain.vsid ^ 0x800n, ea: plain.ea ^ 0x800000n });
  m.page({ ...plain, segment: tib, slot: 1 });
  m.page({ ...plain, encoding: 1n, slot: 2 });
  assert.deepEqual(load(), [0x300n, cause.none]);
  m.page({ ...plain, slot: 3 });
  assert.deepEqual(load(), [0n, 0n]);
  assert.deepEqual(load(plain.ea + 0x10000000n)[0], 0x380n);
  assert.deepEqual(
    m.outcome(() => m.store(plain.ea + 0x1000n, 4, 0n)),
    [0x300n, cause.none | cause.store],
  );
});

test("hash: PP bits with the segment's keys", () => {
  // What may be done with key 0 and with key 1: 2 store, 1 load.
  const table = [
    [0n, 3, 0],
    [1n, 3, 1],
    [2n, 3, 3],
    [3n, 1, 1],
    [R.pp0 | 2n, 1, 0],
  ] as const;
  for (const [pp, ...byKey] of table) {
    for (const [key, allowed] of byKey.entries()) {
      for (const [msr, bit] of [
        [user, Segment.kp],
        [kernel, Segment.ks],
      ] as const) {
        const m = new HashMachine(msr);
        const page = { ...plain, segment: key ? bit : 0n, r: R.memory | pp };
        m.segment(page);
        m.page(page);
        const denied = allowed & 1 ? [0n, 0n] : [0x300n, cause.protection];
        assert.deepEqual(
          m.outcome(() => m.load(page.ea, 4), msr),
          denied,
        );
        const storeDenied = allowed & 2 ? [0n, 0n] : [0x300n, cause.protection | cause.store];
        assert.deepEqual(
          m.outcome(() => m.store(page.ea, 4, 0n), msr),
          storeDenied,
        );
      }
    }
  }
});

test("hash: storage keys", () => {
  const m = new HashMachine();
  // Key 0x15: its upper two bits and its lower three lie apart.
  const page = { ...plain, r: R.memory | 2n | (2n << 60n) | (5n << 9n) };
  m.segment(page);
  m.page(page);
  const keyed = (bits: bigint) => {
    m.set("amr", bits << BigInt(2 * (31 - 0x15)));
    m.call("contextChanged", m.s);
    return [m.outcome(() => m.load(page.ea, 4)), m.outcome(() => m.store(page.ea, 4, 0n))];
  };
  const load = [0x300n, cause.key];
  const store = [0x300n, cause.key | cause.store];
  const fine = [0n, 0n];
  assert.deepEqual(keyed(0n), [fine, fine]);
  assert.deepEqual(keyed(1n), [load, fine]);
  assert.deepEqual(keyed(2n), [fine, store]);
  assert.deepEqual(keyed(3n), [load, store]);
});

test("hash: what may be executed", () => {
  const fetched = (page: Page, iamr = 0n): [bigint, bigint] => {
    const m = new HashMachine();
    m.segment(page);
    m.page(page);
    // Where the interrupt's handler is fetched.
    const vectors = { ea: alternate, physical: 0x4000, vsid: 0x55n, r: R.memory | 2n | (1n << 9n) };
    m.segment(vectors, 2);
    m.page(vectors);
    m.set("iamr", iamr);
    m.set("pc", page.ea);
    m.call("contextRefresh", m.s);
    m.call("fetch", m.s);
    return m.get("pc") === page.ea ? [0n, 0n] : [m.get("pc") - alternate, m.get("srr1") & 0x78000000n];
  };
  assert.deepEqual(fetched(plain), [0n, 0n]);
  assert.deepEqual(fetched({ ...plain, segment: Segment.noExecute }), [0x400n, cause.noExecute]);
  for (const bit of [R.noExecute, R.guarded]) {
    assert.deepEqual(fetched({ ...plain, r: R.memory | 2n | bit }), [0x400n, cause.noExecute]);
  }
  assert.deepEqual(fetched({ ...plain, r: R.memory, segment: Segment.kp }), [0x400n, cause.protection]);
  assert.deepEqual(fetched(plain, 1n << 62n), [0x400n, cause.protection]);
});

test("hash: what slbie, slbia and slbmte forget, and what they keep", () => {
  const m = new HashMachine();
  const other = { ...plain, ea: 0x5_0000_0000n, vsid: 0x77n, segment: Segment.class };
  m.page(plain);
  m.page(other);
  const load = ({ ea }: Page) => m.outcome(() => m.load(ea, 4))[0];
  m.segment(plain, 0);
  m.segment(other, 31);
  assert.deepEqual([load(plain), load(other)], [0n, 0n]);
  m.call("slbInvalidateEntry", m.s, other.ea);
  assert.deepEqual([load(plain), load(other)], [0n, 0x380n]);
  m.segment(other, 31);
  m.call("slbInvalidateAll", m.s, 0);
  assert.deepEqual([load(plain), load(other)], [0n, 0x380n], "entry 0 stays");
  m.segment(other, 31);
  m.call("slbInvalidateAll", m.s, 3);
  assert.deepEqual([load(plain), load(other)], [0n, 0x380n], "class 0 stays");
  m.segment(other, 31);
  m.call("slbInvalidateAll", m.s, 7);
  assert.deepEqual([load(plain), load(other)], [0n, 0n]);
  m.call("slbInvalidateAll", m.s, 4);
  assert.deepEqual([load(plain), load(other)], [0x380n, 0x380n]);
  // No such entry: nothing happens.
  m.segment(plain, 32);
  m.segment(plain, 0xfff);
  assert.equal(load(plain), 0x380n);
  // Another virtual segment at the same place.
  m.segment(plain, 1);
  assert.equal(load(plain), 0n);
  m.call("slbInvalidateEntry", m.s, plain.ea);
  m.segment({ ...plain, vsid: 0x99n }, 1);
  assert.deepEqual(
    m.outcome(() => m.load(plain.ea, 4)),
    [0x300n, cause.none],
  );
});

test("hash: the SLB is read back by number and by address", () => {
  const m = new HashMachine();
  m.segment({ ...plain, segment: tib | Segment.ks | Segment.size64K }, 5);
  const esid = plain.ea & ~((1n << 40n) - 1n);
  assert.equal(m.call<bigint>("slbMoveFromEsid", m.s, 5n), esid | 0x08000000n);
  const vsid = tib | (plain.vsid << 24n) | Segment.ks | Segment.size64K;
  assert.equal(m.call<bigint>("slbMoveFromVsid", m.s, 5n), vsid);
  assert.equal(m.call("slbFound", m.s, plain.ea), 1);
  assert.equal(m.call<bigint>("slbFindVsid", m.s, plain.ea), vsid);
  for (const index of [4n, 32n, 0xfffn]) assert.equal(m.call<bigint>("slbMoveFromEsid", m.s, index), 0n);
  assert.equal(m.call("slbFound", m.s, plain.ea + (1n << 40n)), 0);
});

test("hash: real mode needs no segment, and without a table the engine leaves", () => {
  const m = new HashMachine(MSR.SF | MSR.ME | MSR.LE);
  m.view.setUint32(m.ram + 0x9000, 7, true);
  assert.equal(m.load(0x9000n, 4), 7n);
  m.view.setInt32(archLayout.hpt, 0, true);
  m.mode(kernel);
  m.load(0x9000n, 4);
  assert.ok(m.takeFault());
  assert.equal(m.view.getInt32(m.s + state.exitCode.offset, true), ExitCode.internalError);
});
