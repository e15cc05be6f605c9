import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSwap, byteSwap32, i64, isPowerOfTwo, lowMask, u64 } from "./bits.js";
import { Errno, KvmError, messageOf } from "./errors.js";
import { alignUp, struct } from "./struct.js";

test("64-bit numbers and byte order", () => {
  assert.equal(u64(-1n), 0xffffffffffffffffn);
  assert.equal(i64(0xffffffffffffffffn), -1n);
  assert.equal(lowMask(12), 0xfffn);
  assert.equal(byteSwap(0x11223344n, 4), 0x44332211n);
  assert.equal(byteSwap(0x1122n, 2), 0x2211n);
  assert.equal(byteSwap32(0x112233f4), 0xf4332211);
  assert.deepEqual([0, 1, 3, 4, -4].map(isPowerOfTwo), [false, true, false, true, false]);
});

test("a struct's fields lie in order, each aligned to its size", () => {
  const { offset, size } = struct({ a: "i32", b: "i64", c: ["i32", 3], d: "f64" });
  assert.deepEqual(offset, { a: 0, b: 8, c: 16, d: 32 });
  assert.equal(size, 40);
  assert.equal(struct({ a: "i32" }).size, 8);
  assert.equal(alignUp(0xffffffff, 65536), 0x100000000);
});

test("an error has its errno by name and number, and a sentence", () => {
  const error = new KvmError("EBUSY", "in use", { cause: "x" });
  assert.deepEqual([error.code, error.errno, error.message], ["EBUSY", Errno.EBUSY, "EBUSY: in use"]);
  assert.equal(messageOf("text"), "text");
});
