import assert from "node:assert/strict";
import { test } from "node:test";
import { VmmError } from "../errors.js";
import { loadX86Kernel } from "./kernel-image.js";
import { loadMultiboot, multibootHeader } from "./multiboot.js";

const magic = 0x1bad_b002;
const addresses = 0x1_0000;

interface Header {
  readonly flags?: number;
  readonly at?: number;
  readonly checksum?: number;
  /** header, load, loadEnd, bssEnd, entry. */
  readonly places?: readonly number[];
}

/** 64 bytes, loaded from the fifth on at 1 MiB. */
function image({
  flags = addresses,
  at = 8,
  checksum,
  places = [0x10_0004, 0x10_0000, 0, 0x10_0100, 0x10_0020],
}: Header = {}) {
  const file = Uint8Array.from({ length: 64 }, (_, i) => i);
  const view = new DataView(file.buffer);
  for (const [i, word] of [magic, flags, checksum ?? -(magic + flags), ...places].entries()) {
    if (at + 4 * i + 4 <= file.length) view.setUint32(at + 4 * i, word >>> 0, true);
  }
  return file;
}

test("a file that gives its addresses is loaded by them", async () => {
  const file = image();
  const kernel = await loadX86Kernel(file, 1 << 20, "kernel.bin");
  assert.deepEqual(kernel, {
    ...{ byteOrder: "little", bits: 32, entry: 0x10_0020, multiboot: { name: "kernel.bin" } },
    segments: [{ address: 0x10_0000, size: 0x100, data: file.subarray(4) }],
  });
  // Ends of 0: the file's, and no memory behind it.
  const whole = loadMultiboot(image({ places: [0x10_0004, 0x10_0000, 0, 0, 0x10_0000] }), "a");
  assert.equal(whole?.segments[0]?.size, 60);
  const part = loadMultiboot(image({ places: [0x10_0004, 0x10_0000, 0x10_0028, 0, 0x10_0000] }), "a");
  assert.equal(part?.segments[0]?.data.length, 40);
});

test("an i386 ELF file with a header is loaded as ELF, and started by the protocol", async () => {
  const file = new Uint8Array(0x200);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  for (const [at, value] of [
    [16, 2],
    [18, 3],
    [42, 32],
    [44, 1],
  ] as const)
    view.setUint16(at, value, true);
  for (const [at, value] of [
    [24, 0x10_0010],
    [28, 52],
  ] as const)
    view.setUint32(at, value, true);
  for (const [i, word] of [1, 0x100, 0x10_0000, 0x10_0000, 0x80, 0x100].entries())
    view.setUint32(52 + 4 * i, word, true);
  assert.equal((await loadX86Kernel(file, 1 << 20, "elf")).multiboot, undefined);
  for (const [i, word] of [magic, 3, -(magic + 3)].entries()) view.setUint32(0x100 + 4 * i, word >>> 0, true);
  const kernel = await loadX86Kernel(file, 1 << 20, "elf");
  assert.deepEqual([kernel.entry, kernel.bits, kernel.multiboot], [0x10_0010, 32, { name: "elf" }]);
});

test("what is no header is none: elsewhere, with another sum, cut off", () => {
  assert.equal(multibootHeader(image()), 8);
  assert.equal(multibootHeader(image({ at: 10 })), undefined);
  assert.equal(multibootHeader(image({ checksum: 1 })), undefined);
  assert.equal(multibootHeader(image({ at: 56 })), undefined);
  const far = new Uint8Array(9000);
  far.set(image(), 8190 - 8);
  assert.equal(multibootHeader(far), undefined);
  assert.equal(multibootHeader(new Uint8Array(0)), undefined);
});

const refused: readonly (readonly [string, Header, RegExp])[] = [
  ["a video mode", { flags: addresses | 4 }, /video mode/],
  ["a flag that nobody knows", { flags: addresses | 0x100 }, /flags 0x100/],
  ["neither addresses nor ELF", { flags: 0 }, /no ELF file/],
  ["addresses that are cut off", { at: 44 }, /cut off/],
  ["a beginning before the file's", { places: [0x10_0100, 0x10_0000, 0, 0, 0x10_0000] }, /before the file's beginning/],
  ["a header before what is loaded", { places: [0xf_0000, 0x10_0000, 0, 0, 0x10_0000] }, /before the file's beginning/],
  ["more than there is", { places: [0x10_0004, 0x10_0000, 0x10_1000, 0, 0x10_0000] }, /more is loaded than/],
  ["an end before its beginning", { places: [0x10_0004, 0x10_0000, 0xf_0000, 0, 0x10_0000] }, /more is loaded than/],
  ["less memory than bytes", { places: [0x10_0004, 0x10_0000, 0, 0x10_0008, 0x10_0000] }, /ends in memory before/],
  ["an entry outside", { places: [0x10_0004, 0x10_0000, 0, 0, 0x20_0000] }, /entry point 0x200000/],
];
for (const [what, header, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => loadMultiboot(image(header), "a kernel"),
      (error) => error instanceof VmmError && message.test(error.message),
    );
  });
}
