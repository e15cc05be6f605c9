import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageError } from "./disk.js";
import { type LateBlocks, type LateBytes, LateStore, lateBlock } from "./late-store.js";
import { NotHereYet, whenHere } from "./remote-store.js";

/** Blocks in memory; each write waits until it is let through, or fails. */
class Kept implements LateBytes {
  readonly name = "kept";
  readonly size: number;
  readonly blocks = new Map<number, Uint8Array>();
  readonly strict: boolean[] = [];
  /** Called for each write, before anything is changed. */
  gate: () => Promise<void> = async () => undefined;
  busy = 0;

  constructor(size: number) {
    this.size = size;
  }

  async read(first: number, count: number) {
    await new Promise(setImmediate);
    return Array.from({ length: count }, (_, i) => this.blocks.get(first + i)?.slice());
  }

  async write(blocks: LateBlocks, strict: boolean): Promise<void> {
    assert.equal(this.busy++, 0, "one at a time");
    try {
      await this.gate();
      this.strict.push(strict);
      for (const [number, bytes] of blocks) {
        if (bytes) this.blocks.set(number, bytes.slice());
        else this.blocks.delete(number);
      }
    } finally {
      this.busy--;
    }
  }

  async close(): Promise<void> {}

  bytes(): Uint8Array {
    const all = new Uint8Array(Math.ceil(this.size / lateBlock) * lateBlock);
    for (const [number, bytes] of this.blocks) all.set(bytes, number * lateBlock);
    return all.subarray(0, this.size);
  }
}

const read = (store: LateStore, offset: number, length: number): Promise<Uint8Array> =>
  whenHere(() => {
    const bytes = new Uint8Array(length);
    store.read(offset, bytes);
    return bytes;
  });
const write = (store: LateStore, offset: number, bytes: Uint8Array) => whenHere(() => store.write(offset, bytes));

test("what is written is here at once, and kept when it is there", async () => {
  const there = new Kept(4 * lateBlock + 512);
  const store = new LateStore(there);
  assert.equal(store.late.kept(), undefined);
  await write(store, 100, new Uint8Array(lateBlock).fill(7));
  assert.deepEqual([...(await read(store, 98, 4))], [0, 0, 7, 7]);
  let go = (): void => undefined;
  there.gate = () =>
    new Promise((resolve) => {
      go = resolve;
    });
  let isKept = false;
  const kept = store.late.kept()?.then(() => {
    isKept = true;
  });
  await new Promise(setImmediate);
  assert.deepEqual([isKept, there.blocks.size], [false, 0]);
  go();
  await kept;
  assert.equal(store.late.kept(), undefined);
  assert.deepEqual(await read(new LateStore(there), 0, there.size), there.bytes());
  assert.equal(there.bytes()[lateBlock + 99], 7);
  // A flush is one more, where what is there has not got there for good.
  there.gate = async () => undefined;
  assert.throws(() => store.flush(), NotHereYet);
  await store.flushSoon();
  store.flush();
  assert.deepEqual(there.strict, [false, true]);
  await assert.rejects(write(store, there.size - 1, new Uint8Array(2)), StorageError);
});

test("what could not be kept is lost, is said to whoever wrote it, and is what it was before", async () => {
  const there = new Kept(8 * lateBlock);
  const store = new LateStore(there);
  await write(store, 0, new Uint8Array(lateBlock).fill(1));
  await store.late.kept();
  there.gate = async () => {
    throw new Error("the quota is used up");
  };
  await write(store, 0, new Uint8Array(3 * lateBlock).fill(2));
  const before = store.late.lost;
  const [kept, flush] = [store.late.kept(), store.flushSoon()];
  // Written meanwhile, over what is lost.
  await write(store, 5, Uint8Array.of(9));
  for (const one of [kept, flush]) await assert.rejects(one ?? Promise.resolve(), /kept cannot be written: the quota/);
  assert.equal(store.late.lost, before + 1);
  assert.deepEqual([...(await read(store, lateBlock - 1, 2))], [1, 0]);
  assert.deepEqual([...(await read(store, 4, 2))], [1, 1]);
  // It works on when it can.
  there.gate = async () => undefined;
  await write(store, 0, Uint8Array.of(3));
  await store.late.kept();
  assert.deepEqual([...there.bytes().subarray(0, 2)], [3, 1]);
  store.close();
  await assert.rejects(read(store, 0, 1), /was closed/);
});

test("a place that takes nothing keeps no more than so much waiting, but zeros without end", async () => {
  const there = new Kept(1 << 30);
  const store = new LateStore(there);
  there.gate = () => new Promise(() => undefined);
  const piece = new Uint8Array(65536).fill(1);
  let written = 0;
  assert.throws(() => {
    for (; written < 1 << 30; written += piece.length) store.write(written, piece);
  }, NotHereYet);
  assert.ok(written <= 10 << 20, `${written}`);
  const zeros = new LateStore(there);
  for (let at = 0; at < 32 << 20; at += 65536) zeros.write(at, new Uint8Array(65536));
});

test("random reads and writes, some of which fail, are as of a file", async () => {
  let seed = 4711;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const there = new Kept(40 * lateBlock + 1000);
  let store = new LateStore(there);
  /** What must be there; what was written since the last that was kept may be. */
  let certain = there.bytes().slice();
  for (let step = 0; step < 3000; step++) {
    const offset = random(there.size);
    const length = 1 + random(Math.min(there.size - offset, random(2) ? 1000 : 5 * lateBlock));
    const model = certain.slice();
    if (random(3) === 0) {
      assert.deepEqual(await read(store, offset, length), model.slice(offset, offset + length));
      continue;
    }
    const bytes = new Uint8Array(length).fill(random(3) ? random(256) : 0);
    const isLost = random(8) === 0;
    await write(store, offset, bytes);
    model.set(bytes, offset);
    assert.deepEqual(await read(store, offset, length), bytes);
    there.gate = async () => {
      if (isLost) throw new StorageError("no");
    };
    const kept = random(4) ? store.late.kept() : store.flushSoon();
    if (isLost) await assert.rejects(kept ?? Promise.resolve(), /^StorageError: no$/);
    else await kept;
    if (!isLost) certain = model;
    assert.deepEqual(there.bytes(), certain, `step ${step}`);
    if (random(50) === 0) store = new LateStore(there);
  }
});
