import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { VmMemory } from "./memory.js";

test("what another thread has grown is reached, also where the engine says nothing of it", () => {
  const real = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
  let { buffer } = real;
  const late = {
    get buffer() {
      return buffer;
    },
    grow: (pages: number) => {
      const before = real.grow(pages);
      ({ buffer } = real);
      return before;
    },
  };
  const memory = new VmMemory(late as WebAssembly.Memory);
  real.grow(2);
  memory.setI32(100_000, 7);
  assert.equal(memory.load(100_000), 7);
  assert.equal(memory.bytes(190_000, 8).length, 8);
  assert.throws(() => memory.bytes(3 * 65536, 1), errno("EFAULT"));
});
