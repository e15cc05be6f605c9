/** What is written takes no more of the host than it may, whatever a guest does; what was written before stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageError } from "./disk.js";
import { MemoryStore } from "./memory-store.js";
import { OverlayDisk } from "./overlay.js";
import { formatQcow2 } from "./qcow2/header.js";
import { Qcow2Disk } from "./qcow2/qcow2.js";
import { RawDisk } from "./raw.js";
import { bounded, Room } from "./room.js";

const mebibyte = 1 << 20;
const none = { deflate: () => assert.fail(), zstd: () => assert.fail() };

function randomFrom(state: number): (below: number) => number {
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("random writes to two overlays take no more than both may, and each keeps what was written", () => {
  for (let seed = 0; seed < 10; seed++) {
    const random = randomFrom(seed);
    const most = mebibyte + random(2 * mebibyte);
    const room = new Room(most);
    const size = 8 * mebibyte;
    const all = [1, 2].map((fill) => {
      const base = new RawDisk(new MemoryStore(`base ${fill}`, new Uint8Array(size).fill(fill)), { readOnly: true });
      return { disk: new OverlayDisk(base, undefined, room), model: new Uint8Array(size).fill(fill) };
    });
    let refused = 0;
    for (let step = 0; step < 200; step++) {
      const one = all[random(2)] as (typeof all)[0];
      const offset = 512 * random(size / 512 - 300);
      const bytes = new Uint8Array(512 * (1 + random(256))).fill(step);
      try {
        if (random(4) === 0) {
          one.disk.writeZeroes(offset, bytes.length, false);
          bytes.fill(0);
        } else one.disk.write(offset, bytes);
        one.model.set(bytes, offset);
      } catch (error) {
        assert.ok(error instanceof StorageError, String(error));
        assert.match(
          error.message,
          new RegExp(`^what was written to base [12] cannot grow: .*limit of ${most} bytes$`),
        );
        refused++;
        // A part of it may be there.
        one.disk.read(offset, one.model.subarray(offset, offset + bytes.length));
      }
      const taken = all.reduce((sum, { disk }) => sum + disk.save().size, 0);
      assert.ok(taken <= most, `${taken} of ${most}`);
    }
    assert.ok(refused > 10, `${refused}`);
    for (const { disk, model } of all) {
      const found = new Uint8Array(size);
      disk.read(0, found);
      assert.equal(Buffer.compare(found, model), 0);
    }
  }
});

test("what an image in a file grows by is bounded, not what it has", () => {
  const store = new MemoryStore("image");
  formatQcow2(store, { size: 16 * mebibyte });
  new Qcow2Disk(store, { decompressors: none }).write(0, new Uint8Array(mebibyte).fill(1));
  const before = store.size;
  const disk = new Qcow2Disk(bounded(store, new Room(3 * 65536)), { decompressors: none });
  disk.write(0, new Uint8Array(mebibyte).fill(2));
  assert.throws(() => disk.write(4 * mebibyte, new Uint8Array(mebibyte).fill(3)), /image cannot grow: .*196608 bytes/);
  assert.ok(store.size <= before + 3 * 65536, `${store.size - before}`);
  // Room that is given back is there again.
  disk.discard(0, 65536);
  disk.write(8 * mebibyte, new Uint8Array(65536).fill(4));
  assert.ok(store.size <= before + 3 * 65536);
});

test("room that a failed write did not take is there again", () => {
  let fails = true;
  const store = new MemoryStore("image");
  const write = store.write.bind(store);
  store.write = (offset, bytes) => {
    if (fails) throw new StorageError("image cannot be written: the file system is full");
    write(offset, bytes);
  };
  const small = bounded(store, new Room(1024));
  for (let i = 0; i < 10; i++) assert.throws(() => small.write(0, new Uint8Array(1024)), /is full/);
  fails = false;
  small.write(0, new Uint8Array(1024));
  assert.throws(() => small.resize(1025), /cannot grow/);
  small.resize(512);
  small.write(512, new Uint8Array(512));
  assert.throws(() => bounded(store, new Room(1000), { all: true }), /cannot grow/);
});

test("what lies in memory is bounded beside what is written in all, and neither counts what the other refused", () => {
  const all = new Room(4096);
  const memory = new Room(2048, "memory", all);
  memory.take(1024, "a");
  all.take(2560, "b");
  assert.throws(() => memory.take(1025, "a"), /^StorageError: a cannot grow: memory has its limit of 2048 bytes$/);
  assert.throws(() => memory.take(1024, "a"), /^StorageError: a cannot grow: what is written to disks .*4096 bytes$/);
  memory.take(512, "a");
  assert.throws(() => all.take(1, "b"), /cannot grow/);
  memory.give(1536);
  all.take(1536, "b");
  assert.throws(() => memory.take(1, "a"), /what is written to disks/);
});
