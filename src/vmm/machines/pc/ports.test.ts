import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exit } from "../../../kvm/uapi.js";
import { ConsoleRing } from "../../devices/console-ring.js";
import { Rtc } from "../../devices/rtc.js";
import { Serial } from "../../devices/serial.js";
import { PcPorts, type PortsState } from "./ports.js";
import { createPcVcpuSide } from "./vcpu-side.js";

function setUp(state?: PortsState) {
  const events: string[] = [];
  let now = 0n;
  const line = { send: () => undefined, receive: () => undefined, waiting: false, interrupt: () => undefined };
  const host = {
    rtc: new Rtc(),
    serial: new Serial(line),
    clockLine: () => undefined,
    now: () => now,
    powerOff: () => void events.push("off"),
    reset: () => void events.push("reset"),
  };
  const pass = (nanoseconds: bigint): void => {
    now += nanoseconds;
  };
  return { ports: new PcPorts(host, [], state), events, pass };
}

function drawing(): (below: number) => number {
  let seed = Number(process.env["UNIKVM_SEED"] ?? 1);
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

test("ACPI's timer counts 3.579545 MHz in 24 bits, of the guest's time", () => {
  const { ports, pass } = setUp();
  pass(1_000_000_000n);
  assert.equal(ports.read(0x608, 4), 3_579_545n);
  pass(10_000_000_000n);
  assert.equal(ports.read(0x608, 4), (11n * 3_579_545n) & 0xff_ffffn);
  assert.equal(ports.read(0x609, 1), (((11n * 3_579_545n) & 0xff_ffffn) >> 8n) & 0xffn);
  assert.equal(ports.read(0x604, 2), 1n, "ACPI is on");
});

test("where nothing is, all ones; over the edge of a device each byte goes its own way", () => {
  const { ports } = setUp();
  assert.equal(ports.read(0x2e8, 4), 0xffff_ffffn);
  ports.write(0x3ff, 1, 0x5an);
  assert.equal(ports.read(0x3ff, 2), 0xff5an);
  assert.equal(ports.read(0xffff, 4), 0xffff_ffffn);
  ports.write(0x3fe, 4, 0x1122_3344n);
  assert.equal(ports.read(0x3ff, 1), 0x33n);
});

test("any access to any port is answered, what is kept can be saved, and it goes on there", () => {
  const { ports } = setUp();
  const draw = drawing();
  const places = [0x70, 0x64, 0x3f8, 0x600, 0xcf9];
  for (let i = 0; i < 30_000; i++) {
    const port = draw(4) ? (places[draw(places.length)] as number) + draw(16) - 4 : draw(0x10000);
    const size = [1, 2, 4][draw(3)] as number;
    if (draw(2)) ports.write(port, size, BigInt(draw(2 ** 32)));
    else assert.ok(ports.read(port, size) >> BigInt(8 * size) === 0n);
  }
  const state = structuredClone(ports.save());
  assert.deepEqual(setUp(state).ports.save(), state);
  assert.ok(JSON.stringify({ ...state, cmos: 0 }).length < 200);
});

test("a vCPU's thread answers for the serial port and for what is nowhere; the rest is the machine's", () => {
  const console = ConsoleRing.create(false);
  const levels: unknown[] = [];
  const host = { announceConsole: () => undefined, mayWait: false, trace: undefined };
  const side = createPcVcpuSide(0, { console: console.buffer, serial: Serial.create(false) }, host);
  const memory = new Uint8Array(64);
  side.attached?.({
    irqLine: (line, level) => void levels.push([line, level]),
    bytes: (address, length) => memory.subarray(address, address + length),
  });
  const io = (port: number, size: number, direction: 0 | 1, data = 0n): Exit & { reason: "io" } => ({
    ...{ reason: "io", direction, size, port, count: 1, data },
  });
  assert.ok(side.answer(io(0x3f8, 1, 1, 0x41n)));
  assert.deepEqual(console.drain(), Uint8Array.of(0x41));
  side.answer(io(0x3fc, 1, 1, 0x0bn));
  side.answer(io(0x3f9, 1, 1, 2n));
  assert.deepEqual(levels, [[4, true]]);
  // A string, of an exit of its own: each access as if it were one.
  memory.set(new TextEncoder().encode("words"), 16);
  assert.ok(side.answer({ ...io(0x3f8, 1, 1), count: 5, dataOffset: 16 }));
  assert.deepEqual(new TextDecoder().decode(console.drain()), "words");
  assert.ok(side.answer({ ...io(0x2f8, 2, 0), count: 3, dataOffset: 32 }));
  assert.deepEqual([...memory.subarray(30, 40)], [0, 0, ...Array(6).fill(0xff), 0, 0]);
  const nowhere = io(0x2f8, 4, 0);
  assert.ok(side.answer(nowhere));
  assert.equal(nowhere.data, 0xffff_ffffn);
  for (const [port, size] of [
    [0x70, 1],
    [0x63, 2],
    [0x3f7, 2],
    [0x604, 2],
    [0xcf8, 2],
  ] as const)
    assert.equal(side.answer(io(port, size, 1)), false, port.toString(16));
  // With the ring full the transmitter says so, and what is sent all the same is lost, not kept.
  while (console.write(new Uint8Array(1000)));
  while (console.write(new Uint8Array(1)));
  const status = io(0x3fd, 1, 0);
  side.answer(status);
  assert.equal(status.data & 0x60n, 0n);
  assert.ok(side.answer(io(0x3f8, 1, 1, 0x42n)));
  console.drain();
  side.answer(status);
  assert.equal(status.data & 0x60n, 0x60n);
  const draw = drawing();
  for (let i = 0; i < 10_000; i++) {
    const exit = io(0x3e0 + draw(0x30), [1, 2, 4][draw(3)] as number, draw(2) as 0 | 1, BigInt(draw(2 ** 32)));
    if (side.answer(exit)) assert.ok(exit.direction === 1 || exit.data >> BigInt(8 * exit.size) === 0n);
  }
  assert.deepEqual(Object.keys(side.stats()).sort(), ["serial", "unassigned_io"]);
});
