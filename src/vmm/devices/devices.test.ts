import assert from "node:assert/strict";
import { test } from "node:test";
import { ConsoleRing } from "./console-ring.js";
import { Nvram, nvramSize } from "./nvram.js";
import { Rtc } from "./rtc.js";
import { Vty } from "./vty.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

for (const shared of [false, true]) {
  test(`the terminal carries bytes both ways, shared: ${shared}`, () => {
    const ring = ConsoleRing.create(shared);
    const vty = new Vty(new ConsoleRing(ring.buffer));
    assert.ok(vty.put(3, 0x6869_2100_0000_0000n, 0n));
    assert.ok(vty.put(16, 0x3031_3233_3435_3637n, -1n));
    assert.deepEqual(ring.drain(), Uint8Array.of(...bytes("hi!01234567"), 255, 255, 255, 255, 255, 255, 255, 255));
    assert.equal(ring.offer(bytes("twenty characters!!!")), 20);
    assert.deepEqual(vty.get(), { length: 16, high: 0x7477_656e_7479_2063n, low: 0x6861_7261_6374_6572n });
    assert.equal(vty.get().length, 4);
    assert.deepEqual(vty.get(), { length: 0, high: 0n, low: 0n });
  });
}

test("a full ring refuses whole writes and goes on once drained", () => {
  const ring = ConsoleRing.create(false);
  let written = 0;
  while (ring.write(bytes("0123456789abcde"))) written += 15;
  assert.equal(ring.drain().length, written);
  // Round the end, many times.
  for (let i = 0; i < 10000; i++) {
    assert.ok(ring.write(bytes(`line ${i}`)));
    assert.deepEqual(ring.drain(), bytes(`line ${i}`));
  }
});

test("input beyond the room is left with the caller", () => {
  const ring = ConsoleRing.create(false);
  const taken = ring.offer(new Uint8Array(10000).fill(65));
  assert.ok(taken < 10000);
  assert.equal(ring.offer(bytes("x")), 0);
  assert.equal(ring.read(10).length, 10);
  assert.equal(ring.offer(bytes("x")), 1);
});

test("output is announced once until it is drained", () => {
  const ring = ConsoleRing.create(false);
  assert.deepEqual([ring.announce(), ring.announce()], [true, false]);
  ring.drain();
  assert.equal(ring.announce(), true);
});

test("a ring goes on from its state, also round its end, and takes no other", () => {
  const ring = ConsoleRing.create(false);
  for (let i = 0; i < 9; i++) {
    assert.ok(ring.write(new Uint8Array(8000).fill(65 + i)));
    ring.drain();
    assert.equal(ring.offer(new Uint8Array(500).fill(97 + i)), 500);
    ring.read(500);
  }
  ring.write(bytes("unseen"));
  ring.offer(bytes("unread"));
  const state = structuredClone(ring.save());
  assert.deepEqual(state, { output: bytes("unseen"), input: bytes("unread") });
  const both = [ring, ConsoleRing.create(true, state)];
  for (const each of both) {
    assert.ok(each.write(bytes("!")));
    assert.deepEqual([each.read(2), each.inputPending, each.drain()], [bytes("un"), true, bytes("unseen!")]);
    assert.deepEqual(each.save(), { output: bytes(""), input: bytes("read") });
    assert.equal(each.offer(new Uint8Array(5000)), 4092);
  }
  for (const [wrong, message] of [
    [7, /state is 7, not an object/],
    [{ output: bytes("") }, /input is missing/],
    [
      { output: new Uint8Array(65537), input: bytes("") },
      /output is a Uint8Array of 65537 bytes, not a Uint8Array of 0 to 65536/,
    ],
    [{ output: bytes(""), input: "text" }, /input is "text"/],
  ] as const) {
    assert.throws(() => ConsoleRing.create(false, wrong as never), { code: "EINVAL", message });
  }
});

test("a new NVRAM holds partitions with right checksums", () => {
  const nvram = new Nvram();
  let at = 0;
  const signatures: number[] = [];
  while (at < nvramSize) {
    const header = nvram.fetch(at, 16);
    assert.ok(header);
    let sum = 0;
    for (const [i, byte] of header.entries())
      if (i !== 1) sum = sum + byte > 255 ? ((sum + byte) & 255) + 1 : sum + byte;
    assert.equal(header[1], sum);
    signatures.push(header[0] ?? 0);
    at += new DataView(header.buffer).getUint16(2) * 16;
  }
  assert.equal(at, nvramSize);
  assert.deepEqual(signatures, [0x70, 0x7f]);
});

test("NVRAM keeps to its bounds and is restored from its state", () => {
  const nvram = new Nvram();
  assert.equal(nvram.fetch(nvramSize - 1, 2), undefined);
  assert.equal(nvram.fetch(0xffff_ffff, 0xffff_ffff), undefined);
  assert.equal(nvram.store(nvramSize, bytes("x")), false);
  assert.ok(nvram.store(nvramSize - 1, bytes("x")));
  assert.deepEqual(new Nvram(nvram.save()).fetch(nvramSize - 1, 1), bytes("x"));
  assert.throws(() => new Nvram(new Uint8Array(5)), /EINVAL: an NVRAM has 65536 bytes, not 5/);
});

test("the clock keeps what it was set to", () => {
  let host = 1000;
  const rtc = new Rtc({ offset: 0 }, () => host);
  rtc.set(5_000_000);
  host += 10;
  assert.equal(rtc.read(), 5_000_010);
  assert.equal(new Rtc(structuredClone(rtc.save()), () => host).read(), 5_000_010);
  assert.throws(() => new Rtc({ offset: Number.NaN }), { code: "EINVAL", message: /offset is NaN/ });
});
