/** A balloon from the driver's side, honest and hostile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtioBalloon, type VirtioBalloonState } from "./balloon.js";
import { memorySize, setUpDriver, size } from "./driver.test-support.js";

const version1 = 1n << 32n;
const [STATS, OOM, REPORTING] = [1n << 1n, 1n << 2n, 1n << 5n] as [bigint, bigint, bigint];
const everything = STATS | OOM | REPORTING;
const needsReset = 0x40;
const page = 4096;
const areasOf = (index: number) => ({
  descriptors: 0x1000 + 0x400 * index,
  driver: 0x1100 + 0x400 * index,
  device: 0x1200 + 0x400 * index,
});

function setUp(accepted = everything, device = new VirtioBalloon()) {
  const it = setUpDriver(device);
  assert.equal(it.accept(version1 | accepted), 11);
  const made: number[] = [];
  for (const index of device.queues.keys()) {
    made.push(0);
    it.set(0x16, 2, index);
    it.set(0x18, 2, size);
    const { descriptors, driver, device: used } = areasOf(index);
    it.set(0x20, 8, descriptors);
    it.set(0x28, 8, driver);
    it.set(0x30, 8, used);
    it.set(0x1c, 2, 1);
  }
  it.set(0x14, 1, 15);
  const offer = (index: number, parts: readonly (readonly [number | bigint, number, number])[], head = 0): void => {
    const { descriptors, driver } = areasOf(index);
    for (const [i, [address, length, flags]] of parts.entries()) {
      const at = descriptors + 16 * ((head + i) % size);
      it.view.setBigUint64(at, BigInt(address), true);
      it.view.setUint32(at + 8, length, true);
      it.view.setUint16(at + 12, flags | (i < parts.length - 1 ? 1 : 0), true);
      it.view.setUint16(at + 14, (head + i + 1) % size, true);
    }
    const count = made[index] ?? 0;
    it.view.setUint16(driver + 4 + 2 * (count % size), head, true);
    made[index] = (count + 1) & 0xffff;
    it.view.setUint16(driver + 2, made[index] ?? 0, true);
    it.set(0x3000 + 4 * index, 2, index);
  };
  const usedOf = (index: number): number => it.view.getUint16(areasOf(index).device + 2, true);
  const inflate = (...pages: readonly number[]): void => {
    for (const [i, number] of pages.entries()) it.view.setUint32(0x3000 + 4 * i, number, true);
    offer(0, [[0x3000, 4 * pages.length, 0]]);
  };
  it.written.length = 0;
  return { ...it, device, offer, usedOf, inflate };
}

test("the driver need not go through the IOMMU, which it does not know", () => {
  const { get, set } = setUp();
  set(0x00, 4, 1);
  assert.equal(get(0x04, 4), 1);
  set(0x00, 4, 0);
  assert.equal(get(0x04, 4), 0x3000_0027);
});

test("pages that the guest leaves, or reports as free, are zeros afterwards, and only those that were none are written", () => {
  const { ram, inflate, offer, written, device, usedOf } = setUp();
  ram.fill(7, 0x8000, 0xd000);
  ram.fill(0, 0x9000, 0xa000);
  const own = (): (readonly [number, number])[] => written.filter(([address]) => address >= 0x8000);
  inflate(8, 9);
  assert.deepEqual([own(), usedOf(0)], [[[0x8000, page]], 1]);
  offer(3, [
    [0xb000, page, 2],
    [0xe000, page, 2],
  ]);
  assert.deepEqual([own().at(-1), usedOf(3)], [[0xb000, page], 1]);
  assert.deepEqual(
    [0x8000, 0x8fff, 0x9000, 0xafff, 0xb000, 0xbfff, 0xc000].map((at) => ram[at]),
    [0, 0, 0, 7, 0, 0, 7],
  );
  assert.deepEqual(device.stats(), { reported: 4 * page, zeroed: 2 * page });
  offer(1, [[0x3000, 8, 0]]);
  assert.equal(usedOf(1), 1);
});

test("what the guest is asked for, and says that it did", () => {
  const { device, get, set, events } = setUp();
  const generation = get(0x15, 1);
  device.setTarget(16 * page);
  assert.deepEqual([get(0x2000, 4), get(0x15, 1), events.splice(0)], [16, generation + 1, ["intx true"]]);
  assert.equal(get(0x1000, 1), 2);
  set(0x2004, 4, 12);
  set(0x2000, 4, 99);
  set(0x2008, 4, 99);
  assert.deepEqual([device.actual, device.target, get(0x2008, 4)], [12 * page, 16 * page, 0]);
  for (const wrong of [-page, 100, 2 ** 32 * page]) assert.throws(() => device.setTarget(wrong), /EINVAL.*bytes/);
});

test("statistics: the driver's buffer waits here until more is wanted, also over a restore", () => {
  const it = setUp();
  const say = (): void => {
    for (const [i, [tag, value]] of (
      [
        [4, 1234n],
        [6, 99n],
        [77, 5n],
      ] as const
    ).entries()) {
      it.view.setUint16(0x3000 + 10 * i, tag, true);
      it.view.setBigUint64(0x3000 + 10 * i + 2, value, true);
    }
    it.offer(2, [[0x3000, 35, 0]]);
  };
  assert.equal(it.device.refresh(), false);
  say();
  assert.deepEqual([it.device.guestStats, it.usedOf(2)], [{ free: 1234n, available: 99n }, 0]);
  assert.equal(it.device.save().stats, 0);
  const state = structuredClone(it.it.save());
  const ram = it.ram.slice();
  const again = new VirtioBalloon((state.device as { device: VirtioBalloonState }).device);
  const after = setUpDriver(again, { state, ram });
  assert.equal(again.refresh(), true);
  assert.equal(after.view.getUint16(areasOf(2).device + 2, true), 1);
  assert.equal(it.device.refresh(), true);
  assert.deepEqual([it.usedOf(2), it.device.refresh()], [1, false]);
  say();
  assert.equal(it.device.save().stats, 0);
  assert.throws(() => new VirtioBalloon({ target: 1 } as VirtioBalloonState), /EINVAL.*actual is missing/);
  assert.throws(() => new VirtioBalloon({ target: 1, actual: 0, stats: 70_000 }), /EINVAL.*stats/);
});

test("without statistics reports come through the queue before", () => {
  const { ram, offer, usedOf } = setUp(REPORTING);
  ram.fill(7, 0x8000, 0x9000);
  offer(2, [[0x8000, page, 2]]);
  assert.deepEqual([ram[0x8000], usedOf(2)], [0, 1]);
});

test("pages and reports that are no memory, and more of them than there is", async () => {
  const { inflate, offer, usedOf, get, device, ram } = setUp();
  inflate(0xffff_ffff, 16, 0x0fff_ffff);
  offer(0, [[0x3000, 3, 0]]);
  offer(3, [
    [(1n << 64n) - 4096n, 4096, 2],
    [memorySize, 4096, 2],
    [memorySize - 4096, 8192, 2],
  ]);
  assert.deepEqual([usedOf(0), usedOf(3), get(0x14, 1), device.stats().reported], [2, 1, 15, 0]);
  // All there is, many times: in between others have their turn.
  const whole = Array.from({ length: 7 }, () => [0x8000, 0x8000, 2] as const);
  ram.fill(1, 0x8000);
  for (let i = 0; i < 7; i++) offer(3, whole);
  assert.ok(ram.subarray(0x8000).every((byte) => byte === 0));
  offer(3, [[1n << 40n, 0xffff_ffff, 2]]);
  offer(0, [[1n << 40n, 4, 0]]);
  assert.equal(get(0x14, 1), 15 | needsReset);
  const long = setUp();
  long.offer(0, [[0, memorySize, 0]]);
  for (let tries = 0; long.usedOf(0) < 1 && tries < 100; tries++)
    await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(long.usedOf(0), 1);
});

test("5,000 random chains in all queues of a hostile guest throw nothing", () => {
  let state = 3;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let broken = 0;
  let it = setUp();
  for (let chain = 0; chain < 5_000; chain++) {
    for (let i = 0; i < 40; i++) it.ram[0x3000 + i] = random(3) === 0 ? random(256) : 0;
    let writing = random(2) === 0;
    const parts = Array.from({ length: 1 + random(4) }, () => {
      writing ||= random(4) === 0;
      const at = random(20) === 0 ? 2 ** (16 + random(40)) : 0x3000 + random(0xd000);
      return [at, random(30) === 0 ? 2 ** 32 - 1 - random(5000) : random(5000), writing ? 2 : 0] as const;
    });
    it.offer(random(5), parts, random(size));
    if (random(10) === 0) it.device.refresh();
    if (random(10) === 0) it.device.setTarget(random(1000) * page);
    if (!(it.get(0x14, 1) & needsReset)) continue;
    broken++;
    it = setUp();
  }
  assert.ok(broken > 20, `${broken}`);
});
