import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteQueue } from "./byte-queue.js";

test("bytes come out as they went in, whatever the pieces", () => {
  const queue = new ByteQueue();
  let [written, read] = [0, 0];
  for (let round = 0; round < 2000; round++) {
    const bytes = Uint8Array.from({ length: (round * 7) % 301 }, () => written++);
    queue.append(bytes);
    const taken = queue.peek().slice(0, (round * 11) % 307);
    for (const byte of taken) assert.equal(byte, read++ & 0xff);
    queue.drop(taken.length);
    assert.equal(queue.length, written - read);
  }
  queue.drop(Number.POSITIVE_INFINITY);
  assert.equal(queue.length, 0);
});
