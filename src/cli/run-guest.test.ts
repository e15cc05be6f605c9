import assert from "node:assert/strict";
import { test } from "node:test";
import { VmmError } from "../vmm/errors.js";
import { Guest } from "./run-guest.js";

const files = (append: string) => ({
  kernel: { byteOrder: "little", entry: 0, segments: [] } as const,
  initrd: undefined,
  append,
});

test("a guest's files are handed over once, and read again for each further start", async () => {
  let reads = 0;
  const again = async () => new Guest(files(`read again ${++reads}`), undefined, again);
  const guest = new Guest(files("first"), undefined, again);
  const starts: string[] = [];
  for (let i = 0; i < 3; i++) {
    await guest.ready();
    starts.push(guest.take().append);
    // It holds nothing any more.
    assert.throws(() => guest.take(), /not ready/);
  }
  assert.deepEqual(starts, ["first", "read again 1", "read again 2"]);
});

test("what cannot be read again is told of before the guest starts", async () => {
  const gone = new VmmError("the kernel cannot be read: there is no such file");
  const guest = new Guest(files("first"), undefined, () => Promise.reject(gone));
  await guest.ready();
  guest.take();
  await assert.rejects(guest.ready(), gone);
});
