import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../../base/errno.test-support.js";
import { vmLayout } from "../../../../kvm/layout.js";
import { VmMemory } from "../../../../kvm/memory.js";
import { heapStart } from "../../../../kvm/state.js";
import * as uapi from "../../uapi/xive.js";
import { xiveDevice } from "./device.js";
import { loadPage, storePage } from "./pages.js";
import { restoreXive, saveXive } from "./save.js";
import { queueEntries, queueSources } from "./state.js";
import { Xive } from "./xive.js";

const edge = 0x1000;
const level = 0x1001;
const priority = 6;
const queueAt = 0x10000n;
const ramEnd = 0x40000n;
const tima = 0x6_0302_0318_0000n;
const esb = 0x6_0100_0000_0000n;
const nothing = { reset: 0, off: 1, pending: 2, queued: 3 } as const;

/** Server 0 with a queue of priority 6 and one of 4, server 1 without; both sources go to server 0. */
function ready() {
  const memory = VmMemory.create(heapStart, 1 << 24, false);
  memory.setI32(vmLayout.heapNext, heapStart);
  const lines = [false, false];
  const ended: number[] = [];
  const dirty: bigint[] = [];
  const ram = new Map<bigint, number>();
  const base = Xive.create(memory);
  const xive = new Xive(memory, base, {
    setExternal: (index, asserted) => {
      lines[index] = asserted;
    },
    ended: (irq) => ended.push(irq),
    write: (address, word) => {
      if (address >= ramEnd) return false;
      ram.set(address, word >>> 0);
      return true;
    },
    writable: (address, bytes) => address >= 0n && address + BigInt(bytes) <= ramEnd,
    markDirty: (address) => dirty.push(address),
  });
  xive.connect(0, 0);
  xive.connect(1, 1);
  const queue = { address: queueAt, shift: 16, index: 0, toggle: 1 };
  xive.configureQueue(0, priority, queue);
  xive.configureQueue(0, 4, { ...queue, address: queueAt * 2n });
  xive.createSource(edge, { level: false, asserted: false });
  xive.createSource(level, { level: true, asserted: false });
  xive.configureSource(edge, { server: 0, priority, masked: false, eisn: 0x11 });
  xive.configureSource(level, { server: 0, priority, masked: false, eisn: 0x22 });
  const entry = (index: number, base = queueAt): number | undefined => ram.get(base + BigInt(4 * index));
  const device = xiveDevice(xive, (address) => address < ramEnd);
  return { memory, base, xive, lines, ended, dirty, entry, device };
}

const get = 0x800;
const setPq = (pq: number): number => 0xc00 + 0x100 * pq;
const loadEnd = 0;
const storeEnd = 0x400;

/** PQ before, what is done, PQ after, what a load finds, whether an event passes. */
const transitions: readonly (readonly [number, string, number, number | undefined, boolean])[] = [
  [0, "trigger", 2, undefined, true],
  [1, "trigger", 1, undefined, false],
  [2, "trigger", 3, undefined, false],
  [3, "trigger", 3, undefined, false],
  [0, "load end", 0, 0, false],
  [1, "load end", 1, 0, false],
  [2, "load end", 0, 0, false],
  [3, "load end", 2, 1, true],
  [0, "store end", 0, undefined, false],
  [1, "store end", 1, undefined, false],
  [2, "store end", 0, undefined, false],
  [3, "store end", 2, undefined, true],
  ...[0, 1, 2, 3].flatMap((from) => [
    ...[0, 1, 2, 3].map((to) => [from, `load ${to}`, to, from, false] as const),
    ...[0, 1, 2, 3].map((to) => [from, `store ${to}`, to, undefined, false] as const),
    [from, "look", from, from, false] as const,
    [from, "store nowhere", from, undefined, false] as const,
  ]),
];

for (const [from, action, to, found, passes] of transitions) {
  test(`PQ ${from}, ${action}: ${to}${passes ? ", an event" : ""}`, () => {
    const { xive, entry, lines } = ready();
    xive.setPriority(0, 0xff);
    xive.load(edge, setPq(from));
    const [verb = "", what] = action.split(" ");
    const offset = { trigger: 0, end: verb === "load" ? loadEnd : storeEnd, nowhere: 0x800 }[what ?? verb];
    if (action === "look") assert.equal(xive.load(edge, get), found);
    else if (verb === "load") assert.equal(xive.load(edge, offset ?? setPq(Number(what))), found);
    else assert.ok(xive.store(edge, offset ?? setPq(Number(what))));
    assert.equal(xive.load(edge, get), to);
    assert.equal(entry(0), passes ? 0x80000011 : undefined);
    assert.deepEqual(lines, [passes, false]);
  });
}

test("an event is queued, shown, taken and ended", () => {
  const { xive, lines, entry } = ready();
  xive.load(edge, setPq(nothing.reset));
  assert.deepEqual(xive.registers(0), [0, 0, 0, 0xff, 0xff, 0, 0xff, 0xff]);
  assert.ok(xive.setIrq(edge, true));
  assert.ok(xive.setIrq(edge, false));
  assert.equal(entry(0), 0x80000011);
  assert.deepEqual(lines, [false, false], "the processor's priority is 0");
  assert.deepEqual(xive.registers(0)?.slice(0, 3), [0, 0, 2]);
  assert.equal(xive.acknowledge(0), 0);
  xive.setPriority(0, 0xff);
  assert.deepEqual(lines, [true, false]);
  assert.deepEqual(xive.registers(0), [0x80, 0xff, 2, 0xff, 0xff, 0, 0xff, 6]);
  assert.equal(xive.acknowledge(0), 0x8006);
  assert.deepEqual(lines, [false, false]);
  assert.equal(xive.acknowledge(0), 6, "nothing more is there");
  assert.equal(xive.load(edge, loadEnd), 0);
  assert.ok(!xive.setIrq(0x5000, true));
});

test("the most favoured priority comes first, and what is not favoured enough waits", () => {
  const { xive, lines, entry } = ready();
  for (const irq of [edge, level]) xive.load(irq, setPq(nothing.reset));
  xive.setPriority(0, 0xff);
  xive.configureSource(level, { server: 0, priority: 4, masked: false, eisn: 0x22 });
  xive.setIrq(edge, true);
  xive.setIrq(level, true);
  assert.deepEqual([entry(0), entry(0, queueAt * 2n)], [0x80000011, 0x80000022]);
  assert.equal(xive.acknowledge(0), 0x8004);
  assert.deepEqual(lines, [false, false]);
  xive.setPriority(0, 6);
  assert.deepEqual(lines, [false, false]);
  xive.setPriority(0, 7);
  assert.deepEqual(lines, [true, false]);
  // A more favoured processor takes the exception back.
  xive.setPriority(0, 5);
  assert.deepEqual(lines, [false, false]);
  xive.setPriority(0, 8);
  assert.equal(xive.registers(0)?.[1], 0xff);
  assert.equal(xive.acknowledge(0), 0x8006);
});

test("a queue turns over, and its bit 31 with it", () => {
  const { xive, entry } = ready();
  xive.configureQueue(0, priority, { address: queueAt, shift: 16, index: queueEntries - 1, toggle: 1 });
  for (let i = 0; i < 2; i++) {
    xive.load(edge, setPq(nothing.reset));
    xive.setIrq(edge, true);
  }
  assert.deepEqual([entry(queueEntries - 1), entry(0), entry(1)], [0x80000011, 0x11, undefined]);
  assert.deepEqual(xive.queue(0, priority), { address: queueAt, shift: 16, index: 1, toggle: 0 });
});

test("a level source comes again while its line is up, and is let down when it ends", () => {
  const { xive, ended, entry } = ready();
  xive.setIrq(level, true);
  assert.equal(xive.load(level, setPq(nothing.reset)), nothing.off, "it waits while it is off");
  assert.deepEqual([entry(0), entry(1)], [0x80000022, undefined]);
  xive.setIrq(level, true);
  assert.equal(entry(1), undefined);
  assert.equal(xive.load(level, loadEnd), 1);
  assert.deepEqual([entry(1), ended], [0x80000022, [level]]);
  xive.setIrq(level, false);
  assert.equal(xive.load(level, loadEnd), 0);
  assert.equal(xive.load(level, get), nothing.reset);
  assert.equal(entry(2), undefined);
});

test("a masked source keeps its state and goes nowhere; so does one without a queue or its memory", () => {
  const { xive, entry, lines } = ready();
  const target = { server: 0, priority, masked: false, eisn: 0x11 };
  xive.setPriority(0, 0xff);
  for (const lose of [
    () => xive.configureSource(edge, { ...target, masked: true }),
    () => xive.configureQueue(0, priority, undefined),
    () => xive.configureQueue(0, priority, { address: 0x30000n, shift: 16, index: 0, toggle: 1 }),
  ]) {
    lose();
    xive.load(edge, setPq(nothing.reset));
    xive.setIrq(edge, true);
    assert.equal(xive.load(edge, get), nothing.pending);
    assert.deepEqual([entry(0), lines[0]], [undefined, lines[0]]);
    xive.load(edge, setPq(nothing.reset));
    xive.configureQueue(0, priority, { address: queueAt, shift: 16, index: 0, toggle: 1 });
    xive.configureSource(edge, target);
  }
});

test("reset takes queues and targets away, and nothing else", () => {
  const { xive, device } = ready();
  xive.load(edge, setPq(nothing.reset));
  xive.setPriority(0, 0xff);
  device.setAttr(uapi.KVM_DEV_XIVE_GRP_CTRL, uapi.KVM_DEV_XIVE_RESET, 0n);
  assert.equal(xive.load(edge, get), nothing.off);
  assert.equal(xive.queue(0, priority), undefined);
  assert.equal(xive.registers(0)?.[1], 0xff);
  xive.setIrq(edge, true);
  assert.equal(xive.load(edge, get), nothing.off);
});

test("a thread finds its registers in the third page, by size, and only there", () => {
  const { xive } = ready();
  const os = tima + 0x20000n;
  assert.equal(loadPage(xive, 0, os + 0x10n, 4), undefined, "the pages are nowhere");
  xive.placePages("tima", tima);
  assert.ok(storePage(xive, 0, os + 0x11n, 1, 0xffn));
  assert.ok(storePage(xive, 0, os + 0x812n, 1, 3n));
  assert.equal(loadPage(xive, 0, os + 0x10n, 4), 0x80ff10ffn);
  assert.equal(loadPage(xive, 0, os + 0x14n, 4), 0xff000003n, "the age is not shown");
  assert.equal(loadPage(xive, 0, os + 0x10n, 8), 0x80ff10ffff000003n);
  assert.equal(loadPage(xive, 0, os + 0x18n, 8), 0n);
  assert.equal(loadPage(xive, 0, os + 0x11n, 1), 0xffn);
  assert.equal(loadPage(xive, 0, os + 0x810n, 2), 0x8003n);
  assert.equal(loadPage(xive, 0, os + 0x810n, 4), 0xffffffffn);
  assert.equal(loadPage(xive, 0, os + 0xffffn, 1), 0xffn);
  assert.equal(loadPage(xive, undefined, os + 0x10n, 4), 0xffffffffn, "a vCPU that is not connected");
  assert.ok(storePage(xive, undefined, os + 0x11n, 1, 0n));
  // Stores of other sizes, out of range, or to other registers change nothing.
  for (const [offset, length, value] of [
    [0x10n, 4, 0n],
    [0x12n, 1, 0xffn],
    [0x812n, 1, 8n],
    [0x812n, 1, 0xffn],
  ] as const) {
    assert.ok(storePage(xive, 0, os + offset, length, value));
  }
  assert.equal(loadPage(xive, 0, os + 0x10n, 4), 0x000300ffn);
  for (const other of [tima, tima + 0x10000n, tima + 0x30000n, tima + 0x40000n]) {
    assert.equal(loadPage(xive, 0, other + 0x10n, 4), undefined);
    assert.ok(!storePage(xive, 0, other + 0x11n, 1, 0n));
  }
});

test("a source has a page that triggers it and one that manages it", () => {
  const { xive, entry } = ready();
  xive.placePages("esb", esb);
  const pages = esb + BigInt(edge) * 0x20000n;
  assert.equal(loadPage(xive, 0, pages + 0x1_0c00n, 8), 1n);
  assert.equal(loadPage(xive, 0, pages + 0x800n, 8), (1n << 64n) - 1n, "stores only");
  assert.ok(storePage(xive, 0, pages + 0xd00n, 8, 0n));
  assert.equal(entry(0), 0x80000011);
  assert.equal(loadPage(xive, 0, pages + 0x1_0800n, 8), 2n);
  assert.equal(loadPage(xive, 0, pages + 0x1_f800n, 8), 2n, "every 4 KiB");
  assert.ok(storePage(xive, 0, pages + 0x1_0400n, 8, 0n));
  assert.equal(loadPage(xive, 0, pages + 0x1_0800n, 8), 0n);
  for (const wild of [
    esb - 1n,
    esb,
    pages + 0x4_0000n,
    esb + (1n << 37n) - 8n,
    esb + (1n << 37n),
    0n,
    (1n << 64n) - 8n,
  ]) {
    assert.equal(loadPage(xive, 0, wild, 8), undefined);
    assert.ok(!storePage(xive, 0, wild, 8, 0n));
  }
});

test("the device's attributes, and what each refuses", () => {
  const { xive, device, dirty } = ready();
  const set = (group: number, attr: bigint, value: bigint) => () => device.setAttr(group, attr, value);
  const source = (eisn: bigint, server: bigint, to: bigint, mask = 0n) =>
    (eisn << 33n) | (mask << 32n) | (server << 3n) | to;
  const queue = { flags: 1, qshift: 16, qaddr: 0x20000n, qtoggle: 1, qindex: 5 };
  const queueOf = (server: bigint, to: bigint) => (server << 3n) | to;

  assert.throws(set(uapi.KVM_DEV_XIVE_GRP_SOURCE, 1n << 20n, 0n), errno("E2BIG"));
  assert.throws(set(uapi.KVM_DEV_XIVE_GRP_SOURCE, -1n, 0n), errno("E2BIG"));
  set(uapi.KVM_DEV_XIVE_GRP_SOURCE, 7n, uapi.KVM_XIVE_LEVEL_SENSITIVE | uapi.KVM_XIVE_LEVEL_ASSERTED)();

  const config = uapi.KVM_DEV_XIVE_GRP_SOURCE_CONFIG;
  assert.throws(set(config, 0x8000n, source(1n, 0n, 6n)), errno("ENOENT"));
  assert.throws(set(config, 1n << 40n, source(1n, 0n, 6n)), errno("ENOENT"));
  assert.throws(set(config, 8n, source(1n, 0n, 6n)), errno("EINVAL"));
  assert.throws(set(config, 7n, source(1n, 0n, 7n)), errno("EINVAL"));
  assert.throws(set(config, 7n, source(1n, 5n, 6n)), errno("EINVAL"));
  assert.throws(set(config, 7n, source(1n, 0x1fffffffn, 6n)), errno("EINVAL"));
  assert.throws(set(config, 7n, source(1n, 1n, 6n)), errno("ENXIO"));
  set(config, 7n, source(0x7fffffffn, 0n, 6n))();
  set(config, 7n, source(0n, 5n, 6n, 1n))();

  const eq = uapi.KVM_DEV_XIVE_GRP_EQ_CONFIG;
  const value = uapi.kvmPpcXiveEq(queue);
  assert.deepEqual(uapi.ppcXiveEq(value), queue);
  assert.throws(set(eq, queueOf(2n, 6n), value), errno("ENOENT"));
  assert.throws(set(eq, queueOf(2n, 6n), 0n), errno("ENOENT"));
  assert.throws(set(eq, queueOf(1n, 7n), value), errno("EINVAL"));
  for (const wrong of [
    { flags: 0 },
    { flags: 3 },
    { qshift: 12 },
    { qshift: 63 },
    { qaddr: 0x20004n },
    { qaddr: ramEnd },
    { qaddr: 0xffff_ffff_ffff_0000n },
    { qindex: queueEntries },
    { qindex: 0xffffffff },
    { qtoggle: 2 },
  ]) {
    assert.throws(set(eq, queueOf(1n, 6n), uapi.kvmPpcXiveEq({ ...queue, ...wrong })), errno("EINVAL"));
  }
  assert.equal(device.getAttr(eq, queueOf(1n, 6n)), 0n);
  set(eq, queueOf(1n, 6n), value)();
  assert.equal(device.getAttr(eq, queueOf(1n, 6n)), value);
  assert.throws(() => device.getAttr(eq, queueOf(1n, 7n)), errno("EINVAL"));
  assert.throws(() => device.getAttr(eq, queueOf(3n, 6n)), errno("ENOENT"));

  assert.throws(set(uapi.KVM_DEV_XIVE_GRP_SOURCE_SYNC, 0x8000n, 0n), errno("ENOENT"));
  assert.throws(set(uapi.KVM_DEV_XIVE_GRP_SOURCE_SYNC, 8n, 0n), errno("EINVAL"));
  set(uapi.KVM_DEV_XIVE_GRP_SOURCE_SYNC, 7n, 0n)();
  set(uapi.KVM_DEV_XIVE_GRP_CTRL, uapi.KVM_DEV_XIVE_EQ_SYNC, 0n)();
  assert.deepEqual(dirty, [queueAt * 2n, queueAt, 0x20000n]);
  assert.throws(set(uapi.KVM_DEV_XIVE_GRP_CTRL, uapi.KVM_DEV_XIVE_NR_SERVERS, 4n), errno("EBUSY"));
  for (const count of [0n, 2049n]) {
    assert.throws(set(uapi.KVM_DEV_XIVE_GRP_CTRL, uapi.KVM_DEV_XIVE_NR_SERVERS, count), errno("EINVAL"));
  }

  const pages = uapi.KVM_DEV_XIVE_GRP_PAGES;
  assert.equal(device.getAttr(pages, uapi.KVM_XIVE_TIMA_PAGE_OFFSET), uapi.KVM_DEV_XIVE_NO_PAGES);
  set(pages, uapi.KVM_XIVE_TIMA_PAGE_OFFSET, tima)();
  assert.equal(device.getAttr(pages, uapi.KVM_XIVE_TIMA_PAGE_OFFSET), tima);
  assert.throws(set(pages, uapi.KVM_XIVE_ESB_PAGE_OFFSET, tima - 0x1000000n), errno("EEXIST"));
  assert.throws(set(pages, uapi.KVM_XIVE_ESB_PAGE_OFFSET, 0x10000n), errno("EEXIST"));
  assert.throws(set(pages, uapi.KVM_XIVE_ESB_PAGE_OFFSET, esb + 4096n), errno("EINVAL"));
  assert.throws(set(pages, uapi.KVM_XIVE_ESB_PAGE_OFFSET, (1n << 60n) - 0x10000n), errno("EINVAL"));
  set(pages, uapi.KVM_XIVE_TIMA_PAGE_OFFSET, uapi.KVM_DEV_XIVE_NO_PAGES)();
  assert.equal(xive.pagesAt("tima"), -1n);

  const managed = uapi.KVM_DEV_XIVE_GRP_ESB;
  assert.equal(device.getAttr(managed, uapi.kvmXiveEsb(edge, setPq(2))), 1n);
  set(managed, uapi.kvmXiveEsb(edge, 0), 0n)();
  assert.equal(device.getAttr(managed, uapi.kvmXiveEsb(edge, get)), 3n);
  assert.throws(() => device.getAttr(managed, uapi.kvmXiveEsb(0x2000, get)), errno("ENOENT"));
  assert.throws(set(managed, uapi.kvmXiveEsb(0x2000, 0), 0n), errno("ENOENT"));

  for (const [group, attr] of [
    [uapi.KVM_DEV_XIVE_GRP_CTRL, 4n],
    [pages, 1n],
    [9, 0n],
  ] as const) {
    assert.throws(set(group, attr, 0n), errno("ENXIO"));
    assert.throws(() => device.getAttr(group, attr), errno("ENXIO"));
    assert.ok(!device.hasAttr(group, attr));
  }
  assert.throws(() => device.getAttr(config, 7n), errno("ENXIO"));
  for (const group of [uapi.KVM_DEV_XIVE_GRP_SOURCE, config, uapi.KVM_DEV_XIVE_GRP_SOURCE_SYNC]) {
    assert.deepEqual([device.hasAttr(group, 0n), device.hasAttr(group, 1n << 20n)], [true, false]);
  }
  assert.ok(device.hasAttr(uapi.KVM_DEV_XIVE_GRP_CTRL, uapi.KVM_DEV_XIVE_EQ_SYNC));
  assert.ok(device.hasAttr(eq, 0n) && device.hasAttr(managed, 0n) && device.hasAttr(pages, 4n));
});

test("a queue takes no more sources than it has room for", () => {
  const { xive } = ready();
  const target = { server: 0, priority, masked: false, eisn: 1 };
  // Two are there.
  for (let irq = 0x2000; irq < 0x2000 + queueSources - 2; irq++) {
    xive.createSource(irq, { level: false, asserted: false });
    xive.configureSource(irq, target);
  }
  xive.createSource(1, { level: false, asserted: false });
  assert.throws(() => xive.configureSource(1, target), errno("EBUSY"));
  xive.configureSource(edge, target);
  xive.configureSource(edge, { ...target, masked: true });
  xive.configureSource(1, target);
  assert.throws(() => xive.configureSource(edge, target), errno("EBUSY"));
});

test("servers are connected once", () => {
  const { xive } = ready();
  assert.throws(() => xive.connect(1, 1), errno("EEXIST"));
  assert.throws(() => xive.connect(2048, 1), errno("EINVAL"));
  assert.throws(() => xive.connect(-1, 1), errno("EINVAL"));
  assert.equal(xive.acknowledge(7), undefined);
});

test("its state can be saved and restored", () => {
  const { memory, base, xive, entry } = ready();
  xive.placePages("esb", esb);
  xive.load(edge, setPq(nothing.reset));
  xive.setPriority(0, 5);
  xive.setIrq(edge, true);
  const saved = saveXive(memory, base);
  assert.deepEqual([saved.servers.length, saved.sources.length], [2, 2]);
  const again = restoreXive(memory, saved);
  assert.deepEqual(saveXive(memory, again), saved);
  const lines: boolean[] = [];
  const outputs = {
    setExternal: (index: number, asserted: boolean) => {
      lines[index] = asserted;
    },
    ended: () => {},
    write: () => true,
    writable: () => true,
    markDirty: () => {},
  };
  const restored = new Xive(memory, again, outputs);
  restored.setPriority(0, 0xff);
  assert.deepEqual(lines, [true]);
  assert.equal(restored.acknowledge(0), 0x8006);
  assert.deepEqual(restored.queue(0, priority), { address: queueAt, shift: 16, index: 1, toggle: 1 });
  assert.equal(restored.load(edge, get), nothing.pending);
  assert.equal(entry(0), 0x80000011);
});
