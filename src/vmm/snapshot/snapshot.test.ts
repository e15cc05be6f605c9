/** Snapshots as bytes: they come back as they were, or are refused in a sentence, whatever happened to the bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fillFrom, isZero, type SparseImage, sparseImage } from "../core/sparse-image.js";
import { VmmError } from "../errors.js";
import { MemoryStore } from "../storage/memory-store.js";
import { OverlayDisk } from "../storage/overlay.js";
import { RawDisk } from "../storage/raw.js";
import { readInfo, readSnapshot, type SnapshotSource, writeSnapshot } from "./format.js";
import { nodePlatform } from "./node/platform.js";
import { type Packing, packings } from "./packing.js";
import { anyPlatform, type SnapshotPlatform } from "./platform.js";
import type { Snapshot } from "./snapshot.js";
import { decodeValue, encodeValue, ValueError } from "./value.js";

/** The same numbers for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const values: readonly unknown[] = [
  ...[0, 1, 23, 24, 255, 65536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -24, -25, -(2 ** 40)],
  ...[-0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60],
  ...[0n, 1n, 255n, 256n, -1n, -256n, (1n << 128n) - 1n, -(1n << 64n)],
  ...["", "text", "ä\u0000€", true, false, null, undefined, new Uint8Array(0), Uint8Array.of(1, 2, 3)],
  [[], [1, [2n, ["three"]]], {}, { a: 1, "": { b: [null] } }],
  JSON.parse('{"__proto__": 1}'),
];

test("plain values come back from their bytes as they were", () => {
  for (const value of values) {
    const back = decodeValue(encodeValue(value));
    assert.deepEqual(back, value);
    assert.ok(Object.is(back, value) || typeof value === "object", String(value));
  }
  assert.deepEqual(decodeValue(encodeValue({ a: undefined })), {});
  assert.throws(() => encodeValue(() => 0), ValueError);
  const deep: unknown[] = [];
  deep.push(deep);
  assert.throws(() => encodeValue(deep), ValueError);
  assert.equal(Object.hasOwn(decodeValue(encodeValue(JSON.parse('{"__proto__": 1}'))) as object, "__proto__"), true);
});

test("bytes that are no value are refused, and take no memory", () => {
  const bad: readonly (readonly number[])[] = [
    [],
    [0x9b, 0, 0, 0x10, 0, 0, 0, 0, 0],
    [0x9a, 0xff, 0xff, 0xff, 0xff],
    [0xbb, 0, 0, 0x10, 0, 0, 0, 0, 0],
    [0x5b, 0, 0, 0x10, 0, 0, 0, 0, 0],
    [0x5a, 0, 0, 0, 4, 1, 2],
    [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [0x61, 0xff],
    [0xa1, 1, 1],
    [0xc2, 1],
    [0xc7, 0x40],
    [0x01, 0x01],
    [0xf8],
    [0x9f],
    Array<number>(100).fill(0x81),
  ];
  for (const bytes of bad) assert.throws(() => decodeValue(Uint8Array.from(bytes)), ValueError, String(bytes));
  const random = generator(5);
  const honest = encodeValue(values);
  for (let i = 0; i < 3000; i++) {
    const hostile = honest.slice(0, random(3) ? honest.length : random(honest.length));
    for (let flips = random(3); flips >= 0; flips--) hostile[random(hostile.length)] = random(256);
    try {
      decodeValue(hostile);
    } catch (error) {
      assert.ok(error instanceof ValueError, String(error));
    }
  }
});

test("zeros are left out of an image, and nothing else is", () => {
  const random = generator(7);
  for (const platform of [isZero, nodePlatform.isZero]) {
    for (let i = 0; i < 20; i++) {
      const bytes = new Uint8Array(new SharedArrayBuffer(65536 * (1 + random(6))));
      for (let count = random(9); count > 0; count--) bytes[random(bytes.length)] = 1 + random(255);
      const image = sparseImage(bytes, platform);
      const back = new Uint8Array(bytes.length);
      fillFrom(image, back);
      assert.deepEqual(back, new Uint8Array(bytes));
      for (const { offset, bytes: run } of image.runs) {
        assert.equal(offset % 4096, 0);
        for (let at = 0; at < run.length; at += 4096) assert.ok(!isZero(run.slice(at, at + 4096)));
      }
    }
  }
});

function example(): Snapshot {
  const ram = new Uint8Array(5 << 20);
  const random = generator(3);
  for (let at = 4096; at < 2 << 20; at++) ram[at] = random(3) ? at : random(256);
  ram.fill(7, (4 << 20) + 123, (4 << 20) + 130);
  const state = { machine: "fake", registers: [1n, 2n, (1n << 64n) - 1n], text: "état", bytes: Uint8Array.of(1, 2) };
  return {
    state,
    hardware: ["a", { b: 2 }],
    created: 1234.5,
    images: { ram: sparseImage(ram), disk0: { size: 0, runs: [] } },
  };
}

/** One image with what it has at each place. */
function flat({ size, runs }: SparseImage): Uint8Array {
  const bytes = new Uint8Array(size);
  fillFrom({ size, runs }, bytes);
  return bytes;
}

async function write(snapshot: Snapshot, packing: Packing, platform: SnapshotPlatform = nodePlatform) {
  const parts: Uint8Array[] = [];
  const digest = await writeSnapshot(
    snapshot,
    { platform, packing, by: "unikvm test" },
    (bytes) => void parts.push(bytes.slice()),
  );
  return { digest, bytes: new Uint8Array(Buffer.concat(parts)) };
}

const sourceOf = (bytes: Uint8Array, size = bytes.length): SnapshotSource => ({
  name: "a.snapshot",
  size,
  read: async (offset, length) => {
    assert.ok(offset >= 0 && offset + length <= size && length <= 1 << 24, `${length} bytes at ${offset} are read`);
    return bytes.slice(offset, offset + length);
  },
});

for (const packing of packings) {
  for (const [writer, one] of Object.entries({ node: nodePlatform, any: anyPlatform })) {
    for (const [reader, other] of Object.entries({ node: nodePlatform, any: anyPlatform })) {
      test(`a snapshot that ${writer} wrote (${packing}) is read by ${reader}`, async () => {
        const snapshot = example();
        const { digest, bytes } = await write(snapshot, packing, one);
        const back = await readSnapshot(sourceOf(bytes), other);
        assert.deepEqual(
          [back.state, back.hardware, back.created],
          [snapshot.state, snapshot.hardware, snapshot.created],
        );
        assert.deepEqual(Object.keys(back.images), ["ram", "disk0"]);
        const [before, after] = [snapshot.images["ram"], back.images["ram"]];
        assert.ok(before && after);
        assert.deepEqual(flat(after), flat(before));
        const info = await readInfo(sourceOf(bytes), other);
        assert.deepEqual(info, {
          digest,
          by: "unikvm test",
          created: 1234.5,
          machine: "fake",
          size: bytes.length,
          images: {
            ram: { size: 5 << 20, used: (2 << 20) - 4096 + 4096, packing },
            disk0: { size: 0, used: 0, packing },
          },
        });
      });
    }
  }
}

/** A head that says something else, with its digest. */
async function forged(bytes: Uint8Array, change: (head: Record<string, never>) => void): Promise<Uint8Array> {
  const length = new DataView(bytes.buffer).getUint32(12, true);
  const head = structuredClone(decodeValue(bytes.slice(48, 48 + length))) as Record<string, never>;
  change(head);
  const encoded = encodeValue(head);
  const front = bytes.slice(0, 48);
  new DataView(front.buffer).setUint32(12, encoded.length, true);
  front.set(await nodePlatform.digest(encoded), 16);
  return new Uint8Array(Buffer.concat([front, encoded, bytes.subarray(48 + length)]));
}

test("a snapshot of which any byte was changed, or that was cut off anywhere, is refused", async () => {
  const small = { ...example(), images: { ram: sparseImage(new Uint8Array(8192).fill(1, 4096, 4200)) } };
  for (const packing of packings) {
    const { bytes } = await write(small, packing);
    const refused = (changed: Uint8Array, what: string) =>
      assert.rejects(
        readSnapshot(sourceOf(changed), nodePlatform),
        (error) => error instanceof VmmError && /^a\.snapshot /.test(error.message),
        what,
      );
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      await refused(changed, `byte ${at}`);
      await refused(bytes.slice(0, at), `cut at ${at}`);
    }
    await refused(new Uint8Array([...bytes, 0]), "a byte more");
  }
});

test("a snapshot whose head lies, with a digest that is right, is refused", async () => {
  const { bytes } = await write(example(), "deflate");
  type Forged = {
    images: {
      ram: { size: number; runs: number[]; packing: string; blocks: { length: number; digest: Uint8Array }[] };
    };
  };
  const lies: readonly (readonly [string, RegExp, (head: Forged) => void])[] = [
    ["a size below its pieces", /piece of/, ({ images: { ram } }) => void (ram.size = 4096)],
    ["pieces that meet", /piece of/, ({ images: { ram } }) => void (ram.runs[2] = 4096)],
    ["a piece of nothing", /piece of/, ({ images: { ram } }) => void (ram.runs[1] = 0)],
    ["a huge piece", /piece of/, ({ images: { ram } }) => void (ram.runs[3] = 2 ** 50)],
    [
      "more to inflate",
      /blocks for/,
      ({ images: { ram } }) => void Object.assign(ram, { size: 2 ** 45, runs: [0, 2 ** 40] }),
    ],
    ["a negative offset", /is -1/, ({ images: { ram } }) => void (ram.runs[0] = -1)],
    ["half a piece", /without a length/, ({ images: { ram } }) => void ram.runs.pop()],
    ["a block less", /blocks for/, ({ images: { ram } }) => void ram.blocks.pop()],
    [
      "a longer block",
      /block of/,
      ({ images: { ram } }) => void ((ram.blocks[0] as { length: number }).length = 2 ** 30),
    ],
    ["an empty block", /block of/, ({ images: { ram } }) => void ((ram.blocks[0] as { length: number }).length = 0)],
    ["a shorter block", /speaks of/, ({ images: { ram } }) => void (ram.blocks[0] as { length: number }).length--],
    ["another packing", /packing is "zstd"/, ({ images: { ram } }) => void (ram.packing = "zstd")],
    ["no packing", /block of/, ({ images: { ram } }) => void (ram.packing = "stored")],
    ["pieces of other lengths", /cannot be inflated/, ({ images: { ram } }) => void ((ram.runs[1] as number) -= 4096)],
    ["no images", /images is missing/, (head) => void Reflect.deleteProperty(head, "images")],
    ["no machine", /machine is missing/, (head) => void Object.assign(head, { state: {} })],
    [
      "a short digest",
      /32 bytes/,
      ({ images: { ram } }) => void ((ram.blocks[0] as { digest: Uint8Array }).digest = Uint8Array.of(1)),
    ],
  ];
  for (const [what, sentence, change] of lies) {
    const changed = await forged(bytes, change as never);
    await assert.rejects(
      readSnapshot(sourceOf(changed), nodePlatform),
      (error) => error instanceof VmmError && sentence.test(error.message),
      what,
    );
  }
  const later = bytes.slice();
  later[8] = 2;
  await assert.rejects(readInfo(sourceOf(later), nodePlatform), /version 2 of the format, and this unikvm reads 1/);
});

test("random values in a head make no more than a refusal or another machine's state", async () => {
  const { bytes } = await write(example(), "stored");
  const random = generator(23);
  const junk = [-1, 0, 1, 2 ** 31, 2 ** 53 - 1, 1.5, -1n, 1n << 80n, "", null, [], {}, [[]], true, new Uint8Array(9)];
  for (let i = 0; i < 300; i++) {
    const changed = await forged(bytes, (head) => {
      let holder: Record<string, unknown> = head;
      for (;;) {
        const keys = Object.keys(holder);
        const key = keys[random(keys.length)] ?? "x";
        const inner = holder[key];
        if (
          typeof inner === "object" &&
          inner !== null &&
          !(inner instanceof Uint8Array) &&
          Object.keys(inner).length > 0 &&
          random(4)
        ) {
          holder = inner as Record<string, unknown>;
          continue;
        }
        holder[key] = junk[random(junk.length)];
        return;
      }
    });
    try {
      await readSnapshot(sourceOf(changed), nodePlatform);
    } catch (error) {
      assert.ok(error instanceof VmmError, String(error));
    }
  }
});

test("what was written to an overlay goes with it, and the disk below stays", () => {
  const below = new Uint8Array(1 << 20).map((_, i) => i >> 9);
  const base = () => new RawDisk(new MemoryStore("below", below), { readOnly: true });
  const disk = new OverlayDisk(base());
  const [mine, found] = [new Uint8Array(4096).fill(0xaa), new Uint8Array(8192)];
  disk.write(70_144, mine);
  disk.writeZeroes(512, 512, false);
  const written = structuredClone(disk.save());
  disk.write(70_144, new Uint8Array(512).fill(1));
  const twin = new OverlayDisk(base(), written);
  twin.read(70_144 - 512, found);
  assert.deepEqual([found[0], found[512], found[4607], found[4608]], [136, 0xaa, 0xaa, 145]);
  twin.read(512, found);
  assert.deepEqual([found[0], found[512]], [0, 2]);
  const plain = new Uint8Array(1 << 20);
  base().read(0, plain);
  assert.deepEqual(plain, below);
  const shorter = new RawDisk(new MemoryStore("shorter", new Uint8Array(512)));
  assert.throws(
    () => new OverlayDisk(shorter, written),
    /shorter has 512 bytes; what was written is of a disk of 1048576/,
  );
  assert.throws(
    () => new OverlayDisk(base(), { size: 9, runs: [{ offset: 0, bytes: Uint8Array.of(1, 2) }] }),
    /what was written to below/,
  );
});
