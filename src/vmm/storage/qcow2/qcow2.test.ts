/** A qcow2 disk against a model that is an array; images that lie; a store that is full. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ByteStore, StorageError } from "../disk.js";
import { MemoryStore } from "../memory-store.js";
import { decompressors } from "../node/decompressors.js";
import { RawDisk } from "../raw.js";
import { at, formatQcow2, readHeader } from "./header.js";
import { Qcow2Disk } from "./qcow2.js";

const mebibyte = 1048576;

/** The same numbers for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The store's bytes. */
function contents(store: ByteStore): Uint8Array {
  const bytes = new Uint8Array(store.size);
  store.read(0, bytes);
  return bytes;
}

/** The image, behind a store that may throw before it is changed. */
function asking(
  image: MemoryStore,
  { write, resize }: { readonly write: (end: number) => void; readonly resize?: () => void },
): ByteStore {
  return {
    name: "image",
    get size() {
      return image.size;
    },
    readOnly: false,
    read: (offset, bytes) => image.read(offset, bytes),
    write: (offset, bytes) => {
      write(offset + bytes.length);
      image.write(offset, bytes);
    },
    resize: (size) => {
      resize?.();
      image.resize(size);
    },
    flush() {},
    flushSoon: () => Promise.resolve(),
    close() {},
  };
}

/** An image with some fields of its header changed. */
function changed(store: ByteStore, fields: Readonly<Record<number, number | bigint>>): MemoryStore {
  const bytes = contents(store);
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of Object.entries(fields)) {
    if (typeof value === "bigint") view.setBigUint64(Number(offset), value);
    else view.setUint32(Number(offset), value);
  }
  return new MemoryStore("image", bytes);
}

interface Shape {
  readonly clusterBits: number;
  readonly size: number;
  readonly backing?: number;
  readonly version?: 2;
  readonly refcountOrder?: number;
}

function make({ clusterBits, size, backing, version, refcountOrder }: Shape, seed: number) {
  const random = generator(seed);
  const model = new Uint8Array(size);
  let store = new MemoryStore("image");
  formatQcow2(store, {
    size,
    clusterBits,
    ...(backing === undefined ? {} : { backing: { name: "b", format: "raw" } }),
  });
  if (version === 2) store = changed(store, { [at.version]: 2 });
  if (refcountOrder !== undefined) {
    store = changed(store, { [at.refcountOrder]: refcountOrder });
    const used = new Uint8Array(2 ** clusterBits);
    const count = store.size / 2 ** clusterBits;
    const bits = 2 ** refcountOrder;
    for (let i = 0; i < count; i++) {
      if (bits >= 8) used[((i + 1) * bits) / 8 - 1] = 1;
      else used[(i * bits) >> 3] = (used[(i * bits) >> 3] ?? 0) | (1 << ((i * bits) & 7));
    }
    store.write(2 * 2 ** clusterBits, used);
  }
  const open = () => {
    const below = backing === undefined ? undefined : new RawDisk(new MemoryStore("base", base), { readOnly: true });
    return new Qcow2Disk(store, { backing: below, decompressors });
  };
  const base = Uint8Array.from({ length: backing ?? 0 }, () => random(256));
  model.set(base.subarray(0, Math.min(size, base.length)));
  return { store, model, open, random };
}

const shapes: Readonly<Record<string, Shape>> = {
  "small clusters, whose refcount table grows": { clusterBits: 9, size: 12 * mebibyte },
  "64 KiB": { clusterBits: 16, size: 3 * mebibyte },
  "a last cluster that is not whole": { clusterBits: 12, size: 100 * 512 + 3 * 4096 },
  "over a shorter backing disk": { clusterBits: 12, size: mebibyte, backing: 500 * 512 },
  "version 2": { clusterBits: 10, size: mebibyte, version: 2 },
  "version 2 over a backing disk": { clusterBits: 10, size: mebibyte, version: 2, backing: mebibyte },
  "refcounts of 1 bit": { clusterBits: 9, size: mebibyte, refcountOrder: 0 },
  "refcounts of 4 bits": { clusterBits: 9, size: mebibyte, refcountOrder: 2 },
  "refcounts of 8 bits": { clusterBits: 9, size: mebibyte, refcountOrder: 3 },
  "refcounts of 64 bits": { clusterBits: 9, size: mebibyte, refcountOrder: 6 },
};

for (const [name, shape] of Object.entries(shapes)) {
  test(`random writes, zeros and discards, ${name}`, () => {
    const { store, model, open, random } = make(shape, shape.clusterBits + shape.size);
    let disk = open();
    const sectors = shape.size / 512;
    const steps = shape.size > 4 * mebibyte ? 600 : 300;
    for (let i = 0; i < steps; i++) {
      const first = random(sectors);
      const most = random(4) === 0 ? 8 * 2 ** (shape.clusterBits - 9) : 9;
      const count = Math.min(sectors - first, 1 + random(shape.size > 4 * mebibyte ? 256 : most));
      const [offset, length] = [512 * first, 512 * count];
      switch (random(6)) {
        case 0:
          disk.writeZeroes(offset, length, random(2) === 0);
          model.fill(0, offset, offset + length);
          break;
        case 1: {
          // What was forgotten may read as anything, but only there.
          disk.discard(offset, length);
          disk.read(offset, model.subarray(offset, offset + length));
          break;
        }
        case 2:
          if (random(10) === 0) disk = open();
          break;
        default: {
          const bytes = new Uint8Array(length).fill(random(256));
          for (let at = 0; at < length; at += 512) bytes[at] = random(256);
          disk.write(offset, bytes);
          model.set(bytes, offset);
        }
      }
    }
    for (const each of [disk, open()]) {
      const all = new Uint8Array(shape.size);
      each.read(0, all);
      assert.ok(Buffer.compare(all, model) === 0);
    }
    // All written anew, what was given back is used again.
    open().discard(0, shape.size);
    open().write(0, model);
    const before = store.size;
    for (let i = 0; i < 4; i++) {
      open().discard(0, shape.size);
      open().write(0, model);
    }
    assert.ok(store.size <= before + 2 ** shape.clusterBits, `${before} ${store.size}`);
  });
}

test("an image that cannot be what it says is refused, and told why", () => {
  const image = new MemoryStore("image");
  formatQcow2(image, { size: 64 * mebibyte });
  const over = new MemoryStore("image");
  formatQcow2(over, { size: 64 * mebibyte, backing: { name: "/etc/passwd\n", format: "raw" } });
  const cases: readonly (readonly [ByteStore, RegExp])[] = [
    [new MemoryStore("image"), /^image is no qcow2 image$/],
    [new MemoryStore("image", contents(image).subarray(0, 80)), /cut off in its header/],
    [changed(image, { [at.magic]: 0 }), /is no qcow2 image/],
    [changed(image, { [at.version]: 4 }), /of version 4; 2 and 3 are known/],
    [changed(image, { [at.clusterBits]: 8 }), /clusters of 2\^8 bytes/],
    [changed(image, { [at.clusterBits]: 0xffff_ffff }), /clusters of 2\^4294967295 bytes/],
    [changed(image, { [at.size]: 0xffff_ffff_ffff_fe00n }), /has 18446744073709551104 bytes/],
    [changed(image, { [at.size]: 513n }), /has 513 bytes, which is no number of sectors/],
    [changed(image, { [at.size]: 2n ** 52n }), /has 1 L1 entries; a disk of 4503599627370496 bytes needs 8388608/],
    [changed(image, { [at.size]: 2n ** 52n, [at.l1Entries]: 2 ** 23 }), /too many for clusters of 65536/],
    [changed(image, { [at.encryption]: 1 }), /is encrypted/],
    [changed(image, { [at.l1Offset]: 2n ** 60n }), /L1 table at 0x1000000000000000, which is not in the file/],
    [changed(image, { [at.l1Offset]: 512n }), /L1 table at 0x200,/],
    [changed(image, { [at.l1Offset]: 0n }), /L1 table at 0x0,/],
    [changed(image, { [at.refcountTableOffset]: 2n ** 40n }), /refcount table at 0x10000000000,/],
    [changed(image, { [at.refcountTableClusters]: 0 }), /refcount table of 0 clusters/],
    [changed(image, { [at.refcountTableClusters]: 0xffff_ffff }), /refcount table of 4294967295 clusters/],
    [changed(image, { [at.refcountTableClusters]: 100 }), /refcount table at 0x10000,/],
    [changed(image, { [at.refcountOrder]: 7 }), /refcounts of 2\^7 bits/],
    [changed(image, { [at.headerLength]: 100 }), /a header of 100 bytes/],
    [changed(image, { [at.headerLength]: 0xffff_fff8 }), /a header of 4294967288 bytes/],
    [changed(image, { [at.incompatible]: 4n }), /keeps its data in another file/],
    [changed(image, { [at.incompatible]: 16n }), /extended L2 entries/],
    [changed(image, { [at.incompatible]: 1n << 40n }), /has features 0x10000000000 that unikvm does not know/],
    [changed(image, { [at.incompatible]: 8n }), /compressed with method 0/],
    [changed(image, { [at.incompatible]: 1n }), /was not closed by the program that wrote it, so it can only be read/],
    [changed(image, { [at.incompatible]: 2n }), /is marked corrupt, so it can only be read/],
    [
      changed(image, { [at.backingOffset]: 2n ** 50n, [at.backingLength]: 9 }),
      /backing file's name at 0x4000000000000,/,
    ],
    [
      changed(image, { [at.backingOffset]: 200n, [at.backingLength]: 0x7fff_ffff }),
      /2147483647 bytes, which cannot be/,
    ],
    // The first L2 table; cluster 3 is the L1 table.
    [
      changed(image, { [3 * 65536]: 0x8000_1000_0000_0000n }),
      /has an L2 table at 0x100000000000, which is not in the file/,
    ],
    [changed(image, { [3 * 65536]: 0x8000_0000_0000_0200n }), /has an L2 table at 0x200,/],
    [changed(image, { [3 * 65536]: 0x8000_0000_0003_0000n }), /uses cluster 3 for its header or tables, and twice/],
    [changed(image, { [2 * 65536]: 0, [3 * 65536]: 0x8000_0000_0002_0000n }), /uses cluster 1 for/],
    [
      changed(image, { [65536]: 0x10_0000_0000_0000n, [3 * 65536]: 0x8000_0000_0002_0000n }),
      /a block of refcounts at 0x10000000000000,/,
    ],
    [over, /is an overlay of "\/etc\/passwd\\n"; name that file, too, with backing=FILE/],
  ];
  for (const [store, message] of cases) {
    assert.throws(() => new Qcow2Disk(store, { decompressors }), { name: "StorageError", message }, String(message));
  }
  const base = new RawDisk(new MemoryStore("base"));
  assert.throws(
    () => new Qcow2Disk(image, { backing: base, decompressors }),
    /is no overlay of another file, but base was/,
  );
  // What is damaged can be read.
  const damaged = changed(image, { [at.incompatible]: 3n });
  new Qcow2Disk(damaged, { readOnly: true, decompressors }).read(0, new Uint8Array(512));
  for (const wrong of [
    { size: -512 },
    { size: 1 },
    { size: 512, clusterBits: 8 },
    { size: 512, clusterBits: 22 },
    { size: 2 ** 53 },
  ]) {
    assert.throws(() => formatQcow2(new MemoryStore("new"), wrong), /new: no qcow2 image has/);
  }
});

test("entries, blocks and compressed clusters that lie are met as I/O errors", () => {
  const image = new MemoryStore("image");
  formatQcow2(image, { size: mebibyte });
  new Qcow2Disk(image, { decompressors }).write(0, new Uint8Array(512).fill(7));
  const l2 = 4 * 65536;
  const read = (store: ByteStore): void =>
    new Qcow2Disk(store, { readOnly: true, decompressors }).read(0, new Uint8Array(512));
  const write = (store: ByteStore): void => new Qcow2Disk(store, { decompressors }).write(0, new Uint8Array(512));
  for (const [entry, message] of [
    [0x80ff_ffff_ffff_0000n, /a cluster at 0xffffffffff0000, which is not in the file/],
    [0x8000_0000_0005_0200n, /a cluster at 0x50200,/],
    [0x7fff_ffff_ffff_ffffn, /a compressed cluster at 0x40000000000000, which is not in the file/],
    [0x4000_0000_0005_0000n, /image has a damaged compressed cluster/],
    [0x7fc0_0000_0005_ffffn, /image has a damaged compressed cluster/],
  ] as const) {
    assert.throws(() => read(changed(image, { [l2]: entry })), { name: "StorageError", message });
  }
  for (const [fields, message] of [
    // A refcount of 2 for what is its alone; a cluster that is the L1 table, the header, or counted as free.
    [{ [2 * 65536 + 8]: 0x0001_0002 }, /uses cluster 5 once, and counts 2/],
    [{ [l2]: 0x8000_0000_0003_0000n }, /uses cluster 3 for its header or tables/],
    [{ [l2]: 0x8000_0000_0006_0000n }, /a cluster at 0x60000, which is not in the file/],
    [{ [2 * 65536 + 8]: 0x0001_0000 }, /uses cluster 5, and counts it as free/],
  ] as const) {
    assert.throws(() => write(changed(image, fields)), { name: "StorageError", message });
  }
  // A table that counts clusters which are not there, to the end of its reach.
  const full = changed(image, {});
  const ones = new Uint8Array(65536);
  for (let i = 1; i < ones.length; i += 2) ones[i] = 1;
  full.write(2 * 65536, ones);
  const table = new DataView(new ArrayBuffer(65536));
  for (let i = 0; i < 65536; i += 8) table.setBigUint64(i, BigInt(2 * 65536));
  full.write(65536, new Uint8Array(table.buffer));
  const disk = new Qcow2Disk(full, { decompressors });
  const message = /image counts clusters beyond its end/;
  assert.throws(() => disk.write(65536, new Uint8Array(512)), { name: "StorageError", message });
  assert.equal(full.size, image.size);
});

test("5,000 images with random bytes changed are refused or used, and nothing is larger for it", () => {
  const { store, open } = make({ clusterBits: 9, size: 64 * 1024 }, 1);
  open().write(0, new Uint8Array(20_000).fill(3));
  const honest = contents(store);
  let refused = 0;
  for (let seed = 0; seed < 5000; seed++) {
    const random = generator(seed);
    const bytes = honest.slice(0, random(8) === 0 ? random(honest.length) : honest.length);
    const meta = random(2) === 0 ? 112 : 3000;
    for (let i = 0; i <= random(3); i++) {
      bytes[random(Math.min(meta, bytes.length))] = [0, 0xff, 0x80, 1, random(256)][random(5)] ?? 0;
    }
    const changed = new MemoryStore("image", bytes);
    try {
      const disk = new Qcow2Disk(changed, { readOnly: random(4) === 0, decompressors });
      disk.read(0, new Uint8Array(Math.min(disk.size, 65536)));
      if (disk.readOnly) continue;
      disk.write(0, new Uint8Array(Math.min(disk.size, 30_000)));
      disk.discard(0, Math.min(disk.size, 65536));
      disk.writeZeroes(0, Math.min(disk.size, 65536), false);
      disk.write(0, new Uint8Array(Math.min(disk.size, 8192)));
    } catch (error) {
      assert.ok(error instanceof StorageError, `seed ${seed}: ${(error as Error).stack}`);
      refused++;
    }
    assert.ok(changed.size < 64 * mebibyte, `seed ${seed}: ${changed.size}`);
  }
  assert.ok(refused > 500 && refused < 4900, `${refused}`);
});

test("a full store gives an error, loses nothing, and goes on when there is room", () => {
  for (let limit = 5 * 512; limit < 60 * 512; limit += 512) {
    const image = new MemoryStore("image");
    formatQcow2(image, { size: 64 * 1024, clusterBits: 9 });
    let room = limit;
    const store = asking(image, {
      write: (end) => {
        if (end > room) throw new StorageError("image cannot be written: the file system is full");
      },
    });
    const disk = new Qcow2Disk(store, { decompressors });
    const model = new Uint8Array(64 * 1024);
    let failed = 0;
    for (let sector = 0; sector < 128; sector += 2) {
      const bytes = new Uint8Array(512).fill(sector + 1);
      try {
        disk.write(512 * sector, bytes);
        model.set(bytes, 512 * sector);
      } catch (error) {
        assert.ok(error instanceof StorageError);
        failed++;
      }
    }
    assert.ok(failed > 0, `${limit}`);
    room = mebibyte;
    for (const open of [() => disk, () => new Qcow2Disk(store, { decompressors })]) {
      const each = open();
      const all = new Uint8Array(model.length);
      each.read(0, all);
      assert.deepEqual(all, model);
      each.write(512, new Uint8Array(512).fill(9));
      model.fill(9, 512, 1024);
    }
  }
});

test("killed before any of its writes, an image has every write that had ended, and no cluster twice", () => {
  const size = 64 * 1024;
  class Killed extends Error {}
  /** Works until `left` writes have reached the store, or to the end; what is to be found then, and how many writes it took. */
  const work = (left: number) => {
    const image = new MemoryStore("image");
    formatQcow2(image, { size, clusterBits: 9 });
    let writes = 0;
    const count = (): void => {
      if (writes++ === left) throw new Killed();
    };
    const store = asking(image, { write: count, resize: count });
    const found = new Uint8Array(size);
    /** Where a write had begun and not ended: either may be found. */
    let begun: { readonly offset: number; readonly bytes: Uint8Array } | undefined;
    const random = generator(5);
    try {
      const disk = new Qcow2Disk(store, { decompressors });
      for (let step = 0; step < 60; step++) {
        const offset = 512 * random(120);
        const bytes = new Uint8Array(512 * (1 + random(6))).fill(random(3) === 0 ? 0 : step + 1);
        begun = { offset, bytes };
        if (bytes[0] === 0) disk.writeZeroes(offset, bytes.length, random(2) === 0);
        else disk.write(offset, bytes);
        found.set(bytes, offset);
      }
      begun = undefined;
    } catch (error) {
      assert.ok(error instanceof Killed, String(error));
    }
    return { image, found, begun, writes };
  };
  const { writes } = work(Number.POSITIVE_INFINITY);
  assert.ok(writes > 200, `${writes}`);
  for (let left = 0; left < writes; left++) {
    const { image, found, begun } = work(left);
    const disk = new Qcow2Disk(image, { decompressors });
    const all = new Uint8Array(size);
    disk.read(0, all);
    for (let offset = 0; offset < size; offset += 512) {
      const sector = all.subarray(offset, offset + 512);
      const inside = begun && offset >= begun.offset && offset < begun.offset + begun.bytes.length;
      const is = (bytes: Uint8Array): boolean => Buffer.compare(sector, bytes) === 0;
      const later = inside && is(begun.bytes.subarray(0, 512));
      assert.ok(
        later || is(found.subarray(offset, offset + 512)),
        `killed before write ${left}: sector ${offset / 512}`,
      );
    }
    // Were a cluster used twice, filling all with one thing would change another.
    for (let offset = 0; offset < size; offset += 512)
      disk.write(offset, new Uint8Array(512).fill(1 + ((offset / 512) % 255)));
    disk.read(0, all);
    for (let offset = 0; offset < size; offset += 512) assert.equal(all[offset], 1 + ((offset / 512) % 255), `${left}`);
  }
});

test("the header that is written is the one that is read", () => {
  const store = new MemoryStore("image");
  formatQcow2(store, { size: 3 * mebibyte, clusterBits: 12, backing: { name: "base.img", format: "raw" } });
  const { backing, size, clusterBits, version, damage } = readHeader(store);
  assert.deepEqual([backing, size, clusterBits, version, damage], ["base.img", 3 * mebibyte, 12, 3, undefined]);
});
