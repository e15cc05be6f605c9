/** A disk from the driver's side, honest and hostile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Disk, StorageError } from "../../storage/disk.js";
import { MemoryStore } from "../../storage/memory-store.js";
import { RawDisk } from "../../storage/raw.js";
import { NotHereYet } from "../../storage/remote-store.js";
import { VirtioBlock, type VirtioBlockOptions, type VirtioBlockState } from "./block.js";
import { features, memorySize, setUpDriver, size } from "./driver.test-support.js";

const sectors = 64;
const flush = 1n << 9n;
const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13];
const [OK, IOERR, UNSUPP] = [0, 1, 2];
const [headAt, dataAt, statusAt] = [0x7000, 0x8000, 0x7100];
const needsReset = 0x40;

/** All that promises hang on has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Each sector has its number, from 1 on. */
const contents = Uint8Array.from({ length: sectors * 512 }, (_, i) => i / 512 + 1);

/** A disk that writes down what it is asked, and fails where it is told to. */
class Recorded implements Disk {
  readonly name = "disk";
  readonly size = sectors * 512;
  apart = false;
  readonly readOnly: boolean;
  readonly asked: string[] = [];
  readonly inner: RawDisk;
  full = false;

  constructor({ readOnly = false } = {}) {
    this.readOnly = readOnly;
    this.inner = new RawDisk(new MemoryStore("disk", contents));
  }

  read(offset: number, bytes: Uint8Array): void {
    this.asked.push(`read ${offset} ${bytes.length}`);
    this.inner.read(offset, bytes);
  }

  write(offset: number, bytes: Uint8Array): void {
    if (this.full) throw new StorageError("disk cannot be written: the file system is full");
    assert.ok(offset >= 0 && offset + bytes.length <= this.size && offset % 512 === 0 && bytes.length % 512 === 0);
    this.asked.push(`write ${offset} ${bytes.length}`);
    this.inner.write(offset, bytes);
  }

  writeZeroes(offset: number, length: number, keep: boolean): void {
    assert.ok(offset >= 0 && offset + length <= this.size);
    this.asked.push(`zero ${offset} ${length} ${keep}`);
    this.inner.writeZeroes(offset, length);
  }

  discard(offset: number, length: number): void {
    assert.ok(offset >= 0 && offset + length <= this.size);
    this.asked.push(`discard ${offset} ${length}`);
  }

  flush(): void {
    this.asked.push("flush");
  }

  flushSoon(): Promise<void> {
    this.asked.push("flush soon");
    return new Promise((resolve, reject) => {
      this.endFlush = () => {
        if (this.full) reject(new StorageError("disk cannot be flushed: the hardware fails"));
        else resolve();
      };
      if (!this.slow) this.endFlush();
    });
  }
  slow = false;
  endFlush = (): void => {};

  close(): void {}
}

function setUp(disk = new Recorded(), options: Partial<VirtioBlockOptions> = {}, accepted = features | flush) {
  const said: string[] = [];
  const device = new VirtioBlock({ disk, id: "serial", report: (sentence) => void said.push(sentence), ...options });
  const it = setUpDriver(device);
  it.set(0x16, 2, 0);
  it.set(0x18, 2, size);
  assert.equal(it.accept(accepted), 11);
  it.enableQueue();
  it.set(0x14, 1, 15);
  let given = 0;
  /** Puts a request's head, data and status where a driver does; `data` is how much of it, `out` what it holds. */
  const request = (type: number, sector: number | bigint, data = 0, out?: Uint8Array): number => {
    it.view.setUint32(headAt, type, true);
    it.view.setBigUint64(headAt + 8, BigInt(sector), true);
    if (out) it.ram.set(out, dataAt);
    it.ram[statusAt] = 0xee;
    it.describe(0, headAt, 16, 1, data > 0 ? 1 : 2);
    it.describe(1, dataAt, data, out ? 1 : 3, 2);
    it.describe(2, statusAt, 1, 2);
    it.offer(0);
    given++;
    return it.ram[statusAt] ?? -1;
  };
  const status = (): number => it.ram[statusAt] ?? -1;
  const flushed = async (): Promise<number> => {
    assert.equal(request(FLUSH, 0), 0xee);
    await settled();
    return status();
  };
  const range = (type: number, sector: bigint, count: number, flags: number, length = 16): number => {
    const bytes = new DataView(new ArrayBuffer(Math.max(16, length)));
    bytes.setBigUint64(0, sector, true);
    bytes.setUint32(8, count, true);
    bytes.setUint32(12, flags, true);
    return request(type, 0, length, new Uint8Array(bytes.buffer));
  };
  const last = (): number => it.used(given - 1)[1];
  return { ...it, disk, said, request, flushed, status, range, last, device, asked: () => disk.asked.splice(0) };
}

test("what a driver reads of the disk before it asks anything", () => {
  const { get, set } = setUp(new Recorded(), { queues: 4 });
  assert.equal(get(0x12, 2), 4);
  assert.equal(get(0x2000, 8), sectors);
  assert.deepEqual(
    [8, 12, 20, 36, 48].map((at) => get(0x2000 + at, 4)),
    [131072, 126, 512, 65536, 65536],
  );
  assert.deepEqual([get(0x2000 + 34, 2), get(0x2000 + 56, 1)], [4, 1]);
  set(0x00, 4, 0);
  assert.equal(get(0x04, 4), 0x3000_7646);
  const readOnly = setUp(new Recorded({ readOnly: true }));
  readOnly.set(0x00, 4, 0);
  assert.equal(readOnly.get(0x04, 4), 0x3000_1666);
});

test("reads, writes, flushes, identifies, discards and fills with zeros", async () => {
  const { request, flushed, range, last, ram, asked } = setUp();
  assert.equal(request(IN, 2, 1024), OK);
  assert.equal(last(), 1025);
  assert.deepEqual([ram[dataAt], ram[dataAt + 511], ram[dataAt + 512], ram[dataAt + 1024]], [3, 3, 4, 0]);
  assert.equal(request(OUT, 63, 512, new Uint8Array(512).fill(9)), OK);
  assert.equal(last(), 1);
  assert.equal(request(IN, 63, 512), OK);
  assert.equal(ram[dataAt], 9);
  assert.equal(await flushed(), OK);
  assert.equal(request(GET_ID, 0, 20), OK);
  assert.equal(new TextDecoder().decode(ram.subarray(dataAt, dataAt + 7)), "serial\0");
  assert.equal(request(GET_ID, 0, 3), OK);
  assert.equal(last(), 4);
  assert.equal(range(DISCARD, 60n, 4, 0), OK);
  assert.equal(range(WRITE_ZEROES, 0n, 64, 0), OK);
  assert.equal(range(WRITE_ZEROES, 1n, 1, 1), OK);
  assert.deepEqual(asked(), [
    ...["read 1024 1024", "write 32256 512", "read 32256 512", "flush soon"],
    ...["discard 30720 2048", "zero 0 32768 true", "zero 512 512 false"],
  ]);
});

test("without flush a write that has ended is on the disk", () => {
  const { request, range, asked } = setUp(new Recorded(), {}, features);
  assert.equal(request(OUT, 0, 512, new Uint8Array(512)), OK);
  assert.equal(range(WRITE_ZEROES, 1n, 1, 1), OK);
  assert.equal(request(IN, 0, 512), OK);
  assert.deepEqual(asked(), ["write 0 512", "flush", "zero 512 512 false", "flush", "read 0 512"]);
});

test("while the host's disk is flushed, other requests end, and flushes that come meanwhile share the next one", async () => {
  const { request, disk, asked, status, usedCount, device } = setUp();
  disk.slow = true;
  disk.apart = true;
  request(FLUSH, 0);
  request(FLUSH, 0);
  request(FLUSH, 0);
  assert.equal(request(IN, 0, 512), OK);
  assert.deepEqual([asked(), usedCount()], [["flush soon", "read 0 512"], 1]);
  assert.deepEqual(device.save().flushes, Array(3).fill({ queue: 0, head: 0 }));
  disk.endFlush();
  await settled();
  assert.deepEqual([asked(), usedCount(), device.save().flushes?.length], [["flush soon"], 2, 2]);
  disk.full = true;
  disk.endFlush();
  await settled();
  assert.deepEqual([asked(), usedCount(), status(), device.save().flushes], [[], 4, IOERR, []]);
});

test("a flush that had not ended when the machine was saved is done again, one of a driver that began anew is not", async () => {
  const before = setUp();
  before.disk.slow = true;
  before.disk.apart = true;
  before.request(FLUSH, 0);
  const state = structuredClone(before.it.save());
  const ram = before.ram.slice();
  before.set(0x14, 1, 0);
  before.disk.endFlush();
  await settled();
  assert.equal(before.usedCount(), 0);
  const disk = new Recorded();
  const saved = (state.device as { device: VirtioBlockState }).device;
  const after = setUpDriver(new VirtioBlock({ disk }, saved), { state, ram });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await settled();
  assert.deepEqual([after.usedCount(), after.ram[statusAt], disk.asked], [1, OK, ["flush soon"]]);
  for (const flushes of [[{ queue: 1, head: 0 }], Array(200).fill({ queue: 0, head: 0 })]) {
    assert.throws(() => new VirtioBlock({ disk }, { ...saved, flushes }), /EINVAL.*more queues/);
  }
  assert.throws(() => new VirtioBlock({ disk }, { ...saved, flushes: [{ queue: 0, head: -1 }] }), /EINVAL.*head/);
});

test("a disk whose bytes are elsewhere: requests end when they are here, few at a time, and after a restore", async () => {
  class Away extends Recorded {
    override readonly apart = true;
    tries = 0;
    come = (): void => {};
    lose = (_: Error): void => {};
    isHere = false;
    override read(offset: number, bytes: Uint8Array): void {
      this.tries++;
      if (!this.isHere) throw this.#away();
      super.read(offset, bytes);
    }
    #away(): NotHereYet {
      return new NotHereYet(
        new Promise((resolve, reject) => {
          this.come = resolve;
          this.lose = reject;
        }),
      );
    }
  }
  const disk = new Away();
  const it = setUp(disk);
  assert.equal(it.request(IN, 3, 512), 0xee);
  assert.equal(it.usedCount(), 0);
  disk.isHere = true;
  disk.come();
  await settled();
  assert.deepEqual([it.usedCount(), it.status(), it.ram[dataAt], disk.tries], [1, OK, 4, 2]);
  // What cannot be had is an I/O error, and told.
  disk.isHere = false;
  it.request(IN, 3, 512);
  disk.lose(new StorageError("disk has changed on its server"));
  await settled();
  assert.deepEqual([it.usedCount(), it.status()], [2, IOERR]);
  assert.ok(it.said.includes("disk has changed on its server"));
  // A driver that asks for more and more waits in its queue.
  disk.tries = 0;
  for (let i = 0; i < 8; i++) it.request(IN, 3, 512);
  const state = structuredClone(it.it.save());
  for (let i = 0; i < 5; i++) it.request(IN, 3, 512);
  assert.equal(disk.tries, 8);
  const saved = (state.device as { device: VirtioBlockState }).device;
  assert.equal(saved.flushes?.length, 8);
  // One that began anew hears nothing of what it wanted before.
  it.set(0x14, 1, 0);
  disk.isHere = true;
  disk.come();
  await settled();
  assert.equal(disk.tries, 8);
  const other = new Recorded();
  const after = setUpDriver(new VirtioBlock({ disk: other }, saved), { state, ram: it.ram });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await settled();
  assert.deepEqual([after.usedCount(), other.asked.length >= 8], [(2 + other.asked.length) & 0xffff, true]);
  assert.throws(() => new VirtioBlock({ disk: other }, { ...saved, version: "another" }), /EINVAL.*has changed since/);
});

test("a driver that asks for much at once leaves others their turn", async () => {
  class Slow extends Recorded {
    override read(offset: number, bytes: Uint8Array): void {
      const end = performance.now() + 4;
      while (performance.now() < end);
      super.read(offset, bytes);
    }
  }
  const it = setUp(new Slow());
  it.request(IN, 0, 512);
  it.asked();
  for (let count = 0; count < size; count++) it.offer(0, count === size - 1);
  const atOnce = it.asked().length;
  assert.ok(atOnce >= 1 && atOnce <= 3, `${atOnce}`);
  for (let tries = 0; it.usedCount() < 1 + size && tries < 500; tries++)
    await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(it.usedCount(), 1 + size);
});

test("head, data and status lie in descriptors as the driver likes", () => {
  const { view, ram, describe, offer, used } = setUp();
  view.setUint32(headAt, IN, true);
  view.setBigUint64(headAt + 8, 1n, true);
  for (const [i, [address, length, flags]] of (
    [
      [headAt, 7, 1],
      [headAt + 7, 0, 1],
      [headAt + 7, 9, 1],
      [dataAt, 100, 3],
      [dataAt + 0x1000, 411, 3],
      [dataAt + 0x2000, 2, 2],
    ] as const
  ).entries()) {
    describe(i, address, length, flags, i + 1);
  }
  offer(0);
  assert.deepEqual(used(0), [0, 513]);
  assert.deepEqual([ram[dataAt + 99], ram[dataAt + 100], ram[dataAt + 0x1000 + 410]], [2, 0, 2]);
  assert.deepEqual([...ram.subarray(dataAt + 0x2000, dataAt + 0x2002)], [2, OK]);
});

test("long parts of memory are read and written where they lie, short ones together, whatever lies where a sector ends", () => {
  for (const [parts, calls] of [
    [[16384], ["0 16384"]],
    [[512, 16384], ["0 16896"]],
    [[1000, 24, 16384, 512], ["0 17920"]],
    [
      [16384, 1000, 24, 512],
      ["0 16384", "16384 1536"],
    ],
    [[16385, 511], ["0 16896"]],
    [
      [16384, 4096, 4096, 1, 7, 504],
      ["0 16384", "16384 8704"],
    ],
  ] as const) {
    const { view, ram, describe, offer, used, asked, disk } = setUp();
    const length = parts.reduce<number>((sum, part) => sum + part, 0);
    for (const [type, flag] of [
      [IN, 2],
      [OUT, 0],
    ] as const) {
      view.setUint32(headAt, type, true);
      view.setBigUint64(headAt + 8, 0n, true);
      describe(0, headAt, 16, 1, 1);
      let at = dataAt;
      for (const [i, part] of parts.entries()) {
        describe(i + 1, at, part, flag | 1, i + 2);
        at += part;
      }
      describe(parts.length + 1, statusAt, 1, 2);
      if (type === OUT) for (let i = 0; i < length; i++) ram[dataAt + i] = i % 251;
      offer(0);
      const what = `${type} ${parts}`;
      assert.deepEqual([used(type)[1], ram[statusAt]], [type === IN ? length + 1 : 1, OK], what);
      if (type === IN) assert.deepEqual(ram.subarray(dataAt, dataAt + length), contents.subarray(0, length), what);
    }
    const back = new Uint8Array(length);
    const told = asked();
    disk.inner.read(0, back);
    assert.deepEqual(
      back,
      Uint8Array.from({ length }, (_, i) => i % 251),
      `${parts}`,
    );
    assert.deepEqual(told, [...calls.map((one) => `read ${one}`), ...calls.map((one) => `write ${one}`)], `${parts}`);
  }
});

test("what lies outside the disk, is no whole sector, too long or unknown is refused, and touches nothing", () => {
  const { request, range, last, asked, ram } = setUp();
  const half = new Uint8Array(513);
  const cases: readonly (readonly [string, () => number, number])[] = [
    ["read beyond the end", () => request(IN, 64, 512), IOERR],
    ["read over the end", () => request(IN, 63, 1024), IOERR],
    ["read at the end of all numbers", () => request(IN, (1n << 64n) - 1n, 512), IOERR],
    ["read of no whole sector", () => request(IN, 0, 513), IOERR],
    ["write beyond the end", () => request(OUT, 64, 512, new Uint8Array(512)), IOERR],
    ["write round the numbers", () => request(OUT, 1n << 55n, 512, new Uint8Array(512)), IOERR],
    ["write of no whole sector", () => request(OUT, 0, 513, half), IOERR],
    ["discard over the end", () => range(DISCARD, 63n, 2, 0), IOERR],
    ["discard of all numbers", () => range(DISCARD, 0n, 0xffff_ffff, 0), IOERR],
    ["discard from beyond", () => range(DISCARD, (1n << 64n) - 1n, 1, 0), IOERR],
    ["discard with flags", () => range(DISCARD, 0n, 1, 1), UNSUPP],
    ["zeros with other flags", () => range(WRITE_ZEROES, 0n, 1, 2), UNSUPP],
    ["a range too short", () => range(WRITE_ZEROES, 0n, 1, 0, 8), IOERR],
    ["two ranges", () => range(WRITE_ZEROES, 0n, 1, 0, 32), IOERR],
    ["no range", () => request(DISCARD, 0), IOERR],
    ["what nobody knows", () => request(77, 0), UNSUPP],
    ["another", () => request(0xffff_ffff, 0, 512), UNSUPP],
  ];
  for (const [what, ask, status] of cases) {
    assert.equal(ask(), status, what);
    assert.equal(last(), 1, what);
    assert.deepEqual(asked(), [], what);
  }
  assert.ok(ram.subarray(dataAt + 600, dataAt + 2000).every((byte) => byte === 0));
});

test("a disk that is only read refuses all that would change it", async () => {
  const { request, flushed, range, asked } = setUp(new Recorded({ readOnly: true }));
  assert.equal(request(OUT, 0, 512, new Uint8Array(512)), IOERR);
  assert.equal(range(DISCARD, 0n, 1, 0), IOERR);
  assert.equal(range(WRITE_ZEROES, 0n, 1, 0), IOERR);
  assert.equal(await flushed(), OK);
  assert.equal(request(IN, 0, 512), OK);
  assert.deepEqual(asked(), ["flush soon", "read 0 512"]);
});

test("a full host gives the guest an I/O error and the user a sentence, and the disk works on", () => {
  const { request, said, disk } = setUp();
  disk.full = true;
  assert.equal(request(OUT, 0, 512, new Uint8Array(512)), IOERR);
  assert.deepEqual(said, ["disk cannot be written: the file system is full"]);
  assert.equal(request(IN, 0, 512), OK);
  disk.full = false;
  assert.equal(request(OUT, 0, 512, new Uint8Array(512)), OK);
});

test("buffers that are no requests: no head, no status, no memory", () => {
  const short = setUp();
  short.describe(0, headAt, 15, 1, 1);
  short.describe(1, statusAt, 1, 2);
  short.offer(0);
  assert.deepEqual([short.used(0), short.ram[statusAt]], [[0, 1], IOERR]);
  const mute = setUp();
  mute.describe(0, headAt, 16, 1);
  mute.offer(0);
  assert.deepEqual([mute.used(0), mute.asked()], [[0, 0], []]);
  for (const [index, flags] of [
    [0, 1],
    [1, 3],
    [2, 2],
  ] as const) {
    const it = setUp();
    it.describe(0, headAt, 16, 1, 1);
    it.describe(1, dataAt, 512, 3, 2);
    it.describe(2, statusAt, 1, 2);
    it.describe(index, 0xffff_ffff_ffff_fff0n, index === 1 ? 512 : 16, flags, index + 1);
    it.offer(0);
    assert.equal(it.get(0x14, 1), 15 | needsReset, `${index}`);
    assert.equal(it.usedCount(), 0);
  }
  // The longest that can be described, all of it one place.
  const long = setUp();
  for (let i = 1; i < 7; i++) long.describe(i, dataAt, 0xffff_fe00, 3, i + 1);
  long.describe(0, headAt, 16, 1, 1);
  long.describe(7, statusAt, 1, 2);
  long.offer(0);
  assert.deepEqual([long.ram[statusAt], long.asked()], [IOERR, []]);
});

test("8,000 random chains of a hostile guest throw nothing, and reach nothing outside the disk", async () => {
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let [broken, served] = [0, 0];
  let it = setUp();
  for (let chain = 0; chain < 8_000; chain++) {
    it.view.setUint32(headAt, [0, 0, 1, 1, 4, 8, 11, 13, random(20), random(2 ** 32)][random(10)] ?? 0, true);
    it.view.setBigUint64(headAt + 8, BigInt([random(64), 63, 64, 2 ** 32][random(4)] ?? 0), true);
    // Now and then each thing that can be wrong is.
    const wrong = (): boolean => random(40) === 0;
    const length = 1 + random(size - 1);
    for (let index = 0, writing = false; index < length; index++) {
      writing ||= index > 0 && random(2) === 0;
      const at = [headAt, dataAt, statusAt][Math.min(index, 2)] ?? 0;
      const bytes = index === 0 ? 16 : ([512, 1024, 16, 1, 0, random(5000)][random(6)] ?? 0);
      const flags = (writing ? 2 : 0) | (index < length - 1 ? 1 : 0);
      it.describe(
        index,
        wrong() ? ([memorySize - 1, 2 ** 40, random(memorySize)][random(3)] ?? 0) : at,
        wrong() ? 2 ** 32 - 1 - random(2) * 511 : bytes,
        wrong() ? random(8) : flags,
        wrong() ? random(2 * size) : index + 1,
      );
    }
    it.offer(wrong() ? random(2 * size) : 0);
    // Flushes end.
    if (random(8) === 0) await settled();
    served += it.asked().length;
    if (!(it.get(0x14, 1) & needsReset)) continue;
    broken++;
    it = setUp(new Recorded({ readOnly: random(5) === 0 }));
  }
  assert.ok(broken > 500 && served > 500, `${broken} ${served}`);
});

test("its state is the size of its disk, which must be the same again", () => {
  const { device, disk } = setUp(new Recorded({ readOnly: true }));
  const state = structuredClone(device.save());
  assert.equal(new VirtioBlock({ disk }, state).save().size, sectors * 512);
  // Two machines would write to it.
  assert.throws(() => setUp().device.save(), /EBUSY: the disk .* is written in place/);
  const shorter = { disk: new RawDisk(new MemoryStore("other", new Uint8Array(512))) };
  assert.throws(
    () => new VirtioBlock(shorter, state),
    /EINVAL: other has 512 bytes; the disk that was saved had 32768/,
  );
  assert.throws(() => new VirtioBlock({ disk }, {} as VirtioBlockState), /EINVAL.*size is missing/);
});
