import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { ModuleFileError } from "../elf/elf-file.js";
import { decompress, isCompressed } from "./decompress.js";
import { xz, zstd, zstdBomb } from "./packed.test-support.js";

const data = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7919) >> 5);
const code = (wanted: string) => (error: unknown) => error instanceof ModuleFileError && error.code === wanted;
const packers = { gzip: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)), xz, zstd };

for (const [name, pack] of Object.entries(packers)) {
  test(`${name}: what was packed comes out`, async () => {
    assert.ok(isCompressed(pack(data)));
    assert.deepEqual(await decompress(pack(data)), data);
    assert.deepEqual(await decompress(pack(data.subarray(0, 1))), data.subarray(0, 1));
  });

  test(`${name}: a file that ends early or is damaged is refused, and the next is read`, async () => {
    const packed = pack(data);
    for (const length of [6, 20, packed.length >> 1, packed.length - 9]) {
      await assert.rejects(decompress(packed.subarray(0, length)), code("EINVAL"), `${length} bytes`);
    }
    const damaged = packed.slice();
    damaged.fill(0xff, 4, 24);
    if (isCompressed(damaged)) await assert.rejects(decompress(damaged), code("EINVAL"));
    assert.deepEqual(await decompress(packed), data);
  });

  test(`${name}: more than the limit is refused before it is there`, async () => {
    await assert.rejects(decompress(pack(data), data.length - 1), code("ENOMEM"));
    assert.equal((await decompress(pack(data), data.length)).length, data.length);
  });
}

test("gzip: what follows and is no member is passed over, as by zlib; a damaged member is not", async () => {
  const one = packers.gzip(data);
  const text = new TextEncoder().encode("garbage");
  const named = Uint8Array.from([
    0x1f,
    0x8b,
    8,
    0x1c,
    0,
    0,
    0,
    0,
    0,
    3,
    2,
    0,
    9,
    9,
    0x6e,
    0,
    0x63,
    0,
    ...one.subarray(10),
  ]);
  const join = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  assert.deepEqual(await decompress(join(one, text)), data);
  assert.deepEqual(await decompress(join(named, text)), data);
  assert.deepEqual(await decompress(join(one, Uint8Array.of(0x1f))), data);
  assert.deepEqual((await decompress(join(one, named, text))).length, 2 * data.length);
  const damaged = one.slice();
  damaged.fill(0, one.length - 8, one.length - 4);
  for (const bytes of [join(damaged, text), join(one, one.subarray(0, 2), text), join(one, one.subarray(0, 40))]) {
    await assert.rejects(decompress(bytes), code("EINVAL"));
  }
  await assert.rejects(decompress(join(one, one, text), data.length * 2 - 1), code("ENOMEM"));
});

test("few bytes that unpack to very many are stopped", async () => {
  const bomb = zstdBomb(1 << 16);
  assert.ok(bomb.length < 300_000, "it would be 8 GB");
  await assert.rejects(decompress(bomb, 1 << 24), code("ENOMEM"));
});

test("what is not packed stays as it is", async () => {
  assert.equal(await decompress(data), data);
  assert.equal(isCompressed(new Uint8Array([0x1f])), false);
});
