/** The network as a guest sees it, honest and hostile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { arpRequest } from "./arp.js";
import type { FrameToGuest } from "./card.js";
import {
  GuestTcp,
  gatewayIp,
  gatewayMac,
  guestIp,
  guestMac,
  segmentFrame,
  toOutside,
  understood,
} from "./guest.test-support.js";
import type { HostNetwork, HostStreamEvents } from "./host.js";
import { ipv4Frame, protocol, sum, tcpFlag, transportAt, udpFrame } from "./packets.js";
import { UserNetwork, type UserNetworkOptions, type UserNetworkState } from "./user-network.js";

const dnsIp = 0x0a00_0203;
const outside = 0x0808_0808;

/** A host that notes what it is asked, and does what the test says. */
function hostOf() {
  const asked: string[] = [];
  const streams: { readonly events: HostStreamEvents; readonly wrote: number[]; over: string[] }[] = [];
  const flows: { readonly received: (bytes: Uint8Array) => void; readonly sent: number[][]; closed: boolean }[] = [];
  const names = new Map<string, readonly string[] | Promise<readonly string[]> | Error>();
  const streamOf = (events: HostStreamEvents) => {
    const it = { events, wrote: [] as number[], over: [] as string[] };
    streams.push(it);
    return {
      write: (bytes: Uint8Array, written: () => void) => {
        it.wrote.push(...bytes);
        written();
      },
      end: () => void it.over.push("end"),
      destroy: () => void it.over.push("destroy"),
      flow: () => {},
    };
  };
  const host: HostNetwork = {
    connect: (address, port, events) => {
      asked.push(`connect ${address} ${port}`);
      return streamOf(events);
    },
    datagrams: (address, port, received) => {
      asked.push(`udp ${address} ${port}`);
      const it = { received, sent: [] as number[][], closed: false };
      flows.push(it);
      return {
        send: (bytes) => void it.sent.push([...bytes]),
        close: () => {
          it.closed = true;
        },
      };
    },
    resolve: async (name) => {
      asked.push(`resolve ${name}`);
      const found = await names.get(name);
      if (found instanceof Error) throw found;
      return found ?? [];
    },
    ownAddresses: () => ["203.0.113.9"],
    listen: (port) => Promise.resolve({ port, close: () => {} }),
  };
  return { host, asked, streams, flows, names, streamOf };
}

function setUp(options: Partial<UserNetworkOptions> = {}, state?: UserNetworkState) {
  const outer = hostOf();
  let time = 0;
  const network = new UserNetwork({ host: outer.host, now: () => time, ...options }, state);
  const sent: FrameToGuest[] = [];
  let room = Number.POSITIVE_INFINITY;
  network.attach({
    takesUnchecked: false,
    takesLong: false,
    ready: () => true,
    send: (frame) => {
      if (room === 0) return false;
      room--;
      sent.push(frame);
      return true;
    },
  });
  const give = (bytes: Uint8Array, checked = false): void => {
    network.receive({ bytes, checked, queue: 0 });
    network.settle();
  };
  return {
    ...outer,
    network,
    give,
    /** Frames that the guest takes from now on. */
    setRoom: (frames = Number.POSITIVE_INFINITY) => {
      room = frames;
    },
    pass: (milliseconds: number) => {
      time += milliseconds;
      network.tick();
    },
    answers: () => sent.splice(0).map(({ bytes }) => understood(bytes)),
  };
}

/** All that promises hang on has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const question = (name: string, type = 1): Uint8Array => {
  const labels = name.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
  return Uint8Array.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1]);
};
const ask = (name: string, type = 1): Uint8Array => udpFrame(toOutside(dnsIp), 5000, 53, question(name, type));
/** Status and addresses. */
const answered = (payload: Uint8Array | undefined): [number, number[]] => {
  assert.ok(payload);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  assert.equal(view.getUint16(0), 0x1234);
  const count = view.getUint16(6);
  return [(payload[3] ?? 0) & 15, Array.from({ length: count }, (_, i) => view.getUint32(payload.length - 4 - 16 * i))];
};

test("ARP, ping and DHCP have one neighbour, and one address", () => {
  const { give, answers } = setUp();
  give(arpRequest(gatewayIp, guestIp, guestMac));
  const [arp] = answers();
  assert.deepEqual([...(arp?.ethernet?.payload.subarray(6, 14) ?? [])], [0, 2, ...gatewayMac]);
  give(arpRequest(0x0a00_0263, guestIp, guestMac));
  assert.deepEqual(answers(), []);
  const ping = (to: number): Uint8Array => {
    const frame = ipv4Frame(toOutside(to), protocol.icmp, 64);
    frame[transportAt] = 8;
    frame[transportAt + 63] = 77;
    const check = 0xffff ^ sum(frame, transportAt, frame.length);
    frame.set([check >> 8, check & 0xff], transportAt + 2);
    return frame;
  };
  give(ping(gatewayIp));
  const [echo] = answers();
  assert.deepEqual([echo?.from, echo?.packet?.payload[0], echo?.packet?.payload[63]], ["10.0.2.2", 0, 77]);
  give(ping(outside));
  assert.deepEqual(answers(), []);

  const request = (kind: number, wanted?: number): Uint8Array => {
    const bytes = new Uint8Array(300);
    bytes.set([1, 1, 6, 0, 9, 9, 9, 9]);
    bytes.set(guestMac, 28);
    bytes.set([0x63, 0x82, 0x53, 0x63, 53, 1, kind], 236);
    if (wanted !== undefined) bytes.set([50, 4, 10, 0, 2, wanted], 243);
    bytes[wanted === undefined ? 243 : 249] = 255;
    return udpFrame({ ...toOutside(0xffff_ffff), source: 0 }, 68, 67, bytes);
  };
  const got = (): readonly number[] => {
    const [answer] = answers();
    assert.equal(answer?.udp?.destinationPort, 68);
    return [...(answer?.udp?.payload.subarray(16, 20) ?? []), answer?.udp?.payload[242] ?? 0];
  };
  give(request(1));
  assert.deepEqual(got(), [10, 0, 2, 15, 2]);
  give(request(3, 15));
  assert.deepEqual(got(), [10, 0, 2, 15, 5]);
  give(request(3, 77));
  assert.deepEqual(got(), [0, 0, 0, 0, 6]);
  give(request(7));
  assert.deepEqual(answers(), []);
});

test("names: the host's answer, none, or an address that stands for one that is allowed", async () => {
  const all = setUp({ allow: "all" });
  all.names.set("example.org", ["93.184.216.34", "1.2.3.4"]);
  all.names.set("broken.example", new Error("no server"));
  for (const [name, type, expected] of [
    ["Example.ORG", 1, [0, [0x0102_0304, 0x5db8_d822]]],
    ["example.org", 28, [0, []]],
    ["absent.example", 1, [3, []]],
    ["broken.example", 1, [2, []]],
  ] as const) {
    all.give(ask(name, type));
    await settled();
    await settled();
    assert.deepEqual(answered(all.answers()[0]?.udp?.payload), expected, name);
  }
  const some = setUp({ allow: ["example.org:80"] });
  some.give(ask("example.org"));
  assert.deepEqual(answered(some.answers()[0]?.udp?.payload), [0, [0xc612_0001]]);
  // What may not be reached is not asked for: a name is a message, too.
  some.give(ask("secret.elsewhere.example"));
  assert.deepEqual(answered(some.answers()[0]?.udp?.payload), [3, []]);
  assert.deepEqual(some.asked, []);
  some.give(udpFrame(toOutside(dnsIp), 5000, 53, question("example.org").fill(0xc0, 12, 13)));
  assert.deepEqual(some.answers(), []);
});

test("a connection goes where the policy says, and is refused elsewhere", async () => {
  const it = setUp({ allow: ["example.org:80", "127.0.0.1:99"] });
  it.names.set("example.org", ["10.0.0.1", "93.184.216.34"]);
  it.give(ask("example.org"));
  it.answers();
  const connect = async (to: number, port: number) => {
    it.give(segmentFrame(to, [4000 + port, port], { flags: tcpFlag.syn, sequence: 7 }));
    await settled();
    await settled();
    it.streams.at(-1)?.events.connected?.();
    return it.answers().map(({ tcp }) => [tcp?.flags, tcp?.acknowledgment]);
  };
  const refused = [[tcpFlag.rst | tcpFlag.ack, 8]];
  assert.deepEqual(await connect(outside, 80), refused);
  assert.deepEqual(await connect(0xc612_0001, 81), refused);
  assert.deepEqual(await connect(0xc612_0002, 80), refused);
  assert.deepEqual(await connect(gatewayIp, 98), refused);
  assert.deepEqual(await connect(0x7f00_0001, 98), refused);
  assert.deepEqual(it.asked, []);
  assert.deepEqual(await connect(0xc612_0001, 80), [[tcpFlag.syn | tcpFlag.ack, 8]]);
  assert.deepEqual(await connect(gatewayIp, 99), [[tcpFlag.syn | tcpFlag.ack, 8]]);
  assert.deepEqual(it.asked, ["resolve example.org", "connect 93.184.216.34 80", "connect 127.0.0.1 99"]);
  assert.equal(it.network.stats()["net_connections"], 2);
  it.network.close();
  assert.ok(it.streams.every(({ over }) => over.join() === "destroy"));
});

test("the program is asked before each connection", async () => {
  const asked: string[] = [];
  const it = setUp({
    allow: "all",
    onConnect: ({ host, port, protocol: kind }) => {
      asked.push(`${kind} ${host}:${port}`);
      if (port === 3) throw new Error("no");
      return Promise.resolve(port === 1);
    },
  });
  for (const port of [1, 2, 3]) it.give(segmentFrame(outside, [port, port], { flags: tcpFlag.syn }));
  it.give(udpFrame(toOutside(outside), 9, 2, new Uint8Array(1)));
  await settled();
  assert.deepEqual(asked, ["tcp 8.8.8.8:1", "tcp 8.8.8.8:2", "tcp 8.8.8.8:3", "udp 8.8.8.8:2"]);
  assert.deepEqual(it.asked, ["connect 8.8.8.8 1"]);
  it.network.close();
});

test("datagrams go round, are forgotten after a while, and are not more than so many", async () => {
  const it = setUp({ allow: "all" });
  it.give(udpFrame(toOutside(outside), 9, 123, Uint8Array.of(1, 2)));
  await settled();
  assert.deepEqual([it.asked, it.flows[0]?.sent], [["udp 8.8.8.8 123"], [[1, 2]]]);
  it.flows[0]?.received(Uint8Array.of(3));
  const [answer] = it.answers();
  assert.deepEqual([answer?.from, answer?.udp?.destinationPort, ...(answer?.udp?.payload ?? [])], ["8.8.8.8", 9, 3]);
  it.flows[0]?.received(new Uint8Array(1473));
  assert.deepEqual(it.answers(), []);
  it.pass(61_000);
  assert.deepEqual([it.flows[0]?.closed, it.network.stats()["net_udp_flows"]], [true, 0]);
  for (let port = 1; port <= 2000; port++) it.give(udpFrame(toOutside(outside), port, 123, new Uint8Array(0)));
  await settled();
  assert.equal(it.network.stats()["net_udp_flows"], 256);
  // No host can be asked for port 0.
  it.give(udpFrame(toOutside(outside), 9, 0, Uint8Array.of(1)));
  await settled();
  assert.ok(!it.asked.includes("udp 8.8.8.8 0"));
  assert.equal(it.flows.filter(({ closed }) => !closed).length, 256);
  it.network.close();
  assert.ok(it.flows.every(({ closed }) => closed));
});

test("connections are not more than so many, nor questions", async () => {
  const it = setUp({ allow: "all" });
  for (let port = 1; port <= 3000; port++) it.give(segmentFrame(outside, [port, 80], { flags: tcpFlag.syn }));
  await settled();
  assert.equal(it.streams.length, 1024);
  assert.equal(it.network.stats()["net_refused_connections"], 3000 - 1024);
  it.names.set("slow.example", new Promise(() => {}));
  for (let i = 0; i < 1000; i++) it.give(ask("slow.example"));
  await settled();
  assert.equal(it.asked.filter((what) => what.startsWith("resolve")).length, 2);
  it.network.reset();
  assert.deepEqual(
    [it.network.stats()["net_connections"], it.streams.every(({ over }) => over.length === 1)],
    [0, true],
  );
});

test("a connection from outside reaches a program in the guest", () => {
  const it = setUp();
  let attached: HostStreamEvents | undefined;
  it.network.connect(8080, (events) => {
    attached = events;
    return it.streamOf(events);
  });
  // The guest has said nothing yet: it is looked for.
  assert.equal(it.answers()[0]?.ethernet?.type, 0x0806);
  it.give(arpRequest(gatewayIp, guestIp, guestMac));
  it.answers();
  it.pass(1000);
  const [syn] = it.answers();
  assert.deepEqual([syn?.tcp?.flags, syn?.tcp?.destinationPort, syn?.from], [tcpFlag.syn, 8080, "10.0.2.2"]);
  const ports = [8080, syn?.tcp?.sourcePort ?? 0] as const;
  const acknowledgment = ((syn?.tcp?.sequence ?? 0) + 1) >>> 0;
  it.give(segmentFrame(gatewayIp, ports, { flags: tcpFlag.syn | tcpFlag.ack, sequence: 99, acknowledgment }));
  assert.equal(it.answers()[0]?.tcp?.flags, tcpFlag.ack);
  attached?.data(Uint8Array.of(5, 6));
  assert.deepEqual([...(it.answers()[0]?.tcp?.payload ?? [])], [5, 6]);
  it.give(
    segmentFrame(gatewayIp, ports, {
      flags: tcpFlag.ack,
      sequence: 100,
      acknowledgment: acknowledgment + 2,
      payload: Uint8Array.of(7),
    }),
  );
  assert.deepEqual(it.streams[0]?.wrote, [7]);
  it.network.close();
});

test("where the guest takes a few frames at a time, each connection has its turn", () => {
  const it = setUp();
  const ports = [80, 81, 82, 83, 84];
  const streams = ports.map((to) => {
    const stream: { events?: HostStreamEvents } = {};
    it.network.connect(to, (events) => {
      stream.events = events;
      return { write: () => {}, end: () => {}, destroy: () => {}, flow: () => {} };
    });
    return stream;
  });
  it.give(arpRequest(gatewayIp, guestIp, guestMac));
  it.network.drained();
  it.pass(2000);
  for (const { tcp } of it.answers()) {
    if (!tcp || !(tcp.flags & tcpFlag.syn)) continue;
    const flags = tcpFlag.syn | tcpFlag.ack;
    const segment = { flags, sequence: 1, acknowledgment: (tcp.sequence + 1) >>> 0 };
    it.give(segmentFrame(gatewayIp, [tcp.destinationPort, tcp.sourcePort], segment));
  }
  it.answers();
  it.setRoom(0);
  for (const { events } of streams) events?.data(new Uint8Array(60_000));
  const served: (number | undefined)[] = [];
  for (let round = 0; round < 5; round++) {
    it.setRoom(2);
    it.network.drained();
    served.push(...it.answers().map(({ tcp }) => tcp?.sourcePort));
  }
  assert.equal(served.length, 10);
  assert.equal(new Set(served).size, 5, `${served}`);
  it.network.close();
});

test("restored, names are known and connections are no more", async () => {
  const it = setUp({ allow: ["example.org:80", "8.8.8.8:80"] });
  it.give(ask("example.org"));
  it.give(segmentFrame(outside, [7, 80], { flags: tcpFlag.syn, sequence: 1000 }));
  await settled();
  it.streams[0]?.events.connected?.();
  const guest = new GuestTcp(() => {}, 0);
  const next = it.answers().at(-1)?.tcp?.sequence ?? 0;
  guest.flush();
  const state = structuredClone(it.network.save());
  it.network.close();
  const again = setUp({ allow: ["example.org:80", "8.8.8.8:80"] }, state);
  again.give(arpRequest(gatewayIp, guestIp, guestMac));
  const reset = again.answers().find(({ tcp }) => tcp);
  assert.deepEqual([reset?.tcp?.flags, reset?.tcp?.sequence, reset?.tcp?.destinationPort], [tcpFlag.rst, next + 1, 7]);
  again.give(ask("example.org"));
  assert.deepEqual(answered(again.answers()[0]?.udp?.payload), [0, [0xc612_0001]]);
  again.network.close();
  assert.throws(() => setUp({}, { names: [] } as unknown as UserNetworkState), /EINVAL.*connections is missing/);
});

test("30,000 frames that a hostile guest could send: nothing is thrown, nothing grows, nothing inside is reached", async () => {
  let state = 11;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const it = setUp({ allow: ["example.org:*", "8.8.8.8:80"] });
  it.names.set("example.org", ["192.168.0.1"]);
  const places = [gatewayIp, dnsIp, outside, 0xc612_0001, 0x7f00_0001, 0xffff_ffff, guestIp];
  const place = (): number => places[random(places.length)] ?? 0;
  const made: (() => Uint8Array)[] = [
    () => arpRequest(place(), guestIp, guestMac),
    () => ask(["example.org", "x.example.org", "a".repeat(63)][random(3)] ?? ""),
    () => udpFrame(toOutside(place()), random(65536), random(65536), new Uint8Array(random(100))),
    () =>
      segmentFrame(place(), [1 + random(20), random(3) === 0 ? random(65536) : 80], {
        flags: random(64),
        sequence: random(3) * 1000,
        acknowledgment: random(2) * random(2 ** 32),
        window: random(65536),
        payload: new Uint8Array(random(4) === 0 ? random(60_000) : random(10)),
      }),
  ];
  for (let count = 0; count < 30_000; count++) {
    let frame = made[random(made.length)]?.() ?? new Uint8Array(0);
    for (let changes = random(3) === 0 ? random(6) : 0; changes > 0; changes--) {
      const last = Math.min(frame.length, 64);
      if (last > 0) frame[random(last)] = random(256);
    }
    if (random(20) === 0) frame = frame.subarray(0, random(frame.length + 1));
    it.setRoom(random(3) === 0 ? 0 : undefined);
    it.network.receive({ bytes: frame, checked: random(2) === 0, queue: random(5) });
    if (random(4) === 0) it.network.settle();
    if (random(50) === 0) it.pass(random(5000));
    if (random(20) === 0) it.network.drained();
    if (random(100) === 0) {
      await settled();
      const stream = it.streams[random(it.streams.length)];
      if (stream?.over.length === 0) {
        stream.events.connected?.();
        if (random(3) > 0) stream.events.data(new Uint8Array(random(5000)));
        if (random(4) === 0) stream.events.ended();
      }
      it.streams.splice(0, Math.max(0, it.streams.length - 2000));
    }
    it.answers();
  }
  const allowed = /^(connect|udp) 8\.8\.8\.8 80$|^resolve example\.org$/;
  assert.deepEqual(
    it.asked.filter((what) => !allowed.test(what)),
    [],
  );
  assert.ok(it.asked.some((what) => what.startsWith("connect")));
  const counts = it.network.stats();
  assert.ok((counts["net_connections"] ?? 0) <= 1024 && (counts["net_udp_flows"] ?? 0) <= 256);
  it.network.close();
  assert.equal(it.network.stats()["net_connections"], 0);
});
