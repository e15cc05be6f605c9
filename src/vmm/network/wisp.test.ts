/** Wisp's client against a relay of the test's: what it sends, and what a hostile one can do to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostNetwork, HostStreamEvents } from "./host.js";
import { openWisp, type RelaySocketEvents } from "./wisp.js";

const listen = (): never => assert.fail("nobody listens");

/** A relay: what it was sent, and its voice. */
class Fake {
  readonly packets: { readonly type: number; readonly id: number; readonly payload: Uint8Array }[] = [];
  waiting = 0;
  closed = 0;
  dials = 0;
  events: RelaySocketEvents = { message: () => undefined, closed: () => undefined };

  async open(room = 4): Promise<HostNetwork> {
    return openWisp(
      (events) => {
        this.dials++;
        this.events = events;
        queueMicrotask(() => this.say(3, 0, u32(room)));
        const fake = this;
        return {
          send: (bytes) =>
            this.packets.push({
              type: bytes[0] ?? 0,
              id: new DataView(bytes.buffer).getUint32(1, true),
              payload: bytes.subarray(5),
            }),
          close: () => this.closed++,
          get waiting() {
            return fake.waiting;
          },
        };
      },
      "fake",
      { listen },
    );
  }

  say(type: number, id: number, payload: Uint8Array): void {
    const bytes = new Uint8Array(5 + payload.length);
    bytes[0] = type;
    new DataView(bytes.buffer).setUint32(1, id, true);
    bytes.set(payload, 5);
    this.events.message(bytes);
  }

  data(id: number): number {
    return this.packets.filter((one) => one.type === 2 && one.id === id).length;
  }
}

const u32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};

/** What was told. */
function ear(): HostStreamEvents & { readonly told: string[]; length: number } {
  const told: string[] = [];
  return {
    told,
    length: 0,
    connected: () => told.push("connected"),
    data(bytes) {
      this.length += bytes.length;
    },
    ended: () => told.push("ended"),
    failed: () => told.push("failed"),
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a stream sends as many packets as the relay has room for", async () => {
  const fake = new Fake();
  const network = await fake.open(3);
  const events = ear();
  const stream = network.connectName?.("example.org", 0x1234, events);
  let written = 0;
  for (let i = 0; i < 10; i++) stream?.write(Uint8Array.of(i), () => written++);
  await settled();
  const [connect] = fake.packets;
  assert.deepEqual([connect?.type, connect?.id], [1, 1]);
  assert.equal(Buffer.from(connect?.payload ?? []).toString("latin1"), "\x01\x34\x12example.org");
  assert.deepEqual(events.told, ["connected"]);
  assert.deepEqual([fake.data(1), written], [3, 3]);
  fake.say(3, 1, u32(5));
  assert.deepEqual([fake.data(1), written], [8, 8]);
  fake.say(3, 1, u32(0xffff_ffff));
  assert.deepEqual([fake.data(1), written], [10, 10]);
  // What the guest does not take waits, and comes before the end.
  stream?.flow(false);
  fake.say(2, 1, new Uint8Array(100));
  fake.say(4, 1, Uint8Array.of(2));
  fake.say(2, 1, new Uint8Array(100));
  assert.equal(events.length, 0);
  stream?.flow(true);
  assert.deepEqual([events.length, events.told], [100, ["connected", "ended"]]);
  assert.equal(fake.packets.filter(({ type }) => type === 4).length, 0);
  network.close?.();
  assert.equal(fake.closed, 1);
});

test("nothing is sent on while the socket is full", async () => {
  const fake = new Fake();
  const network = await fake.open(200);
  const stream = network.connect("192.0.2.1", 80, ear());
  await settled();
  fake.waiting = 2 << 20;
  for (let i = 0; i < 10; i++) stream.write(Uint8Array.of(i), () => undefined);
  assert.equal(fake.data(1), 0);
  fake.waiting = 0;
  for (let tries = 0; fake.data(1) < 10 && tries < 6000; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(fake.data(1), 10);
  network.close?.();
});

test("what a relay sends and a guest does not take ends the stream that has most of it, and no other", async () => {
  const fake = new Fake();
  const network = await fake.open();
  const [slow, quick] = [ear(), ear()];
  network.connect("192.0.2.1", 80, slow).flow(false);
  await settled();
  network.connect("192.0.2.1", 81, quick).flow(false);
  await settled();
  fake.say(2, 2, new Uint8Array(1000));
  for (let sent = 0; sent < 40; sent++) fake.say(2, 1, new Uint8Array(1 << 20));
  assert.deepEqual(slow.told, ["connected", "failed"]);
  assert.equal(slow.length, 0);
  assert.deepEqual(quick.told, ["connected"]);
  assert.ok(fake.packets.some(({ type, id }) => type === 4 && id === 1));
  network.close?.();
  assert.deepEqual(quick.told, ["connected", "failed"]);
});

test("random frames of a relay end connections, and nothing else", async () => {
  let state = Number(process.env["UNIKVM_SEED"] ?? 1);
  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const counts = { relays: 0, ended: 0, failed: 0, bytes: 0 };
  const draws = Number(process.env["UNIKVM_DRAWS"] ?? 200);
  for (let round = 0; round < draws; round++) {
    const fake = new Fake();
    const network = await fake.open(draw(3) === 0 ? 0xffff_ffff : draw(5));
    counts.relays++;
    const ears = Array.from({ length: 8 }, ear);
    const streams = ears.map((events, i) => network.connect("192.0.2.1", i + 1, events));
    let datagrams = 0;
    const udp = network.datagrams("192.0.2.1", 53, () => datagrams++);
    await settled();
    for (let i = 0; i < 200; i++) {
      const kind = draw(400);
      const type = [2, 2, 2, 3, 4, 5, 5][draw(7)] ?? 0;
      const payload = crypto.getRandomValues(new Uint8Array(draw(40)));
      if (draw(2) === 0) payload[0] = 2;
      // What ends the relay is drawn seldom, so that there is something to end.
      if (kind === 0) fake.events.message(crypto.getRandomValues(new Uint8Array(draw(12))));
      else fake.say(kind === 1 ? draw(256) : type, draw(12), payload.length < 4 && type === 3 ? u32(2) : payload);
      if (kind < 100) streams[draw(8)]?.flow(draw(2) === 0);
      else if (kind < 200) streams[draw(8)]?.write(new Uint8Array(1 + draw(9)), () => undefined);
      else if (kind < 210) streams[draw(8)]?.end();
      else if (kind < 215) streams[draw(8)]?.destroy();
      else if (kind < 260) udp.send(new Uint8Array(draw(20)));
    }
    for (const events of ears) {
      const last = events.told.filter((what) => what !== "connected");
      assert.ok(last.length <= 1, events.told.join());
      counts.ended += Number(last[0] === "ended");
      counts.failed += Number(last[0] === "failed");
      counts.bytes += events.length;
    }
    network.close?.();
  }
  assert.ok(counts.bytes > 0 && counts.failed > 0 && counts.ended > 0, JSON.stringify(counts));
  process.stdout.write(`# ${JSON.stringify(counts)}\n`);
});
