import assert from "node:assert/strict";
import { test } from "node:test";
import { biosStub } from "./bios-stub.js";

test("every interrupt of real mode leads to firmware: the lines' return, the others refuse with the carry flag set", () => {
  const ram = new Uint8Array(0x10_0000);
  for (const { address, bytes } of biosStub()) ram.set(bytes, address);
  const view = new DataView(ram.buffer);
  const code = (vector: number) => 16 * view.getUint16(4 * vector + 2, true) + view.getUint16(4 * vector, true);
  for (let vector = 0; vector < 256; vector++) {
    const isLine = (vector >= 8 && vector < 16) || (vector >= 0x70 && vector < 0x78);
    // IRET, or PUSH BP.
    assert.equal(ram[code(vector)], isLine ? 0xcf : 0x55, `${vector}`);
  }
  // The segment of what is reserved below 640 KiB, and how much is there below it.
  assert.deepEqual([view.getUint16(0x40e, true), view.getUint16(0x413, true)], [0x9f00, 636]);
});
