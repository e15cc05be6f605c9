import assert from "node:assert/strict";
import { test } from "node:test";
import { VmmError } from "../errors.js";
import { makeElf } from "./elf.test-support.js";
import { gunzip } from "./gzip.js";
import { loadKernelImage, loadX86Kernel } from "./kernel-image.js";

const memory = 1 << 20;

async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes.slice()]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const kernel = makeElf({ segments: [{ physical: 0n, data: new Uint8Array(256).fill(0x60) }], entry: 0n });

test("the same kernel under gzip", async () => {
  assert.deepEqual(await loadKernelImage(await gzip(kernel), memory), await loadKernelImage(kernel, memory));
});

test("a flat image, if the file is said to be one, is entered at its first byte", async () => {
  const image = new Uint8Array(4096);
  image.set([0x48, 0, 0, 0]);
  const { entry, segments } = await loadKernelImage(image, memory, "flat", "flat");
  assert.deepEqual((await loadKernelImage(await gzip(image), memory, "flat", "flat")).segments, segments);
  await assert.rejects(loadKernelImage(new Uint8Array(0), memory, "flat", "flat"), /it is empty/);
  await assert.rejects(loadKernelImage(await gzip(new Uint8Array(memory + 1)), memory, "flat", "flat"), /larger than/);
  await assert.rejects(loadX86Kernel(image, memory, "flat", "flat"), /machine pc boots no flat image/);
  assert.equal(entry, 0);
  assert.deepEqual(segments, [{ address: 0, size: 4096, data: image }]);
});

const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["a text file", new TextEncoder().encode("#!/bin/sh\necho this is no kernel at all\n".repeat(10)), /text file/],
  ["text that is not ASCII", new TextEncoder().encode("Ünïcödé ist auch kein Kern.\n".repeat(10)), /text file/],
  ["an empty file", new Uint8Array(0), /empty/],
  ["a few bytes", Uint8Array.of(0x48, 0, 0, 0), /it is no kernel; expected is a vmlinux for 64-bit POWER/],
  ["a flat image, where nobody says so", new Uint8Array(4096), /--kernel-format flat/],
  ["bytes of chance", crypto.getRandomValues(new Uint8Array(4096).fill(1)).fill(0, 0, 8), /it is no kernel/],
  ["a cpio archive", new TextEncoder().encode("070701".padEnd(200, "0")), /--initrd/],
  ["an xz file", Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), /xz/],
];
for (const [what, file, message] of refused) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(
      loadKernelImage(file, memory),
      (error) => error instanceof VmmError && message.test(error.message),
    );
  });
}

test("gzip that unpacks beyond its limit is stopped", async () => {
  const bomb = await gzip(new Uint8Array(64 << 20));
  assert.ok(bomb.length < memory);
  await assert.rejects(gunzip(bomb, memory), /larger than/);
});

test("damaged and cut gzip data", async () => {
  const packed = await gzip(kernel);
  await assert.rejects(gunzip(packed.slice(0, -9), memory), /damaged or cut off/);
  packed[packed.length - 6] = (packed[packed.length - 6] ?? 0) ^ 0xff;
  await assert.rejects(gunzip(packed, memory), /damaged or cut off/);
});
