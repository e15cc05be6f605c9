/** RAM that is copied while it is written: the copy is what it is in the end, and what was never written is never looked at. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StagedPages } from "../snapshot/staged-pages.js";
import { RamCopy } from "./ram-copy.js";
import { fillFrom, isZero } from "./sparse-image.js";
import { logPage, PageSet, WrittenPages } from "./written-pages.js";

const pages = 200;

/** RAM with KVM's dirty log. */
class Ram {
  readonly bytes = new Uint8Array(pages * logPage);
  readonly #log = new PageSet(pages);
  readonly written = new WrittenPages(this.bytes.length, () => {
    const bits = new Uint8Array(Math.ceil(pages / 8));
    for (const page of this.#log) bits[page >>> 3] = (bits[page >>> 3] as number) | (1 << (page & 7));
    this.#log.clear();
    return bits;
  });
  readonly looked = new Set<number>();

  readonly source = {
    ramSize: this.bytes.length,
    ram: (offset: number, length: number) => this.bytes.subarray(offset, offset + length),
    written: this.written,
  };

  write(offset: number, value: number): void {
    this.bytes[offset] = value;
    this.#log.addBytes(offset, 1);
  }
}

for (const seed of [1, 2, 3]) {
  test(`two copies at a time of RAM that is written meanwhile are what it is in the end (seed ${seed})`, async () => {
    let state = seed;
    const draw = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const ram = new Ram();
    // Before there is a VM.
    ram.bytes.fill(9, logPage - 3, logPage + 3);
    ram.written.add(logPage - 3, 6);
    const write = (): void => {
      // Zeros too: what was something is to become nothing.
      for (let i = draw(60); i > 0; i--) ram.write(draw(pages / 2) * logPage + draw(logPage), draw(2) * draw(256));
    };
    write();
    const staged = new StagedPages(isZero);
    const direct = new Uint8Array(ram.bytes.length);
    const copies = [
      new RamCopy(ram.source, (page, bytes) => {
        ram.looked.add(page);
        staged.put(page, bytes);
      }),
      new RamCopy(ram.source, (page, bytes) => direct.set(bytes, page * logPage)),
    ];
    for (const copy of copies) {
      await copy.begin(async () => write());
      write();
    }
    for (const copy of copies) copy.finish();
    assert.deepEqual(Buffer.compare(direct, ram.bytes), 0);
    const back = new Uint8Array(ram.bytes.length);
    const image = staged.image(back.length);
    fillFrom(image, back);
    assert.deepEqual(Buffer.compare(back, ram.bytes), 0);
    let end = -1;
    for (const { offset, bytes } of image.runs) {
      assert.ok(offset > end, "pieces touch or are not in order");
      end = offset;
      for (let at = 0; at < bytes.length; at += 4096) assert.ok(!isZero(bytes.subarray(at, at + 4096)));
    }
    assert.ok([...ram.looked].every((page) => page < pages / 2));
    // A third finds all that ever was written, in its first look.
    const first = [...ram.written.log().take()];
    assert.ok(first.includes(0) && first.includes(1) && first.length >= ram.looked.size);
  });
}
