/** PCI functions as plain values: one made from another's state does what the other does, and no other state is taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtioDevice, VirtioQueue } from "../virtio/device.js";
import { VirtioRng } from "../virtio/rng.js";
import { VirtioPciDevice, type VirtioPciState } from "../virtio/virtio-pci.js";
import type { PciDevice } from "./device.js";
import { EduDevice, type EduState, eduBufferSize, eduRegister } from "./edu.js";
import { PciFunction, type PciFunctionState, type PciUpstream } from "./function.js";
import { createPciDevice, pciModelNames } from "./models.js";
import * as pci from "./registers.js";

const memorySize = 0x1_0000;

/** The same numbers for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Gives each buffer back with its number and how often the queue was asked. */
class Counter implements VirtioDevice {
  readonly id = 1;
  readonly features = 1n << 5n;
  readonly queues = [8, 4];
  readonly config = Uint8Array.of(1, 2, 3, 4);
  #count: number;

  constructor(state: unknown = 0) {
    assert.equal(typeof state, "number");
    this.#count = state as number;
  }

  reset(): void {
    this.#count = 0;
  }

  save(): number {
    return this.#count;
  }

  notify(_index: number, queue: VirtioQueue): void {
    for (let taken = 0, buffer = queue.take(); buffer && taken < 8; taken++, buffer = queue.take()) {
      const written = queue.fill(buffer, Uint8Array.of(buffer.head, ++this.#count));
      if (written === undefined) return;
      queue.give(buffer, written);
    }
  }
}

interface Kind {
  readonly create: (state?: unknown) => PciDevice;
  /** Bytes of BARs that registers lie in. */
  readonly places: readonly (readonly [bar: number, offset: number])[];
}
const kinds: Readonly<Record<string, Kind>> = {
  edu: {
    create: (state) => new EduDevice(state as EduState | undefined),
    places: [
      ...Object.values(eduRegister).map((offset) => [0, offset] as const),
      ...[0, 4, 8, 12, 0x10, 0x1c, 0x3c, 0x800].map((offset) => [1, offset] as const),
      ...[0, 4, 0x100, 0xfff8].map((offset) => [2, offset] as const),
    ],
  },
  virtio: {
    create: (state) => {
      const whole = state as VirtioPciState | undefined;
      return new VirtioPciDevice(new Counter(whole?.device), whole);
    },
    places: [
      ...[0, 4, 8, 12, 0x10, 0x12, 0x14, 0x14, 0x14, 0x16, 0x16, 0x18, 0x1a, 0x1c].map(
        (offset) => [0, offset] as const,
      ),
      ...[0x1000, 0x2000, 0x3000, 0x3000, 0x3004].map((offset) => [0, offset] as const),
      ...[0, 8, 12, 0x1c, 0x2c, 0x800].map((offset) => [1, offset] as const),
    ],
  },
};

/** A function on memory of its own, with what its guest and the bridge see of it. */
class Plugged {
  readonly it: PciFunction;
  readonly events: string[] = [];
  readonly memory: Uint8Array;

  constructor(device: PciDevice, memory: Uint8Array, state?: PciFunctionState) {
    this.memory = memory;
    const part = (address: bigint, length: number): Uint8Array | undefined =>
      address + BigInt(length) <= memorySize ? memory.subarray(Number(address), Number(address) + length) : undefined;
    const upstream: PciUpstream = {
      dma: (address, length, _way, visit) => {
        const found = part(address, length);
        if (found) visit(found, 0);
        return found !== undefined;
      },
      setIntx: (level) => void this.events.push(`intx ${level}`),
      message: (message) => void this.events.push(`message ${message.address} ${message.data}`),
    };
    this.it = new PciFunction(device, upstream, state);
  }

  /** The capability with this identifier. */
  find(id: number): number {
    let at = this.it.readConfig(pci.PCI_CAPABILITY_LIST, 1);
    while (at !== 0 && this.it.readConfig(at, 1) !== id) at = this.it.readConfig(at + 1, 1);
    return at;
  }

  /** Something that a guest does; what it sees of it. */
  step({ places }: Kind, random: (below: number) => number): string {
    const width = [1, 2, 4, 4, 4, 8][random(6)] ?? 4;
    const value = [0, 1, 3, 11, 15, random(8), random(0x1_0000), random(2 ** 32)][random(8)] ?? 0;
    const [bar, offset] = places[random(places.length)] ?? [0, 0];
    const config = [4, 4, 6, 0x10, 0x3c, 4 * random(64), this.find(pci.PCI_CAP_ID_MSI), this.find(pci.PCI_CAP_ID_MSIX)];
    const at = (config[random(config.length)] ?? 0) & ~3;
    switch (random(7)) {
      case 0:
        return `config 0x${at.toString(16)} ${this.it.readConfig(at, 4)}`;
      case 1:
        this.it.writeConfig(at, 4, at === pci.PCI_COMMAND ? value | 6 : value * (random(2) ? 0x10000 : 1));
        return "";
      case 2:
      case 3:
        return `bar ${bar} 0x${offset.toString(16)} ${this.it.read(bar, offset, width)}`;
      default:
        this.it.write(bar, offset, width, BigInt.asUintN(8 * width, BigInt(value)));
        return "";
    }
  }
}

/** A driver that has set up both queues, so that random steps find some that run. */
function startVirtio({ it, memory }: Plugged): void {
  const view = new DataView(memory.buffer);
  it.writeConfig(pci.PCI_COMMAND, 2, pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER);
  const set = (offset: number, width: number, value: number): void => it.write(0, offset, width, BigInt(value));
  set(0x14, 1, 3);
  set(0x08, 4, 1);
  set(0x0c, 4, 3);
  set(0x14, 1, 11);
  for (const queue of [0, 1]) {
    const base = 0x1000 + 0x4000 * queue;
    for (let i = 0; i < 8; i++) {
      view.setBigUint64(base + 16 * i, BigInt(0x8000 + 0x100 * i), true);
      view.setUint32(base + 16 * i + 8, 8, true);
      view.setUint16(base + 16 * i + 12, 2, true);
      view.setUint16(base + 0x1004 + 2 * i, i % 4, true);
    }
    view.setUint16(base + 0x1002, 3, true);
    set(0x16, 2, queue);
    for (const [field, at] of [
      [0x20, base],
      [0x28, base + 0x1000],
      [0x30, base + 0x2000],
    ] as const)
      set(field, 4, at);
    set(0x1c, 2, 1);
  }
  set(0x14, 1, 15);
}

for (const [name, kind] of Object.entries(kinds)) {
  test(`${name}: one made from the other's state does what the other does`, () => {
    let interrupts = 0;
    for (let seed = 0; seed < 60; seed++) {
      const random = generator(seed);
      const first = new Plugged(kind.create(), new Uint8Array(memorySize));
      if (name === "virtio" && seed % 3 > 0) startVirtio(first);
      for (let i = 0; i < 60; i++) first.step(kind, random);
      const saved = first.it.save();
      const state = structuredClone(saved);
      const second = new Plugged(kind.create(state.device), first.memory.slice(), state);
      assert.deepEqual(second.it.save(), saved);
      // The bridge learns again who pulls.
      const pulls = first.events.filter((event) => event.startsWith("intx")).at(-1) === "intx true";
      assert.deepEqual(second.events.splice(0), pulls ? ["intx true"] : []);
      first.events.length = 0;
      const [one, other] = [generator(1000 + seed), generator(1000 + seed)];
      for (let i = 0; i < 200; i++) {
        if (i % 16 === 0) {
          for (const { memory } of [first, second]) new DataView(memory.buffer).setUint16(0x2002, 3 + i / 16, true);
        }
        assert.equal(second.step(kind, other), first.step(kind, one), `seed ${seed}, step ${i}`);
      }
      interrupts += first.events.length;
      assert.deepEqual(second.events, first.events);
      assert.deepEqual(second.memory, first.memory);
      assert.deepEqual(second.it.save(), first.it.save());
      // What was saved is a copy.
      assert.deepEqual(saved, state);
    }
    assert.ok(interrupts > 50, `${interrupts}`);
  });
}

test("every model that can be named is made from its state; a device without save is told apart", () => {
  for (const name of pciModelNames) {
    const { it } = new Plugged(createPciDevice(name), new Uint8Array(memorySize));
    const state = structuredClone(it.save());
    assert.deepEqual(
      new Plugged(createPciDevice(name, state.device), new Uint8Array(memorySize), state).it.save(),
      state,
    );
  }
  const stateless: PciDevice = Object.assign(Object.create(new EduDevice()), { save: undefined });
  const described = {
    identity: stateless.identity,
    bars: stateless.bars,
    reset() {},
    connect() {},
    read: () => 0n,
    write() {},
  };
  assert.throws(
    () => new Plugged(described, new Uint8Array(memorySize)).it.save(),
    /EBUSY: the PCI device 1234:756b cannot/,
  );
});

/** States that differ from an honest one in one place, and what is said of each. */
const hostile = <T extends object>(state: T, changes: Partial<Record<keyof T, unknown>>): T =>
  ({ ...state, ...changes }) as T;
const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = value;
  return copy;
};

test("a function's state that it cannot have got into is refused", () => {
  const honest = new Plugged(new EduDevice(), new Uint8Array(memorySize)).it.save();
  const { config, msix } = honest;
  assert.ok(msix);
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [null, /state is null, not an object/],
    [{}, /config is missing/],
    [
      hostile(honest, { config: config.subarray(1) }),
      /state is a Uint8Array of 255 bytes, not a Uint8Array of 256 bytes/,
    ],
    [hostile(honest, { config: [...config] }), /config is an array, not a Uint8Array/],
    [
      hostile(honest, { config: changed(config, 0, 0x35) }),
      /byte 0x0 of the saved configuration space is 0x35; this device has 0x34/,
    ],
    [hostile(honest, { config: changed(config, 0x34, 0) }), /byte 0x34/],
    [hostile(honest, { config: changed(config, 0x10, 1) }), /byte 0x10/],
    [hostile(honest, { config: changed(config, 0x1b, 0xff) }), undefined as never],
    [hostile(honest, { pin: 1 }), /pin is 1, not true or false/],
    [hostile(honest, { msix: { table: msix.table } }), /pending is missing/],
    [hostile(honest, { msix: hostile(msix, { table: new Uint8Array(65) }) }), /table is a Uint8Array of 65 bytes/],
    [
      hostile(honest, { msix: hostile(msix, { table: changed(msix.table, 0, 2) }) }),
      /word 0x0 of the saved MSI-X table/,
    ],
    [
      hostile(honest, { msix: hostile(msix, { table: changed(msix.table, 12, 2) }) }),
      /word 0xc of the saved MSI-X table/,
    ],
    [
      hostile(honest, { msix: hostile(msix, { pending: changed(msix.pending, 0, 16) }) }),
      /vector 4 is pending; there are 4/,
    ],
  ];
  for (const [state, message] of cases) {
    const make = () => new Plugged(new EduDevice(), new Uint8Array(memorySize), state as PciFunctionState);
    // Some bytes a guest may write as it likes.
    if (message) assert.throws(make, { code: "EINVAL", message });
    else make();
  }
  const pinless = {
    ...new EduDevice(),
    bars: [],
    interrupts: {},
    reset() {},
    connect() {},
    read: () => 0n,
    write() {},
  };
  const plain = new Plugged({ ...pinless, save: () => 0 }, new Uint8Array(memorySize)).it.save();
  assert.throws(
    () => new Plugged(pinless, new Uint8Array(memorySize), { ...plain, pin: true }),
    /EINVAL: the saved device pulls/,
  );
});

test("an edu's and a virtio device's state that they cannot have got into is refused", () => {
  const buffer = new Uint8Array(eduBufferSize);
  const edus: readonly (readonly [unknown, RegExp])[] = [
    [{ registers: [], buffer: buffer.subarray(1) }, /buffer is a Uint8Array of 65535 bytes/],
    [{ registers: [[0, 1]], buffer }, /registers\[0\] is \[0, 1\], no register and its value/],
    [{ registers: [[eduRegister.interruptStatus, 16]], buffer }, /\[8, 16\]/],
    [{ registers: [[eduRegister.dmaLength, -1]], buffer }, /\[44, -1\]/],
    [{ registers: [7], buffer }, /registers\[0\]/],
    [{ registers: new Map(), buffer }, /registers is an object, not an array/],
  ];
  for (const [state, message] of edus) {
    assert.throws(() => new EduDevice(state as EduState), { code: "EINVAL", message });
  }
  const made = new VirtioPciDevice(new Counter());
  const honest = made.save();
  const [first, second] = honest.queues;
  assert.ok(first && second);
  const queue = (changes: object) => hostile(honest, { queues: [{ ...first, ...changes }, second] });
  const features = (1n << 32n) | (1n << 33n);
  const virtios: readonly (readonly [unknown, RegExp])[] = [
    [7, /state is 7, not an object/],
    [hostile(honest, { status: 256 }), /status is 256/],
    [hostile(honest, { isr: 4 }), /isr is 4/],
    [hostile(honest, { driverFeatures: -1n }), /driverFeatures is -1n/],
    [hostile(honest, { status: 15 }), /virtio device 1 agreed to features 0x0/],
    [hostile(honest, { status: 11, driverFeatures: features | 1n }), /agreed to features 0x300000001/],
    [hostile(honest, { configVector: 3 }), /uses the message 3; there are 3/],
    [hostile(honest, { queues: [first] }), /has 1 queues; there are 2/],
    [queue({ size: 16 }), /has 16 descriptors in queue 0/],
    [queue({ size: 3 }), /has 3 descriptors in queue 0/],
    [queue({ vector: 5 }), /uses the message 5/],
    [queue({ addresses: [0n] }), /lacks its addresses/],
    [queue({ addresses: [0n, 0n, 1n << 64n] }), /addresses\[2\] is 18446744073709551616n/],
    [queue({ queue: { taken: 0, given: 65536, broken: false } }), /given is 65536/],
    [queue({ queue: {} }), /taken is missing/],
  ];
  for (const [state, message] of virtios) {
    assert.throws(() => new VirtioPciDevice(new Counter(), state as VirtioPciState), { code: "EINVAL", message });
  }
  assert.throws(() => new VirtioPciDevice(new VirtioRng(), honest), /device 4 has 2 queues; there are 1 here/);
});
