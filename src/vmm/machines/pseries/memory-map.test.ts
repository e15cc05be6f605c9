import assert from "node:assert/strict";
import { test } from "node:test";
import { VmmError } from "../../errors.js";
import type { ElfImage } from "../../loaders/elf.js";
import { type Placement, placeInMemory } from "./memory-map.js";

const mebi = 1048576;
const kernelAt = (...places: [address: number, size: number][]): ElfImage => ({
  byteOrder: "little",
  entry: places[0]?.[0] ?? 0,
  segments: places.map(([address, size]) => ({ address, size, data: new Uint8Array(0) })),
});

function disjoint(places: readonly Placement[], limit: number): void {
  const sorted = [...places].sort((a, b) => a.address - b.address);
  for (const [i, place] of sorted.entries()) {
    assert.ok(place.address + place.size <= (sorted[i + 1]?.address ?? limit), JSON.stringify(sorted));
  }
}

test("the firmware lies high, where a program without an operating system keeps neither stack nor heap", () => {
  for (const size of [128 * mebi, 3072 * mebi]) {
    const { kernel, initrd, deviceTree, rtas } = placeInMemory(kernelAt([4 * mebi, mebi]), mebi, 4096, size);
    assert.ok(initrd);
    disjoint([kernel, initrd, deviceTree, rtas], size);
    // RTAS has 32-bit addresses, and what it is handed lies below 1 GiB.
    const top = Math.min(size, 1024 * mebi);
    for (const { address } of [deviceTree, rtas]) assert.ok(address > top - mebi && address < top);
  }
});

test("all is placed above the kernel, apart and on page boundaries", () => {
  const map = placeInMemory(kernelAt([0, 40 * mebi + 5]), 3 * mebi + 1, 4096, 128 * mebi);
  const { kernel, initrd, deviceTree, rtas } = map;
  assert.ok(initrd);
  disjoint([kernel, initrd, deviceTree, rtas], 128 * mebi);
  for (const { address } of [initrd, deviceTree, rtas]) assert.equal(address % 65536, 0);
});

test("a kernel at the end of memory leaves room below", () => {
  const size = 64 * mebi;
  const map = placeInMemory(kernelAt([0, mebi], [size - mebi, mebi]), 2 * mebi, 4096, size);
  assert.ok(map.initrd && map.initrd.address + map.initrd.size <= size - mebi);
});

test("what does not fit is said", () => {
  const refused = (kernel: ElfImage, initrd: number, memory: number, message: RegExp) =>
    assert.throws(
      () => placeInMemory(kernel, initrd, 4096, memory),
      (e) => e instanceof VmmError && message.test(e.message),
    );
  refused(kernelAt([0, mebi]), 80 * mebi, 64 * mebi, /the initrd \(80 MiB\) does not fit .*--memory/);
  refused(kernelAt([0, 70 * mebi]), 0, 64 * mebi, /kernel needs memory up to 70 MiB/);
  refused(kernelAt([2 ** 47, mebi]), 0, 64 * mebi, /--memory/);
  refused(kernelAt([0, 16 * mebi]), 0, 16 * mebi, /firmware stub/);
});
