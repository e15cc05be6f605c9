/** TCP against another one, over a link that loses, repeats and delays, with both programs stopping when they like. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GuestTcp, gatewayIp, guestIp, segmentFrame, understood } from "./guest.test-support.js";
import type { HostStream } from "./host.js";
import { type Tcp, tcpFlag } from "./packets.js";
import { type Segment, TcpConnection } from "./tcp.js";
import { tcpFrame } from "./tcp-frame.js";

function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const fromGuest = (frame: Uint8Array): Tcp => {
  const { tcp } = understood(frame);
  assert.ok(tcp);
  return tcp;
};

/** A host's program: it takes what it is given when it likes. */
class Program implements HostStream {
  readonly received: number[] = [];
  readonly #waiting: (() => void)[] = [];
  ended = false;
  destroyed = false;
  wanted = true;
  /** Bytes that it was given and has not taken. */
  pending = 0;
  most = 0;

  write(bytes: Uint8Array, written: () => void): void {
    assert.ok(!this.ended && !this.destroyed);
    this.received.push(...bytes);
    this.pending += bytes.length;
    this.most = Math.max(this.most, this.pending);
    this.#waiting.push(() => {
      this.pending -= bytes.length;
      written();
    });
  }

  take(count: number): void {
    for (const written of this.#waiting.splice(0, count)) written();
  }

  end(): void {
    assert.ok(!this.ended);
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  flow(wanted: boolean): void {
    this.wanted = wanted;
  }
}

const addresses = {
  destinationMac: new Uint8Array(6),
  sourceMac: new Uint8Array(6),
  source: gatewayIp,
  destination: guestIp,
};

/** Both ends, and a link whose frames a test hands on, or does not. */
function setUp({ mostAtOnce = 0, room = 16_384, seed = 1 } = {}) {
  let [time, closed, full] = [0, 0, false];
  const toGuest: Tcp[] = [];
  const toHost: Tcp[] = [];
  const program = new Program();
  const send = (segment: Segment): boolean => {
    if (full) return false;
    assert.ok(segment.payload.length <= Math.max(mostAtOnce, segment.segmentSize));
    toGuest.push(fromGuest(tcpFrame(addresses, 80, 40_000, segment, false)));
    return true;
  };
  const link = { send, mostAtOnce, room, now: () => time, closed: () => void closed++ };
  const guest = new GuestTcp(
    (segment) => void toHost.push(fromGuest(segmentFrame(gatewayIp, [40_000, 80], segment))),
    (seed * 0x1357_9bdf) >>> 0,
  );
  guest.flush();
  const [syn] = toHost.splice(0);
  assert.ok(syn);
  // Close to where the numbers begin again.
  const connection = new TcpConnection(link, 0xffff_f000, syn);
  connection.join(program);
  return {
    connection,
    program,
    guest,
    toGuest,
    toHost,
    closed: () => closed,
    setFull: (now: boolean) => {
      full = now;
      if (!now) connection.drained();
    },
    pass: (milliseconds: number) => {
      time += milliseconds;
      connection.expire();
    },
    /** Everything that is under way arrives, until nothing is. */
    deliver: () => {
      while (toGuest.length + toHost.length > 0) {
        for (const segment of toGuest.splice(0)) guest.take(segment);
        for (const segment of toHost.splice(0)) connection.receive(segment);
        connection.settle();
      }
    },
  };
}

type Setting = ReturnType<typeof setUp>;

function open(setting: Setting): void {
  setting.connection.connected();
  setting.deliver();
  setting.guest.flush();
  setting.deliver();
  assert.equal(setting.connection.state, "open");
}

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => (from + i * 7) & 0xff);

test("bytes go both ways, each side ends when it likes, and nothing is left", () => {
  const setting = setUp({ mostAtOnce: 60_000 });
  const { connection, guest, program } = setting;
  open(setting);
  guest.write(numbers(5000));
  guest.flush();
  setting.deliver();
  assert.deepEqual(program.received, numbers(5000));
  guest.end();
  guest.flush();
  setting.deliver();
  assert.ok(program.ended && guest.endAcknowledged);
  connection.data(Uint8Array.from(numbers(9000, 3)));
  setting.deliver();
  guest.flush();
  setting.deliver();
  assert.deepEqual(guest.received, numbers(9000, 3));
  connection.ended();
  setting.deliver();
  assert.ok(guest.peerEnded);
  // The host still has the guest's bytes to take.
  program.take(100);
  guest.flush();
  setting.deliver();
  assert.deepEqual([connection.state, setting.closed(), program.destroyed], ["closed", 1, false]);
});

test("who does not read stops who writes", () => {
  const setting = setUp({ room: 16_384 });
  const { connection, guest, program } = setting;
  open(setting);
  guest.write(numbers(100_000));
  for (let i = 0; i < 50; i++) {
    guest.flush();
    setting.deliver();
  }
  assert.ok(program.pending <= 65_535 && guest.unsent > 30_000, `${program.pending} ${guest.unsent}`);
  for (let i = 0; i < 200 && guest.unsent > 0; i++) {
    program.take(1);
    setting.deliver();
    guest.flush();
    setting.deliver();
  }
  assert.deepEqual(program.received, numbers(100_000));
  connection.data(Uint8Array.from(numbers(40_000)));
  setting.deliver();
  assert.equal(program.wanted, false);
  assert.ok(guest.received.length > 18_000 && guest.received.length <= 20_000);
  // It asks again and again whether there is room.
  for (let i = 0; i < 100; i++) {
    setting.pass(30_000);
    assert.ok(i < 5 || setting.toGuest.every(({ payload }) => payload.length <= 1));
    setting.deliver();
    guest.flush();
    setting.deliver();
  }
  assert.equal(connection.state, "open");
  for (let i = 0; i < 20; i++) {
    guest.room = 20_000;
    guest.flush();
    setting.deliver();
  }
  assert.deepEqual(guest.received, numbers(40_000));
  assert.equal(program.wanted, true);
});

test("a guest that answers no more is given up", () => {
  const setting = setUp();
  open(setting);
  setting.connection.data(Uint8Array.from(numbers(100)));
  let sent = 0;
  for (let i = 0; i < 100; i++) {
    setting.pass(30_000);
    sent += setting.toGuest.splice(0).length;
  }
  assert.deepEqual([setting.connection.state, setting.program.destroyed, setting.closed()], ["closed", true, 1]);
  assert.ok(sent < 12, `${sent}`);
});

test("resets: the guest's, exact ones only; the host's; and of what the guest gave up early", () => {
  const setting = setUp();
  open(setting);
  const exact = fromGuest(segmentFrame(gatewayIp, [1, 2], { flags: tcpFlag.rst, sequence: 0x1357_9be0 }));
  setting.connection.receive({ ...exact, sequence: exact.sequence + 1 });
  assert.equal(setting.connection.state, "open");
  setting.connection.receive(exact);
  assert.deepEqual([setting.connection.state, setting.program.destroyed], ["closed", true]);
  const other = setUp();
  open(other);
  other.connection.failed();
  other.deliver();
  assert.ok(other.guest.reset);
  const early = setUp();
  early.connection.receive(exact);
  assert.deepEqual([early.connection.state, early.program.destroyed, early.closed()], ["closed", true, 1]);
});

test("a host that never takes the last bytes is given up", () => {
  const setting = setUp();
  const { connection, guest, program } = setting;
  open(setting);
  guest.write(numbers(1000));
  guest.end();
  guest.flush();
  setting.deliver();
  connection.ended();
  setting.deliver();
  guest.flush();
  setting.deliver();
  assert.deepEqual([connection.state, setting.closed(), program.pending], ["closed", 0, 1000]);
  setting.pass(61_000);
  assert.deepEqual([setting.closed(), program.destroyed], [1, true]);
});

for (let seed = 1; seed <= 16; seed++) {
  test(`random losses, doubles and pauses, ${seed}`, () => {
    const random = randomFrom(seed);
    const setting = setUp({ mostAtOnce: [0, 4000, 60_000][seed % 3] ?? 0, room: 4096 << (seed % 4), seed });
    const { connection, guest, program, toGuest, toHost } = setting;
    const [up, down] = [numbers(random(60_000), seed), numbers(random(60_000), 2 * seed)];
    let [written, given, hostEnded, guestEnded] = [0, 0, false, false];
    connection.connected();
    for (let step = 0; setting.closed() === 0 && step < 30_000; step++) {
      // The link gets better, so that it ends.
      const lossy = step < 3000;
      for (const [queue, take] of [
        [toGuest, (segment: Tcp) => guest.take(segment)],
        [toHost, (segment: Tcp) => connection.receive(segment)],
      ] as const) {
        for (let count = random(4); count > 0 && queue.length > 0; count--) {
          const [segment] = queue.splice(lossy && random(8) === 0 ? random(queue.length) : 0, 1);
          if (!segment || (lossy && random(10) === 0)) continue;
          take(segment);
          if (lossy && random(20) === 0) take(segment);
        }
        if (queue.length > 200) queue.length = 100;
      }
      connection.settle();
      if (random(3) === 0 && written < up.length) {
        const part = up.slice(written, written + random(5000));
        written += part.length;
        guest.write(part);
      } else if (written === up.length && !guestEnded && guest.connected) {
        guestEnded = true;
        guest.end();
      }
      if (random(3) === 0 && given < down.length && program.wanted && connection.state === "open") {
        const part = down.slice(given, given + random(5000));
        given += part.length;
        connection.data(Uint8Array.from(part));
      } else if (given === down.length && !hostEnded && connection.state === "open") {
        hostEnded = true;
        connection.ended();
      }
      if (random(4) === 0) program.take(random(5));
      if (random(4) === 0) guest.room = Math.min(20_000, guest.room + random(10_000));
      if (random(10) === 0) setting.setFull(lossy && random(2) === 0);
      if (random(3) === 0) guest.flush(1 + random(1460));
      if (toGuest.length + toHost.length === 0 || random(20) === 0) setting.pass(200);
    }
    assert.equal(setting.closed(), 1, `${connection.state} ${guest.unsent} ${program.pending}`);
    assert.ok(!guest.reset);
    assert.deepEqual(program.received, up);
    assert.deepEqual(guest.received, down);
    assert.ok(program.most <= 65_535 + 20_000);
  });
}
