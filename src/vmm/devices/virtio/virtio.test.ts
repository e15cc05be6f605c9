/** A virtio device from the driver's side, honest and hostile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pci from "../pci/registers.js";
import type { VirtioDevice, VirtioQueue } from "./device.js";
import { areas, features, setUpDriver, size } from "./driver.test-support.js";
import { VirtioRng } from "./rng.js";

/** Counts what its driver asks of it, and gives every buffer back with what it holds doubled. */
class Doubler implements VirtioDevice {
  readonly id = 1;
  readonly features = 1n << 5n;
  readonly queues = [size, size];
  readonly config = Uint8Array.of(1, 2, 3, 4, 5, 6);
  resets = 0;
  taken = 0;
  readonly written: string[] = [];

  reset(): void {
    this.resets++;
  }

  save(): number {
    return this.taken;
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    this.written.push(`${offset}: ${bytes}`);
  }

  notify(_index: number, queue: VirtioQueue): void {
    for (let buffer = queue.take(); buffer; buffer = queue.take()) {
      this.taken++;
      const lengths = buffer.readable.map(({ length }) => length);
      const written = queue.fill(
        buffer,
        Uint8Array.from(lengths, (length) => 2 * length),
      );
      if (written === undefined) return;
      queue.give(buffer, written);
    }
  }
}

const setUp = (device: VirtioDevice = new Doubler()) => setUpDriver(device);
const needsReset = 0x40;

test("identity and structures as a driver looks for them", () => {
  const { it, get } = setUp();
  assert.equal(it.readConfig(pci.PCI_VENDOR_ID, 4), 0x1041_1af4);
  const found: number[][] = [];
  for (let at = it.readConfig(pci.PCI_CAPABILITY_LIST, 1); at !== 0; at = it.readConfig(at + 1, 1)) {
    if (it.readConfig(at, 1) !== pci.PCI_CAP_ID_VNDR) continue;
    found.push([3, 4, 8, 12].map((offset) => it.readConfig(at + offset, offset < 8 ? 1 : 4)));
  }
  assert.deepEqual(found, [
    [1, 0, 0, 56],
    [3, 0, 0x1000, 1],
    [2, 0, 0x3000, 8],
    [4, 0, 0x2000, 6],
    [5, 0, 0, 0],
  ]);
  assert.deepEqual([get(0x12, 2), get(0x18, 2), get(0x2000, 4)], [2, size, 0x0403_0201]);
});

test("the structures by configuration space alone, and nothing beyond them", () => {
  const { it, get, set } = setUp();
  let at = it.readConfig(pci.PCI_CAPABILITY_LIST, 1);
  while (it.readConfig(at, 1) !== pci.PCI_CAP_ID_VNDR || it.readConfig(at + 3, 1) !== 5) at = it.readConfig(at + 1, 1);
  const point = (bar: number, offset: number, length: number): void => {
    it.writeConfig(at + 4, 1, bar);
    it.writeConfig(at + 8, 4, offset);
    it.writeConfig(at + 12, 4, length);
  };
  point(0, 0x12, 2);
  assert.equal(it.readConfig(at + 16, 4), 2);
  point(0, 0x14, 1);
  it.writeConfig(at + 16, 4, 0xffff_ff03);
  assert.equal(get(0x14, 1), 3);
  set(0x14, 1, 1);
  assert.equal(it.readConfig(at + 16, 1), 1);
  for (const [bar, offset, length] of [
    [1, 0x14, 1],
    [0, 0x14, 8],
    [0, 0x14, 0],
    [0, 0x13, 2],
    [0, 0x4000, 1],
    [0, 0xffff_ffff, 1],
    [0, 0xffff_fffc, 0xffff_ffff],
  ] as const) {
    point(bar, offset, length);
    it.writeConfig(at + 16, 4, 0x5a);
    assert.equal(it.readConfig(at + 16, 4), 0x5a);
    assert.equal(get(0x14, 1), 1);
  }
});

test("features are negotiated: version 1 and the platform's IOMMU are needed, others must be the device's", () => {
  const { accept, get, set } = setUp();
  set(0x00, 4, 1);
  assert.equal(get(0x04, 4), 3);
  set(0x00, 4, 0);
  assert.equal(get(0x04, 4), 0x3000_0020);
  set(0x00, 4, 2);
  assert.equal(get(0x04, 4), 0);
  for (const [bits, status] of [
    [features, 11],
    [features | (1n << 5n), 11],
    [1n << 32n, 3],
    [1n << 33n, 3],
    [features | 1n, 3],
    [features | (1n << 34n), 3],
  ] as const) {
    set(0x14, 1, 0);
    assert.equal(accept(bits), status, bits.toString(2));
  }
});

test("buffers go round, with chains, interrupts by pin and by message, and none where the driver wants none", () => {
  const { it, ram, start, describe, offer, used, usedCount, events, get, set, view } = setUp();
  start();
  describe(0, 0x8000, 10, 1, 3);
  describe(3, 0x8100, 20, 1, 1);
  describe(1, 0x9000, 1, 3, 5);
  describe(5, 0x9100, 100, 2);
  offer(0);
  assert.deepEqual(used(0), [0, 2]);
  assert.deepEqual([ram[0x9000], ram[0x9100]], [20, 40]);
  assert.deepEqual(events.splice(0), ["intx true"]);
  assert.deepEqual([get(0x1000, 1), get(0x1000, 1)], [1, 0]);
  assert.deepEqual(events.splice(0), ["intx false"]);
  for (let i = 1; i < 100; i++) offer(0);
  assert.equal(usedCount(), 100);
  get(0x1000, 1);
  events.length = 0;
  let msix = it.readConfig(pci.PCI_CAPABILITY_LIST, 1);
  while (it.readConfig(msix, 1) !== pci.PCI_CAP_ID_MSIX) msix = it.readConfig(msix + 1, 1);
  for (let vector = 0; vector < 3; vector++) it.write(1, 16 * vector + 12, 4, 0n);
  it.writeConfig(msix + pci.PCI_MSIX_FLAGS, 2, pci.PCI_MSIX_FLAGS_ENABLE);
  offer(0);
  assert.deepEqual(events, []);
  set(0x1a, 2, 2);
  offer(0);
  assert.deepEqual(events.splice(0), ["message 2"]);
  view.setUint16(areas.driver, 1, true);
  offer(0);
  assert.deepEqual(events, []);
  // A vector that the device does not have is none.
  set(0x1a, 2, 3);
  assert.equal(get(0x1a, 2), 0xffff);
  assert.equal(usedCount(), 103);
});

test("what a driver may break makes the device need a reset, and nothing more moves until then", () => {
  type It = ReturnType<typeof setUp>;
  const breakages: Record<string, (it: It) => void> = {
    "a head beyond the table": ({ offer }) => offer(size),
    "a chain that leaves the table": ({ describe, offer }) => {
      describe(0, 0x8000, 1, 1, 0xffff);
      offer(0);
    },
    "a chain that loops": ({ describe, offer }) => {
      describe(0, 0x8000, 1, 1, 1);
      describe(1, 0x8000, 1, 1, 0);
      offer(0);
    },
    "readable behind writable": ({ describe, offer }) => {
      describe(0, 0x8000, 1, 3, 1);
      describe(1, 0x8000, 1, 0);
      offer(0);
    },
    "indirect descriptors": ({ describe, offer }) => {
      describe(0, 0x8000, 16, 4);
      offer(0);
    },
    "more buffers than there are": ({ view, set }) => {
      view.setUint16(areas.driver + 2, size + 1, true);
      set(0x3000, 2, 0);
    },
    "a buffer that is no memory": ({ describe, offer }) => {
      describe(0, 0x8000, 4, 1, 1);
      describe(1, 0xffff_ffff_ffff_fff0n, 0xffff_ffff, 2);
      offer(0);
    },
  };
  for (const [what, breakIt] of Object.entries(breakages)) {
    const it = setUp();
    it.start();
    breakIt(it);
    assert.equal(it.get(0x14, 1), 15 | needsReset, what);
    assert.equal(it.get(0x1000, 1), 2, what);
    it.describe(0, 0x8000, 1, 0);
    it.offer(0);
    assert.equal(it.usedCount(), 0, what);
    it.set(0x14, 1, 15);
    assert.equal(it.get(0x14, 1), 15 | needsReset, what);
    it.set(0x14, 1, 0);
    assert.equal(it.get(0x14, 1), 0, what);
  }
  for (const wild of [0xffff_fff0, 0xffff, 0x1_0000 - 2]) {
    for (const area of ["descriptors", "driver", "device"] as const) {
      const it = setUp();
      it.start({ ...areas, [area]: wild } as typeof areas);
      it.describe(0, 0x8000, 1, 0);
      it.offer(0);
      it.offer(7);
      assert.ok(it.usedCount() <= 1, area);
    }
  }
});

test("fields take only what they may: sizes, widths, queues that are not there, a queue that runs", () => {
  const { set, get, start } = setUp();
  for (const wrong of [0, 3, 16, 0xffff]) {
    set(0x18, 2, wrong);
    assert.equal(get(0x18, 2), size);
  }
  set(0x18, 2, 4);
  assert.equal(get(0x18, 2), 4);
  set(0x18, 4, 2);
  set(0x18, 1, 2);
  set(0x19, 2, 2);
  assert.equal(get(0x18, 2), 4);
  set(0x16, 2, 7);
  set(0x18, 2, 2);
  set(0x20, 8, 0xffff_ffff_ffff_ffffn);
  set(0x1c, 2, 1);
  assert.deepEqual([get(0x18, 2), get(0x1c, 2), get(0x20, 8)], [0, 0, 0]);
  start();
  set(0x20, 8, 0x5000);
  set(0x18, 2, 2);
  assert.deepEqual([get(0x20, 8), get(0x18, 2)], [areas.descriptors, 4]);
  for (const offset of [0x38, 0x800, 0x1001, 0x2006, 0x2ffc, 0x3008, 0x3ffc]) {
    set(offset, 4, 0xffff_ffff);
    assert.equal(get(offset, 4), 0, offset.toString(16));
  }
});

test("a reset by status, and one of the function, forget all", () => {
  const device = new Doubler();
  const { it, set, get, start, describe, offer } = setUp(device);
  start();
  describe(0, 0x8000, 1, 0);
  offer(0);
  assert.equal(device.taken, 1);
  set(0x2001, 2, 0x0908);
  set(0x2005, 2, 0x0908);
  assert.deepEqual(device.written, ["1: 8,9"]);
  const before = device.resets;
  set(0x14, 1, 0);
  offer(0);
  assert.deepEqual([device.taken, device.resets, get(0x1c, 2)], [1, before + 1, 0]);
  start();
  it.reset();
  assert.equal(get(0x14, 1), 0);
});

test("random bytes: as many as there is room for, bounded, and none for a buffer that cannot be written", () => {
  const { start, describe, offer, used, ram, get } = setUp(new VirtioRng());
  start();
  describe(0, 0x8000, 64, 2);
  offer(0);
  assert.deepEqual(used(0), [0, 64]);
  assert.ok(new Set(ram.subarray(0x8000, 0x8040)).size > 20);
  assert.ok(ram.subarray(0x8040, 0x8100).every((byte) => byte === 0));
  describe(1, 0x8000, 64, 0);
  offer(1);
  assert.deepEqual(used(1), [1, 0]);
  for (let i = 0; i < 4; i++) describe(i, 0x4000, 0x6000, i < 3 ? 3 : 2, i + 1);
  offer(0);
  assert.deepEqual(used(2), [0, 0x1_0000]);
  describe(4, 0x4000, 0xffff_ffff, 2);
  offer(4);
  assert.equal(get(0x14, 1), 15 | needsReset);
});

const [indirect, eventIndex] = [1n << 28n, 1n << 29n];

function startWith(bits: bigint, device: VirtioDevice = new Doubler()) {
  const it = setUp(device);
  assert.equal(it.accept(features | bits), 11);
  it.enableQueue();
  it.set(0x14, 1, 15);
  return it;
}

test("descriptors that lie elsewhere, in a table of the driver's", () => {
  const it = startWith(indirect);
  const entry = (index: number, address: number, length: number, flags: number, next = 0): void => {
    it.view.setBigUint64(0x7000 + 16 * index, BigInt(address), true);
    it.view.setUint32(0x7000 + 16 * index + 8, length, true);
    it.view.setUint16(0x7000 + 16 * index + 12, flags, true);
    it.view.setUint16(0x7000 + 16 * index + 14, next, true);
  };
  entry(0, 0x8000, 10, 1, 2);
  entry(2, 0x8100, 20, 1, 1);
  entry(1, 0x9000, 2, 2);
  it.describe(0, 0x7000, 48, 4);
  it.offer(0);
  assert.deepEqual([it.used(0), it.ram[0x9000], it.ram[0x9001]], [[0, 2], 20, 40]);
  it.describe(0, 0x8000, 7, 1, 1);
  it.describe(1, 0x7000, 48, 4);
  it.offer(0);
  assert.deepEqual([it.used(1), it.ram[0x9000], it.ram[0x9001]], [[0, 2], 14, 20]);
});

test("a table as long as the queue: the descriptor that names it is not one of the chain", () => {
  const it = startWith(indirect);
  for (let i = 0; i < size; i++) {
    const at = 0x7000 + 16 * i;
    it.view.setBigUint64(at, BigInt(0x8000 + 0x100 * i), true);
    it.view.setUint32(at + 8, 1 + i, true);
    it.view.setUint16(at + 12, i < size - 1 ? 1 : 2, true);
    it.view.setUint16(at + 14, i + 1, true);
  }
  it.describe(0, 0x7000, 16 * size, 4);
  it.offer(0);
  assert.deepEqual([it.get(0x14, 1), it.used(0)], [15, [0, size - 1]]);
  // With one before it, it is longer.
  it.describe(0, 0xa000, 7, 1, 1);
  it.describe(1, 0x7000, 16 * size, 4);
  it.offer(0);
  assert.deepEqual([it.get(0x14, 1), it.usedCount()], [15 | needsReset, 1]);
});

for (const [what, length, address, flags, entryFlags, next] of [
  ["of no entries", 0, 0x7000, 4, 2, 0],
  ["of no whole entries", 17, 0x7000, 4, 2, 0],
  ["longer than the queue", 16 * (size + 1), 0x7000, 4, 2, 0],
  ["as long as all numbers", 0xffff_fff0, 0x7000, 4, 2, 0],
  ["that is no memory", 16, 0xff_0000, 4, 2, 0],
  ["that goes on beside it", 16, 0x7000, 5, 2, 0],
  ["that the device is to write", 16, 0x7000, 6, 2, 0],
  ["in a table", 16, 0x7000, 4, 4, 0],
  ["that leads out of itself", 16, 0x7000, 4, 1, 1],
  ["that leads to itself", 16, 0x7000, 4, 1, 0],
] as const) {
  test(`a table ${what} breaks the queue`, () => {
    const it = startWith(indirect);
    it.view.setBigUint64(0x7000, 0x8000n, true);
    it.view.setUint32(0x7008, 1, true);
    it.view.setUint16(0x700c, entryFlags, true);
    it.view.setUint16(0x700e, next, true);
    it.describe(0, address, length, flags);
    it.offer(0);
    assert.deepEqual([it.get(0x14, 1), it.usedCount()], [15 | needsReset, 0]);
  });
}

test("a table that was not agreed on breaks the queue", () => {
  const it = startWith(0n);
  it.view.setUint16(0x700c, 2, true);
  it.describe(0, 0x7000, 16, 4);
  it.offer(0);
  assert.equal(it.get(0x14, 1), 15 | needsReset);
});

test("each side says at which buffer it wants to hear of the other's", () => {
  const it = startWith(eventIndex);
  const wanted = areas.driver + 4 + 2 * size;
  const announced = (): number => it.view.getUint16(areas.device + 4 + 8 * size, true);
  it.describe(0, 0x8000, 1, 0);
  it.view.setUint16(wanted, 2, true);
  for (let count = 1; count <= 5; count++) {
    it.offer(0);
    assert.equal(announced(), count);
    // The flag has no meaning here.
    it.view.setUint16(areas.driver, 1, true);
    assert.deepEqual(it.events.splice(0), count === 3 ? ["intx true"] : []);
    it.get(0x1000, 1);
    it.events.length = 0;
  }
  it.view.setUint16(wanted, 5, true);
  for (let count = 6; count <= 8; count++) it.offer(0, count === 8);
  assert.deepEqual([it.events.splice(0), it.usedCount(), announced()], [["intx true"], 8, 8]);
});

test("what is left after a queue's worth is looked at again, without the driver", async () => {
  class Lazy extends Doubler {
    override notify(_index: number, queue: VirtioQueue): void {
      for (let count = 0; count < size; count++) {
        const buffer = queue.take();
        if (!buffer) return;
        this.taken++;
        queue.give(buffer, 0);
        // The driver adds one for each that it gets back.
        if (this.taken < 20) it.offer(0, false);
      }
    }
  }
  const device = new Lazy();
  const it = startWith(eventIndex, device);
  it.describe(0, 0x8000, 1, 0);
  it.offer(0);
  assert.equal(device.taken, size);
  for (let tries = 0; device.taken < 20 && tries < 1000; tries++)
    await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(device.taken, 20);
});
