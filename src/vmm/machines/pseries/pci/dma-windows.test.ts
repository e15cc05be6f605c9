import assert from "node:assert/strict";
import { test } from "node:test";
import { dmaRead, dmaWrite } from "../../../devices/pci/device.js";
import { ramSize, setUpBridge } from "./bridge.test-support.js";
import { type DmaWindowsState, defaultWindow } from "./dma-windows.js";

const { liobn } = defaultWindow;
const dynamicStart = 1n << 59n;

test("DMA goes page by page where the guest's TCEs say, and tells what it wrote", () => {
  const { bridge, ram, putTce, drain } = setUpBridge();
  putTce(liobn, 0, 0x5000n | 3n);
  putTce(liobn, 1, 0x2000n | 3n);
  const bytes = Uint8Array.from({ length: 0x1800 }, (_, i) => i);
  assert.equal(dmaWrite(bridge.dma.access, 0x400n, bytes), true);
  assert.deepEqual(ram.subarray(0x5400, 0x6000), bytes.subarray(0, 0xc00));
  assert.deepEqual(ram.subarray(0x2000, 0x2c00), bytes.subarray(0xc00));
  assert.deepEqual(drain(), ["written 0x5400 3072", "written 0x2000 3072"]);
  const back = new Uint8Array(0x1800);
  assert.equal(dmaRead(bridge.dma.access, 0x400n, back), true);
  assert.deepEqual(back, bytes);
  assert.equal(dmaRead(bridge.dma.access, 0x123n, new Uint8Array(0)), true);
});

test("permissions are the page's; what comes before a fault was done", () => {
  const { bridge, ram, putTce, drain } = setUpBridge();
  putTce(liobn, 0, 0x5000n | 3n);
  putTce(liobn, 1, 0x6000n | 1n);
  putTce(liobn, 2, 0x7000n | 2n);
  putTce(liobn, 3, 0x8000n);
  const two = Uint8Array.of(1, 2);
  assert.equal(dmaWrite(bridge.dma.access, 0xfffn, two), false);
  assert.deepEqual([ram[0x5fff], ram[0x6000]], [1, 0]);
  assert.deepEqual(drain(), ["written 0x5fff 1"]);
  assert.equal(dmaRead(bridge.dma.access, 0xfffn, two), true);
  assert.equal(dmaRead(bridge.dma.access, 0x1fffn, two), false);
  assert.equal(dmaWrite(bridge.dma.access, 0x2000n, two), true);
  assert.equal(dmaRead(bridge.dma.access, 0x2000n, two), false);
  assert.equal(dmaRead(bridge.dma.access, 0x3000n, two), false);
  assert.equal(dmaWrite(bridge.dma.access, 0x3000n, two), false);
});

test("windows go on from their state, and take no other", () => {
  const { bridge, putTce } = setUpBridge();
  const created = bridge.dma.create(16, 24);
  assert.ok(typeof created === "object");
  putTce(liobn, 0, 0x5000n | 3n);
  putTce(liobn, 7, 0x7000n | 3n);
  putTce(created.liobn, 2, 0x10000n | 3n);
  const state = structuredClone(bridge.dma.save());
  assert.deepEqual([state.entries.length, state.dynamic?.entries.length], [64, 24]);
  const restore = (state: unknown) => setUpBridge([], { dma: state as DmaWindowsState, slots: [], inReset: false });
  const other = restore(state);
  assert.deepEqual(other.bridge.dma.save(), state);
  assert.equal(dmaWrite(other.bridge.dma.access, dynamicStart + 0x20010n, Uint8Array.of(1, 2)), true);
  assert.equal(dmaWrite(other.bridge.dma.access, 0x7002n, Uint8Array.of(3)), true);
  assert.deepEqual([other.ram[0x10010], other.ram[0x7002]], [1, 3]);
  assert.equal(dmaWrite(other.bridge.dma.access, 0x1000n, Uint8Array.of(3)), false);
  assert.equal(other.bridge.dma.query().windows, 0);
  assert.equal(other.bridge.dma.create(16, 24), "exists");
  assert.equal(other.bridge.dma.remove(created.liobn), true);
  assert.equal(restore({ ...state, dynamic: undefined }).bridge.dma.query().windows, 1);
  const { dynamic } = state;
  assert.ok(dynamic);
  for (const [wrong, message] of [
    [null, /state is null/],
    [{ entries: new Uint8Array(8 * 2 ** 18 + 8) }, /entries is a Uint8Array of 2097160 bytes/],
    [{ entries: new Uint8Array(7) }, /7 bytes of saved entries/],
    [{ ...state, dynamic: { ...dynamic, pageShift: 13 } }, /no DMA window has pages of 2\^13 and 2\^24 bytes/],
    [{ ...state, dynamic: { ...dynamic, windowShift: 63 } }, /no DMA window has pages of 2\^16 and 2\^63 bytes/],
    [
      { ...state, dynamic: { ...dynamic, entries: new Uint8Array(257 * 8) } },
      /2056 bytes of saved entries are not those of 256/,
    ],
    [{ ...state, dynamic: { ...dynamic, pageShift: 1.5 } }, /pageShift is 1.5/],
  ] as const) {
    assert.throws(() => restore(wrong), { code: "EINVAL", message });
  }
});

test("DMA outside the windows, over their ends, round the address space, or to what is no memory faults and touches nothing", () => {
  const { bridge, ram, putTce, drain } = setUpBridge();
  const last = Number(defaultWindow.size / 4096n) - 1;
  putTce(liobn, 0, 3n);
  putTce(liobn, last, 0x5000n | 3n);
  const tces = [BigInt(ramSize), 0xffff_f000n, 1n << 40n, 1n << 53n, 0xffff_ffff_ffff_f000n];
  for (const [i, tce] of tces.entries()) putTce(liobn, 1 + i, tce | 3n);
  const bytes = new Uint8Array(16).fill(0xee);
  const size = defaultWindow.size;
  const wild = [
    ...tces.map((_, i) => BigInt(4096 * (1 + i))),
    ...[size, size + 4096n, -1n, -16n, dynamicStart, (1n << 64n) - 8n, 1n << 64n, (1n << 64n) + 8n],
  ];
  for (const address of wild) {
    assert.equal(dmaWrite(bridge.dma.access, address, bytes), false, `0x${address.toString(16)}`);
    assert.equal(dmaRead(bridge.dma.access, address, bytes.slice()), false);
  }
  assert.ok(ram.every((byte) => byte === 0));
  assert.equal(dmaWrite(bridge.dma.access, size - 8n, bytes), false);
  assert.equal(ram[0x5fff], 0xee);
  assert.deepEqual(drain(), ["written 0x5ff8 8"]);
});

test("a page that ends beyond memory is memory as far as it goes", () => {
  const { bridge, putTce } = setUpBridge();
  const window = bridge.dma.create(24, 24);
  assert.ok(typeof window === "object");
  putTce(window.liobn, 0, 3n);
  const bytes = new Uint8Array(8);
  assert.equal(dmaWrite(bridge.dma.access, window.start + BigInt(ramSize) - 8n, bytes), true);
  assert.equal(dmaWrite(bridge.dma.access, window.start + BigInt(ramSize) - 7n, bytes), false);
  assert.equal(dmaWrite(bridge.dma.access, window.start + 0xff_fff8n, bytes), false);
});

test("a dynamic window of each page size; one at a time; made anew it is empty", () => {
  const { bridge, ram, putTce, tables } = setUpBridge();
  assert.deepEqual(bridge.dma.query(), { windows: 1, entries: 1 << 18, pageSizes: 7 });
  for (const [pageShift, windowShift] of [
    [12, 20],
    [16, 30],
    [24, 32],
  ] as const) {
    const window = bridge.dma.create(pageShift, windowShift);
    assert.ok(typeof window === "object");
    assert.equal(window.start, dynamicStart);
    assert.equal(bridge.dma.query().windows, 0);
    assert.equal(bridge.dma.create(16, 30), "exists");
    assert.equal(dmaWrite(bridge.dma.access, window.start, Uint8Array.of(1)), false);
    putTce(window.liobn, 0, 3n);
    assert.equal(dmaWrite(bridge.dma.access, window.start + 0x123n, Uint8Array.of(pageShift)), true);
    assert.equal(ram[0x123], pageShift);
    assert.equal(dmaWrite(bridge.dma.access, window.start + (1n << BigInt(windowShift)), Uint8Array.of(1)), false);
    assert.equal(bridge.dma.remove(window.liobn), true);
    assert.equal(bridge.dma.remove(window.liobn), false);
    assert.equal(dmaWrite(bridge.dma.access, window.start, Uint8Array.of(1)), false);
    const again = bridge.dma.create(pageShift, windowShift);
    assert.deepEqual(again, window);
    assert.equal(dmaWrite(bridge.dma.access, window.start, Uint8Array.of(1)), false);
    bridge.dma.reset();
  }
  assert.equal(tables.length, 4);
});

test("however often windows are made, of whatever size, tables stay few", () => {
  const { bridge, tables } = setUpBridge();
  for (let round = 0; round < 3; round++) {
    for (let pageShift = -1; pageShift < 40; pageShift++) {
      for (let windowShift = -1; windowShift < 70; windowShift++) {
        const window = bridge.dma.create(pageShift, windowShift);
        if (typeof window === "object") bridge.dma.remove(window.liobn);
      }
    }
  }
  for (const wild of [2 ** 32 - 1, 2 ** 31 + 1, 0.5]) {
    assert.equal(bridge.dma.create(wild, 30), undefined);
    assert.equal(bridge.dma.create(12, wild), undefined);
    assert.equal(bridge.dma.remove(wild), false);
  }
  assert.ok(tables.length < 50, `${tables.length} tables`);
  assert.ok(tables.reduce((sum, { size }) => sum + Number(size) * 8, 0) < 16 * 1048576);
});

test("a window for whose entries there is no room is none, and one that was there before still is", () => {
  const { bridge, room } = setUpBridge();
  const first = bridge.dma.create(16, 24);
  assert.ok(typeof first === "object" && bridge.dma.remove(first.liobn));
  room.tables = 0;
  assert.equal(bridge.dma.create(12, 30), "no room");
  assert.equal(bridge.dma.query().windows, 1);
  assert.deepEqual(bridge.dma.create(16, 24), first);
});

test("the default window can be removed and brought back, empty", () => {
  const { bridge, putTce } = setUpBridge();
  putTce(liobn, 0, 3n);
  assert.equal(bridge.dma.remove(liobn), true);
  assert.equal(dmaWrite(bridge.dma.access, 0n, Uint8Array.of(1)), false);
  const state = { dma: structuredClone(bridge.dma.save()), slots: [], inReset: false };
  const other = setUpBridge([], state);
  assert.equal(dmaWrite(other.bridge.dma.access, 0n, Uint8Array.of(1)), false, "it is back by itself");
  assert.deepEqual(other.bridge.dma.save(), state.dma);
  bridge.dma.reset();
  assert.equal(dmaWrite(bridge.dma.access, 0n, Uint8Array.of(1)), false);
  putTce(liobn, 0, 3n);
  assert.equal(dmaWrite(bridge.dma.access, 0n, Uint8Array.of(1)), true);
});
