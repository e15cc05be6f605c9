import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { allocate } from "./heap.js";
import { vmLayout } from "./layout.js";
import { locked } from "./lock.js";
import { VmMemory } from "./memory.js";
import { heapStart, vmState } from "./state.js";

test("a lock is free again afterwards, also if its section throws", () => {
  for (const shared of [false, true]) {
    const memory = VmMemory.create(heapStart, 1 << 24, shared);
    assert.equal(
      locked(memory, vmState.lock, () => memory.load(vmState.lock)),
      1,
    );
    assert.throws(() => {
      locked(memory, vmState.lock, () => {
        throw new Error("inside");
      });
    }, /inside/);
    assert.equal(memory.load(vmState.lock), 0);
  }
});

test("the heap gives zeroed, aligned memory up to the limit", () => {
  const memory = VmMemory.create(heapStart, 1 << 20, false);
  memory.setI32(vmLayout.heapNext, heapStart);
  const a = allocate(memory, 100);
  const b = allocate(memory, 8, 4096);
  assert.equal(a % 64, 0);
  assert.equal(b % 4096, 0);
  assert.ok(b >= a + 100);
  assert.throws(() => allocate(memory, 1 << 20), errno("ENOMEM"));
  assert.equal(memory.load(vmState.heapLock), 0);
  assert.ok(allocate(memory, 64) > b);
});

test("views follow the memory's growth", () => {
  const memory = VmMemory.create(65536, 1 << 20, false);
  memory.setI32(16, 5);
  memory.ensure(200_000);
  assert.equal(memory.i32(16), 5);
  memory.setI64(131072, -2n);
  assert.equal(memory.u64(131072), 0xfffffffffffffffen);
  assert.throws(() => memory.bytes(memory.byteLength, 1), errno("EFAULT"));
});
