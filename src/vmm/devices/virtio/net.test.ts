/** A network card from the driver's side, honest and hostile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FrameFromGuest, NetworkCard, NetworkEnd } from "../../network/card.js";
import { features, memorySize, setUpDriver, size } from "./driver.test-support.js";
import { VirtioNet, type VirtioNetState } from "./net.js";

const [CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4, MRG_RXBUF] = [0, 1, 7, 11, 15].map((bit) => 1n << BigInt(bit)) as [
  bigint,
  bigint,
  bigint,
  bigint,
  bigint,
];
const [CTRL_VQ, MQ] = [1n << 17n, 1n << 22n];
const everything = CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 | MRG_RXBUF;
const mac = Uint8Array.of(2, 1, 2, 3, 4, 5);
const needsReset = 0x40;
/** Areas of queue `index`: descriptors, driver's, device's. */
const areasOf = (index: number) => ({
  descriptors: 0x1000 + 0x400 * index,
  driver: 0x1100 + 0x400 * index,
  device: 0x1200 + 0x400 * index,
});

class End implements NetworkEnd {
  card: NetworkCard | undefined;
  readonly got: FrameFromGuest[] = [];
  readonly events: string[] = [];
  attach(card: NetworkCard): void {
    this.card = card;
  }
  reset(): void {
    this.events.push("reset");
  }
  receive(frame: FrameFromGuest): void {
    this.got.push(frame);
  }
  settle(): void {
    this.events.push("settle");
  }
  drained(): void {
    this.events.push("drained");
  }
  save(): string {
    return "end";
  }
}

function setUp({ accepted = everything, pairs = 1 } = {}) {
  const end = new End();
  const device = new VirtioNet({ end, mac, pairs });
  const it = setUpDriver(device);
  assert.equal(it.accept(features | accepted), 11);
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
  end.events.length = 0;
  const { view } = it;
  /** One buffer, of these parts. */
  const offer = (
    index: number,
    head: number,
    parts: readonly (readonly [number | bigint, number, boolean?])[],
  ): void => {
    const { descriptors, driver } = areasOf(index);
    for (const [i, [address, length, write = false]] of parts.entries()) {
      const at = descriptors + 16 * ((head + i) % size);
      view.setBigUint64(at, BigInt(address), true);
      view.setUint32(at + 8, length, true);
      view.setUint16(at + 12, (write ? 2 : 0) | (i < parts.length - 1 ? 1 : 0), true);
      view.setUint16(at + 14, (head + i + 1) % size, true);
    }
    const count = made[index] ?? 0;
    view.setUint16(driver + 4 + 2 * (count % size), head, true);
    made[index] = (count + 1) & 0xffff;
    view.setUint16(driver + 2, made[index] ?? 0, true);
    it.set(0x3000 + 4 * index, 2, index);
  };
  const usedOf = (index: number): [number, number][] => {
    const { device: used } = areasOf(index);
    return Array.from({ length: view.getUint16(used + 2, true) }, (_, i) => [
      view.getUint32(used + 4 + 8 * (i % size), true),
      view.getUint32(used + 8 + 8 * (i % size), true),
    ]);
  };
  const transmit = (head: readonly number[], frame: Uint8Array, pair = 0): void => {
    it.ram.fill(0, 0x8000, 0x8000 + 12);
    it.ram.set(head, 0x8000);
    it.ram.set(frame, 0x8000 + 12);
    offer(2 * pair + 1, 0, [[0x8000, 12 + frame.length]]);
  };
  return { ...it, end, device, offer, usedOf, transmit };
}

const frameOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);

test("what a driver reads of the card before it asks anything", () => {
  const { get, set } = setUp({ pairs: 4 });
  assert.equal(get(0x12, 2), 9);
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((at) => get(0x2000 + at, 1)),
    [...mac],
  );
  assert.deepEqual([get(0x2006, 2), get(0x2008, 2)], [1, 4]);
  set(0x00, 4, 0);
  assert.equal(get(0x04, 4), 0x3043_88a3);
  const one = setUp();
  one.set(0x00, 4, 0);
  assert.deepEqual([one.get(0x12, 2), one.get(0x04, 4)], [2, 0x3001_88a3]);
});

test("frames of the guest, in descriptors as it likes, with and without a checksum", () => {
  const { transmit, offer, end, usedOf, ram } = setUp();
  transmit([0], frameOf(60));
  transmit([1, 0, 0, 0, 0, 0, 34, 0, 16, 0], frameOf(60));
  transmit([1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0], frameOf(9000));
  assert.deepEqual(
    end.got.map(({ bytes, checked, queue }) => [bytes.length, checked, queue]),
    [
      [60, false, 0],
      [60, true, 0],
      [9000, true, 0],
    ],
  );
  assert.deepEqual(end.got[2]?.bytes, frameOf(9000));
  assert.deepEqual(usedOf(1), [
    [0, 0],
    [0, 0],
    [0, 0],
  ]);
  ram.fill(0, 0x8000, 0x800c);
  offer(1, 2, [
    [0x8000, 5],
    [0x8005, 0],
    [0x8005, 7 + 20],
    [0x9000, 30],
  ]);
  assert.equal(end.got[3]?.bytes.length, 50);
  assert.equal(end.events.filter((event) => event === "settle").length, 4);
});

test("a driver that sends much at once leaves others their turn", async () => {
  const { end, view, set, usedOf } = setUp();
  end.receive = (frame) => {
    const until = performance.now() + 4;
    while (performance.now() < until);
    end.got.push(frame);
  };
  const { descriptors, driver } = areasOf(1);
  for (let i = 0; i < size; i++) {
    view.setBigUint64(descriptors + 16 * i, 0x8000n, true);
    view.setUint32(descriptors + 16 * i + 8, 12 + 60, true);
    view.setUint16(driver + 4 + 2 * i, i, true);
  }
  view.setUint16(driver + 2, size, true);
  set(0x3004, 2, 1);
  assert.ok(end.got.length >= 1 && end.got.length <= 3, `${end.got.length}`);
  for (let tries = 0; usedOf(1).length < size && tries < 500; tries++)
    await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([end.got.length, usedOf(1).length], [size, size]);
});

test("a network that has much for the guest when there is room leaves others their turn", async () => {
  const { end, offer, usedOf, set } = setUp();
  for (let i = 0; i < size; i++) offer(0, i, [[0x8000, 100, true]]);
  // It waits for more room than there is.
  assert.equal(end.card?.send({ bytes: frameOf(1500), queue: 0 }), false);
  let left = size;
  end.drained = () => {
    for (; left > 0 && end.card?.send({ bytes: frameOf(60), queue: 0 }); left--) {
      const until = performance.now() + 4;
      while (performance.now() < until);
    }
  };
  set(0x3000, 2, 0);
  assert.ok(left < size && left >= size - 3, `${left}`);
  for (let tries = 0; left > 0 && tries < 500; tries++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([left, usedOf(0).length], [0, size]);
});

test("a host whose sockets all have much for the guest at once leaves others their turn", async () => {
  const { end, offer, usedOf } = setUp();
  for (let i = 0; i < size; i++) offer(0, i, [[0x8000, 100, true]]);
  let left = size;
  const arrive = (): void => {
    if (!end.card?.send({ bytes: frameOf(60), queue: 0 })) return;
    left--;
    const until = performance.now() + 4;
    while (performance.now() < until);
  };
  end.drained = () => {
    while (left > 0 && end.card?.ready(0)) arrive();
  };
  for (let i = 0; i < size; i++) arrive();
  assert.ok(left < size && left >= size - 3, `${left}`);
  for (let tries = 0; left > 0 && tries < 500; tries++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([left, usedOf(0).length], [0, size]);
});

test("what is no frame is given back and goes nowhere", () => {
  const { transmit, offer, end, usedOf, get } = setUp();
  transmit([0], frameOf(13));
  offer(1, 0, [[0x8000, 0]]);
  offer(1, 0, [[0x8000, 60, true]]);
  // Longer than a packet can be, all of it one place.
  offer(1, 0, [
    [0x8000, 60_000],
    [0x8000, 60_000],
  ]);
  offer(1, 0, [
    [0x8000, 0xffff_ffff],
    [0x8000, 0xffff_ffff],
  ]);
  // A checksum beyond the end, kinds of long packets that were not agreed on, and one without a checksum to make.
  transmit([1, 0, 0, 0, 0, 0, 50, 0, 9, 0], frameOf(60));
  transmit([1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], frameOf(60));
  for (const gso of [3, 4, 0x81, 5]) transmit([1, gso, 0, 0, 0, 0, 34, 0, 16, 0], frameOf(60));
  transmit([0, 1], frameOf(60));
  assert.deepEqual([end.got.length, usedOf(1).length, get(0x14, 1)], [0, 12, 15]);
  const plain = setUp({ accepted: 0n });
  plain.transmit([1, 1, 0, 0, 0, 0, 34, 0, 16, 0], frameOf(60));
  plain.transmit([1, 0, 0, 0, 0, 0, 34, 0, 16, 0], frameOf(60));
  assert.deepEqual(
    plain.end.got.map(({ checked }) => checked),
    [false],
  );
  transmit([0], frameOf(60));
  assert.equal(end.got.length, 1);
  offer(1, 0, [[0xffff_ffff_0000n, 60]]);
  assert.equal(get(0x14, 1), 15 | needsReset);
});

test("frames for the guest: merged buffers, their number in the first, seen together or not at all", () => {
  const { offer, end, usedOf, ram, view } = setUp();
  const frame = { bytes: frameOf(250), queue: 0, tcp: { segmentSize: 100 } };
  assert.equal(end.card?.send(frame), false);
  offer(0, 0, [[0x8000, 100, true]]);
  assert.deepEqual(end.events.splice(0), ["drained"]);
  assert.equal(end.card?.send(frame), false);
  offer(0, 1, [[0x9000, 100, true]]);
  assert.equal(end.card?.send(frame), false);
  assert.deepEqual(usedOf(0), []);
  offer(0, 2, [[0xa000, 100, true]]);
  assert.equal(end.card?.send(frame), true);
  assert.deepEqual(usedOf(0), [
    [0, 100],
    [1, 100],
    [2, 62],
  ]);
  assert.deepEqual([...ram.subarray(0x8000, 0x800c)], [1, 1, 54, 0, 100, 0, 34, 0, 16, 0, 3, 0]);
  assert.deepEqual(ram.slice(0x9000, 0x9000 + 100), frame.bytes.slice(88, 188));
  offer(0, 3, [[0x8000, 400, true]]);
  end.card?.send({ bytes: frameOf(60), queue: 0 });
  assert.deepEqual([view.getUint8(0x8000), view.getUint16(0x800a, true)], [2, 1]);
});

test("without merging, a frame has room in a buffer, or is lost", () => {
  const { offer, end, usedOf } = setUp({ accepted: 0n });
  assert.deepEqual([end.card?.takesUnchecked, end.card?.takesLong], [false, false]);
  offer(0, 0, [
    [0x8000, 12, true],
    [0x9000, 60, true],
  ]);
  assert.equal(end.card?.send({ bytes: frameOf(61), queue: 0 }), true);
  assert.deepEqual(usedOf(0), []);
  assert.equal(end.card?.send({ bytes: frameOf(60), queue: 0, tcp: { segmentSize: 10 } }), true);
  assert.deepEqual(usedOf(0), [[0, 72]]);
});

test("buffers that hold nothing, or are no memory", () => {
  const it = setUp();
  for (let i = 0; i < size; i++) it.offer(0, i, [[0x8000, 0, true]]);
  assert.equal(it.end.card?.send({ bytes: frameOf(60), queue: 0 }), true);
  assert.deepEqual([it.usedOf(0), it.get(0x14, 1)], [[], 15]);
  const far = setUp();
  far.offer(0, 0, [[1n << 60n, 100, true]]);
  assert.equal(far.end.card?.send({ bytes: frameOf(60), queue: 0 }), false);
  assert.equal(far.get(0x14, 1), 15 | needsReset);
  assert.equal(far.end.card?.send({ bytes: frameOf(60), queue: 0 }), false);
});

test("pairs of queues: as many as the driver says, and answers come where the questions went", () => {
  const it = setUp({ accepted: everything | CTRL_VQ | MQ, pairs: 2 });
  const control = (...command: readonly number[]): number => {
    it.ram.set(command, 0x8000);
    it.ram[0x8100] = 0xee;
    it.offer(4, 0, [
      [0x8000, command.length],
      [0x8100, 1, true],
    ]);
    return it.ram[0x8100] ?? -1;
  };
  it.offer(2, 0, [[0x9000, 2000, true]]);
  it.offer(0, 0, [[0xa000, 2000, true]]);
  assert.equal(control(4, 0, 3, 0), 1);
  assert.equal(control(4, 0, 0, 0), 1);
  assert.equal(control(4, 0, 2), 1);
  assert.equal(control(4, 1, 2, 0), 1);
  assert.equal(control(0, 0, 1, 0), 1);
  it.end.card?.send({ bytes: frameOf(60), queue: 1 });
  assert.deepEqual([it.usedOf(0).length, it.usedOf(2).length], [1, 0]);
  assert.equal(control(4, 0, 2, 0), 0);
  it.end.card?.send({ bytes: frameOf(60), queue: 1 });
  assert.deepEqual([it.usedOf(0).length, it.usedOf(2).length], [1, 1]);
  it.transmit([0], frameOf(60), 1);
  assert.equal(it.end.got[0]?.queue, 1);
});

test("its state is its address, its queues and what is behind it", () => {
  const { device } = setUp();
  const state = structuredClone(device.save());
  assert.deepEqual(state, { mac, used: 1, end: "end" });
  assert.deepEqual(new VirtioNet({ end: new End(), mac: new Uint8Array(6) }, state).save(), state);
  assert.throws(() => new VirtioNet({ end: new End(), mac }, { ...state, used: 2 }), /EINVAL.*used/);
  assert.throws(() => new VirtioNet({ end: new End(), mac }, {} as VirtioNetState), /EINVAL.*mac is missing/);
  assert.throws(() => new VirtioNet({ end: new End(), mac: new Uint8Array(5) }), /EINVAL.*mac/);
  assert.throws(() => new VirtioNet({ end: new End(), mac: Uint8Array.of(1, 0, 0, 0, 0, 0) }), /EINVAL.*several/);
  assert.throws(() => new VirtioNet({ end: new End(), mac, pairs: 17 }), /EINVAL.*pairs/);
});

test("8,000 random chains in all queues of a hostile guest throw nothing", () => {
  let state = 5;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let [broken, served] = [0, 0];
  const options = { accepted: everything | CTRL_VQ | MQ, pairs: 2 };
  let it = setUp(options);
  for (let chain = 0; chain < 8_000; chain++) {
    for (let i = 0; i < 12; i++) it.ram[0x8000 + i] = random(4) === 0 ? random(256) : 0;
    const wrong = (): boolean => random(40) === 0;
    let writing = random(2) === 0;
    const parts = Array.from({ length: 1 + random(4) }, () => {
      writing ||= random(4) === 0;
      const at = wrong() ? (random(2) === 0 ? 2 ** 40 : memorySize - 1) : 0x8000 + random(0x1000);
      return [at, wrong() ? 2 ** 32 - 1 : random(5) === 0 ? random(20_000) : random(300), writing] as const;
    });
    it.offer(random(5), wrong() ? random(2 * size) : random(size), parts);
    if (random(3) === 0)
      it.end.card?.send({ bytes: frameOf(14 + random(5000)), queue: random(3), tcp: { segmentSize: 500 } });
    served += it.end.got.splice(0).length;
    if (!(it.get(0x14, 1) & needsReset)) continue;
    broken++;
    it = setUp(options);
  }
  assert.ok(broken > 100 && served > 300, `${broken} ${served}`);
});
