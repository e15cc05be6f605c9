import assert from "node:assert/strict";
import { test } from "node:test";
import { Serial } from "./serial.js";

function port(): { serial: Serial; sent: number[]; input: number[]; level: () => boolean } {
  const sent: number[] = [];
  const input: number[] = [];
  let level = false;
  const serial = new Serial({
    send: (byte) => sent.push(byte),
    receive: () => input.shift(),
    get waiting() {
      return input.length > 0;
    },
    interrupt: (now) => {
      level = now;
    },
  });
  return { serial, sent, input, level: () => level };
}

test("it is told as a 16550A, sends, receives, interrupts", () => {
  const { serial, sent, input, level } = port();
  serial.write(2, 1);
  assert.equal(serial.read(2), 0xc1);
  // Linux's test of the loop.
  serial.write(4, 0x1a);
  assert.equal(serial.read(6) & 0xf0, 0x90);
  serial.write(0, 0x55);
  assert.equal(serial.read(5), 0x61);
  assert.equal(serial.read(0), 0x55);
  assert.deepEqual(sent, []);
  serial.write(4, 0x0b);
  serial.write(3, 0x83);
  serial.write(0, 1);
  serial.write(1, 0);
  assert.equal(serial.read(0), 1);
  serial.write(3, 3);
  serial.write(1, 2);
  assert.ok(level(), "the transmitter is empty");
  assert.equal(serial.read(2), 0xc2);
  assert.ok(!level());
  serial.write(0, 0x41);
  assert.deepEqual([sent, level()], [[0x41], true]);
  assert.equal(serial.read(2), 0xc2);
  serial.write(1, 3);
  input.push(0x42);
  serial.lineChanged();
  assert.equal(serial.read(2), 0xc4);
  assert.equal(serial.read(0), 0x42);
  assert.ok(!level());
  // Without OUT2 there is none.
  serial.write(4, 3);
  serial.write(0, 0x43);
  assert.ok(!level());
});

test("what was typed before a driver opens the port is there afterwards", () => {
  const { serial, input, level } = port();
  input.push(0x41, 0x42);
  serial.lineChanged();
  // Linux's 8250 driver: it empties the queues and reads what is left, twice, then allows the interrupts.
  for (const value of [1, 7, 0]) serial.write(2, value);
  for (let time = 0; time < 2; time++) {
    assert.equal(serial.read(5), 0x60);
    for (const register of [0, 2, 6]) serial.read(register);
  }
  serial.write(4, 0x0b);
  serial.write(1, 5);
  assert.ok(level());
  assert.deepEqual([serial.read(5), serial.read(0), serial.read(0)], [0x61, 0x41, 0x42]);
});

test("who looks at the status again and again finds what was typed before the queue was emptied", () => {
  const { serial, input } = port();
  input.push(0x41);
  serial.write(2, 7);
  let looks = 0;
  while (!(serial.read(5) & 1)) assert.ok(++looks < 100);
  assert.equal(serial.read(0), 0x41);
});

test("any access is answered by a byte, and nothing grows", () => {
  const { serial, sent, input } = port();
  let seed = Number(process.env["UNIKVM_SEED"] ?? 1);
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let i = 0; i < 20_000; i++) {
    if (draw(50) === 0) input.push(draw(256));
    if (draw(2)) serial.write(draw(8), draw(2 ** 32));
    else {
      const byte = serial.read(draw(8));
      assert.ok(byte >= 0 && byte < 256, `${byte}`);
    }
  }
  assert.ok(sent.every((byte) => byte >= 0 && byte < 256));
});
