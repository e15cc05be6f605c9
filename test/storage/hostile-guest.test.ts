/**
 * Every virtio device against a driver that is none, and the network against frames that are none: random registers, areas,
 * rings, chains, tables. Nothing throws, nothing grows, nothing stops the host. A long run:
 * `UNIKVM_DRAWS=1000000 UNIKVM_SEED=7 node --test dist/test/storage/hostile-guest.test.js`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { GuestMemory } from "../../src/vmm/core/guest-memory.js";
import { PciFunction } from "../../src/vmm/devices/pci/function.js";
import * as pci from "../../src/vmm/devices/pci/registers.js";
import { VirtioBalloon } from "../../src/vmm/devices/virtio/balloon.js";
import { VirtioBlock } from "../../src/vmm/devices/virtio/block.js";
import { VirtioConsole } from "../../src/vmm/devices/virtio/console.js";
import type { VirtioDevice } from "../../src/vmm/devices/virtio/device.js";
import { VirtioNet } from "../../src/vmm/devices/virtio/net.js";
import { VirtioRng } from "../../src/vmm/devices/virtio/rng.js";
import { VirtioPciDevice } from "../../src/vmm/devices/virtio/virtio-pci.js";
import { arpRequest } from "../../src/vmm/network/arp.js";
import type { NetworkEnd } from "../../src/vmm/network/card.js";
import type { HostNetwork, HostStreamEvents } from "../../src/vmm/network/host.js";
import { udpFrame } from "../../src/vmm/network/packets.js";
import { payloadOf } from "../../src/vmm/network/tcp.js";
import { tcpFrame } from "../../src/vmm/network/tcp-frame.js";
import { UserNetwork } from "../../src/vmm/network/user-network.js";
import { MemoryStore } from "../../src/vmm/storage/memory-store.js";
import { RawDisk } from "../../src/vmm/storage/raw.js";

const draws = Number(process.env["UNIKVM_DRAWS"] ?? 20_000);
const seed = Number(process.env["UNIKVM_SEED"] ?? 11);
const mebibyte = 1 << 20;
const ramSize = 0x2_0000;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
/** Bytes that the host has for all of this. */
function used(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** xorshift: a number below `below`. */
function randomFrom(start: number): (below: number) => number {
  let state = start | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** What is behind the devices is as small as can be, and forgets all. */
const nothing: NetworkEnd = {
  ...{ attach: () => {}, reset: () => {}, receive: () => {}, settle: () => {}, drained: () => {}, save: () => ({}) },
};
const devices: Readonly<Record<string, () => VirtioDevice>> = {
  block: () => new VirtioBlock({ disk: new RawDisk(new MemoryStore("disk", new Uint8Array(65536))), queues: 2 }),
  net: () => new VirtioNet({ end: nothing, mac: Uint8Array.of(2, 0, 0, 0, 0, 1), pairs: 2 }),
  console: () => new VirtioConsole([{ name: "port", output: () => true }]),
  balloon: () => new VirtioBalloon(),
  rng: () => new VirtioRng(),
};

/** A guest's memory, its registers and what it does to them. */
function attack(device: VirtioDevice, random: (below: number) => number) {
  const ram = new Uint8Array(ramSize);
  const view = new DataView(ram.buffer);
  const inside = (at: number, length: number): Uint8Array | undefined =>
    at >= 0 && at + length <= ramSize ? ram.subarray(at, at + length) : undefined;
  const soon: (() => void)[] = [];
  let writes = 0;
  const it = new PciFunction(new VirtioPciDevice(device), {
    dma: (address, length, way, visit) => {
      const found = inside(Number(address), length);
      if (found) visit(found, 0);
      if (way === "write") writes++;
      return found !== undefined;
    },
    memory: new GuestMemory(
      ramSize,
      (at, length) => ram.subarray(at, at + length),
      () => void writes++,
    ),
    setIntx: () => {},
    message: () => {},
    soon: (work) => void soon.push(work),
  });
  const set = (at: number, width: number, value: number): void => it.write(0, at, width, BigInt(value));
  const area = (queue: number): number => 0x1000 * (1 + (queue % 8));
  const odd = (one: number): boolean => random(one) === 0;
  const begin = (): void => {
    it.writeConfig(pci.PCI_COMMAND, 2, pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER);
    set(0x14, 1, 0);
    set(0x14, 1, 3);
    for (const select of [0, 1]) {
      set(0x00, 4, select);
      const offered = Number(it.read(0, 0x04, 4));
      set(0x08, 4, select);
      // As offered, less some, or with something that is not.
      set(0x0c, 4, (select === 1 ? offered : (offered & (odd(3) ? random(2 ** 32) : ~0)) ^ (odd(50) ? 8 : 0)) >>> 0);
    }
    set(0x14, 1, 11);
    for (const queue of device.queues.keys()) {
      set(0x16, 2, queue);
      set(0x18, 2, odd(30) ? random(65536) : 8);
      for (const [i, offset] of [0, 0x200, 0x300].entries()) {
        set(0x20 + 8 * i, 4, odd(60) ? random(2 ** 32) : area(queue) + offset);
        set(0x24 + 8 * i, 4, odd(200) ? random(2 ** 32) : 0);
      }
      set(0x1c, 2, 1);
    }
    set(0x14, 1, 15);
  };
  const counts = device.queues.map(() => 0);
  const chain = (queue: number): void => {
    const at = area(queue);
    const table = odd(4) ? 0x9000 : at;
    const length = 1 + random(7);
    let writing = odd(5);
    for (let i = 0; i < length; i++) {
      writing ||= odd(3);
      const entry = table + 16 * i;
      const sizes = [16, 1, 12, 512, 513, 4096, random(5000), odd(20) ? 2 ** 32 - 1 - random(4096) : 0];
      view.setBigUint64(
        entry,
        BigInt(odd(25) ? random(2 ** 32) * (odd(2) ? 2 ** 20 : 1) : 0xa000 + random(0x6000)),
        true,
      );
      view.setUint32(entry + 8, sizes[random(sizes.length)] ?? 0, true);
      view.setUint16(entry + 12, odd(40) ? random(65536) : (i + 1 < length ? 1 : 0) | (writing ? 2 : 0), true);
      view.setUint16(entry + 14, odd(40) ? random(65536) : i + 1, true);
    }
    if (table !== at) {
      view.setBigUint64(at, 0x9000n, true);
      view.setUint32(at + 8, odd(20) ? random(2 ** 32) : 16 * length, true);
      view.setUint16(at + 12, odd(20) ? 5 : 4, true);
    }
    const head = BigInt([0, 1, 4, 8, 11, 13, random(256)][random(7)] ?? 0);
    view.setBigUint64(0xa000 + 16 * random(64), head, true);
    view.setBigUint64(0xa008 + 16 * random(64), BigInt(odd(4) ? random(2 ** 32) : random(160)), true);
    const made = (counts[queue] ?? 0) + 1;
    counts[queue] = made & 0xffff;
    view.setUint16(at + 0x204 + 2 * ((made - 1) % 8), odd(40) ? random(65536) : 0, true);
    view.setUint16(at + 0x202, odd(100) ? random(65536) : made & 0xffff, true);
    set(0x3000 + 4 * queue, 2, 0);
  };
  const work = (): void => {
    for (const one of soon.splice(0)) one();
  };
  const broken = (): boolean => (Number(it.read(0, 0x14, 1)) & 0x40) !== 0 || Number(it.read(0, 0x14, 1)) !== 15;
  begin();
  return {
    /** What the device wrote into memory, in pieces: it did work. */
    writes: () => writes,
    step: (): void => {
      if (odd(200)) it.write(random(2), random(0x4000), [1, 2, 4, 8][random(4)] ?? 1, BigInt(random(2 ** 32)));
      if (odd(200)) it.read(random(2), random(0x4000), [1, 2, 4, 8][random(4)] ?? 1);
      chain(random(device.queues.length));
      work();
      // A driver that broke its device begins anew.
      if (broken() || odd(500)) {
        counts.fill(0);
        ram.fill(0, 0x1000, 0x9000);
        begin();
      }
    },
  };
}

for (const [name, make] of Object.entries(devices)) {
  test(`${draws} random chains of descriptors to virtio ${name}`, async (t) => {
    const { step, writes } = attack(make(), randomFrom(seed));
    let before = Number.NaN;
    for (let i = 0; i < draws; i++) {
      if (i === Math.floor(draws / 4)) before = used();
      step();
      // What ends later has its turn, and the host's other work.
      if (i % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const grown = used() - before;
    t.diagnostic(
      `${name}: ${draws} chains, ${writes()} writes of the device, ${(grown / 1024).toFixed(0)} KiB more than after the first quarter (seed ${seed})`,
    );
    assert.ok(grown < 4 * mebibyte, `${grown} bytes more`);
    assert.ok(writes() > draws / 4, `${writes()} writes`);
  });
}

/** A host that takes everything, answers something, and counts what is open. */
function careless(random: (below: number) => number) {
  let open = 0;
  const stream = (events: HostStreamEvents) => {
    open++;
    let gone = false;
    const over = (): void => {
      if (!gone) open--;
      gone = true;
    };
    if (random(2) === 0) queueMicrotask(() => events.connected?.());
    return {
      write: (bytes: Uint8Array, written: () => void) => {
        if (random(2) === 0 && !gone) events.data(bytes.slice());
        written();
      },
      end: () => {
        if (!gone) events.ended();
      },
      destroy: over,
      flow: () => {},
    };
  };
  const host: HostNetwork = {
    connect: (_, __, events) => stream(events),
    datagrams: (_, __, received) => {
      open++;
      return { send: (bytes) => received(bytes), close: () => void open-- };
    },
    resolve: async () => ["93.184.216.34"],
    ownAddresses: () => [],
    listen: async (port) => ({ port, close: () => {} }),
  };
  return { host, open: () => open };
}

test(`${draws} random frames to the network`, async (t) => {
  const random = randomFrom(seed);
  const { host, open } = careless(random);
  let time = 0;
  const network = new UserNetwork({ host, allow: ["all", "*.example:*"], now: () => time });
  let answers = 0;
  network.attach({
    takesUnchecked: true,
    takesLong: true,
    ready: () => random(20) !== 0,
    send: () => {
      answers++;
      return random(20) !== 0;
    },
  });
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const [guest, gateway, name] = [0x0a00_020f, 0x0a00_0202, 0x0a00_0203];
  const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random(256));
  const addresses = () => ({
    ...{ destinationMac: mac, sourceMac: mac, source: random(30) === 0 ? random(2 ** 32) : guest },
    destination: [gateway, name, 0x0808_0808, 0xc612_0001, random(2 ** 32)][random(5)] ?? 0,
  });
  const frame = (): Uint8Array => {
    switch (random(5)) {
      case 0:
        return udpFrame(addresses(), random(65536), [53, 67, random(65536)][random(3)] ?? 0, noise(random(300)));
      case 1:
        return arpRequest(guest, random(2) === 0 ? gateway : random(2 ** 32), mac);
      case 2:
        return noise(14 + random(80));
      default: {
        const flags = [2, 16, 24, 17, 4, random(64)][random(6)] ?? 0;
        const numbers = { sequence: random(4) === 0 ? random(2 ** 32) : random(100), acknowledgment: random(2 ** 32) };
        const segment = {
          ...numbers,
          flags,
          window: random(65536),
          payload: payloadOf(noise(random(60))),
          segmentSize: 0,
        };
        return tcpFrame(addresses(), 1 + random(3000), 1 + random(4), segment, false);
      }
    }
  };
  let [before, most] = [Number.NaN, 0];
  for (let i = 0; i < draws; i++) {
    if (i === Math.floor(draws / 4)) before = used();
    const bytes = frame();
    for (let changes = random(3); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
    network.receive({
      bytes: random(10) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes,
      checked: random(3) > 0,
      queue: random(3),
    });
    if (random(4) === 0) network.settle();
    if (random(50) === 0) network.drained();
    most = Math.max(most, open());
    if (i % 64 === 0) {
      time += random(400);
      network.tick();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const grown = used() - before;
  const stats = network.stats();
  t.diagnostic(
    `${draws} frames, ${answers} answers, at most ${most} sockets, ${stats["net_malformed"] ?? 0} malformed, ${(grown / 1024).toFixed(0)} KiB more (seed ${seed})`,
  );
  assert.ok(answers > draws / 20, `${answers}`);
  assert.ok(most <= 1024 + 256 + 1, `${most} sockets`);
  assert.ok(grown < 24 * mebibyte, `${grown} bytes more`);
  network.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(open(), 0, "sockets are left");
});
